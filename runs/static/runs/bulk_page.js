// The pages of bulk operations. htmx asks for the part that moves (#bulk-live) each second or so;
// here stands what keeps that from being in the way, and the light that says how fresh it is.

import { sendFrom } from "./dialogs.js";
import { ageWords } from "./live.js";

const RECONNECTING_AFTER = 5000;
const DISCONNECTED_AFTER = 15_000;
const WORDS = {
  live: "Live",
  reconnecting: "Reconnecting",
  disconnected: "Disconnected",
  paused: "Paused",
};

const light = document.getElementById("live");
const button = light?.querySelector("button");
let heardAt = performance.now();
let paused = false;
let pressed = false;

const isOpen = () => document.getElementById("bulk-live")?.hasAttribute("data-open");
const isPoll = (event) => event.target.id === "bulk-live";

function show() {
  if (!light) return;
  light.hidden = !isOpen();
  if (light.hidden || document.hidden) return;
  const age = performance.now() - heardAt;
  let state = "live";
  if (paused) state = "paused";
  else if (age > DISCONNECTED_AFTER) state = "disconnected";
  else if (age > RECONNECTING_AFTER) state = "reconnecting";
  light.dataset.live = state;
  const word = light.querySelector("b");
  if (word.textContent !== WORDS[state]) word.textContent = WORDS[state];
  light.querySelector(".op-live-age").textContent = paused ? "" : ageWords(age);
  button.firstElementChild.textContent = paused ? "play_arrow" : "pause";
  button.title = paused ? "Resume live updates" : "Pause live updates";
  button.setAttribute("aria-label", button.title);
}

// What is being pressed, read in a menu or pointed at stays where it is.
const isHeld = (part) => pressed || part.querySelector("details[open]");

document.addEventListener("htmx:beforeRequest", (event) => {
  if (isPoll(event) && (paused || document.hidden)) event.preventDefault();
});
document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.target?.id !== "bulk-live") return;
  // An error is an answer too, but not of how far it is.
  if (event.detail.xhr.status >= 400) return;
  heardAt = performance.now();
  if (isHeld(event.detail.target)) event.detail.shouldSwap = false;
});
document.addEventListener("htmx:oobBeforeSwap", (event) => {
  const part = event.detail.target;
  const rests = part.id === "bulk-outcomes" && part.querySelector("tbody")?.matches(":hover");
  // What has ended is shown as it ended.
  if (isHeld(part) || (rests && isOpen())) event.detail.shouldSwap = false;
});
document.addEventListener("htmx:afterSwap", () => {
  const word = document.getElementById("bulk-head")?.dataset.word;
  const said = document.getElementById("bulk-said");
  if (said && word && said.dataset.word !== word) {
    if (said.dataset.word) said.textContent = word;
    said.dataset.word = word;
  }
  show();
});

// Each poll that fails would say so anew: the light says it.
for (const name of ["htmx:sendError", "htmx:responseError"]) {
  document.addEventListener(name, (event) => isPoll(event) && event.stopImmediatePropagation(), true);
}

addEventListener("pointerdown", () => { pressed = true; }, true);
for (const name of ["pointerup", "pointercancel", "blur"]) {
  addEventListener(name, () => setTimeout(() => { pressed = false; }), true);
}

button?.addEventListener("click", () => {
  paused = !paused;
  heardAt = performance.now();
  show();
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) heardAt = performance.now();
});

// A second press must not act twice.
document.addEventListener("submit", (event) => {
  const form = event.target.closest("form:is([data-once], [data-send])");
  if (!form) return;
  if (form.dataset.sent || form.dataset.send !== undefined) event.preventDefault();
  if (form.dataset.send !== undefined) sendFrom(form, () => {});
  else form.dataset.sent = "1";
});
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});

const said = document.getElementById("bulk-said");
if (said) said.dataset.word = document.getElementById("bulk-head").dataset.word;
setInterval(show, 1000);
show();
