// Inserts a node into a definition's text: after the one that the cursor is in, with an id that is
// free, in the margin of its neighbours.

import { findNodes } from "./definition_places.js";
import { showLine, type } from "./json_editor.js";

const MARGIN = "    ";

function freeId(nodes, wanted) {
  const taken = new Set(nodes.map(({ id }) => id));
  let id = wanted;
  for (let number = 2; taken.has(id); number += 1) id = `${wanted}_${number}`;
  return id;
}

// Of the line on which this offset stands.
function marginAt(text, offset) {
  const start = text.lastIndexOf("\n", offset - 1) + 1;
  return text.slice(start, offset).match(/^[ \t]*$/) ? text.slice(start, offset) : MARGIN;
}

export function insertNode(area, snippet) {
  const text = area.value;
  const places = findNodes(text);
  const at = area.selectionStart;
  const nodes = places?.nodes || [];
  const before = nodes.find(({ start, end }) => start <= at && at <= end) || nodes.at(-1);
  const id = freeId(nodes, "step");
  const needs = before?.id ? `"needs": [${JSON.stringify(before.id)}]` : '"needs": []';
  const margin = before ? marginAt(text, before.start) : MARGIN;
  const node = snippet.replace('"id": "step"', `"id": ${JSON.stringify(id)}`).replace('"needs": []', needs).replaceAll("\n", `\n${margin}`);
  if (!places) {
    type(area, node);
  } else if (before) {
    area.setSelectionRange(before.end, before.end);
    type(area, `,\n${margin}${node}`);
  } else {
    area.setSelectionRange(places.open, places.close < 0 ? places.open : places.close);
    type(area, `\n${margin}${node}\n  `);
  }
  // Its id is what one wants to write next.
  const start = area.value.indexOf(`"id": ${JSON.stringify(id)}`, before ? before.end : 0) + 7;
  area.setSelectionRange(start, start + id.length);
  showLine(area, area.value.slice(0, start).split("\n").length - 1);
}
