// The API's document as a page. What is tried out is done by the person who is signed in.

const place = document.getElementById("api-docs");

function dress() {
  document.documentElement.classList.toggle("dark-mode", document.documentElement.classList.contains("dark"));
}

dress();
new MutationObserver(dress).observe(document.documentElement, { attributeFilter: ["class"] });

window.SwaggerUIBundle({
  url: place.dataset.document,
  domNode: place,
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  validatorUrl: null,
  requestInterceptor(request) {
    const isOurs = new URL(request.url, location.href).origin === location.origin;
    if (isOurs && !request.headers.Authorization) request.headers["X-CSRFToken"] = place.dataset.csrf;
    return request;
  },
});
