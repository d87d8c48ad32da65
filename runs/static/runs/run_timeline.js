// The timeline: bars that grow with the time, arrow keys from row to row.

// Below this share of the axis the labels stand too close: the page then asks for a new axis.
const STALE = 0.72;

const drawnAt = new WeakMap();

// Bars of an active run are placed on an axis that ends with now: as time goes on, all that stands
// on it moves to the left, and what still runs ends at its right edge. --k is the factor.
export function grow(askForNew) {
  const box = document.querySelector(".op-tl[data-growing]");
  if (!box || document.hidden) return;
  const span = box.dataset.span;
  const drawn = drawnAt.get(box);
  if (!drawn || drawn.span !== span) {
    drawnAt.set(box, { span, at: performance.now() });
    box.style.setProperty("--k", 1);
    return;
  }
  const factor = Number(span) / (Number(span) + (performance.now() - drawn.at) / 1000);
  box.style.setProperty("--k", factor.toFixed(5));
  if (factor < STALE) askForNew();
}

export function arrowKeys(event) {
  if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
  if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
  const link = event.target.closest?.("#run-lanes [data-key] a[data-node]:not([tabindex])");
  if (!link) return;
  const row = link.closest("[data-key]");
  const next = event.key === "ArrowDown" ? row.nextElementSibling : row.previousElementSibling;
  const target = next?.querySelector("a[data-node]:not([tabindex])");
  if (!target) return;
  event.preventDefault();
  target.focus();
}
