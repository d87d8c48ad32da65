// A run's page: its stream, the parts that are fetched as it lives, the node's panel, tabs, acts.

import { sendFrom } from "./dialogs.js";
import { LiveStream } from "./live.js";
import { tick } from "./ticks.js";
import { toast } from "./toast.js";
import { followAnalysis } from "./run_analysis.js";
import { fetchText, goTo, isElsewhere, pageUrl, parsed, Unanswered } from "./run_fragment.js";
import { History } from "./run_history.js";
import { colour, showContext } from "./run_json.js";
import { morph } from "./run_morph.js";
import { filterByNode } from "./run_node_filter.js";
import { applyView } from "./run_zoom.js";
import { arrowKeys, grow, markSelected, showSelected } from "./run_timeline.js";

const REGIONS = ["run-head", "run-notice", "run-stuck", "run-facts", "run-timeline", "run-tab-links"];
// Milliseconds between two looks at the run while it changes; a page that takes long to make is
// asked for less often.
const PACE = 400;
const SLOW_PACE = 1500;
const AGAIN_AFTER_FAILURE = 3000;
// What is stuck tells nothing: so long after the last look an open run is looked at all the same.
const SILENT_PACE = 15_000;

const page = document.getElementById("run");
const log = new History(Number(page.dataset.lastSeq));

// -- The upper half, fetched anew when something happened -----------------------

const overview = { timer: null, due: 0, busy: 0, again: false, took: 0, lastAt: 0 };

function refreshIn(pace) {
  const due = Math.max(performance.now(), overview.lastAt + Math.max(pace, 3 * overview.took));
  if (overview.timer && overview.due <= due) return;
  clearTimeout(overview.timer);
  overview.due = due;
  overview.timer = setTimeout(refresh, due - performance.now());
}

async function refresh() {
  overview.timer = null;
  if (overview.busy) {
    overview.again = true;
    return;
  }
  const began = performance.now();
  let missed = false;
  try {
    await showOverview(pageUrl({ fragment: "overview" }));
  } catch (error) {
    if (!(error instanceof Unanswered)) throw error; // the light says it
    missed = error.passes;
  }
  overview.lastAt = performance.now();
  overview.took = overview.lastAt - began;
  // What was told of may have been the last event: nothing else would ask again.
  if (missed) refreshIn(AGAIN_AFTER_FAILURE);
}

let asked = 0;

async function showOverview(url) {
  asked += 1;
  const number = asked;
  let html;
  overview.busy += 1;
  try {
    html = await fetchText(url);
  } finally {
    overview.busy -= 1;
    if (!overview.busy && overview.again) {
      overview.again = false;
      refreshIn(PACE);
    }
  }
  if (number !== asked) {
    // The person has asked for something else meanwhile; what this one told comes with the next.
    refreshIn(PACE);
    return;
  }
  const found = parsed(html);
  for (const id of REGIONS) {
    const now = found.querySelector(`#${id}`);
    const before = document.getElementById(id);
    if (now && before) morph(before, now);
  }
  countAlike();
  followLogs();
  markSelected();
  applyView();
  followAnalysis();
  tick();
  colour(page);
  grow(() => {});
}

// -- A log on its way to the archive or back ---------------------------------------

// The tab tells of the log as it was when it was fetched.
function followLogs() {
  const note = document.getElementById("run-logs");
  const box = document.getElementById("run-tab");
  // What was missed meanwhile is not streamed any more: the stream would be refused for ever.
  const last = Number(note?.dataset.lastSeq || 0);
  if (last > Number(stream.lastId)) stream.lastId = String(last);
  if (note && note.dataset.logs !== box.dataset.logs) {
    box.dataset.logs = note.dataset.logs; // once
    openTab(location.href);
  }
}

setInterval(() => {
  if (!document.hidden && document.querySelector("#run-logs[data-moving]")) refreshIn(SLOW_PACE);
}, SLOW_PACE);

// -- A run of which nothing is heard ------------------------------------------------

setInterval(() => {
  const isOpen = document.querySelector("#run-head[data-open]");
  const isSilent = performance.now() - overview.lastAt > SILENT_PACE;
  if (isOpen && isSilent && !document.hidden) refreshIn(0);
}, 1000);

// -- The stream ----------------------------------------------------------------

function heard(data, id) {
  log.heard(Number(id));
  // Log lines change the upper half only where a panel or a count shows them.
  refreshIn(data?.kind === "log" ? SLOW_PACE : PACE);
}

const stream = new LiveStream(`/api/sse-logs/${page.dataset.run}`, {
  lastId: page.dataset.lastSeq,
  events: {
    status: heard, node: heard, log: heard, cost: heard, human: heard,
    archived: () => refreshIn(PACE), deleted: showDeleted,
  },
  caughtUp: (first) => first || refreshIn(0),
  changed: (state) => state === "reconnecting" && lookWhetherDeleted(),
});

// What is shown stays to be read; nothing can be done with it any more.
function showDeleted() {
  stream.end();
  clearTimeout(overview.timer);
  document.getElementById("run-deleted").hidden = false;
  document.querySelector("#run-head .end")?.remove();
}

// It may have been deleted while this page heard nothing: then there is no stream to say so.
async function lookWhetherDeleted() {
  try {
    const answer = await fetch(location.pathname, { method: "HEAD" });
    if (answer.status === 404) showDeleted();
    else if (answer.ok) refreshIn(0); // or archived
  } catch {
    // the light says it
  }
}

setInterval(() => grow(() => stream.state === "live" && refreshIn(PACE)), 500);

// -- What a person opens ---------------------------------------------------------

// `link` without leaving the page; false where the browser should follow it after all.
async function open(url, { focus, sameLanes = true } = {}) {
  const target = new URL(url, location.href);
  target.hash = "";
  goTo(target);
  const wanted = new URL(target);
  wanted.searchParams.set("fragment", "overview");
  if (sameLanes) wanted.searchParams.set("same_lanes", "1");
  try {
    await showOverview(wanted);
  } catch (error) {
    if (!(error instanceof Unanswered)) throw error;
    toast(error.message);
    overview.lastAt = performance.now();
    if (error.passes) refreshIn(AGAIN_AFTER_FAILURE); // the address says what is to be shown
    return;
  }
  const place = focus && document.getElementById(focus);
  if (!place) return;
  place.focus({ preventScroll: true });
  // On a narrow page the panel stands below the timeline.
  document.getElementById("run-node")?.scrollIntoView({ block: "nearest" });
}

async function openTab(url) {
  const target = new URL(url, location.href);
  target.hash = "";
  goTo(target);
  const wanted = new URL(target);
  wanted.searchParams.set("fragment", "tabs");
  const box = document.getElementById("run-tab");
  box.setAttribute("aria-busy", "true");
  try {
    const found = parsed(await fetchText(wanted)).querySelector("#run-tab");
    box.replaceChildren(...found.childNodes);
    box.dataset.shownTab = found.dataset.shownTab;
    box.dataset.logs = found.dataset.logs;
  } catch (error) {
    if (!(error instanceof Unanswered)) throw error;
    toast(error.message);
    return;
  } finally {
    box.removeAttribute("aria-busy");
  }
  for (const link of document.querySelectorAll("#run-tab-links a")) {
    if (link.dataset.tab === box.dataset.shownTab) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  tabShown();
  refreshIn(0); // the links of the upper half keep the tab
}

function tabShown() {
  colour(page);
  showContext();
  log.follow(false);
  log.shown();
}

filterByNode(openTab);

let opener = null;

document.addEventListener("click", (event) => {
  if (event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const bar = event.target.closest?.("#run-lanes .op-bar");
  // All of a row leads to its node, as its colour under the pointer says.
  const row = event.target.closest?.("#run-lanes .op-tl-lane")?.closest("[data-key]");
  const link = row ? row.querySelector("a[data-node]") : event.target.closest?.("#run a");
  if (!link) return;
  if (link.dataset.dialog) {
    const dialog = document.getElementById(link.dataset.dialog);
    if (!dialog) return;
    event.preventDefault();
    dialog.showModal();
  } else if (link.dataset.node !== undefined) {
    event.preventDefault();
    opener = link.dataset.node;
    const target = new URL(link.href);
    if (bar?.dataset.bar) target.searchParams.set("attempt", bar.dataset.bar);
    open(target, { focus: "run-node-name" });
  } else if (link.dataset.close !== undefined) {
    event.preventDefault();
    close(link.href);
  } else if (link.matches("[data-pane], [data-attempt], [data-view]")) {
    event.preventDefault();
    open(link.href, { sameLanes: link.dataset.view === undefined });
  } else if (link.dataset.tab) {
    event.preventDefault();
    openTab(link.href);
    if (!link.closest("#run-tab-links")) document.getElementById("run-tab-links").scrollIntoView();
  } else if (link.dataset.filter !== undefined) {
    event.preventDefault();
    const target = new URL(link.href);
    const text = document.getElementById("log-find").value.trim();
    if (text && link.dataset.filter !== "all") target.searchParams.set("find", text);
    openTab(target);
  } else if (link.dataset.payload !== undefined) {
    event.preventDefault();
    showPayload(link);
  }
});

async function close(url) {
  await open(url);
  const row = opener && document.querySelector(`#run-lanes [data-key="${CSS.escape(opener)}"]`);
  row?.querySelector("a[data-node]").focus({ preventScroll: true });
}

// -- Payloads that are too large to stand in the page ----------------------------

async function loadInto(place, url) {
  const code = document.createElement("pre");
  code.className = "op-code";
  code.tabIndex = 0;
  code.setAttribute("data-json", "");
  try {
    code.textContent = await fetchText(new URL(url, location.href));
  } catch (error) {
    if (!(error instanceof Unanswered)) throw error;
    toast(error.message);
    return;
  }
  place.replaceWith(code);
  colour(page);
}

async function showPayload(link) {
  const place = link.closest("[data-key]");
  place.dataset.kept = "";
  await loadInto(link, link.href);
  const code = place.querySelector("pre");
  if (!code) return;
  code.id = "run-payload";
  const button = document.createElement("button");
  button.type = "button";
  button.className = "op-btn op-btn-plain op-btn-sm";
  button.dataset.copyFrom = "#run-payload";
  const icon = document.createElement("span");
  icon.className = "material-symbols-outlined";
  icon.setAttribute("aria-hidden", "true");
  icon.textContent = "content_copy";
  button.append(icon, "Copy");
  place.prepend(button);
}

document.addEventListener("toggle", (event) => {
  const fold = event.target;
  if (!fold.open || !fold.matches?.(".op-fold[data-src]")) return;
  const { src } = fold.dataset;
  fold.removeAttribute("data-src");
  loadInto(fold.querySelector("a"), src);
}, true);

// -- How many like it --------------------------------------------------------------

// Counted after the page is there; asked for once.
async function countAlike() {
  const place = document.getElementById("run-alike");
  if (!place || place.dataset.kept !== undefined) return;
  place.dataset.kept = "";
  try {
    place.replaceChildren(...parsed(await fetchText(new URL(place.dataset.src, location.href))).childNodes);
  } catch (error) {
    if (!(error instanceof Unanswered)) throw error; // the link without a figure stays
  }
}

// -- Acts and keys ---------------------------------------------------------------

// A second press must not start a second retry.
document.addEventListener("submit", (event) => {
  const form = event.target.closest("form:is([data-once], [data-send])");
  if (!form) return;
  if (form.dataset.sent || form.dataset.send !== undefined) event.preventDefault();
  if (form.dataset.send !== undefined) sendFrom(form, () => {});
  else form.dataset.sent = "1";
});
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});

document.addEventListener("click", (event) => {
  if (event.target.closest?.("[data-dialog-close]")) event.target.closest("dialog").close();
});

document.addEventListener("keydown", (event) => {
  arrowKeys(event);
  if (event.key !== "Escape" || event.defaultPrevented) return;
  if (document.querySelector("dialog[open], details.op-menu[open]")) return;
  const closing = event.target.closest?.("#run-timeline") && document.querySelector("#run-node [data-close]");
  if (closing) {
    opener ??= document.getElementById("run-node").dataset.shown;
    close(closing.href);
  }
});

window.addEventListener("popstate", () => isElsewhere() && location.reload());

countAlike();
applyView();
followAnalysis();
showSelected();
tabShown();
