// A live stream and its light.
//
//   const stream = new LiveStream("/api/sse-logs/run_…", {
//     events: { status: (data, id) => {}, reset: () => {} },
//     caughtUp: (first) => {},     // the stream is open, at first or again
//   });
//
// The stream resumes after the last id that it has seen, also after a pause, a rest in a
// background tab or an answer that the browser takes for final. The light (runs/_live.html) says
// live, reconnecting or disconnected with the age of the last message, and pauses it.

import { recountRunning } from "./badge.js";

const DISCONNECTED_AFTER = 15_000;
const RETRIES = [1000, 2000, 4000, 8000, 15_000];
const RESTS_AFTER = 10_000;
// The server says something every five seconds at least. Silence after which an open connection is
// doubted and made anew; after which it is given up for now; and after which one that is only being
// made is made anew.
const DOUBTED_AFTER = 12_000;
const SILENT_AFTER = 30_000;
const OPENS_WITHIN = 15_000;
// Events that tell of changed states.
const TELLING = ["runs", "reset", "status"];

const WORDS = {
  connecting: "Connecting",
  live: "Live",
  reconnecting: "Reconnecting",
  disconnected: "Disconnected",
  paused: "Paused",
  ended: "Ended",
};

export function ageWords(milliseconds) {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  if (seconds < 1) return "now";
  if (seconds < 60) return `${seconds} s ago`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${seconds % 60} s ago`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min ago`;
}

export class LiveStream {
  constructor(url, { events = {}, caughtUp = () => {}, changed = () => {}, lastId = "" } = {}) {
    this.url = url;
    this.events = events;
    this.caughtUp = caughtUp;
    this.changed = changed;
    this.lastId = lastId;
    this.state = "connecting";
    this.opened = false;
    this.paused = false;
    this.resting = false;
    this.failures = 0;
    this.downSince = performance.now();
    this.lastMessage = performance.now();
    this.light = document.getElementById("live");
    this.button = this.light?.querySelector("button");
    if (this.light) this.light.hidden = false;
    this.button?.addEventListener("click", () => this.press());
    document.addEventListener("visibilitychange", () => this.rest());
    window.addEventListener("online", () => this.reconnect());
    window.addEventListener("pagehide", () => this.close());
    window.addEventListener("pageshow", (event) => event.persisted && this.reconnect());
    setInterval(() => this.watch(), 1000);
    this.open();
  }

  // -- the connection ------------------------------------------------------

  open() {
    this.close();
    if (this.paused || this.resting || this.state === "ended") return;
    const url = new URL(this.url, location.href);
    if (this.lastId) url.searchParams.set("lastEventId", this.lastId);
    const source = new EventSource(url);
    this.source = source;
    this.openedAt = performance.now();
    source.onopen = () => {
      const first = !this.opened;
      this.opened = true;
      this.failures = 0;
      this.heard();
      this.show("live");
      this.caughtUp(first);
    };
    source.onerror = () => {
      if (source !== this.source) return;
      if (this.state === "live") this.downSince = performance.now();
      if (this.state !== "disconnected") this.show(this.opened ? "reconnecting" : "connecting");
      // The browser gives up on an answer that is no stream; we do not.
      if (source.readyState === EventSource.CLOSED) this.later();
    };
    for (const [name, act] of Object.entries(this.events)) {
      source.addEventListener(name, (event) => {
        this.heard(event);
        if (TELLING.includes(name)) recountRunning();
        act(event.data ? JSON.parse(event.data) : null, event.lastEventId);
      });
    }
    source.addEventListener("ping", () => {
      this.heard();
    });
  }

  close() {
    clearTimeout(this.retry);
    this.source?.close();
    this.source = null;
  }

  // Nothing more will come: the run is final.
  end() {
    this.close();
    this.show("ended");
  }

  reconnect() {
    this.failures = 0;
    this.open();
  }

  later() {
    const wait = RETRIES[Math.min(this.failures, RETRIES.length - 1)];
    this.failures += 1;
    this.retryAt = performance.now() + wait;
    clearTimeout(this.retry);
    this.retry = setTimeout(() => this.open(), wait);
  }

  heard(event) {
    this.lastMessage = performance.now();
    if (event?.lastEventId) this.lastId = event.lastEventId;
  }

  // -- the person ----------------------------------------------------------

  press() {
    if (this.state === "disconnected") {
      this.reconnect();
      return;
    }
    this.paused = !this.paused;
    if (this.paused) {
      this.close();
      this.show("paused");
    } else {
      this.downSince = performance.now();
      this.show("reconnecting");
      this.open();
    }
  }

  // A tab that nobody looks at keeps no connection.
  rest() {
    clearTimeout(this.restTimer);
    if (document.hidden) {
      this.restTimer = setTimeout(() => {
        this.resting = true;
        this.close();
      }, RESTS_AFTER);
    } else if (this.resting) {
      this.resting = false;
      if (this.paused || this.state === "ended") return;
      this.downSince = performance.now();
      this.show("reconnecting");
      this.open();
    }
  }

  // -- the light -----------------------------------------------------------

  watch() {
    if (this.resting || this.state === "paused" || this.state === "ended") return;
    const now = performance.now();
    if (this.state === "live") {
      if (now - this.lastMessage > DOUBTED_AFTER) {
        // Red comes with the silence, not with this moment.
        this.downSince = this.lastMessage + SILENT_AFTER - DISCONNECTED_AFTER;
        this.show("reconnecting");
        this.open();
      }
    } else {
      if (this.state !== "disconnected" && now - this.downSince > DISCONNECTED_AFTER) {
        this.show("disconnected");
      }
      const opening = this.source?.readyState === EventSource.CONNECTING;
      if (opening && now - this.openedAt > OPENS_WITHIN) this.open();
    }
    this.age();
  }

  show(state) {
    if (state !== this.state) {
      this.state = state;
      this.changed(state);
    }
    if (!this.light) return;
    this.light.dataset.live = state === "connecting" ? "reconnecting" : state;
    const word = this.light.querySelector("b");
    if (word.textContent !== WORDS[state]) word.textContent = WORDS[state];
    const [icon, label] = {
      disconnected: ["refresh", "Reconnect now"],
      paused: ["play_arrow", "Resume live updates"],
    }[state] || ["pause", "Pause live updates"];
    this.button.firstElementChild.textContent = icon;
    this.button.setAttribute("aria-label", label);
    this.button.title = label;
    this.button.hidden = state === "ended";
    this.age();
  }

  age() {
    const box = this.light?.querySelector(".op-live-age");
    if (!box || document.hidden) return;
    const age = ageWords(performance.now() - this.lastMessage);
    const words = {
      live: age,
      disconnected: this.opened ? `last message ${age}` : "no message yet",
      reconnecting: this.opened ? `last message ${age}` : "",
    }[this.state] ?? "";
    if (box.textContent !== words) box.textContent = words;
  }
}
