// The timeline's view: zoomed and moved by wheel, drag, buttons and keys; and its rows, of which a
// text or "only failed" leaves some. Nothing here asks the server: the view is the reader's.

const MOST = 20_000;
const STEP = 1.6;
const LEAST_PIXELS = 70;
const STEPS = [1, 2, 5];

// `at`: where the view begins, in per cent of the axis; `zoom`: how many views the axis is long.
const view = { zoom: 1, at: 0 };
const wanted = { text: "", failed: false };

const box = () => document.querySelector("#run-lanes .op-tl");
const lane = () => document.querySelector("#run-lanes .op-tl-axis > div");

// -- The view -----------------------------------------------------------------

// Put the view on what the server has sent: it knows nothing of it.
export function applyView() {
  filterRows();
  const timeline = box();
  for (const button of document.querySelectorAll("[data-zoom]")) {
    button.disabled = !timeline || (button.dataset.zoom !== "in" && view.zoom === 1);
  }
  if (!timeline) return;
  const isZoomed = view.zoom > 1;
  timeline.classList.toggle("is-zoomed", isZoomed);
  const path = timeline.querySelector(".op-crit");
  const rows = path?.getAttribute("viewBox").split(" ")[3];
  path?.setAttribute("viewBox", `${view.at} 0 ${100 / view.zoom} ${rows}`);
  timeline.querySelector(".op-tl-zoomed")?.remove();
  if (!isZoomed) return;
  timeline.style.setProperty("--z", view.zoom);
  timeline.style.setProperty("--p", `${view.at}%`);
  drawAxis(timeline);
}

function drawAxis(timeline) {
  const axis = lane();
  const width = axis.clientWidth;
  const span = Number(timeline.dataset.span);
  const perSecond = (width * view.zoom) / span;
  const step = stepFor(LEAST_PIXELS / perSecond);
  const zero = Number(timeline.dataset.zero || 0);
  const first = Math.ceil(((view.at / 100) * span - zero) / step);
  const last = Math.floor((((view.at + 100 / view.zoom) / 100) * span - zero) / step);
  const marks = document.createElement("div");
  marks.className = "op-tl-zoomed";
  for (let number = first; number <= last; number += 1) {
    const mark = document.createElement("span");
    mark.style.left = `${(number * step + zero) * perSecond - (view.at / 100) * width * view.zoom}px`;
    mark.textContent = tickWords(number * step, step);
    marks.append(mark);
  }
  axis.append(marks);
  timeline.style.setProperty("--grid-size", `${step * perSecond}px`);
  timeline.style.setProperty("--grid-at", `${zero * perSecond - (view.at / 100) * width * view.zoom}px`);
}

function stepFor(least) {
  if (least > 30) {
    for (const step of [60, 120, 300, 600, 1800, 3600, 7200, 21_600, 43_200]) if (step >= least) return step;
    return Math.ceil(least / 86_400) * 86_400;
  }
  const power = 10 ** Math.floor(Math.log10(least));
  return STEPS.map((digit) => digit * power).find((step) => step >= least) ?? 10 * power;
}

function tickWords(seconds, step) {
  if (Math.abs(seconds) < step / 2) return "0";
  if (step < 1 && Math.abs(seconds) < 1) return `${Number((seconds * 1000).toFixed(3))} ms`;
  if (Math.abs(seconds) < 60) return `${Number(seconds.toFixed(6))} s`;
  const whole = Math.floor(seconds + 1e-9);
  const rest = Number((seconds - Math.floor(whole / 60) * 60).toFixed(6));
  if (whole < 3600) return `${Math.floor(whole / 60)} m${rest ? ` ${rest} s` : ""}`;
  const minutes = Math.floor((whole % 3600) / 60);
  return `${Math.floor(whole / 3600)} h${minutes ? ` ${minutes} m` : ""}${rest ? ` ${rest} s` : ""}`;
}

// `focus`: the share of the view, from 0 to 1, that stays where it is.
function zoomBy(factor, focus = 0.5) {
  const zoom = Math.min(Math.max(view.zoom * factor, 1), MOST);
  const fixed = view.at + (100 / view.zoom) * focus;
  view.zoom = zoom < 1.01 ? 1 : zoom;
  moveTo(fixed - (100 / view.zoom) * focus);
}

function moveTo(at) {
  view.at = Math.min(Math.max(at, 0), 100 - 100 / view.zoom);
  applyView();
}

// -- The person ---------------------------------------------------------------

function share(event) {
  const { left, width } = lane().getBoundingClientRect();
  return Math.min(Math.max((event.clientX - left) / width, 0), 1);
}

document.addEventListener("wheel", (event) => {
  const inLanes = event.target.closest?.(".op-tl-lane, .op-tl-axis > div");
  if (!inLanes) return;
  if (event.ctrlKey || event.metaKey) {
    event.preventDefault();
    zoomBy(1.0025 ** -event.deltaY, share(event));
  } else if (view.zoom > 1 && Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
    event.preventDefault();
    moveTo(view.at + (event.deltaX / lane().clientWidth) * (100 / view.zoom));
  }
}, { passive: false });

let drag = null;

document.addEventListener("pointerdown", (event) => {
  if (event.button || view.zoom === 1 || event.pointerType === "touch") return;
  if (!event.target.closest?.(".op-tl-lane, .op-tl-axis > div")) return;
  drag = { x: event.clientX, at: view.at, moved: false };
});

document.addEventListener("pointermove", (event) => {
  if (!drag) return;
  const moved = event.clientX - drag.x;
  if (!drag.moved && Math.abs(moved) < 4) return;
  drag.moved = true;
  moveTo(drag.at - (moved / lane().clientWidth) * (100 / view.zoom));
});

document.addEventListener("pointerup", () => {
  // The click that follows a drag opens no node.
  if (drag?.moved) addEventListener("click", (event) => { event.preventDefault(); event.stopPropagation(); }, { capture: true, once: true });
  drag = null;
});

document.addEventListener("dragstart", (event) => event.target.closest?.(".op-tl-lane") && event.preventDefault());

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("[data-zoom]");
  if (button) ({ in: () => zoomBy(STEP), out: () => zoomBy(1 / STEP), fit: () => zoomBy(0) })[button.dataset.zoom]();
  const failed = event.target.closest?.("#node-failed");
  if (!failed) return;
  wanted.failed = !wanted.failed;
  failed.setAttribute("aria-pressed", wanted.failed);
  filterRows();
  showFound();
});

document.addEventListener("input", (event) => {
  if (event.target.id !== "node-find") return;
  wanted.text = event.target.value.trim().toLowerCase();
  filterRows();
  showFound();
});

document.addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  if (!event.target.closest?.("#run-lanes") || !box()) return;
  const act = {
    "+": () => zoomBy(STEP),
    "=": () => zoomBy(STEP),
    "-": () => zoomBy(1 / STEP),
    0: () => zoomBy(0),
    ArrowLeft: () => moveTo(view.at - 20 / view.zoom),
    ArrowRight: () => moveTo(view.at + 20 / view.zoom),
  }[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});

addEventListener("resize", () => view.zoom > 1 && applyView());

// -- The rows -----------------------------------------------------------------

function filterRows() {
  const isSet = wanted.text !== "" || wanted.failed;
  const lanes = document.getElementById("run-lanes");
  const found = document.getElementById("node-found");
  if (!isSet && !lanes.classList.contains("is-filtered")) return;
  lanes.classList.toggle("is-filtered", isSet);
  let count = 0;
  const rows = lanes.querySelectorAll("[data-key]");
  for (const row of rows) {
    const fits = row.dataset.key.toLowerCase().includes(wanted.text) && (!wanted.failed || row.dataset.failed !== undefined);
    row.hidden = !fits;
    count += fits;
  }
  if (found) found.textContent = isSet ? `${count.toLocaleString("en")} of ${rows.length.toLocaleString("en")}` : "";
}

// What was found may lie outside of the view: then the whole run is shown.
function showFound() {
  if (view.zoom === 1 || (wanted.text === "" && !wanted.failed)) return;
  const bars = [...document.querySelectorAll("#run-lanes [data-key]:not([hidden]) .op-bar")];
  const end = view.at + 100 / view.zoom;
  // As it is drawn on an axis that ends with now.
  const factor = Number(box()?.style.getPropertyValue("--k")) || 1;
  const isInView = ({ style }) => {
    const x = parseFloat(style.getPropertyValue("--x")) * factor;
    return x <= end && x + parseFloat(style.getPropertyValue("--w")) * factor >= view.at;
  };
  if (bars.length && !bars.some(isInView)) zoomBy(0);
}
