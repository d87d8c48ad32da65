// Menus are <details class="op-menu">: they open without JavaScript. Here they close on Escape
// and on a click elsewhere, and arrow keys move through their items.

const OPEN = "details.op-menu[open]";
const ITEMS = ".op-menu-body :is(a[href], button, input):not([disabled], [tabindex='-1'])";

function close(menu, { focus = false } = {}) {
  menu.removeAttribute("open");
  if (focus) menu.querySelector("summary").focus();
}

document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll(OPEN)) {
    if (!menu.contains(event.target)) close(menu);
  }
});

document.addEventListener("focusin", (event) => {
  for (const menu of document.querySelectorAll(OPEN)) {
    if (!menu.contains(event.target)) close(menu);
  }
});

// One that would reach below the window opens upwards, where there is more room.
document.addEventListener("toggle", (event) => {
  const menu = event.target;
  if (!menu.matches?.("details.op-menu")) return;
  if (menu.dataset.turned !== undefined) {
    delete menu.dataset.turned;
    menu.classList.remove("op-menu-up");
  }
  const body = menu.querySelector(".op-menu-body");
  // On a phone it is a sheet at the window's end.
  if (!menu.open || !body || getComputedStyle(body).position === "fixed") return;
  const { top, bottom } = menu.getBoundingClientRect();
  if (body.getBoundingClientRect().bottom <= innerHeight || top <= innerHeight - bottom) return;
  menu.dataset.turned = "";
  menu.classList.add("op-menu-up");
}, true);

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.altKey || event.ctrlKey || event.metaKey) return;
  const menu = event.target.closest?.(OPEN) || document.querySelector(OPEN);
  if (!menu) return;
  if (event.key === "Escape") {
    event.preventDefault();
    close(menu, { focus: menu.contains(document.activeElement) });
    return;
  }
  if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
  if (!menu.contains(event.target)) return;
  const items = [...menu.querySelectorAll(ITEMS)].filter((item) => item.offsetParent);
  if (!items.length) return;
  event.preventDefault();
  const at = items.indexOf(document.activeElement);
  const step = event.key === "ArrowDown" ? 1 : -1;
  const next = at < 0 ? (step > 0 ? 0 : items.length - 1) : at + step;
  items[(next + items.length) % items.length].focus();
});
