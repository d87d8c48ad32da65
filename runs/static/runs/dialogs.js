// What is asked before something is done. Each of these is a page of its own; where there is a
// <dialog id="asked"> it is shown there instead:
//   <a data-dialog href="…">, and `askIn(url, form data)` for a form that was sent.

import { toast } from "./toast.js";

export async function askIn(url, body) {
  const dialog = document.getElementById("asked");
  let answer;
  try {
    answer = await fetch(url, { method: body ? "POST" : "GET", body, headers: { "HX-Request": "true" } });
  } catch {
    toast("The portal does not answer. What is on the page stays; try again in a moment.");
    return;
  }
  if (answer.redirected) {
    location.assign(answer.url);
    return;
  }
  if (!answer.ok) {
    toast(answer.status === 403 ? await answer.text() : `The portal could not do this (answer ${answer.status}).`);
    return;
  }
  dialog.innerHTML = await answer.text();
  dialog.showModal();
  dialog.querySelector("form.op-form :is(input:not([type=hidden]), select, button)")?.focus();
}

document.addEventListener("click", (event) => {
  if (event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const link = event.target.closest?.("a[data-dialog]");
  if (link && document.getElementById("asked")) {
    event.preventDefault();
    link.closest("details")?.removeAttribute("open");
    askIn(link.href);
  }
  const closing = event.target.closest?.("#asked [data-dialog-close]");
  if (closing) {
    event.preventDefault();
    closing.closest("dialog").close();
  }
});
