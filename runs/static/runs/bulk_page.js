// The pages of bulk operations. htmx asks for the part that moves (#bulk-live) each second or so;
// here stands what keeps that from being in the way, and the light that says how fresh it is.

import { sendFrom } from "./dialogs.js";
import { PollLight, tellChanges } from "./poll_light.js";

const isOpen = () => document.getElementById("bulk-live")?.hasAttribute("data-open");
const light = new PollLight("bulk-live", {
  reconnectingAfter: 5000,
  disconnectedAfter: 15_000,
  isOpen,
});

// What is being pressed, read in a menu or pointed at stays where it is.
const isHeld = (part) => light.pressed || part.querySelector("details[open]");

document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.target?.id !== "bulk-live") return;
  // An error is an answer too, but not of how far it is.
  if (event.detail.xhr.status >= 400) return;
  light.heard();
  if (isHeld(event.detail.target)) event.detail.shouldSwap = false;
});
document.addEventListener("htmx:oobBeforeSwap", (event) => {
  const part = event.detail.target;
  const rests = part.id === "bulk-outcomes" && part.querySelector("tbody")?.matches(":hover");
  // What has ended is shown as it ended.
  if (isHeld(part) || (rests && isOpen())) event.detail.shouldSwap = false;
});
document.addEventListener("htmx:afterSwap", () => light.show());

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

tellChanges("bulk-said", "bulk-head");
