// Draws each <canvas data-chart="id"> from the JSON of <script id="id">, in the page's own colours:
// those of the design's shades, read anew when the theme is switched.

const drawn = new Map();

// Where nobody looks, nothing is asked.
document.addEventListener("htmx:beforeRequest", (event) => {
  if (document.hidden && event.target.id === "overview-now") event.preventDefault();
});

const UNITS = {
  count: (value) => value.toLocaleString("en"),
  money: (value) => `$${value >= 10 ? Math.round(value).toLocaleString("en") : Number(value.toPrecision(3))}`,
  share: (value) => `${Math.round(value * 100)} %`,
  ms: (value) => {
    if (value < 1000) return `${Math.round(value)} ms`;
    const seconds = value / 1000;
    if (seconds < 60) return `${Number(seconds.toFixed(1))} s`;
    if (seconds < 3600) return `${Math.floor(seconds / 60)} m ${String(Math.round(seconds % 60)).padStart(2, "0")} s`;
    return `${Math.floor(seconds / 3600)} h ${String(Math.round((seconds % 3600) / 60)).padStart(2, "0")} m`;
  },
};

/** The colour of a shade or of a property, as a canvas understands it. */
function colour(canvas, property, shade = "") {
  const probe = document.createElement("i");
  probe.className = shade ? `op-${shade}` : "";
  probe.style.cssText = `position:absolute;color:var(${property})`;
  canvas.parentElement.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

function dataset(canvas, kind, series) {
  const own = colour(canvas, "--c", series.shade);
  const base = { label: series.name, data: series.values, borderColor: own, backgroundColor: own };
  if (kind === "bars") return { ...base, stack: "all", borderWidth: 0, categoryPercentage: 0.9, barPercentage: 0.95 };
  // Beside their shades lines differ in their dashes.
  const dash = { s2: [6, 3], s3: [2, 2] }[series.shade] ?? [];
  return { ...base, borderWidth: 2, borderDash: dash, pointRadius: series.values.length > 1 ? 0 : 3, pointHitRadius: 8, tension: 0, spanGaps: true };
}

function options(canvas, { unit, links = [] }, stacked) {
  const place = (at) => at.length && links[at[0].index];
  const text = colour(canvas, "--op-muted");
  const line = colour(canvas, "--op-line-soft");
  const font = { family: "Inter, sans-serif", size: 11 };
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  return {
    responsive: true,
    maintainAspectRatio: false,
    animation: still ? false : { duration: 140 },
    interaction: { mode: "index", intersect: false },
    // Each bar leads to its runs; the table leads there for who has no pointer.
    onClick: (_, at) => { if (place(at)) location.assign(canvas.dataset.runs + place(at)); },
    onHover: (_, at) => { canvas.style.cursor = place(at) ? "pointer" : ""; },
    scales: {
      x: { stacked, grid: { display: false }, ticks: { color: text, font, maxRotation: 0, autoSkipPadding: 16 }, border: { color: colour(canvas, "--op-line-strong") } },
      y: { stacked, beginAtZero: true, grid: { color: line }, border: { display: false }, ticks: { color: text, font, maxTicksLimit: 6, precision: unit === "count" ? 0 : undefined, callback: (value) => UNITS[unit](value) } },
    },
    plugins: {
      legend: { display: false },
      tooltip: { callbacks: { label: (item) => `${item.dataset.label}: ${UNITS[unit](item.parsed.y)}` }, filter: (item) => item.parsed.y !== 0 },
    },
  };
}

function draw(canvas) {
  const told = JSON.parse(document.getElementById(canvas.dataset.chart).textContent);
  drawn.get(canvas)?.destroy();
  const stacked = told.kind === "bars";
  drawn.set(canvas, new Chart(canvas, {
    type: stacked ? "bar" : "line",
    data: { labels: told.labels, datasets: told.series.map((each) => dataset(canvas, told.kind, each)) },
    options: options(canvas, told, stacked),
  }));
}

const drawAll = () => document.querySelectorAll("canvas[data-chart]").forEach(draw);

drawAll();
new MutationObserver(drawAll).observe(document.documentElement, { attributeFilter: ["class"] });
