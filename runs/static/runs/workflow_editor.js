// A workflow's definition in its editor: saving by key, asking before unsaved text is left,
// inserting nodes, formatting, and the drawing that follows the cursor.

import { edit, type } from "./json_editor.js";
import { toast } from "./toast.js";
import { followCursor } from "./workflow_graph.js";
import { insertNode } from "./workflow_insert.js";

const SCROLL_KEY = `workflow-editor:${location.pathname}`;

const form = document.querySelector("[data-editor-form]");
const { area } = edit(document.querySelector("[data-editor]"));
const before = area.defaultValue;
let sending = false;

followCursor(area);

const button = form?.querySelector("[data-save]");

document.addEventListener("keydown", (event) => {
  const saves = (event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && event.key.toLowerCase() === "s";
  if (!saves || !button) return;
  event.preventDefault();
  form.requestSubmit(button);
});

// Runs before the form is sent, also by the button that formats: only one that leaves counts.
form?.addEventListener("submit", (event) => {
  if (event.defaultPrevented) return;
  sending = true;
  sessionStorage.setItem(SCROLL_KEY, JSON.stringify([area.scrollTop, area.selectionStart]));
});

// Back shows this page again as it was left.
window.addEventListener("pageshow", () => { sending = false; });

window.addEventListener("beforeunload", (event) => {
  const isUnsaved = area.value !== before || form?.hasAttribute("data-unsaved");
  if (form && !sending && isUnsaved) event.preventDefault();
});

document.addEventListener("click", (event) => {
  const inserting = event.target.closest?.("[data-insert]");
  if (!inserting || area.readOnly) return;
  inserting.closest("details.op-menu")?.removeAttribute("open");
  insertNode(area, inserting.dataset.insert);
});

// The executors' list opens where a link leads to it.
document.addEventListener("click", (event) => {
  const link = event.target.closest?.('a[href="#executors"]');
  if (link) document.getElementById("executors").open = true;
});

async function format() {
  const sent = new FormData(form);
  sent.set("format", "1");
  let answer;
  try {
    answer = await fetch(area.getAttribute("hx-post"), { method: "POST", body: sent });
  } catch {
    toast("The portal does not answer. The text stays as it is.");
    return;
  }
  const text = await answer.text();
  if (!answer.headers.get("Content-Type")?.startsWith("text/plain")) toast("The text could not be formatted: reload the page to sign in.");
  else if (!answer.ok) toast(text);
  else if (text !== area.value) {
    // Typed, so that it can be undone.
    const top = area.scrollTop;
    area.select();
    type(area, text);
    area.setSelectionRange(0, 0);
    area.scrollTop = top;
  }
}

form?.querySelector("[data-format]")?.addEventListener("click", (event) => {
  event.preventDefault();
  format();
});

const kept = sessionStorage.getItem(SCROLL_KEY);
if (kept) {
  sessionStorage.removeItem(SCROLL_KEY);
  const [top, at] = JSON.parse(kept);
  area.setSelectionRange(at, at);
  area.scrollTop = top;
}
