// Runs that are selected: by their box, `x`, the box of the page, or Shift and a click for all in
// between. They are kept for this tab, across pages and filters, with the state they were last
// seen in, and at most as many as one click may act on.

import { askIn, sendFrom } from "./dialogs.js";
import { toast } from "./toast.js";

const KEPT_AS = "runs selected";
const MOST = 200;
const STATES = ["running", "completed", "failed", "terminated", "queued"];
// Stored states whose pages' name is another.
const NAMES = { active: "running", created: "queued" };
const ACTS = {
  retry: { states: ["failed"], none: "None of them has failed" },
  terminate: { states: ["queued", "running"], none: "None of them is queued or running" },
};

const bar = document.getElementById("bulk");
let selected = new Map(); // run → state
let last = null;

try {
  selected = new Map(JSON.parse(sessionStorage.getItem(KEPT_AS)) || []);
} catch {
  // Nothing that could be kept.
}

const rows = () => [...document.querySelectorAll("#rows > tr")];
const boxOf = (row) => row.querySelector("input.op-check");
const stateOf = (row) => row.querySelector(".op-pill")?.dataset.state || "";

function keep() {
  try {
    if (selected.size) sessionStorage.setItem(KEPT_AS, JSON.stringify([...selected]));
    else sessionStorage.removeItem(KEPT_AS);
  } catch {
    // It is kept as long as the page is.
  }
}

function choose(row, on) {
  if (!on) selected.delete(row.id);
  else if (selected.has(row.id) || selected.size < MOST) selected.set(row.id, stateOf(row));
  else return false;
  return true;
}

function chooseAll(some, on) {
  const all = some.map((row) => choose(row, on)).every(Boolean);
  if (!all) toast(`At most ${MOST} runs are selected at once.`, "terminated");
  keep();
  show();
}

export function toggleRow(row) {
  if (!row || row.classList.contains("is-deleted")) return;
  last = row.id;
  chooseAll([row], !selected.has(row.id));
}

// States that a notice told: also of runs that are not on this page.
export function heardStates(runs) {
  let moved = false;
  for (const run of runs) {
    if (!selected.has(run.id)) continue;
    selected.set(run.id, NAMES[run.state] || run.state);
    moved = true;
  }
  if (moved) show();
}

// A run that was deleted is selected no more.
export function forget(id) {
  if (selected.delete(id)) show();
}

export function show() {
  if (!bar) return;
  let here = 0;
  const all = rows();
  for (const row of all) {
    const on = selected.has(row.id);
    if (on) selected.set(row.id, stateOf(row));
    here += on;
    const box = boxOf(row);
    if (box) box.checked = on;
    if (on) row.setAttribute("aria-selected", "true");
    else row.removeAttribute("aria-selected");
  }
  const page = document.getElementById("select-page");
  if (page) {
    page.checked = here > 0 && here === all.length;
    page.indeterminate = here > 0 && here < all.length;
    page.classList.toggle("is-mixed", page.indeterminate);
  }
  bar.hidden = !selected.size;
  document.documentElement.classList.toggle("has-selection", selected.size > 0);
  if (!selected.size) return;
  const counts = {};
  for (const state of selected.values()) counts[state] = (counts[state] || 0) + 1;
  const words = STATES.filter((state) => counts[state]).map((state) => `${counts[state]} ${state}`);
  const elsewhere = selected.size - here;
  if (elsewhere) words.push(`${elsewhere} not on this page`);
  bar.querySelector("#bulk-count").textContent = `${selected.size} selected`;
  bar.querySelector("#bulk-states").textContent = `· ${words.join(" · ")}`;
  for (const button of bar.querySelectorAll("button[name=act]")) {
    const { states, none } = ACTS[button.value];
    const count = states.reduce((sum, state) => sum + (counts[state] || 0), 0);
    button.querySelector("small").textContent = String(count);
    button.setAttribute("aria-disabled", String(!count));
    if (count) button.removeAttribute("title");
    else button.title = none;
  }
}

function clear() {
  selected.clear();
  keep();
  show();
}

document.addEventListener("click", (event) => {
  const box = event.target.closest?.("input.op-check");
  if (box?.id === "select-page") {
    // Of a page that is selected in part, the rest.
    chooseAll(rows(), !rows().every((row) => selected.has(row.id)));
    return;
  }
  const row = box?.closest("#rows > tr");
  if (!row) return;
  const all = rows();
  const from = event.shiftKey ? all.findIndex((one) => one.id === last) : -1;
  const to = all.indexOf(row);
  last = row.id;
  const some = from < 0 ? [row] : all.slice(Math.min(from, to), Math.max(from, to) + 1);
  chooseAll(some, box.checked);
});

bar?.querySelector(".op-close").addEventListener("click", () => {
  clear();
  (document.querySelector("#rows > tr.is-cursor .op-id") || document.getElementById("search"))?.focus();
});

bar?.addEventListener("submit", (event) => {
  event.preventDefault();
  const button = event.submitter;
  if (!button || button.getAttribute("aria-disabled") === "true") return;
  bar.elements.runs.value = [...selected.keys()].join(",");
  bar.elements.back.value = location.search;
  const body = new FormData(bar);
  body.set("act", button.value);
  askIn(bar.action, body);
});

// A second press must not act twice. Runs that were acted on are selected no longer.
document.addEventListener("submit", (event) => {
  const form = event.target.closest("form:is([data-once], [data-send])");
  if (!form) return;
  if (form.dataset.sent || form.dataset.send !== undefined) event.preventDefault();
  if (form.dataset.send !== undefined) sendFrom(form, form.elements.runs ? clear : () => {});
  else form.dataset.sent = "1";
});

document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target?.id === "runs") show();
});

window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});

show();
