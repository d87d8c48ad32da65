// The first part of the overview is fetched anew every twenty seconds. What was not answered is said:
// old figures must not pass for new ones.

const stale = document.getElementById("overview-stale");
let since = new Date();

const isNow = (event) => (event.detail.target ?? event.target).id === "overview-now";

function tell(why) {
  const at = since.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  stale.querySelector("p").textContent =
    `These are the figures of ${at}: ${why} It is asked again every 20 seconds.`;
  stale.hidden = false;
}

document.addEventListener("htmx:beforeSwap", (event) => {
  if (!isNow(event)) return;
  const { xhr } = event.detail;
  if (xhr.responseText.includes('id="overview-now"')) {
    since = new Date();
    stale.hidden = true;
    return;
  }
  event.detail.shouldSwap = false;
  // A page to sign in on, or one that says what is away.
  if (xhr.responseURL.includes("/login/")) tell("you are signed out, open this page again.");
  else tell("the portal could not count them anew.");
});
document.addEventListener("htmx:sendError", (event) => {
  if (isNow(event)) tell("the portal does not answer.");
});
