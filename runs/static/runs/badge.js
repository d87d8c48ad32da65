// The sidebar's badge of running runs, counted anew when a stream says that a run's state changed.

import { paced } from "./paced.js";

const EVERY = 5000;

export const recountRunning = paced(EVERY, async () => {
  const link = document.querySelector("#nav-sidebar-apps a[href$='/runs/run/']");
  if (!link || document.hidden) return;
  // Where it fails the number stays, and the next change asks again: who has signed out must not
  // go on asking.
  const asked = fetch(`${link.pathname}?part=running`, { redirect: "error" });
  const answer = await asked.catch(() => null);
  if (!answer?.ok) return;
  const count = (await answer.text()).trim();
  let badge = link.querySelector("span:nth-of-type(3)");
  if (!badge) {
    badge = document.createElement("span");
    badge.className = "op-badge";
    link.append(badge);
  }
  badge.hidden = count === "0";
  badge.title = `${count} running`;
  if (badge.textContent.trim() !== count) badge.textContent = count;
});
