// Pages whose part with the id “polled” htmx fetches anew every few seconds.

import { PollLight, tellChanges } from "./poll_light.js";

const light = new PollLight("polled", { reconnectingAfter: 9000, disconnectedAfter: 20_000 });

document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.target?.id !== "polled") return;
  // Something else than the part, such as the page to sign in on: leave what is shown.
  if (!event.detail.xhr.responseText.includes('id="polled"')) {
    event.detail.shouldSwap = false;
    return;
  }
  light.heard();
  // What is being pressed, and what is open, stays where it is.
  const isBusy = light.pressed || document.querySelector("#polled details[open]");
  if (light.isPoll({ target: event.detail.elt ?? {} }) && isBusy) event.detail.shouldSwap = false;
});
document.addEventListener("htmx:afterSwap", () => light.show());

tellChanges("polled-said", "polled");
