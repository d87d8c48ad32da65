// What is asked before something is done. Each of these is a page of its own; where there is a
// <dialog id="asked"> it is shown there instead:
//   <a data-dialog href="…">, and `askIn(url, form data)` for a form that was sent.
// `sendFrom(form, done)` sends the dialog's own form from there: where it fails, the page, the form
// and what was typed stay, and the dialog says what happened.

import { signInAgain } from "./signed_out.js";
import { toast } from "./toast.js";

// Where one begins: at what was wrong, or where the form says; else at its first field.
const BEFORE = ["[aria-invalid=true]", "[autofocus]"];
const FIRST = "form.op-form:not(.op-ask-first) :is(input:not([type=hidden]), select, button)";

const UNSURE = "It may have been done all the same: look at the runs before you press again.";

const begin = (dialog) =>
  [...BEFORE, FIRST].map((where) => dialog.querySelector(where)).find(Boolean)?.focus();

const ask = (url, body) =>
  fetch(url, { method: body ? "POST" : "GET", body, headers: { "HX-Request": "true" } });

const isSignIn = (answer) => answer.redirected && new URL(answer.url).pathname.endsWith("/login/");

async function refusal(answer) {
  const isPlain = answer.headers.get("Content-Type")?.startsWith("text/plain");
  if (isPlain && answer.status < 500) return answer.text();
  if (answer.status === 403) return "This page is out of date. Reload it, and choose again.";
  return `The portal could not do this (answer ${answer.status}).`;
}

export async function askIn(url, body) {
  const dialog = document.getElementById("asked");
  let answer;
  try {
    answer = await ask(url, body);
  } catch {
    toast("The portal does not answer. What is on the page stays; try again in a moment.");
    return;
  }
  const next = answer.headers.get("HX-Redirect");
  if (next) location.assign(next);
  // Who signs in again comes back to this page, not to the question.
  else if (isSignIn(answer)) signInAgain();
  else if (answer.redirected) location.assign(answer.url);
  else if (!answer.ok) toast(await refusal(answer));
  else {
    dialog.innerHTML = await answer.text();
    if (!dialog.open) dialog.showModal();
    begin(dialog);
  }
}

export async function sendFrom(form, done) {
  if (form.dataset.sent) return;
  form.dataset.sent = "1";
  const button = form.querySelector("button:not([type=button])");
  button?.setAttribute("aria-disabled", "true");
  const wrong = await sent(form, done);
  if (!wrong) return;
  delete form.dataset.sent;
  button?.removeAttribute("aria-disabled");
  // What was wrong before has been answered to since.
  for (const old of form.querySelectorAll(":is(.op-error, .op-form-error):not([data-wrong])")) old.remove();
  let words = form.querySelector("[data-wrong]");
  if (!words) {
    words = document.createElement("p");
    words.className = "op-error";
    words.setAttribute("role", "alert");
    words.setAttribute("data-wrong", "");
    form.querySelector(".op-form-end").before(words);
  }
  words.replaceChildren(...wrong);
}

// What went wrong, if something did.
async function sent(form, done) {
  let answer;
  try {
    answer = await ask(form.action, new FormData(form));
  } catch {
    return [`The portal does not answer. ${form.dataset.unsure || UNSURE}`];
  }
  const next = answer.headers.get("HX-Redirect");
  if (next) {
    done();
    location.assign(next);
    return null;
  }
  if (isSignIn(answer)) {
    const link = document.createElement("a");
    link.className = "op-link";
    link.href = location.href;
    link.textContent = "Sign in";
    return ["You are signed out, so nothing was done. ", link];
  }
  if (answer.status !== 422) return [await refusal(answer)];
  const dialog = form.closest("dialog");
  dialog.innerHTML = await answer.text();
  begin(dialog);
  return null;
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
