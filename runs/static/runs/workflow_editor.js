// A workflow's definition in its editor: saving by key, and asking before unsaved text is left.

import { edit } from "./json_editor.js";

const SCROLL_KEY = `workflow-editor:${location.pathname}`;

const form = document.querySelector("[data-editor-form]");
const { area } = edit(document.querySelector("[data-editor]"));
const before = area.value;
let sending = false;

const button = form?.querySelector("[data-save]");

document.addEventListener("keydown", (event) => {
  const saves = (event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && event.key.toLowerCase() === "s";
  if (!saves || !button) return;
  event.preventDefault();
  form.requestSubmit(button);
});

form?.addEventListener("submit", () => {
  sending = true;
  sessionStorage.setItem(SCROLL_KEY, JSON.stringify([area.scrollTop, area.selectionStart]));
});

// Back shows this page again as it was left.
window.addEventListener("pageshow", () => { sending = false; });

window.addEventListener("beforeunload", (event) => {
  if (form && !sending && area.value !== before) event.preventDefault();
});

const kept = sessionStorage.getItem(SCROLL_KEY);
if (kept) {
  sessionStorage.removeItem(SCROLL_KEY);
  const [top, at] = JSON.parse(kept);
  area.setSelectionRange(at, at);
  area.scrollTop = top;
}
