// The timeline: bars that grow with the time, arrow keys from row to row.

// Below this share of the axis the labels stand too close: the page then asks for a new axis.
const STALE = 0.72;

// A step that moves no bar by a whole pixel is not worth laying out a thousand rows for.
const VISIBLE = 0.0015;

const drawnAt = new WeakMap();

// Bars of an active run are placed on an axis that ends with now: as time goes on, all that stands
// on it moves to the left, and what still runs ends at its right edge. --k is the factor.
export function grow(askForNew) {
  const box = document.querySelector(".op-tl[data-growing]");
  if (!box || document.hidden) return;
  const span = box.dataset.span;
  const drawn = drawnAt.get(box);
  if (!drawn || drawn.span !== span) {
    drawnAt.set(box, { span, at: performance.now(), factor: 1 });
    box.style.removeProperty("--k");
    return;
  }
  const factor = Number(span) / (Number(span) + (performance.now() - drawn.at) / 1000);
  if (drawn.factor - factor >= VISIBLE) {
    drawn.factor = factor;
    box.style.setProperty("--k", factor.toFixed(5));
  }
  if (factor < STALE) askForNew();
}

// The row of the node whose panel is open.
export function markSelected() {
  const key = document.getElementById("run-node")?.dataset.shown;
  for (const row of document.querySelectorAll("#run-lanes [data-key]")) {
    const selected = row.dataset.key === key;
    if (row.classList.contains("is-selected") === selected) continue;
    row.classList.toggle("is-selected", selected);
    const link = row.querySelector("a[data-node]");
    if (selected) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
}

// A long timeline has a scroll of its own: the selected row comes into sight in it.
export function showSelected() {
  const row = document.querySelector("#run-lanes .is-selected");
  const box = row?.closest(".is-long");
  if (!box) return;
  const offset = row.getBoundingClientRect().top - box.getBoundingClientRect().top;
  box.scrollTop += offset - box.clientHeight / 2;
}

export function arrowKeys(event) {
  if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
  if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
  const link = event.target.closest?.("#run-lanes [data-key] a[data-node]");
  if (!link) return;
  const row = link.closest("[data-key]");
  const next = event.key === "ArrowDown" ? row.nextElementSibling : row.previousElementSibling;
  const target = next?.querySelector("a[data-node]");
  if (!target) return;
  event.preventDefault();
  target.focus();
}
