// The drawn graph beside the text: the node that the cursor is in is marked and brought into sight,
// and a large drawing can be shrunk to the room there is.

import { nodeAt } from "./definition_places.js";

const WAIT = 80;

const graph = document.getElementById("graph");
const at = document.getElementById("editor-at");
const fit = document.getElementById("graph-fit");

export function followCursor(area) {
  let timer = 0;
  let current = "";

  function mark(isMoved) {
    const id = nodeAt(area.value, area.selectionStart)?.id || "";
    if (at && id !== current) at.textContent = id ? `in ${id}` : "";
    current = id;
    let shape = null;
    for (const each of graph.querySelectorAll("[data-node]")) {
      const isCurrent = each.dataset.node === id;
      each.classList.toggle("is-current", isCurrent);
      if (isCurrent) shape = each;
    }
    if (shape && isMoved) show(shape);
  }

  // Only the canvas is scrolled, never the page under the one who types.
  function show(shape) {
    const canvas = shape.closest(".op-wf-canvas");
    const [box, room] = [shape.getBoundingClientRect(), canvas.getBoundingClientRect()];
    const inside = box.left >= room.left && box.right <= room.right && box.top >= room.top && box.bottom <= room.bottom;
    if (inside) return;
    canvas.scrollLeft += (box.left + box.right - room.left - room.right) / 2;
    canvas.scrollTop += (box.top + box.bottom - room.top - room.bottom) / 2;
  }

  document.addEventListener("selectionchange", () => {
    if (document.activeElement !== area) return;
    clearTimeout(timer);
    timer = setTimeout(mark, WAIT, true);
  });
  document.addEventListener("htmx:afterSettle", () => { mark(false); offerFit(); });
  mark(false);
}

// Only a drawing that has to scroll is worth it.
function offerFit() {
  const svg = graph.querySelector("svg");
  if (!fit || !svg) return;
  const canvas = svg.closest(".op-wf-canvas");
  fit.hidden = fit.getAttribute("aria-pressed") !== "true" && canvas.scrollWidth <= canvas.clientWidth + 2;
}

fit?.addEventListener("click", () => {
  const isFit = fit.getAttribute("aria-pressed") !== "true";
  fit.setAttribute("aria-pressed", String(isFit));
  graph.classList.toggle("is-fit", isFit);
});
offerFit();
