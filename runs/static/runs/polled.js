// Pages whose part with the id “polled” htmx fetches anew every few seconds: the light that says how
// fresh it is, and what keeps a fetch from being in the way.

import { ageWords } from "./live.js";

const RECONNECTING_AFTER = 9000;
const DISCONNECTED_AFTER = 20_000;
const WORDS = {
  live: "Live",
  reconnecting: "Reconnecting",
  disconnected: "Disconnected",
  paused: "Paused",
};

const light = document.getElementById("live");
const button = light.querySelector("button");
let heardAt = performance.now();
let paused = false;
let pressed = false;

const isPoll = (event) => event.target.id === "polled";

function show() {
  light.hidden = false;
  if (document.hidden) return;
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

document.addEventListener("htmx:beforeRequest", (event) => {
  if (isPoll(event) && (paused || document.hidden)) event.preventDefault();
});
document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.target?.id !== "polled") return;
  // Something else than the part, such as the page to sign in on: leave what is shown.
  if (!event.detail.xhr.responseText.includes('id="polled"')) {
    event.detail.shouldSwap = false;
    return;
  }
  heardAt = performance.now();
  // What is being pressed, and what is open, stays where it is.
  const isBusy = pressed || document.querySelector("#polled details[open]");
  if (isPoll({ target: event.detail.elt ?? {} }) && isBusy) event.detail.shouldSwap = false;
});
document.addEventListener("htmx:afterSwap", () => {
  const word = document.getElementById("polled")?.dataset.word;
  const said = document.getElementById("polled-said");
  if (word && said.dataset.word !== word) {
    said.textContent = word;
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

button.addEventListener("click", () => {
  paused = !paused;
  heardAt = performance.now();
  show();
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) heardAt = performance.now();
});

document.getElementById("polled-said").dataset.word =
  document.getElementById("polled").dataset.word;
setInterval(show, 1000);
show();
