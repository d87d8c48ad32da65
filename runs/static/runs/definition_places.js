// Where the nodes of a definition stand in its text, also while it is not sound JSON.

const TOKEN = /"(?:[^"\\\n]|\\.)*"?|[{}[\]:,]/g;

// { open: after the bracket of “nodes”, close: before its end, nodes: [{ id, start, end }] }, or
// null where there is no list of nodes.
export function findNodes(text) {
  const found = { open: -1, close: -1, nodes: [] };
  let depth = 0;
  let key = "";
  let last = "";
  let node = null;
  for (const { 0: token, index } of text.matchAll(TOKEN)) {
    if (token === "{" || token === "[") {
      depth += 1;
      if (token === "[" && depth === 2 && key === '"nodes"') found.open = index + 1;
      else if (token === "{" && depth === 3 && found.open >= 0 && found.close < 0) node = { id: "", start: index, end: text.length };
    } else if (token === "}" || token === "]") {
      depth -= 1;
      if (node && depth === 2) {
        node.end = index + 1;
        found.nodes.push(node);
        node = null;
      } else if (depth === 1 && found.open >= 0 && found.close < 0) found.close = index;
    } else if (token === ":") {
      if (depth === 1) key = last;
      else if (depth === 3) key = last;
    } else if (token !== ",") {
      if (node && depth === 3 && key === '"id"' && !node.id) node.id = token.slice(1, -1);
      last = token;
    }
    if (token === "," && depth === 3) key = "";
  }
  if (node) found.nodes.push(node);
  return found.open < 0 ? null : found;
}

export function nodeAt(text, offset) {
  return findNodes(text)?.nodes.find(({ start, end }) => start <= offset && offset <= end) || null;
}
