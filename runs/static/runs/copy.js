// <button data-copy="text"> copies its text; data-copy-from="#id" copies that element's text.

import { toast } from "./toast.js";

const SAYS_SO = 1500;

async function write(text) {
  if (navigator.clipboard && window.isSecureContext) return navigator.clipboard.writeText(text);
  // Plain http: there is no clipboard API.
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "op-sr";
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  if (!done) throw new Error("the browser did not copy");
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("[data-copy], [data-copy-from]");
  if (!button) return;
  const source = button.dataset.copyFrom;
  const text = source ? document.querySelector(source).textContent : button.dataset.copy;
  try {
    await write(text);
  } catch {
    toast("The browser did not let this be copied. Select the text and copy it by hand.");
    return;
  }
  const icon = button.querySelector(".material-symbols-outlined");
  if (!icon || button.classList.contains("is-copied")) return;
  const before = icon.textContent;
  const words = document.createElement("span");
  words.className = "op-sr";
  words.setAttribute("role", "status");
  button.classList.add("is-copied");
  icon.textContent = "check";
  button.append(words);
  words.textContent = "Copied";
  setTimeout(() => {
    button.classList.remove("is-copied");
    icon.textContent = before;
    words.remove();
  }, SAYS_SO);
});
