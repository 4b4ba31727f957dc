// The page of the lanes: sends every message to all lanes, and makes John and Mary talk.

import { heads } from "./client.js";
import { duration, interval } from "./format.js";
import { Lane } from "./lane.js";
import { Recent } from "./recent.js";

const byId = id => document.getElementById(id);
const room = `page-${Array.from(crypto.getRandomValues(new Uint8Array(6)), b => b.toString(36).padStart(2, "0")).join("")}`;

// The values of the sliders, in ms.
const intervals = [100, 200, 500, 1000, 2000, 3000, 4000, 5000, 6000, 8000, 10_000];
const rates = [200, 500, 1000, 2000, 3000, 5000, 10_000, 30_000];

const firstEvery = Number(document.querySelector(".controls").dataset.every) || 5000;

// The typed messages that are not delivered in all lanes yet, with their delays so far. The result is
// announced to screen readers.
const spoken = new Recent(20);

function delivered(id, lane, ms) {
  const message = spoken.get(id);
  if (!message) return;
  message.delays.push(`${lane.title} after ${Number.isNaN(ms) ? "a pause" : duration(ms)}`);
  if (message.delays.length < lanes.length) return;
  spoken.delete(id);
  byId("said").textContent = `Mary got “${message.text}”: ${message.delays.join(", ")}`;
}

const lanes = Array.from(document.querySelectorAll(".lane"), section => new Lane(section, room, firstEvery, delivered));

let number = 0;

function say(from, text) {
  const id = `${room}-${++number}`;
  for (const lane of lanes) lane.say(id, from, text);
  return id;
}

byId("say").addEventListener("submit", event => {
  event.preventDefault();
  const text = byId("text").value;
  if (text.trim() === "") return;
  spoken.set(say("John", text), { text, delays: [] });
  byId("text").value = "";
});

function slider(input, stops, first, changed) {
  input.max = stops.length - 1;
  input.value = Math.max(0, stops.findIndex(ms => ms >= first));
  const update = () => {
    const ms = stops[input.value];
    const words = interval(ms);
    input.parentElement.querySelector("output").textContent = words;
    input.setAttribute("aria-valuetext", words);
    changed(ms);
  };
  input.addEventListener("input", update);
  update();
}

slider(byId("interval"), intervals, firstEvery, ms => lanes.forEach(lane => lane.setEvery(ms)));

// Talking is a Poisson process: a message is equally likely at any time between two polls.
const words = [
  ["John", "Are you there?"], ["Mary", "I am. You?"], ["John", "Waiting for an answer."],
  ["Mary", "It came just now."], ["John", "What took it so long?"], ["Mary", "Somebody had to ask for it."],
  ["John", "And now?"], ["Mary", "Now it waits where the message is."], ["John", "Who waits?"],
  ["Mary", "The one who asked, or nobody."], ["John", "Tea?"], ["Mary", "In five seconds, or at once."],
];
let talking = 0, turn = 0, gap = 0, active = true;

function talk() {
  clearTimeout(talking);
  if (!talks() || !active) return;
  talking = setTimeout(() => {
    say(...words[turn++ % words.length]);
    talk();
  }, -Math.log(1 - Math.random()) * gap);
}

const talks = () => byId("talk").getAttribute("aria-pressed") === "true";

byId("talk").addEventListener("click", () => {
  byId("talk").setAttribute("aria-pressed", String(!talks()));
  talk();
});

slider(byId("rate"), rates, 2000, ms => {
  gap = ms;
  talk();
});

// A browser has six connections to a server for all of its pages together, so that only one page is
// connected: the one opened last, while it is visible.
const pages = new BroadcastChannel("pushpull");
let taken = false; // whether another page is connected

function update() {
  const now = !taken && !document.hidden;
  const paused = byId("paused");
  paused.hidden = !taken;
  paused.firstElementChild.textContent = "Paused because the lanes are open in another window: a browser has too few connections for both.";
  if (now === active) return;
  active = now;
  lanes.forEach(lane => active ? lane.start() : lane.stop());
  talk();
}

pages.onmessage = () => {
  taken = true;
  update();
};
byId("paused").querySelector("button").addEventListener("click", () => {
  taken = false;
  pages.postMessage("here");
  update();
});
document.addEventListener("visibilitychange", update);
pages.postMessage("here");

// What the browser adds to a delay is measured with requests that the server answers at once.
const probes = [];

async function probe() {
  const begun = performance.now();
  const { ms } = await (await fetch("/page/head")).json();
  probes.push({ all: performance.now() - begun, server: ms });
  if (probes.length < 5) return;
  const middle = of => duration(probes.map(of).toSorted((a, b) => a - b)[probes.length >> 1]);
  byId("overhead").textContent = ` The last ${probes.length} requests for a few bytes took this page ${middle(p => p.all)} each, their median, ` +
    `by performance.now, the page’s clock; of that the server needed ${middle(p => p.server)}, by its own clock.`;
  probes.length = 0;
}

async function again(ms, f) {
  for (;;) {
    if (active) await f();
    await new Promise(done => setTimeout(done, ms));
  }
}

let measuring; // a promise while the sizes of heads are measured
again(1000, async () => {
  let stats;
  try {
    // Not awaited: if it failed at first, it waits until a request that stays open is answered.
    measuring ??= Number.isNaN(heads.post) ? heads.measure().catch(() => {}).finally(() => { measuring = undefined; }) : undefined;
    await probe();
    stats = await (await fetch(`/stats?${lanes.map(lane => `room=${lane.room}`).join("&")}`, { signal: AbortSignal.timeout(5000) })).json();
  } catch {
    // the lanes themselves show that the server can't be reached
  }
  lanes.forEach(lane => lane.connected(stats?.connected));
});

setInterval(() => lanes.forEach(lane => lane.tick()), 100);

active = !document.hidden;
if (active) lanes.forEach(lane => lane.start());
