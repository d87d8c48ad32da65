// Of many nodes one is named to see its events: the form offers the names that the timeline has.

export function filterByNode(openTab) {
  document.addEventListener("focusin", (event) => {
    if (event.target.id !== "node-filter-key") return;
    const names = document.getElementById("node-keys");
    if (names.childElementCount) return;
    names.append(...[...document.querySelectorAll("#run-lanes [data-key]")].map(({ dataset }) => {
      const name = document.createElement("option");
      name.value = dataset.key;
      return name;
    }));
  });
  document.addEventListener("submit", (event) => {
    if (event.target.id !== "node-filter") return;
    event.preventDefault();
    const target = new URL(location.href);
    target.search = new URLSearchParams(new FormData(event.target)).toString();
    openTab(target);
  });
}
