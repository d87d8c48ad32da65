// Durations that tick: <span data-elapsed="12400"> says how long something had lasted when the
// server wrote the page. The browser's own clock is never compared with the server's.

const seen = new WeakMap();

export function durationWords(milliseconds) {
  const ms = Math.max(0, Math.floor(milliseconds));
  if (ms < 1000) return `${ms} ms`;
  const tenths = Math.floor((ms + 50) / 100);
  if (tenths < 600) return `${Math.floor(tenths / 10)}.${tenths % 10} s`;
  const two = (number) => String(number).padStart(2, "0");
  const seconds = Math.floor((ms + 500) / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} m ${two(seconds % 60)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 1440) return `${Math.floor(minutes / 60)} h ${two(minutes % 60)} m`;
  const hours = Math.floor(minutes / 60);
  return `${Math.floor(hours / 24)} d ${two(hours % 24)} h`;
}

// Milliseconds that `element` has lasted by now.
export function elapsedOf(element) {
  const given = element.dataset.elapsed;
  let first = seen.get(element);
  if (!first || first.given !== given) {
    first = { given, at: performance.now() };
    seen.set(element, first);
  }
  return Number(given) + performance.now() - first.at;
}

export function tick(root = document) {
  for (const element of root.querySelectorAll("[data-elapsed]")) {
    const words = durationWords(elapsedOf(element));
    if (element.textContent !== words) element.textContent = words;
  }
}

function everySecond() {
  if (!document.hidden) tick();
}

tick();
setInterval(everySecond, 1000);
document.addEventListener("visibilitychange", everySecond);
document.addEventListener("htmx:afterSettle", () => tick());
