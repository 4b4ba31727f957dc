// The strip of a lane: John and Mary in the browser, the server and its store. Its lines show what each
// user waits for, and its marks are requests and messages on their way.
//
// A mark starts when the page's client sends or gets what it stands for. It takes a quarter of a second
// from one place to the next, far longer than the real one, so that it can be seen; marks of one message
// follow each other.

const leg = 250; // ms
const most = 12; // marks at a time; polls that would be more aren't drawn

// The points of the way from a user to the server and on to the store, in the coordinates of the template.
const rows = { John: 30, Mary: 74 };
const near = user => [[54, rows[user]], [158, rows[user]]];
const far = [[194, 52], [250, 52]];
const line = { // and how many legs it takes
  ask: user => [near(user), 1],
  empty: user => [near(user).reverse(), 1],
  looked: user => [[...far, ...[...near(user), ...far].reverse()], 3], // an empty answer after a look into the store
  message: user => [[...near(user), ...far].reverse(), 2],
  send: user => [near(user), 1],
  store: () => [far, 1],
};

const still = matchMedia("(prefers-reduced-motion: reduce)");

export class Strip {
  #marks;
  #wires = {};
  #free = { John: 0, Mary: 0 }; // when the last request of a user has been drawn, by performance.now
  #sent = { John: 0, Mary: 0 }; // when the last message of a user has been drawn up to the server
  #stored = 0; // when the last message has been drawn up to the store
  #drawn = { John: false, Mary: false }; // whether the request that a user waits for was drawn

  /** looks is whether the server looks into the store for an empty answer, as it does for a poll on a timer. */
  constructor(svg, looks) {
    this.empty = line[looks ? "looked" : "empty"];
    this.#marks = svg.querySelector(".marks");
    for (const user of ["John", "Mary"]) this.#wires[user] = svg.querySelector(`[data-user="${user}"]`);
    this.fill = user => this.#wires[user].querySelector(".fill");
    this.waiting = svg.querySelector(".waiting");
  }

  /** Shows what a user waits for, see Client. */
  waits(user, wait, now) {
    this.#wires[user].dataset.wait = wait.for;
    const share = wait.for === "timer" ? Math.min(1, (now - wait.since) / (wait.until - wait.since)) : 0;
    this.fill(user).setAttribute("width", (50 * share).toFixed(1));
  }

  /** Shows how many messages wait in the store. */
  holds(n) {
    this.waiting.dataset.n = n;
    const words = n > 1 ? `× ${n}` : "";
    const text = this.waiting.querySelector("text");
    if (text.textContent !== words) text.textContent = words;
  }

  /** Shows what leaves a user, or reaches it, see Client. */
  travels(user, what) {
    const now = performance.now();
    const free = Math.max(now, this.#free[user]);
    switch (what) {
    case "send":
      this.#sent[user] = this.#mark(line.send(user), "message", now);
      break;
    case "ask":
      this.#drawn[user] = free === now && this.#marks.childElementCount < most;
      if (this.#drawn[user]) this.#free[user] = this.#mark(line.ask(user), "ask", now);
      break;
    case "empty":
      if (this.#drawn[user]) this.#free[user] = this.#mark(this.empty(user), "nothing", free);
      break;
    default: // a message reaches the user
      this.#mark(line.message(user), "message", Math.max(free, this.#stored));
    }
  }

  /** Shows that a message of a user is stored. */
  stores(user) {
    this.#stored = this.#mark(line.store(), "message", Math.max(performance.now(), this.#sent[user]));
  }

  clear() { this.#marks.replaceChildren(); }

  /** Draws a mark from a moment on, and returns when it arrives. */
  #mark([points, legs], kind, from) {
    const now = performance.now();
    if (from - now > 4 * leg || this.#marks.childElementCount > 2 * most) return from; // the strip is behind
    const duration = legs * leg;
    const mark = document.createElementNS("http://www.w3.org/2000/svg", kind === "message" ? "rect" : "circle");
    mark.setAttribute("class", `mark ${kind}`);
    if (kind === "message") Object.entries({ x: -6, y: -4, width: 12, height: 8, rx: 1.5 }).forEach(([k, v]) => mark.setAttribute(k, v));
    else mark.setAttribute("r", 4);
    this.#marks.append(mark);
    const shown = still.matches ? [points.at(-1), points.at(-1)] : points;
    mark.animate(shown.map(([x, y]) => ({ transform: `translate(${x}px, ${y}px)`, opacity: 1 })), { duration, delay: from - now })
      .onfinish = () => mark.remove();
    return from + duration;
  }
}
