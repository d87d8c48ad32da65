// Offers the zone that this device is set to, where it is another than the chosen one.

const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
const select = document.querySelector("[data-zones]");
const button = document.querySelector("[data-use-zone]");

function offer() {
  const known = [...select.options].some((option) => option.value === zone);
  button.hidden = !known || select.value === zone;
}

if (select && button) {
  button.textContent = `Use this device's: ${zone}`;
  button.addEventListener("click", () => {
    select.value = zone;
    offer();
    select.focus();
  });
  select.addEventListener("change", offer);
  offer();
}
