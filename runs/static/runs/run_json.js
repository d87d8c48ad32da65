// JSON on the page: colours for short texts, and a tree that folds, is searched and copied for the
// run's context. Every text from data becomes a text node, never markup.

import { fetchText, Unanswered } from "./run_fragment.js";

// Longer texts stay without colours.
const COLOURED = 60_000;
// Members of an object or a list that are drawn at once.
const BATCH = 200;
// What is open from the beginning: all of a short text, else the outer levels and small parts.
const OPEN_WHOLE = 2500;
const OPEN_DEPTH = 2;
const OPEN_BELOW = 200;
const MOST_FOUND = 1000;

const TOKEN = /("(?:[^"\\]|\\.)*")(\s*:)?|\b(?:true|false|null)\b|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

// -- Colours ------------------------------------------------------------------

export function colour(root = document) {
  for (const pre of root.querySelectorAll("pre[data-json]:not([data-drawn])")) {
    const text = pre.textContent;
    if (text.length > COLOURED) continue;
    pre.replaceChildren(...text.split("\n").flatMap((line, at) => (at ? ["\n", drawn(line)] : [drawn(line)])));
    pre.setAttribute("data-drawn", "");
  }
}

// What of a line does not fit goes on further to the right than it began.
function drawn(line) {
  const element = span("op-line", "");
  element.style.setProperty("--i", `${line.search(/\S|$/) + 2}ch`);
  element.append(...coloured(line));
  return element;
}

function coloured(text) {
  const parts = [];
  let at = 0;
  for (const match of text.matchAll(TOKEN)) {
    if (match.index > at) parts.push(text.slice(at, match.index));
    const [whole, string, colon] = match;
    parts.push(span(colon ? "k" : string ? "s" : "n", colon ? string : whole));
    if (colon) parts.push(colon);
    at = match.index + whole.length;
  }
  parts.push(text.slice(at));
  return parts;
}

function span(className, text) {
  const element = document.createElement("span");
  element.className = className;
  element.textContent = text;
  return element;
}

// -- The tree -----------------------------------------------------------------

export function sizeWords(count) {
  if (count < 1000) return `${count} B`;
  return count < 1e6 ? `${(count / 1000).toFixed(1)} kB` : `${(count / 1e6).toFixed(1)} MB`;
}

const isContainer = (value) => value !== null && typeof value === "object";
const membersOf = (value) => (Array.isArray(value) ? value.map((item, at) => [at, item]) : Object.entries(value));

class Tree {
  constructor(box, text) {
    this.box = box;
    this.text = text;
    this.value = JSON.parse(text);
    this.sizes = new WeakMap();
    this.measure(this.value);
    // Drawn members by their container: [details, how many are drawn].
    this.drawn = new Map();
    this.root = document.createElement("div");
    this.root.className = "op-code op-tree";
    this.draw(this.root, null, this.value, [], "");
    box.replaceChildren(this.root);
    this.found = [];
    this.at = -1;
  }

  // Lengths of the containers' JSON, bottom up.
  measure(value) {
    if (!isContainer(value)) return JSON.stringify(value).length;
    let size = 2;
    for (const [key, item] of membersOf(value)) {
      size += this.measure(item) + (Array.isArray(value) ? 2 : String(key).length + 6);
    }
    this.sizes.set(value, size);
    return size;
  }

  draw(parent, key, value, path, comma) {
    const name = key === null ? [] : [span("k", JSON.stringify(key)), ": "];
    if (!isContainer(value) || !membersOf(value).length) {
      const line = document.createElement("div");
      const text = JSON.stringify(value);
      const kind = typeof value === "string" ? "s" : isContainer(value) ? "" : "n";
      line.append(...name, span(kind, text), comma);
      line.dataset.path = JSON.stringify(path);
      parent.append(line);
      return;
    }
    const [opens, closes] = Array.isArray(value) ? "[]" : "{}";
    const count = membersOf(value).length;
    const fold = document.createElement("details");
    fold.dataset.path = JSON.stringify(path);
    const head = document.createElement("summary");
    const words = Array.isArray(value) ? `${count} item${count === 1 ? "" : "s"}` : `${count} key${count === 1 ? "" : "s"}`;
    const closed = span("op-tree-closed", "");
    closed.append(span("m", ` … ${words}, ${sizeWords(this.sizes.get(value))} `), closes, comma);
    head.append(...name, opens, closed);
    const body = document.createElement("div");
    body.className = "op-tree-body";
    const tail = document.createElement("div");
    tail.append(closes, comma);
    fold.append(head, body, tail);
    fold.addEventListener("toggle", () => fold.open && this.fill(fold, value, path));
    this.drawn.set(fold.dataset.path, { fold, body, value, path, count: 0 });
    parent.append(fold);
    const small = this.sizes.get(value) < OPEN_BELOW && path.length > OPEN_DEPTH;
    if (small || path.length < OPEN_DEPTH || this.text.length < OPEN_WHOLE) {
      this.fill(fold, value, path);
      fold.open = true;
    }
  }

  fill(fold, value, path, upTo = BATCH) {
    const state = this.drawn.get(fold.dataset.path);
    const members = membersOf(value);
    if (state.count >= Math.min(upTo, members.length)) return;
    state.more?.remove();
    const end = Math.min(members.length, Math.max(upTo, state.count + BATCH));
    for (let at = state.count; at < end; at += 1) {
      const [key, item] = members[at];
      const comma = at < members.length - 1 ? "," : "";
      this.draw(state.body, Array.isArray(value) ? null : key, item, [...path, key], comma);
    }
    state.count = end;
    if (end < members.length) {
      state.more = document.createElement("button");
      state.more.type = "button";
      state.more.className = "op-link";
      state.more.textContent = `${(members.length - end).toLocaleString("en")} more`;
      state.more.addEventListener("click", () => this.fill(fold, value, path, end + BATCH));
      state.body.append(state.more);
    }
  }

  foldAll(open) {
    for (const { fold, path } of [...this.drawn.values()]) {
      if (path.length) fold.open = open;
      else fold.open = true;
    }
  }

  // -- Finding ----------------------------------------------------------------

  search(text) {
    const wanted = text.trim().toLowerCase();
    this.found = [];
    this.at = -1;
    if (wanted) this.walk(null, this.value, [], wanted);
    this.show();
    return this.next(1);
  }

  walk(key, value, path, wanted) {
    if (this.found.length >= MOST_FOUND) return;
    const inKey = typeof key === "string" && key.toLowerCase().includes(wanted);
    if (inKey || (!isContainer(value) && String(value).toLowerCase().includes(wanted))) {
      this.found.push(path);
    }
    if (!isContainer(value)) return;
    for (const [name, item] of membersOf(value)) this.walk(name, item, [...path, name], wanted);
  }

  next(step) {
    if (!this.found.length) return "";
    this.at = (this.at + step + this.found.length) % this.found.length;
    this.show();
    const more = this.found.length >= MOST_FOUND ? "+" : "";
    return `${this.at + 1} of ${this.found.length.toLocaleString("en")}${more}`;
  }

  show() {
    this.box.querySelector(".is-found")?.classList.remove("is-found");
    const path = this.found[this.at];
    if (!path) return;
    for (let depth = 0; depth < path.length; depth += 1) {
      const state = this.drawn.get(JSON.stringify(path.slice(0, depth)));
      const members = membersOf(state.value);
      const place = members.findIndex(([key]) => key === path[depth]);
      this.fill(state.fold, state.value, state.path, place + 1);
      state.fold.open = true;
    }
    const name = JSON.stringify(path);
    const line = [...this.box.querySelectorAll("[data-path]")].find((each) => each.dataset.path === name);
    const target = line?.tagName === "DETAILS" ? line.firstElementChild : line;
    target?.classList.add("is-found");
    target?.scrollIntoView({ block: "nearest" });
  }
}

// The context's tab, when it has been put on the page.
export async function showContext() {
  const box = document.getElementById("json");
  if (!box || box.dataset.asked) return;
  box.dataset.asked = "1";
  let text = box.querySelector("pre")?.textContent;
  try {
    if (!text) {
      box.setAttribute("aria-busy", "true");
      text = await fetchText(new URL(box.dataset.src, location.href));
      box.removeAttribute("aria-busy");
    }
  } catch (error) {
    if (!(error instanceof Unanswered)) throw error;
    box.removeAttribute("aria-busy");
    // The button that was there asks again: of use only where that may be answered.
    const again = error.passes && box.querySelector("p > a");
    if (again) again.textContent = "Try again";
    const said = document.createElement("p");
    said.setAttribute("role", "alert");
    said.append(`${error.message} `, ...(again ? [again] : []));
    box.replaceChildren(said);
    return;
  }
  if (!box.isConnected) return;
  connect(new Tree(box, text));
}

function connect(tree) {
  const input = document.getElementById("json-find");
  const found = document.getElementById("json-found");
  const say = (words) => { found.textContent = input.value.trim() ? words || "not found" : ""; };
  input.addEventListener("input", () => say(tree.search(input.value)));
  input.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    say(tree.next(event.shiftKey ? -1 : 1));
  });
  const fold = document.getElementById("json-fold");
  let open = false;
  fold.addEventListener("click", () => {
    tree.foldAll(open);
    open = !open;
    fold.firstElementChild.textContent = open ? "unfold_more" : "unfold_less";
    fold.lastChild.data = open ? "Unfold all" : "Fold all";
  });
  // copy.js copies what stands here.
  document.getElementById("json-copy").dataset.copy = tree.text;
}
