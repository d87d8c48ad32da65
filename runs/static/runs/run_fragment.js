// Parts of the run's page: fetched from its own URL, which says what the page shows.

import { signInAgain } from "./signed_out.js";

// `passes`: the same may be answered in a moment.
export class Unanswered extends Error {
  constructor(message, { passes = false } = {}) {
    super(message);
    this.passes = passes;
  }
}

// The page's URL with `changes`: null takes a parameter away, a list sets it several times.
export function pageUrl(changes = {}) {
  const url = new URL(location.href);
  url.hash = "";
  for (const [name, value] of Object.entries(changes)) {
    url.searchParams.delete(name);
    for (const each of [value].flat()) {
      if (each !== null) url.searchParams.append(name, each);
    }
  }
  return url;
}

const here = () => location.pathname + location.search;
let shown = here();

// Move the page's URL without loading: it stays the whole state of the page.
export function goTo(url) {
  const wanted = new URL(url, location.href);
  wanted.searchParams.delete("fragment");
  if (wanted.href !== location.href) history.pushState(null, "", wanted);
  shown = here();
}

// Back or forward has led to a URL that says something else than the page shows.
export const isElsewhere = () => here() !== shown;

export async function fetchText(url, options = {}) {
  let answer;
  try {
    answer = await fetch(url, { credentials: "same-origin", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Unanswered("The portal does not answer.", { passes: true });
  }
  if (answer.redirected && new URL(answer.url).pathname.endsWith("/login/")) {
    signInAgain();
    throw new Unanswered("You are signed out.");
  }
  // The run was deleted, or the right to see it taken away.
  if (!answer.ok) {
    const passes = answer.status >= 500;
    const said = answer.headers.get("Content-Type")?.startsWith("text/plain") && await answer.text();
    throw new Unanswered(said || `The portal could not do this (answer ${answer.status}).`, { passes });
  }
  return answer.text();
}

export function parsed(html) {
  return new DOMParser().parseFromString(html, "text/html").body;
}
