// Runs that are selected: by their box, `x`, the box of the page, or Shift and a click for all in
// between; or all that match the filter of the list, which the page's box offers. They are kept for
// this tab, across pages; named ones across filters too, with the state and the marks that they were
// last seen with.

import { askIn, sendFrom } from "./dialogs.js";
import { toast } from "./toast.js";

const KEPT_AS = "runs selected";
const KEPT_ALL_AS = "runs selected by filter";
const MOST = 10_000; // that are named one by one
const STATES = ["running", "completed", "failed", "terminated", "queued"];
// Stored states whose pages' name is another.
const NAMES = { active: "running", created: "queued" };
// By act: the states and the marks that it needs, and those that it must not find. Where all of a
// filter are meant, what the filter says of these marks; of the others nobody knows.
const ACTS = {
  retry: { states: ["failed"], none: "None of them has failed" },
  terminate: { states: ["queued", "running"], none: "None of them is queued or running" },
  delete: {
    states: ["completed", "failed", "terminated"], never: "held",
    none: "None of them has ended, or they are under legal hold",
  },
  restore: { needs: "archived", none: "None of their logs is archived" },
  hold: { never: "held", none: "They are under legal hold already" },
  release: { needs: "held", none: "None of them is under legal hold" },
};
const MARKED_BY = {
  held: { name: "held", yes: ["yes"], no: ["no"] },
  archived: { name: "logs", yes: ["archived", "partly", "archiving", "restoring"], no: ["live", "restored"] },
};

const bar = document.getElementById("bulk");
let selected = new Map(); // run → state, then its marks, parted by spaces
let every = null; // the filter, where all that match it are selected
let last = null;

try {
  selected = new Map(JSON.parse(sessionStorage.getItem(KEPT_AS)) || []);
  every = sessionStorage.getItem(KEPT_ALL_AS);
} catch {
  // Nothing that could be kept.
}

const list = () => document.getElementById("runs");
const filterOf = () => list()?.dataset.filter ?? null;
const rows = () => [...document.querySelectorAll("#rows > tr")];
const boxOf = (row) => row.querySelector("input.op-check");
const lookOf = (row) => {
  const state = row.querySelector(".op-pill")?.dataset.state || "";
  return `${state} ${row.querySelector(".op-marks")?.dataset.marks || ""}`.trim();
};
const goesOn = () => Boolean(document.querySelector("#newer, #older"));
// What the tabs count; "" while nobody knows.
const counted = (name) => {
  const text = document.getElementById(`count-${name}`)?.textContent.trim() || "";
  return text === "–" ? "" : text;
};
const said = (name) => new URLSearchParams(filterOf() || "").get(name) || "";
const chosenState = () => said("state");

function keep() {
  try {
    if (selected.size) sessionStorage.setItem(KEPT_AS, JSON.stringify([...selected]));
    else sessionStorage.removeItem(KEPT_AS);
    if (every !== null) sessionStorage.setItem(KEPT_ALL_AS, every);
    else sessionStorage.removeItem(KEPT_ALL_AS);
  } catch {
    // It is kept as long as the page is.
  }
}

function choose(row, on) {
  if (!on) selected.delete(row.id);
  else if (selected.has(row.id) || selected.size < MOST) selected.set(row.id, lookOf(row));
  else return false;
  return true;
}

// Of all, those of this page are what is left when one of them is taken away.
function nameThese() {
  if (every === null) return;
  every = null;
  selected.clear();
  for (const row of rows()) choose(row, true);
}

function chooseAll(some, on) {
  const all = some.map((row) => choose(row, on)).every(Boolean);
  if (!all) toast(`At most ${MOST.toLocaleString("en")} runs are named one by one. Select all that match a filter instead.`, "terminated");
  keep();
  show();
}

export function toggleRow(row) {
  if (!row || row.classList.contains("is-deleted")) return;
  nameThese();
  last = row.id;
  chooseAll([row], !selected.has(row.id));
}

// States that a notice told: also of runs that are not on this page.
export function heardStates(runs) {
  let moved = false;
  for (const run of runs) {
    if (!selected.has(run.id)) continue;
    const [, ...marks] = selected.get(run.id).split(" ");
    selected.set(run.id, [NAMES[run.state] || run.state, ...marks].join(" "));
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
  // All of another filter are not what one sees here.
  if (every !== null && filterOf() !== null && every !== filterOf()) {
    every = null;
    keep();
  }
  let here = 0;
  const all = rows();
  for (const row of all) {
    const on = every !== null || selected.has(row.id);
    if (on && every === null) selected.set(row.id, lookOf(row));
    here += on;
    const box = boxOf(row);
    if (box) box.checked = on;
    if (on) row.setAttribute("aria-selected", "true");
    else row.removeAttribute("aria-selected");
  }
  const page = document.getElementById("select-page");
  const isWhole = here > 0 && here === all.length;
  if (page) {
    page.checked = isWhole;
    page.indeterminate = here > 0 && !isWhole;
    page.classList.toggle("is-mixed", page.indeterminate);
  }
  const none = every === null && !selected.size;
  bar.hidden = none;
  document.documentElement.classList.toggle("has-selection", !none);
  if (none) return;
  offerAll(isWhole);
  if (every === null) showNamed(here);
  else showEvery();
  const isLong = bar.querySelector("#bulk-states").textContent.length > 45;
  bar.classList.toggle("is-tall", isLong || !bar.querySelector("#bulk-all").hidden);
}

function offerAll(isWhole) {
  const offer = bar.querySelector("#bulk-all");
  // A narrow screen has no box for the page: there it is offered from the first run on.
  const isMeant = document.getElementById("select-page")?.offsetParent ? isWhole && goesOn() : true;
  offer.hidden = every !== null || !isMeant || filterOf() === null;
  if (offer.hidden) return;
  const count = counted(chosenState() || "all");
  write(offer, `Select all${count ? ` ${count}` : ""} matching this filter`);
}

function showNamed(here) {
  const looks = [...selected.values()].map((look) => look.split(" "));
  const counts = {};
  for (const [state] of looks) counts[state] = (counts[state] || 0) + 1;
  const words = STATES.filter((state) => counts[state]).map((state) => `${counts[state]} ${state}`);
  const elsewhere = selected.size - here;
  if (elsewhere) words.push(`${elsewhere} not on this page`);
  write(bar.querySelector("#bulk-count"), `${selected.size.toLocaleString("en")} selected`);
  write(bar.querySelector("#bulk-states"), `· ${words.join(" · ")}`);
  showActs(({ states = STATES, needs, never }) => {
    const fits = ([state, ...marks]) =>
      states.includes(state) && (!needs || marks.includes(needs)) && !marks.includes(never);
    return looks.filter(fits).length.toLocaleString("en");
  });
}

function showEvery() {
  const only = chosenState();
  const count = counted(only || "all");
  write(bar.querySelector("#bulk-count"), `All${count ? ` ${count}` : ""} selected`);
  write(bar.querySelector("#bulk-states"), `· ${only ? "" : statesOfAll()}all ${list().dataset.words} on every page`);
  showActs(({ states = STATES, needs, never }) => {
    const meant = states.filter((state) => !only || state === only);
    if (!meant.length || isMarked(needs) === false || isMarked(never)) return "0";
    // How many are marked is not counted, but where the filter says it of all.
    if (needs && !isMarked(needs)) return "";
    if (never && states === STATES && isMarked(never) === undefined) return "";
    const texts = meant.map(counted);
    if (texts.some((text) => !text)) return "";
    const sum = texts.reduce((total, text) => total + Number(text.replace(/\D/g, "")), 0);
    return sum.toLocaleString("en") + (texts.some((text) => text.endsWith("+")) ? "+" : "");
  });
}

// Whether the filter lets through only what is marked so, or nothing that is; else undefined.
function isMarked(mark) {
  if (!mark) return undefined;
  const { name, yes, no } = MARKED_BY[mark];
  if (yes.includes(said(name))) return true;
  return no.includes(said(name)) ? false : undefined;
}

// What is meant by state, as far as the tabs know.
function statesOfAll() {
  const known = STATES.filter((state) => !["", "0"].includes(counted(state)));
  return known.map((state) => `${counted(state)} ${state} · `).join("");
}

// Each button with how many runs it would take; none where nobody knows yet.
function showActs(figure) {
  for (const button of bar.querySelectorAll("button[name=act]")) {
    const act = ACTS[button.value];
    if (!act) continue;
    const count = figure(act);
    write(button.querySelector("small"), count);
    button.setAttribute("aria-disabled", String(count === "0"));
    if (count === "0") button.title = act.none;
    else button.removeAttribute("title");
  }
}

// A status that says the same is not said again.
function write(element, words) {
  if (element.textContent !== words) element.textContent = words;
}

// From the keyboard: to the offer of all that match, or the first thing that can be done.
export function enterBar() {
  if (!bar || bar.hidden) toast("Nothing is selected: x selects a run, X the page.", "terminated");
  else bar.querySelector("#bulk-all:not([hidden]), button[name=act]:not([aria-disabled=true])")?.focus();
}

const goBack = () =>
  (document.querySelector("#rows > tr.is-cursor .op-id") || document.getElementById("search"))?.focus();

function clear() {
  selected.clear();
  every = null;
  keep();
  show();
}

document.addEventListener("click", (event) => {
  const box = event.target.closest?.("input.op-check");
  if (box?.id === "select-page") {
    if (every !== null) {
      clear();
      return;
    }
    // Of a page that is selected in part, the rest.
    chooseAll(rows(), !rows().every((row) => selected.has(row.id)));
    return;
  }
  const row = box?.closest("#rows > tr");
  if (!row) return;
  nameThese();
  const all = rows();
  const from = event.shiftKey ? all.findIndex((one) => one.id === last) : -1;
  const to = all.indexOf(row);
  last = row.id;
  const some = from < 0 ? [row] : all.slice(Math.min(from, to), Math.max(from, to) + 1);
  chooseAll(some, box.checked);
});

bar?.querySelector("#bulk-all").addEventListener("click", () => {
  every = filterOf();
  selected.clear();
  keep();
  show();
  // The offer that was pressed is gone.
  bar.querySelector("button[name=act]:not([aria-disabled=true])")?.focus();
});

bar?.querySelector(".op-close").addEventListener("click", () => {
  clear();
  goBack();
});

bar?.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !bar.querySelector("details[open]")) goBack();
});

bar?.addEventListener("submit", (event) => {
  event.preventDefault();
  const button = event.submitter;
  if (!button || button.getAttribute("aria-disabled") === "true") return;
  button.closest("details")?.removeAttribute("open");
  bar.elements.runs.value = every === null ? [...selected.keys()].join(",") : "";
  bar.elements.all.value = every === null ? "" : "1";
  bar.elements.filter.value = every ?? "";
  bar.elements.back.value = location.search;
  const body = new FormData(bar);
  body.set("act", button.value);
  askIn(bar.action, body);
});

// A second press must not act twice. Runs that were acted on are selected no longer, but those that
// were exported: somebody may want to delete them now.
document.addEventListener("submit", (event) => {
  const form = event.target.closest("form:is([data-once], [data-send], [data-ask])");
  if (!form) return;
  const { once } = form.dataset;
  if (form.dataset.sent || once === undefined) event.preventDefault();
  if (form.dataset.ask !== undefined) askIn(form.action, new FormData(form));
  else if (form.dataset.send !== undefined) {
    const isLeft = form.elements.runs && form.elements.act?.value !== "export";
    sendFrom(form, isLeft ? clear : () => {});
  } else form.dataset.sent = "1";
});

document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target?.id === "runs") show();
});
// The counts of the tabs have come.
document.addEventListener("htmx:afterRequest", (event) => {
  if (event.target.id === "counts") show();
});

window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});

show();
