// Shows the states of the run that the server streams, see ServeHTTP in live.go. The texts come from
// the server; this script draws the bar, the chart and the doubts.

const one = selector => document.querySelector(selector);
const page = one("#live"), chart = one("figure svg"), lost = one(".lost");
const places = [...document.querySelectorAll("[data-text]")];
const rows = [...document.querySelectorAll("tbody tr")];
let last; // the last event
let lostAt; // when the connection was lost, by performance.now; undefined while it works

const source = new EventSource("/live/states"); // reconnects by itself
source.addEventListener("message", event => {
  last = JSON.parse(event.data);
  last.state.standings ??= [];
  show(last);
});
source.addEventListener("open", () => {
  lostAt = undefined;
  showLost();
});
source.addEventListener("error", () => {
  lostAt ??= performance.now();
  showLost();
});
setInterval(showLost, 1000);
new ResizeObserver(() => last && draw(last)).observe(chart.parentElement);

function show({ state, texts }) {
  if (state.started !== page.dataset.started) {
    source.close();
    location.reload(); // another run has started on this address
    return;
  }
  for (const place of places) {
    const text = texts[place.dataset.text];
    if (place.textContent !== text) place.textContent = text;
  }
  one("progress").value = state.share;
  state.standings.forEach((standing, i) => {
    rows[i].classList.toggle("provisional", standing.windows === 0 && !!standing.now);
    rows[i].toggleAttribute("aria-current", false);
    if (standing.now) rows[i].setAttribute("aria-current", "true");
  });
  showDoubts(state, texts);
  draw({ state, texts });
  const final = state.status !== "running";
  one(".now").hidden = final;
  one(".outcome").hidden = !final;
  const link = one(".outcome a");
  link.hidden = !state.report;
  link.href = state.report || "";
  showCharts(state.charts ?? []);
  // Without a report to serve, the server has ended with the run: its other pages are gone.
  for (const other of document.querySelectorAll("nav a:not([aria-current])")) other.hidden = final && !state.report;
  if (final) source.close();
}

function showCharts(charts) {
  const list = one(".charts");
  list.hidden = charts.length === 0;
  list.replaceChildren(...charts.map(({ Text: text, URL: url }) => {
    const item = document.createElement("li"), link = document.createElement("a");
    link.href = url;
    link.textContent = text;
    item.append(link);
    return item;
  }));
}

function showLost() {
  const [what, since] = lost.children;
  const text = lostAt === undefined ? "" : "The run can't be reached;";
  if (what.textContent !== text) what.textContent = text;
  since.textContent = text && `the last state is from ${Math.round((performance.now() - lostAt) / 1000)} s ago.`;
}

function showDoubts(state, texts) {
  const doubts = state.standings.flatMap((standing, i) => (standing.doubts ?? []).map(doubt => ({ ...doubt, about: texts[`${i}.name`] })));
  const list = one(".doubts ul"), shown = JSON.stringify(doubts);
  if (list.dataset.shown === shown) return;
  list.dataset.shown = shown;
  list.replaceChildren(...doubts.map(({ about, text, fatal }) => {
    const item = document.createElement("li");
    item.textContent = `${about}: ${text}`;
    if (fatal) {
      item.className = "bad";
      item.append(" (not to be believed)");
    }
    return item;
  }));
  one(".doubts").hidden = doubts.length === 0;
}

// The bounds of the chart's scale, as powers of ten in milliseconds. The scale only grows, so that
// the chart does not jump back and forth.
let lowest = -1, highest = 4;

function draw({ state, texts }) {
  const lane = 40, margin = 24;
  const shown = state.standings.flatMap(s => [s, s.now]).filter(figures => figures?.delivered > 0);
  for (const { p50_ms, p99_ms } of shown) {
    if (p50_ms > 0) lowest = Math.min(lowest, Math.floor(Math.log10(p50_ms)));
    highest = Math.max(highest, Math.ceil(Math.log10(p99_ms)));
  }
  const width = chart.clientWidth, bottom = lane * state.standings.length + 4;
  const step = (width - 2 * margin) / (highest - lowest);
  const x = ms => margin + (Math.max(lowest, Math.log10(ms)) - lowest) * step;
  const parts = [];
  const every = Math.ceil(52 / step); // ticks per label: a label needs 52 px
  for (let power = lowest; power <= highest; power++) {
    const at = margin + (power - lowest) * step;
    parts.push(make("line", { class: "grid", x1: at, x2: at, y1: 0, y2: bottom }));
    if ((power - lowest) % every === 0) parts.push(make("text", { class: "tick", x: at, y: bottom + 16 }, unit(power)));
  }
  state.standings.forEach((standing, i) => {
    const top = lane * i, group = make("g", { "data-way": rows[i].dataset.way });
    group.append(make("text", { x: 2, y: top + 14 }, texts[`${i}.name`]));
    const range = (figures, y, kind, radius) => {
      if (!figures || !figures.delivered) return;
      const from = x(figures.p50_ms), to = x(figures.p99_ms);
      group.append(make("line", { class: kind, x1: from, x2: to, y1: y, y2: y }), make("circle", { cx: from, cy: y, r: radius }));
    };
    range(standing, top + 25, "range", 5);
    range(standing.now, top + 34, "range now", 3);
    parts.push(group);
  });
  chart.replaceChildren(...parts);
}

// unit writes a power of ten of milliseconds.
function unit(power) {
  if (power < 0) return `${10 ** (power + 3)} µs`;
  return power < 3 ? `${10 ** power} ms` : `${10 ** (power - 3)} s`;
}

function make(name, attributes, text) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  return element;
}
