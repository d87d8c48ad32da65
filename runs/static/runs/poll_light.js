// The light of a page whose part htmx fetches anew every few seconds: it says how fresh the part is,
// and pauses it. With it goes what keeps a fetch from being in the way.
//
//   const light = new PollLight("polled", { reconnectingAfter: 9000, disconnectedAfter: 20_000 });
//
// `part` is the id of what is fetched; `isOpen` says whether there is anything to be fetched.

import { ageWords } from "./live.js";

const WORDS = {
  live: "Live",
  reconnecting: "Reconnecting",
  disconnected: "Disconnected",
  paused: "Paused",
};

export class PollLight {
  constructor(part, { reconnectingAfter, disconnectedAfter, isOpen = () => true }) {
    this.part = part;
    this.reconnectingAfter = reconnectingAfter;
    this.disconnectedAfter = disconnectedAfter;
    this.isOpen = isOpen;
    this.paused = false;
    // Whether something is being pressed: it stays where it is.
    this.pressed = false;
    this.light = document.getElementById("live");
    this.button = this.light?.querySelector("button");
    this.heard();
    this.listen();
    setInterval(() => this.show(), 1000);
    this.show();
  }

  heard() {
    this.heardAt = performance.now();
  }

  isPoll(event) {
    return event.target.id === this.part;
  }

  listen() {
    document.addEventListener("htmx:beforeRequest", (event) => {
      if (this.isPoll(event) && (this.paused || document.hidden)) event.preventDefault();
    });
    // Each poll that fails would say so anew: the light says it.
    for (const name of ["htmx:sendError", "htmx:responseError"]) {
      const quiet = (event) => this.isPoll(event) && event.stopImmediatePropagation();
      document.addEventListener(name, quiet, true);
    }
    addEventListener("pointerdown", () => { this.pressed = true; }, true);
    for (const name of ["pointerup", "pointercancel", "blur"]) {
      addEventListener(name, () => setTimeout(() => { this.pressed = false; }), true);
    }
    this.button?.addEventListener("click", () => {
      this.paused = !this.paused;
      this.heard();
      this.show();
    });
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) this.heard();
    });
  }

  show() {
    if (!this.light) return;
    this.light.hidden = !this.isOpen();
    if (this.light.hidden || document.hidden) return;
    const age = performance.now() - this.heardAt;
    let state = "live";
    if (this.paused) state = "paused";
    else if (age > this.disconnectedAfter) state = "disconnected";
    else if (age > this.reconnectingAfter) state = "reconnecting";
    this.light.dataset.live = state;
    const word = this.light.querySelector("b");
    if (word.textContent !== WORDS[state]) word.textContent = WORDS[state];
    this.light.querySelector(".op-live-age").textContent = this.paused ? "" : ageWords(age);
    this.button.firstElementChild.textContent = this.paused ? "play_arrow" : "pause";
    this.button.title = this.paused ? "Resume live updates" : "Pause live updates";
    this.button.setAttribute("aria-label", this.button.title);
  }
}

// Have the element with the id `said` tell those who listen what the `data-word` of another says, as
// soon as it has changed since the page came.
export function tellChanges(said, of) {
  const place = document.getElementById(said);
  if (!place) return;
  place.dataset.word = document.getElementById(of).dataset.word;
  document.addEventListener("htmx:afterSwap", () => {
    const word = document.getElementById(of)?.dataset.word;
    if (!word || place.dataset.word === word) return;
    place.textContent = word;
    place.dataset.word = word;
  });
}
