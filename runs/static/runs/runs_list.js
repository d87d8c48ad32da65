// The live list of runs. Notices say which runs changed; the page fetches what it shows.
//
// Rows never move by themselves: a changed row is put in its place, a new run only counts up in
// "12 new runs — show".

import { LiveStream } from "./live.js";
import { paced } from "./paced.js";
import { enterBar, forget, heardStates, show as showSelection, toggleRow } from "./selection.js";
import { signInAgain } from "./signed_out.js";
import { tick } from "./ticks.js";
import "./calendar.js";
import "./dialogs.js";

const STREAM = "/api/sse-runs";
const ROWS_EVERY = 250;
const OUT_OF_SIGHT_EVERY = 2000; // rows that nobody sees now
const FRESH_EVERY = 1000;
const COUNTS_EVERY = 4000;
const MOST_IDS = 100; // in one request
const MOST_NEW = 200; // that the button counts
const REMEMBERED = 10_000; // milliseconds of notices, for a list that is just being fetched

const DELETED = "deleted"; // instead of a state, in a notice
const KNOWN_STATES = 5000;
const COUNTS_REST = 20; // times as long as counting took

const changed = new Set(); // rows on the page to fetch again
const candidates = new Set(); // runs that may be new here: the server knows the filter
const fresh = new Set(); // runs that are
const states = new Map(); // run → state that a notice told last
let recent = [];
let checkTop = false;

const list = () => document.querySelector("#runs[data-live-list]");
const row = (id) => document.querySelector(`#rows > tr[id="${CSS.escape(id)}"]`);
const part = (query, more) => query + (query === "?" ? "" : "&") + new URLSearchParams(more);

async function get(url) {
  const answer = await fetch(url, { headers: { "X-Requested-With": "fetch" } });
  // Signed out meanwhile: the sign-in page came instead.
  if (answer.redirected && new URL(answer.url).pathname.endsWith("/login/")) signInAgain();
  if (!answer.ok) throw new Error(`answer ${answer.status}`);
  return answer;
}

// -- notices ---------------------------------------------------------------

function heard(runs) {
  const now = performance.now();
  recent = recent.filter((notice) => now - notice.at < REMEMBERED);
  for (const run of runs) recent.push({ ...run, at: now });
  take(runs);
}

function take(runs) {
  const here = list();
  if (!here || !runs.length) return;
  heardStates(runs.filter((run) => run.state !== DELETED));
  const sorted = here.hasAttribute("data-sorted"); // in another order nothing is new on top
  let moved = false;
  for (const run of runs) {
    if (run.state === DELETED) {
      markDeleted(run.id);
      moved = true;
      continue;
    }
    if (states.get(run.id) !== run.state) moved = true;
    if (states.size > KNOWN_STATES) states.clear();
    states.set(run.id, run.state);
    if (row(run.id)) changed.add(run.id);
    else if (!sorted && (here.dataset.wants ? run.state === here.dataset.wants : run.new)) {
      if (!fresh.has(run.id) && fresh.size < MOST_NEW) candidates.add(run.id);
    }
  }
  if (changed.size) fetchRows();
  if (candidates.size) fetchFresh();
  if (moved) recount();
}

// The stream is open (again): what happened before it was, nobody said.
function caughtUp(first) {
  if (!list()) return;
  const rows = document.querySelectorAll(
    first ? "#rows > tr:has([data-state='running'], [data-state='queued'])" : "#rows > tr",
  );
  for (const one of rows) changed.add(one.id);
  if (changed.size) fetchRows();
  if (!list().hasAttribute("data-sorted")) {
    checkTop = true;
    fetchFresh();
  }
  if (!first) recount();
}

const stream = new LiveStream(STREAM, {
  events: {
    runs: (data) => heard(data.runs),
    reset: () => caughtUp(false),
  },
  caughtUp,
  changed: showOffline,
});

// -- rows ------------------------------------------------------------------

let restAt = 0;
let restTimer = 0;

function isInSight(id) {
  const box = row(id).getBoundingClientRect();
  return box.bottom >= 0 && box.top <= window.innerHeight;
}

const fetchRows = paced(ROWS_EVERY, async () => {
  const here = [...changed].filter(row);
  const inSight = here.filter(isInSight);
  const now = performance.now();
  const ids = (now < restAt ? inSight : here).slice(0, MOST_IDS);
  if (now >= restAt) restAt = now + OUT_OF_SIGHT_EVERY;
  const asked = new Set(ids);
  if (!here.length) changed.clear();
  if (here.length && !ids.length) {
    clearTimeout(restTimer);
    restTimer = setTimeout(fetchRows, restAt - now);
  }
  if (!ids.length) return;
  for (const id of asked) changed.delete(id);
  try {
    const found = put(await (await get(`?${new URLSearchParams({ rows: ids.join(",") })}`)).text());
    for (const id of ids) if (!found.has(id)) markDeleted(id);
  } catch (error) {
    for (const id of asked) changed.add(id);
    throw error;
  }
  if (changed.size) fetchRows();
});

function put(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  const found = new Set();
  for (const next of template.content.querySelectorAll("tr")) {
    found.add(next.id);
    const present = row(next.id);
    if (present) renew(present, next);
  }
  tick(document.getElementById("rows"));
  showSelection();
  return found;
}

// The row stays in its place, so that nothing moves under the pointer, and leads nowhere.
function markDeleted(id) {
  changed.delete(id);
  candidates.delete(id);
  fresh.delete(id);
  forget(id);
  const present = row(id);
  if (!present || present.classList.contains("is-deleted")) return;
  present.classList.add("is-deleted");
  present.title = "This run was deleted";
  for (const box of present.querySelectorAll("input")) box.disabled = true;
  for (const link of present.querySelectorAll("a")) link.removeAttribute("href");
  const word = document.createElement("span");
  word.className = "op-deleted";
  word.textContent = "deleted";
  present.querySelector(".op-id")?.after(word);
}

// Only cells that differ are changed, so that a selection, a focus and a turning icon stay.
function renew(present, next) {
  [...next.children].forEach((cell, index) => {
    const old = present.children[index];
    if (old.outerHTML === cell.outerHTML) return;
    const ways = [...old.querySelectorAll("a, input")];
    const focused = ways.indexOf(document.activeElement);
    old.replaceWith(cell);
    if (focused >= 0) cell.querySelectorAll("a, input")[focused]?.focus({ preventScroll: true });
  });
}

// -- new runs --------------------------------------------------------------

const fetchFresh = paced(FRESH_EVERY, async () => {
  const here = list();
  if (!here) return;
  const { filter: query, top } = here.dataset;
  const ids = [...candidates].slice(0, MOST_IDS);
  const all = checkTop;
  let found = [];
  if (all && top) {
    found = await idsAt(part(query, { fresh: "", before: top }));
  } else if (all) {
    showNew(); // an empty list is simply fetched again
  } else if (ids.length) {
    found = await idsAt(part(query, { fresh: ids.join(",") }));
  }
  if (here !== list()) return; // another list has come meanwhile
  if (all) checkTop = false;
  // Not those that were told of meanwhile: the answer may be older than they are.
  for (const id of ids) candidates.delete(id);
  for (const id of found) if (!row(id)) fresh.add(id);
  if (fresh.size && !document.querySelector("#rows > tr")) showNew();
  else offerNew();
  if (candidates.size) fetchFresh();
});

async function idsAt(url) {
  return (await (await get(url)).json()).runs;
}

function offerNew() {
  const place = document.getElementById("new");
  if (!place) return;
  if (!fresh.size) {
    place.replaceChildren();
    return;
  }
  let button = place.querySelector("button");
  if (!button) {
    button = document.createElement("button");
    button.type = "button";
    button.className = "op-new";
    const icon = document.createElement("span");
    icon.className = "material-symbols-outlined";
    icon.setAttribute("aria-hidden", "true");
    icon.textContent = "arrow_upward";
    button.append(icon, document.createElement("span"));
    button.addEventListener("click", showNew);
    place.replaceChildren(button);
  }
  const count = fresh.size >= MOST_NEW ? `${MOST_NEW}+` : String(fresh.size);
  const words = `${count} new ${fresh.size === 1 ? "run" : "runs"} — show`;
  if (button.lastElementChild.textContent !== words) button.lastElementChild.textContent = words;
}

function showNew() {
  const here = list();
  if (!here) return;
  const link = document.createElement("a");
  link.hidden = true;
  link.href = here.dataset.query;
  if (here.hasAttribute("data-first")) link.setAttribute("hx-push-url", "false");
  here.append(link);
  window.htmx.process(link);
  if (here.getBoundingClientRect().top < 0) here.scrollIntoView();
  link.click();
}

// -- counts ----------------------------------------------------------------

const recount = paced(COUNTS_EVERY, async () => {
  const counts = document.getElementById("counts");
  if (!counts || !list()) return 0;
  const begun = performance.now();
  await window.htmx.ajax("GET", counts.getAttribute("hx-get"), {
    source: counts,
    target: counts, // not the list, which the page would take for a new one
    swap: "none",
  });
  return COUNTS_REST * (performance.now() - begun);
});

// -- another list: a filter, a page, the new runs --------------------------

let before = { key: "", texts: {}, menu: "", first: false };

document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.detail.target?.id !== "runs") return;
  const texts = {};
  for (const count of document.querySelectorAll("#tabs .op-count")) texts[count.id] = count.textContent;
  const menu = document.activeElement?.closest?.("details.op-menu")?.querySelector("summary").id;
  before = {
    key: document.getElementById("tabs")?.dataset.counts,
    texts,
    menu: menu || "",
    first: Boolean(document.querySelector("#new button:focus-visible")),
  };
});

document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target?.id !== "runs") return;
  changed.clear();
  candidates.clear();
  fresh.clear();
  // Counts that still hold are not taken away while they are made again.
  if (document.getElementById("tabs")?.dataset.counts === before.key) {
    for (const [id, text] of Object.entries(before.texts)) {
      const count = document.getElementById(id);
      if (count && !count.textContent) count.textContent = text;
    }
  }
  if (before.menu) document.getElementById(before.menu)?.focus({ preventScroll: true });
  if (before.first) document.querySelector("#rows .op-id")?.focus({ preventScroll: true });
  bringTab();
  showOffline(stream.state);
  const now = performance.now();
  take(recent.filter((notice) => now - notice.at < REMEMBERED));
});

// On a narrow screen the tabs scroll sideways: the chosen one into sight.
function bringTab() {
  const tabs = document.getElementById("tabs");
  const chosen = tabs?.querySelector("[aria-current]");
  if (chosen) tabs.scrollLeft = chosen.offsetLeft - tabs.clientWidth / 2 + chosen.clientWidth / 2;
}

bringTab();

// The counts widen the tabs once they are there; then nothing moves any more.
document.addEventListener("htmx:oobAfterSwap", (event) => {
  const tabs = event.detail.target?.closest?.("#tabs") || document.getElementById("tabs");
  if (!tabs || tabs.dataset.counted || !event.detail.target?.id?.startsWith("count-")) return;
  tabs.dataset.counted = "1";
  requestAnimationFrame(bringTab);
});

// Back and forward fetch the list that the address says. (Registered before htmx's own answer,
// which is to load the whole page again.)
let address = location.pathname + location.search;
const places = new Map(); // address → how far it was scrolled

document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.detail.target?.id === "runs") places.set(address, window.scrollY);
});

document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target?.id === "runs") address = location.pathname + location.search;
});

window.addEventListener("popstate", (event) => {
  event.stopImmediatePropagation();
  const wanted = location.pathname + location.search;
  if (wanted === address) return; // only the part after # is another
  const top = Number(places.get(wanted)) || 0;
  address = wanted;
  window.htmx.ajax("GET", wanted, { target: "#runs", swap: "outerHTML" }).then(() => {
    if (location.pathname + location.search === wanted) window.scrollTo(0, top);
  });
});

// -- no connection ---------------------------------------------------------

function showOffline(state) {
  const notice = document.getElementById("offline");
  if (!notice) return;
  const off = state === "disconnected";
  if (off && notice.hidden) {
    const at = new Date(Date.now() - (performance.now() - stream.lastMessage));
    document.getElementById("offline-since").textContent = new Intl.DateTimeFormat("en-GB", {
      timeStyle: "medium",
      timeZone: list()?.dataset.zone,
    }).format(at);
  }
  notice.hidden = !off;
  document.getElementById("card")?.classList.toggle("op-stale", off);
}

// -- keys ------------------------------------------------------------------

function mark(row) {
  row.querySelector(".op-id").focus({ preventScroll: true });
  row.scrollIntoView({ block: "nearest" });
}

function move(step) {
  const rows = [...document.querySelectorAll("#rows > tr")];
  if (!rows.length) return;
  const at = rows.findIndex((one) => one.classList.contains("is-cursor"));
  const next = rows[Math.min(rows.length - 1, Math.max(0, at < 0 && Number.isFinite(step) ? 0 : at + step))];
  mark(next);
}

document.addEventListener("focusin", (event) => {
  const current = event.target.closest?.("#rows > tr");
  if (!current) return;
  for (const one of document.querySelectorAll("#rows > tr.is-cursor")) one.classList.remove("is-cursor");
  current.classList.add("is-cursor");
});

// A click beside what a row links opens its run; a text that is being marked stays.
document.addEventListener("click", (event) => {
  const cell = event.target.closest?.("#rows > tr > td:not([data-c=c])");
  if (!cell || event.defaultPrevented || event.target.closest("a, button, input, label")) return;
  if (!getSelection().isCollapsed || event.shiftKey || event.altKey) return;
  const link = cell.parentElement.querySelector(".op-id");
  if (event.ctrlKey || event.metaKey) window.open(link.href, "_blank", "noopener");
  else link.click();
});

const KEYS = {
  "/": () => {
    const search = document.getElementById("search");
    search?.focus();
    search?.select();
  },
  j: () => move(1),
  k: () => move(-1),
  g: () => move(-Infinity),
  G: () => move(Infinity),
  x: () => toggleRow(document.querySelector("#rows > tr.is-cursor")),
  X: () => document.getElementById("select-page")?.click(),
  b: enterBar,
  n: () => document.querySelector("#new button")?.click(),
  "?": () => document.getElementById("keys").showModal(),
};

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest?.("input:not([type=checkbox]), textarea, select, [contenteditable]");
  if (event.key === "Escape" && typing?.id === "search") typing.blur();
  if (typing || event.defaultPrevented || event.altKey || event.ctrlKey || event.metaKey) return;
  if (document.querySelector("dialog[open]")) return;
  if (event.key === "Enter" && event.target === document.body) {
    document.querySelector("#rows > tr.is-cursor .op-id")?.click();
    return;
  }
  const act = KEYS[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});
