// Runs `act` at most once every `every` milliseconds, or what it answers if that is more, and never
// twice at a time. Gives the function that asks for it.

const AGAIN_AFTER_FAILURE = 3000;

export function paced(every, act) {
  let timer = 0;
  let running = false;
  let again = false;
  let next = 0;
  async function run() {
    timer = 0;
    running = true;
    const begun = performance.now();
    let wait = every;
    try {
      wait = Math.max(every, (await act()) || 0);
    } catch {
      again = true;
      wait = AGAIN_AFTER_FAILURE;
    }
    next = begun + wait;
    running = false;
    if (again) ask();
  }
  function ask() {
    again = running;
    if (!running && !timer) timer = setTimeout(run, Math.max(0, next - performance.now()));
  }
  return ask;
}
