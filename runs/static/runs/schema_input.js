// An input as a form or as JSON (templates/runs/schema_input.html). Works without this module,
// which adds the editor, marks fields that are wrong, and lets one press send the form once.

import { edit } from "./json_editor.js";

function open() {
  const editor = document.querySelector("[data-schema-input] [data-editor]");
  if (editor && !editor.querySelector(".op-editor-gutter")) edit(editor);
}

// A field says that it is wrong to who does not see the words below it.
function mark() {
  for (const field of document.querySelectorAll("[data-schema-input] .op-field")) {
    const input = field.querySelector("input, select, textarea");
    if (field.querySelector(".op-error")?.textContent.trim()) input.setAttribute("aria-invalid", "true");
    else input.removeAttribute("aria-invalid");
  }
}

document.addEventListener("htmx:afterSettle", () => { open(); mark(); });
open();

document.querySelector('[data-schema-input] .op-field [aria-invalid="true"]')?.focus();

for (const form of document.querySelectorAll("form[data-once]:has([data-schema-input])")) {
  let sending = false;
  form.addEventListener("submit", (event) => {
    if (sending) event.preventDefault();
    sending = true;
  });
  // Back shows this page again as it was left.
  window.addEventListener("pageshow", () => { sending = false; });
}
