// A notice at the bottom right, read out and gone after a while.

const STAYS = 8000;
let leaving = 0;

export function toast(text, state = "failed") {
  let box = document.getElementById("toast");
  if (!box) {
    box = document.createElement("div");
    box.id = "toast";
    box.className = "op-notice op-toast";
    box.setAttribute("role", "alert");
    (document.getElementById("stack") || document.body).prepend(box);
  }
  box.dataset.state = state;
  const words = document.createElement("p");
  words.textContent = text;
  box.replaceChildren(words);
  clearTimeout(leaving);
  leaving = setTimeout(() => box.remove(), STAYS);
}
