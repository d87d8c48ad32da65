// The page of services while the database is away: asks again every few seconds, and leaves the focus
// where it is. What follows when the database is back is a page of its own.

const EVERY = 5000;
const PARTS = ["parts", "asked"];

async function ask() {
  let answer;
  let text;
  try {
    answer = await fetch(location.href, { cache: "no-store" });
    text = await answer.text();
  } catch {
    return; // the portal itself is away: what is shown stays
  }
  if (answer.status !== 503) {
    location.reload();
    return;
  }
  const page = new DOMParser().parseFromString(text, "text/html");
  for (const id of PARTS) {
    const now = page.getElementById(id);
    if (now) document.getElementById(id).replaceWith(now);
  }
}

async function watch() {
  if (!document.hidden) await ask();
  setTimeout(watch, EVERY);
}

setTimeout(watch, EVERY);
