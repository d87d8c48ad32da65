// The browser's own calendar beside a text field for a time: <button data-calendar="start|end">.
// The text stays what is sent: a native field knows neither a day alone nor the person's zone.

const zone = () => document.querySelector("[data-zone]")?.dataset.zone;

// "2026-11-21 14:59", in the zone of the page.
const written = (moment) =>
  new Intl.DateTimeFormat("sv-SE", { dateStyle: "short", timeStyle: "short", timeZone: zone() }).format(moment);

// Where a day alone begins, and the last minute that it holds.
const EDGES = { start: "00:00", end: "23:59" };

function calendarOf(button) {
  const present = button.parentElement.querySelector("input[type=datetime-local]");
  if (present) return present;
  const calendar = document.createElement("input");
  calendar.type = "datetime-local";
  calendar.className = "op-calendar";
  calendar.tabIndex = -1;
  calendar.setAttribute("aria-hidden", "true");
  calendar.addEventListener("change", () => {
    const [day, time] = calendar.value.split("T");
    if (!day) return;
    const field = button.parentElement.querySelector("input[name]");
    field.value = time === EDGES[button.dataset.calendar] ? day : `${day} ${time}`;
    field.dispatchEvent(new Event("input", { bubbles: true }));
  });
  button.before(calendar);
  return calendar;
}

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("[data-calendar]");
  if (!button) return;
  const calendar = calendarOf(button);
  const field = button.parentElement.querySelector("input[name]");
  const edge = EDGES[button.dataset.calendar];
  const [day, time] = field.value.trim().split(/[ T]/);
  calendar.value = `${day}T${time || edge}`;
  // What is no time of a calendar, it does not take: then today.
  if (!calendar.value) calendar.value = `${written(Date.now()).split(" ")[0]}T${edge}`;
  calendar.showPicker();
});
