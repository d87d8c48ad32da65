// What every page of the portal has: menus, copying, durations that tick, and a word when the
// portal does not answer. Each page loads this module; nothing here knows a page.

import "./menus.js";
import "./copy.js";
import "./ticks.js";
import { signInAgain } from "./signed_out.js";
import { toast } from "./toast.js";

// The zone that this device is set to: named where it stands among the zones, else offered.
function offerZone() {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const words = `${zone} (this device)`;
  for (const button of document.querySelectorAll("[data-device-zone]")) {
    const listed = [...button.form.querySelectorAll("[data-listed]")].find(({ value }) => value === zone);
    button.value = zone;
    button.hidden = !zone || Boolean(listed);
    (listed || button).lastElementChild.textContent = words;
  }
}

offerZone();
document.addEventListener("htmx:afterSwap", offerZone);

document.addEventListener("htmx:sendError", () => {
  toast("The portal does not answer. What is on the page stays; try again in a moment.");
});

document.addEventListener("htmx:responseError", (event) => {
  const status = event.detail.xhr.status;
  if (status === 401 || status === 403) {
    toast("You are signed out, or may no longer do this. Reload the page to sign in.");
  } else {
    toast(`The portal could not do this (answer ${status}). What is on the page stays.`);
  }
});

// An expired session answers with the sign-in page: never put that into a part of this one.
document.addEventListener("htmx:beforeSwap", (event) => {
  if (new URL(event.detail.xhr.responseURL || location.href).pathname.endsWith("/login/")) {
    event.detail.shouldSwap = false;
    signInAgain();
  }
});
