// The browsable API: sends what stands in its forms as JSON, and shows the answer's page.

const stored = (localStorage.getItem("_x_adminTheme") || "").replaceAll('"', "");
const prefersDark = window.matchMedia("(prefers-color-scheme: dark)").matches;
const isDark = stored === "dark" || (stored !== "light" && prefersDark);
document.documentElement.classList.toggle("dark", isDark);
document.documentElement.classList.toggle("light", !isDark);

async function send(method, url, body) {
  const main = document.getElementById("content");
  const headers = { Accept: "text/html", [main.dataset.csrfHeader.replace(/^HTTP_/, "").replaceAll("_", "-")]: main.dataset.csrf };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  main.setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(url, { method, headers, body });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const shown = page.getElementById("content");
    if (shown) main.replaceWith(shown);
    else location.reload();
    document.querySelector("#content pre")?.focus();
  } finally {
    main.removeAttribute("aria-busy");
  }
}

document.addEventListener("submit", (event) => {
  const form = event.target.closest("form[data-method]");
  if (!form) return;
  event.preventDefault();
  send(form.dataset.method, form.getAttribute("action"), form.querySelector("textarea")?.value);
});

document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-method]");
  if (button) send(button.dataset.method, button.dataset.url);
});
