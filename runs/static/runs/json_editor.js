// A JSON editor: line numbers, keys that indent, and going to a line. The text is a plain
// textarea: it works without this module, which only makes it handier.

const INDENT = "  ";
// Beyond it numbering every line on every key would be felt.
const MOST_LINES = 20_000;

// Bytes beyond which the portal refuses what is sent, unread.
const MOST_BYTES = 2_300_000;

// The editor of the page that was opened last; a page has one at a time.
let current = null;

export function edit(root) {
  const area = root.querySelector("textarea");
  const gutter = document.createElement("div");
  gutter.className = "op-editor-gutter";
  gutter.setAttribute("aria-hidden", "true");
  root.prepend(gutter);
  let numbered = 0;

  function number() {
    const lines = Math.min(area.value.split("\n").length, MOST_LINES);
    if (lines === numbered) return;
    numbered = lines;
    gutter.textContent = Array.from({ length: lines }, (_, index) => index + 1).join("\n");
    follow();
  }

  function follow() {
    gutter.scrollTop = area.scrollTop;
  }

  area.addEventListener("input", number);
  area.addEventListener("scroll", follow, { passive: true });
  number();
  addKeys(area);
  // Whatever is too long to be sent is told here.
  area.addEventListener("htmx:beforeRequest", (event) => {
    if (event.target === area && isTooLong(area)) event.preventDefault();
  });
  area.form?.addEventListener("submit", (event) => {
    if (isTooLong(area)) event.preventDefault();
  });
  // Nothing heard what was typed before the page was whole.
  window.addEventListener("load", () => {
    if (area.value !== area.defaultValue) area.dispatchEvent(new Event("typed-early"));
  });
  current = { root, area };
  return current;
}

function isTooLong(area) {
  // Characters have at most three bytes each.
  if (area.value.length * 3 <= MOST_BYTES) return false;
  const { size } = new Blob([area.value]);
  if (size <= MOST_BYTES) return false;
  const findings = document.getElementById("findings");
  findings.innerHTML = '<ol class="op-wf-findings"><li><span class="material-symbols-outlined op-state-icon" data-state="failed" aria-hidden="true">error</span><p></p></li></ol>';
  findings.querySelector("p").textContent = `It is ${size.toLocaleString("en")} bytes long, more than the portal takes. Nothing was sent.`;
  document.getElementById("verdict").textContent = "Too long";
  return true;
}

export function goTo(line, column = 0) {
  if (!current) return;
  const { root, area } = current;
  const lines = area.value.split("\n");
  const at = Math.min(line, lines.length) - 1;
  const start = lines.slice(0, at).reduce((sum, text) => sum + text.length + 1, 0);
  // Columns count characters, offsets UTF-16 units.
  const skipped = column ? Array.from(lines[at]).slice(0, column - 1).join("").length : 0;
  area.focus({ preventScroll: true });
  area.setSelectionRange(start + skipped, column ? start + skipped : start + lines[at].length);
  showLine(area, at);
  area.scrollLeft = 0;
  root.scrollIntoView({ block: "nearest" });
}

export function showLine(area, at) {
  const height = parseFloat(getComputedStyle(area).lineHeight);
  area.scrollTop = Math.max(0, at * height - area.clientHeight / 2);
}

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("[data-line]");
  if (!link || !current) return;
  event.preventDefault();
  goTo(Number(link.dataset.line), Number(link.dataset.column || 0));
});

// -- Keys -----------------------------------------------------------------------------------

// The deprecated command is the only way to change a textarea that the browser can undo. It types
// where the focus is.
export function type(area, text) {
  area.focus({ preventScroll: true });
  if (!document.execCommand("insertText", false, text)) {
    area.setRangeText(text, area.selectionStart, area.selectionEnd, "end");
    area.dispatchEvent(new Event("input", { bubbles: true }));
  }
}

function shift(area, out) {
  const { value, selectionStart: from, selectionEnd: to } = area;
  const start = value.lastIndexOf("\n", from - 1) + 1;
  if (!out && !value.slice(from, to).includes("\n")) return type(area, INDENT);
  // A selection that ends at a line's beginning does not mean that line.
  const end = to > from && value[to - 1] === "\n" ? to - 1 : to;
  const lines = value.slice(start, end).split("\n");
  const moved = lines.map((line) => (out ? line.replace(/^ {1,2}|^\t/, "") : INDENT + line));
  area.setSelectionRange(start, end);
  if (moved.join("\n") !== lines.join("\n")) type(area, moved.join("\n"));
  const first = moved[0].length - lines[0].length;
  const all = moved.join("\n").length - lines.join("\n").length;
  area.setSelectionRange(Math.max(start, from + first), to + all);
}

function newLine(area) {
  const { value, selectionStart: at } = area;
  const line = value.slice(value.lastIndexOf("\n", at - 1) + 1, at);
  const margin = line.match(/^[ \t]*/)[0];
  const opens = /[{[]\s*$/.test(line);
  const closes = opens && /^\s*[}\]]/.test(value.slice(at));
  type(area, `\n${margin}${opens ? INDENT : ""}${closes ? `\n${margin}` : ""}`);
  if (closes) {
    const back = area.selectionStart - margin.length - 1;
    area.setSelectionRange(back, back);
  }
}

function addKeys(area) {
  // After Escape the next Tab leaves the text: nobody is kept in it.
  let leaving = false;

  area.addEventListener("keydown", (event) => {
    if (area.readOnly || event.isComposing || event.altKey || event.metaKey || event.ctrlKey) return;
    if (event.key === "Escape") {
      leaving = true;
      return;
    }
    if (event.key === "Tab" && !leaving) {
      event.preventDefault();
      shift(area, event.shiftKey);
    } else if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      newLine(area);
    }
    if (event.key !== "Shift") leaving = false;
  });
  area.addEventListener("blur", () => { leaving = false; });
}
