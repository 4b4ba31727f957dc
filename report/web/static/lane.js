// A lane: John and Mary in one room, over one transport.

import { Client } from "./client.js";
import { Chart } from "./chart.js";
import { bytes, count, duration } from "./format.js";

const shown = 50; // messages in a view
const other = { John: "Mary", Mary: "John" };

export class Lane {
  #views = {};
  #bubbles = new Map(); // of messages said in this page, by id
  #under = new Map(); // when each message that is not delivered yet was said, by id
  #known = { John: new Set(), Mary: new Set() }; // ids of the messages that each has
  #states = { John: "joining", Mary: "joining" };
  #contact = NaN;
  #last = null; // the last delay, in ms
  #chart;

  /** delivered(id, lane, ms) is called when the other user gets a message. */
  constructor(section, room, every, delivered) {
    const { kind, way, title } = section.dataset;
    this.name = kind;
    this.title = title;
    this.timed = way === "timer";
    this.room = `${room}.${kind}`;
    this.of = name => section.querySelector(`[data-of="${name}"]`);
    this.section = section;
    this.delivered = delivered;
    this.#chart = new Chart(section.querySelector(".chart"));
    this.clients = {};
    for (const user of ["John", "Mary"]) {
      const view = this.#views[user] = section.querySelector(`[data-view="${user}"]`);
      new ResizeObserver(() => { view.scrollTop = view.scrollHeight; }).observe(view);
      this.clients[user] = new Client({
        transport: kind, way, room: this.room, user, every,
        on: {
          state: (state, words) => this.#state(user, state, words),
          message: body => this.#heard(user, body),
          stored: body => this.#stored(JSON.parse(body).id),
          refused: (body, words) => this.#refused(JSON.parse(body).id, words),
          gap: words => this.#note(user, words),
          contact: () => { if (user === "Mary") this.#contact = performance.now(); },
        },
      });
    }
  }

  start() { this.#each(client => client.start()); }

  stop() {
    this.#each(client => client.stop());
    this.#under.clear(); // a pause must not count as delay of the transport
  }

  setEvery(ms) { this.#each(client => client.setEvery(ms)); }

  say(id, from, text) {
    const bubble = this.#show(from, from, text, "under way");
    this.#bubbles.set(id, bubble);
    this.#under.set(id, performance.now());
    this.clients[from].send(JSON.stringify({ id, from, text }));
  }

  /** Shows the counts and times, which change without an event. */
  tick() {
    const now = performance.now();
    const sum = of => of(this.clients.John) + of(this.clients.Mary);
    this.#count("requests", sum(c => c.requests), count);
    this.#count("empty", sum(c => c.empty), count);
    const carried = sum(c => c.bytes);
    if (!Number.isNaN(carried)) this.#count("bytes", carried, bytes);
    set(this.of("contact"), Number.isNaN(this.#contact) ? "–" : `${((now - this.#contact) / 1000).toFixed(1)} s ago`);
    const [oldest] = this.#under.values();
    // Below 100 ms the running delay would only flicker.
    if (oldest !== undefined && now - oldest > 100) this.#delay(now - oldest, "so far");
    else if (this.#last !== null) this.#delay(this.#last, "last delay");
  }

  /** Shows the connected users from the server's stats; undefined if it has none. */
  connected(stats) {
    if (!stats) return set(this.of("who"), "–");
    const { users = 0, names = {} } = stats[this.name] ?? {};
    const here = names[this.room] ?? [], more = users - here.length;
    set(this.of("who"), [...here, ...more > 0 ? [`${count(more)} more`] : []].join(", ") || "none");
  }

  #count(name, n, write) {
    this.of(name).value = n;
    set(this.of(name), write(n));
  }

  #each(f) { Object.values(this.clients).forEach(f); }

  #delay(ms, of) {
    set(this.of("delay"), duration(ms));
    set(this.of("delay-of"), of);
  }

  #state(user, state, words) {
    this.#states[user] = state;
    const worst = ["lost", "joining", "paused", "connected"].find(s => Object.values(this.#states).includes(s));
    const line = this.section.querySelector(".state");
    line.dataset.state = worst;
    if (worst === "lost" && state !== "lost") return; // keep the reason of the other user's client
    line.title = words;
    set(this.of("state"), worst === "lost" ? `joining again: ${words}` : worst);
  }

  #heard(user, body) {
    const { id, from, text } = parse(body);
    if (id !== undefined) {
      if (this.#known[user].has(id)) return; // a message sent again because its acknowledgement was lost
      this.#known[user].add(id);
    }
    if (from === user && this.#bubbles.has(id)) return this.#stored(id);
    const bubble = this.#show(user, from, text);
    const said = this.#under.get(id);
    if (said === undefined || from !== other[user]) return;
    this.#under.delete(id);
    const ms = this.#last = performance.now() - said;
    const delay = document.createElement("data");
    delay.className = "number soft";
    delay.value = ms;
    delay.textContent = `after ${duration(ms)}`;
    this.#append(user, bubble, delay);
    this.#chart.add(ms);
    this.delivered(id, this, ms);
  }

  #stored(id) {
    const bubble = this.#bubbles.get(id);
    if (bubble) bubble.dataset.sent = "stored";
  }

  #refused(id, words) {
    this.#under.delete(id);
    const bubble = this.#bubbles.get(id);
    if (!bubble) return;
    bubble.dataset.sent = "refused";
    const why = document.createElement("span");
    why.className = "bad";
    why.textContent = words;
    this.#append(bubble.closest("ol").dataset.view, bubble, why);
  }

  #show(user, from, text, sent) {
    const bubble = document.createElement("li");
    bubble.dataset.from = from === user ? "me" : "other";
    if (sent) bubble.dataset.sent = sent;
    const words = document.createElement("span");
    words.className = "text";
    words.textContent = text;
    if (from !== user && from !== other[user]) {
      const who = document.createElement("span");
      who.className = "soft";
      who.textContent = from;
      bubble.append(who);
    }
    bubble.append(words);
    this.#add(user, bubble);
    return bubble;
  }

  #note(user, words) {
    const note = document.createElement("li");
    note.dataset.from = "page";
    note.textContent = words;
    this.#add(user, note);
  }

  #add(user, item) {
    const view = this.#views[user];
    this.#append(user, view, item);
    while (view.children.length > shown) view.firstChild.remove();
  }

  /** Appends to a view or to an element of it. The view stays scrolled to its end if it was. */
  #append(user, to, child) {
    const view = this.#views[user];
    const atEnd = view.scrollHeight - view.scrollTop - view.clientHeight < 8;
    to.append(child);
    if (atEnd) view.scrollTop = view.scrollHeight;
  }
}

/** The parts of a message; one from outside this page may be any text. */
function parse(body) {
  try {
    const { id, from, text } = JSON.parse(body);
    if (typeof id === "string" && typeof from === "string" && typeof text === "string") return { id, from, text };
  } catch {
    // not JSON
  }
  return { from: "unknown sender", text: body };
}

/** Sets a text only if it has changed. */
function set(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
