// What the analysis says of the run, on its own page: findings below the timeline, and in it the
// usual duration of each node as a line under its bar. Both come after the page, which works without.

import { fetchText, parsed, Unanswered } from "./run_fragment.js";

// Milliseconds between two looks while the run goes on.
const PACE = 15_000;
const CHOICE = "runs.usual";

const asked = { at: 0, busy: false, final: false };
let usual = null;

const isFinal = () => document.querySelector("#run-head[data-open]") === null;

// Called whenever the upper half of the page has changed.
export function followAnalysis() {
  drawUsual();
  const due = asked.at === 0 || (!asked.final && (isFinal() || performance.now() - asked.at > PACE));
  if (due && !asked.busy) look();
}

async function look() {
  const card = document.getElementById("run-analysis");
  if (!card) return;
  Object.assign(asked, { busy: true, at: performance.now() });
  try {
    const found = parsed(await fetchText(card.dataset.src));
    const data = found.querySelector("#run-usual-data");
    usual = JSON.parse(data.textContent);
    data.remove();
    asked.final = found.querySelector(".op-findings").dataset.final === "1" && isFinal();
    show(found);
  } catch (error) {
    if (!(error instanceof Unanswered)) throw error;
    const wait = card.querySelector(".op-findings-wait");
    if (wait) wait.textContent = error.message;
    // It is asked for again with the next change; nothing here is worth more than that.
  } finally {
    asked.busy = false;
  }
  drawUsual();
}

// Not under the hands of somebody who is reading it by keyboard.
function show(found) {
  const box = document.getElementById("run-findings");
  if (box.contains(document.activeElement)) return;
  box.replaceChildren(...found.childNodes);
}

// -- In the timeline -----------------------------------------------------------------------------

const isWanted = () => localStorage.getItem(CHOICE) !== "off";

function drawUsual() {
  const lanes = document.getElementById("run-lanes");
  const button = document.getElementById("run-usual");
  for (const drawn of lanes.querySelectorAll(".op-usual")) drawn.remove();
  const isKnown = usual && Object.keys(usual.nodes).length > 0;
  if (button) {
    button.hidden = !isKnown;
    button.setAttribute("aria-pressed", String(isWanted()));
  }
  if (!isKnown || !isWanted()) return;
  const timeline = lanes.querySelector(".op-tl");
  for (const row of lanes.querySelectorAll("[data-key]")) {
    const told = usual.nodes[row.dataset.key];
    if (told) (timeline ? drawLine : tell)(row, told, timeline);
  }
  const legend = lanes.querySelector(".op-tl-legend");
  if (!legend) return;
  const entry = made("span", "op-usual");
  entry.append(made("i", "op-ghost"), `median of ${usual.words}`);
  legend.append(entry);
}

// From where the node began: its first bar, or where a person was asked.
function drawLine(row, [ms, words], timeline) {
  const lane = row.querySelector(".op-tl-lane");
  const bar = lane.querySelector('.op-bar:not([data-bar=""]), .op-gap[data-cause="person"]');
  row.querySelector(".op-tl-name").append(made("span", "op-sr op-usual", `, usually ${words}`));
  if (!bar) return;
  const line = made("i", "op-ghost op-usual");
  const width = (ms / 1000 / Number(timeline.dataset.span)) * 100;
  line.style.setProperty("--x", bar.style.getPropertyValue("--x"));
  line.style.setProperty("--w", `${width.toFixed(3)}%`);
  line.title = `Usually ${words}: median of ${usual.words}`;
  lane.append(line);
}

// In the table, behind the duration.
function tell(row, [, words]) {
  row.querySelector("[data-duration]").append(made("small", "op-usual", ` · usually ${words}`));
}

function made(name, classes, text = "") {
  const element = document.createElement(name);
  element.className = classes;
  element.textContent = text;
  return element;
}

document.addEventListener("click", (event) => {
  if (!event.target.closest?.("#run-usual")) return;
  localStorage.setItem(CHOICE, isWanted() ? "off" : "on");
  drawUsual();
});

setInterval(() => !document.hidden && !asked.final && followAnalysis(), PACE);
