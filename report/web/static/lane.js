// A lane: John and Mary in one room, over one transport.

import { Client } from "./client.js";
import { Chart } from "./chart.js";
import { bytes, count, duration, seconds } from "./format.js";
import { Recent } from "./recent.js";
import { Strip } from "./strip.js";
import { View } from "./view.js";

const remembered = 1000; // messages; far more than can be on their way at a time
const other = { John: "Mary", Mary: "John" };
const users = Object.keys(other);

export class Lane {
  #views = {};
  #under = new Recent(remembered); // the messages that are not delivered yet, by id: { from, said, stored }
  #lost = new Recent(remembered); // those that the server has lost before, by id
  #known = { John: new Recent(remembered), Mary: new Recent(remembered) }; // ids of the messages that each has
  #states = { John: "joining", Mary: "joining" };
  #said = 0; // messages
  #arrived = 0; // of them
  #refused = 0; // of them
  #contact = NaN;
  #last = NaN; // the last delay, in ms
  #chart;
  #strip;

  /** delivered(id, lane, ms) is called when the other user gets a message; ms is NaN after a pause. */
  constructor(section, room, every, delivered) {
    const { kind, way, title } = section.dataset;
    this.name = kind;
    this.way = way;
    this.title = title;
    this.room = `${room}.${kind}`;
    this.of = name => section.querySelector(`[data-of="${name}"]`);
    this.section = section;
    this.delivered = delivered;
    this.#chart = new Chart(section.querySelector(".chart"));
    this.#strip = new Strip(section.querySelector(".strip"), way === "timer");
    this.clients = {};
    for (const user of users) {
      this.#views[user] = new View(section.querySelector(`[data-view="${user}"]`), user);
      this.clients[user] = new Client({
        transport: kind, way, room: this.room, user, every,
        on: {
          state: (state, words) => this.#state(user, state, words),
          message: body => this.#heard(user, body),
          stored: body => this.#stored(user, JSON.parse(body).id),
          refused: (body, words) => this.#refuse(user, JSON.parse(body).id, words),
          gap: words => this.#gap(user, words),
          contact: () => { if (user === "Mary") this.#contact = performance.now(); },
          travels: what => this.#strip.travels(user, what),
        },
      });
    }
  }

  start() { this.#each(client => client.start()); }

  stop() {
    this.#each(client => client.stop());
    for (const message of this.#under.values()) message.said = NaN; // a pause is no delay of the transport
    this.#strip.clear();
    this.connected();
  }

  setEvery(ms) { this.#each(client => client.setEvery(ms)); }

  say(id, from, text) {
    this.#said++;
    this.#views[from].message(id, { from, text, sent: "under way" });
    this.#known[from].set(id, true);
    this.#under.set(id, { from, said: performance.now(), stored: false });
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
    const without = [[this.#lost.size, "lost"], [this.#refused, "refused"]].filter(([n]) => n > 0).map(([n, what]) => `, ${count(n)} ${what}`);
    set(this.of("arrived"), `${count(this.#arrived)} of ${count(this.#said)}${without.join("")}`);
    set(this.of("contact"), Number.isNaN(this.#contact) ? "–" : `${((now - this.#contact) / 1000).toFixed(1)} s ago`);
    for (const user of users) {
      const { waits } = this.clients[user];
      this.#strip.waits(user, waits, now);
      set(this.of(`waits-${user}`), this.#waits(this.clients[user], now));
    }
    this.#strip.holds([...this.#under.values()].filter(m => m.stored).length);
    this.#delay(now);
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

  /** Shows how long the oldest message is under way, or how long the last one was. */
  #delay(now) {
    const oldest = [...this.#under.values()].find(m => !Number.isNaN(m.said));
    // Below 100 ms the running delay would only flicker.
    const running = oldest !== undefined && now - oldest.said > 100;
    const ms = running ? now - oldest.said : this.#last;
    set(this.of("delay"), Number.isNaN(ms) ? "–" : duration(ms));
    set(this.of("delay-of"), running ? "so far" : !Number.isNaN(ms) ? "last delay" : this.#said === 0 ? "no message yet" : "no delay yet");
  }

  /** What a user waits for, in words. */
  #waits({ waits, every }, now) {
    const passed = seconds(now - waits.since);
    switch (waits.for) {
    case "pause": return "paused";
    case "answer": return "asking the server";
    case "timer": return every < 1000 ? `polls every ${seconds(every)}` : `waiting: next poll in ${seconds(Math.max(0, waits.until - now))}`;
    case "held": return `request held by the server for ${passed}`;
    case "open": return this.way === "duplex" ? `connection open for ${passed}` : `answer open for ${passed}`;
    case "retry": return `cut off: tries again in ${seconds(Math.max(0, waits.until - now))}`;
    }
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
    const view = this.#views[user];
    if (this.#known[user].has(id)) { // an own message, or one sent again because its acknowledgement was lost
      if (from === user) view.mark(id, "stored");
      return;
    }
    if (id !== undefined) this.#known[user].set(id, true);
    view.message(id, { from, text, named: !users.includes(from) });
    const message = this.#under.get(id) ?? this.#lost.get(id);
    if (message === undefined || from !== message.from || user !== other[from]) return;
    this.#under.delete(id);
    this.#lost.delete(id);
    this.#arrived++;
    const ms = performance.now() - message.said;
    this.delivered(id, this, ms);
    if (Number.isNaN(ms)) return;
    this.#last = ms;
    view.add(id, "number soft", `after ${duration(ms)}`, ms);
    this.#chart.add(ms);
  }

  #stored(user, id) {
    this.#views[user].mark(id, "stored");
    const message = this.#under.get(id);
    if (message) message.stored = true;
    this.#strip.stores(user);
  }

  #refuse(user, id, words) {
    this.#under.delete(id);
    this.#refused++;
    this.#views[user].mark(id, "refused");
    this.#views[user].add(id, "bad", words);
  }

  /** Takes those messages for lost that are stored and not delivered; if one comes after all, it isn't. */
  #gap(user, words) {
    this.#views[user].note(words);
    for (const [id, message] of this.#under) {
      if (message.from === user || !message.stored) continue;
      this.#under.delete(id);
      this.#lost.set(id, message);
    }
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
