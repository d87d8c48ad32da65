// Settings of runs: lines for more workflows, and a word before what is not saved is left.

const form = document.getElementById("policy");
const total = form.querySelector("[name=workflows-TOTAL_FORMS]");
let isUnsaved = form.hasAttribute("data-unsaved");
let isLeaving = false;

// The browser's own autofocus gives way to an address with a place in it.
document.querySelector("main [autofocus]")?.focus();

document.addEventListener("click", (event) => {
  const at = event.target.closest?.("[data-add-line], [data-drop-line], [data-discard]");
  if (!at) return;
  if (at.hasAttribute("data-discard")) isLeaving = true;
  else if (at.hasAttribute("data-add-line")) add();
  else drop(at.closest("tr"));
});

// The first line that is still empty does as well.
function add() {
  const empty = [...form.querySelectorAll("tbody tr:not([hidden]) [name$=-workflow]")].find(
    (field) => !field.value,
  );
  (empty || added()).focus();
}

function added() {
  const made = document.getElementById("new-line").content.firstElementChild.outerHTML;
  const body = form.querySelector(".op-rt-workflows tbody");
  body.insertAdjacentHTML("beforeend", made.replaceAll("__prefix__", total.value));
  total.value = Number(total.value) + 1;
  return body.lastElementChild.querySelector("[name$=-workflow]");
}

// It stays, empty: the others are counted through.
function drop(line) {
  for (const field of line.querySelectorAll("input")) {
    if (field.type === "checkbox") field.checked = false;
    else field.value = "";
  }
  line.hidden = true;
  if (line.nextElementSibling?.matches(".op-rt-errors")) line.nextElementSibling.hidden = true;
  form.querySelector("[data-add-line]").focus();
  line.querySelector("input").dispatchEvent(new Event("change", { bubbles: true }));
}

for (const what of ["input", "change"]) form.addEventListener(what, () => { isUnsaved = true; });
form.addEventListener("submit", (event) => { if (!event.defaultPrevented) isLeaving = true; });
// Back shows this page again as it was left.
window.addEventListener("pageshow", () => { isLeaving = false; });
window.addEventListener("beforeunload", (event) => {
  if (isUnsaved && !isLeaving) event.preventDefault();
});
