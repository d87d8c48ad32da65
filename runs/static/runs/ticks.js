// Durations that tick: <span data-since="1763816347123" data-now="1763816359523"> says when
// something began and what the time was when the server wrote it, in its own clock.
//
// There is one clock for the whole page, the server's: every part of the page that comes tells the
// time, late by however long it took to come, so the latest of them is the nearest to it. The
// browser's own clock is never asked for the time of day.

let ahead = -Infinity; // the server's time less ours
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

function learn(element) {
  const { now } = element.dataset;
  if (seen.get(element) === now) return;
  seen.set(element, now);
  ahead = Math.max(ahead, Number(now) - performance.now());
}

export function tick(root = document) {
  const ticking = root.querySelectorAll("[data-since]");
  for (const element of ticking) learn(element);
  for (const element of ticking) {
    const words = durationWords(performance.now() + ahead - Number(element.dataset.since));
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
