// Changes what is on the page into what the server sends now, and leaves alone what is the same:
// focus, selections, open folds, scroll positions and what is under the pointer stay.

// What tells siblings apart: rows and items carry data-key, parts of the page an id.
const keyOf = (node) => node.dataset?.key || node.id || "";

// What a person opened stays open.
const KEPT = { DETAILS: ["open"], DIALOG: ["open"] };

function sameKind(before, after) {
  return before.nodeName === after.nodeName && keyOf(before) === keyOf(after);
}

export function morph(before, after) {
  if (before.isEqualNode(after)) return;
  if (!sameKind(before, after)) {
    before.replaceWith(after);
    return;
  }
  if (before.nodeType !== Node.ELEMENT_NODE) {
    if (before.data !== after.data) before.data = after.data;
    return;
  }
  // The server says that this part is as it was.
  if (after.dataset.same !== undefined) return;
  // Filled by a module, such as a payload that was asked for.
  if (before.dataset.kept !== undefined) return;
  morphAttributes(before, after);
  // Coloured by a module: the same text under other elements.
  if (before.dataset.drawn !== undefined) {
    if (before.textContent === after.textContent) return;
    before.removeAttribute("data-drawn");
  }
  morphChildren(before, after);
}

function morphAttributes(before, after) {
  const kept = KEPT[before.nodeName] || [];
  for (const { name } of [...before.attributes]) {
    if (!after.hasAttribute(name) && !kept.includes(name) && name !== "data-drawn") {
      before.removeAttribute(name);
    }
  }
  for (const { name, value } of after.attributes) {
    if (!kept.includes(name) && before.getAttribute(name) !== value) {
      before.setAttribute(name, value);
    }
  }
}

function morphChildren(before, after) {
  const byKey = new Map();
  for (const child of before.children) {
    if (keyOf(child)) byKey.set(keyOf(child), child);
  }
  let here = before.firstChild;
  for (const wanted of [...after.childNodes]) {
    const known = byKey.get(keyOf(wanted));
    if (known && known.nodeName === wanted.nodeName) {
      if (known !== here) before.insertBefore(known, here);
      else here = here.nextSibling;
      morph(known, wanted);
    } else if (here && !keyOf(here) && sameKind(here, wanted)) {
      const next = here.nextSibling;
      morph(here, wanted);
      here = next;
    } else {
      before.insertBefore(wanted, here);
    }
  }
  while (here) {
    const next = here.nextSibling;
    here.remove();
    here = next;
  }
}
