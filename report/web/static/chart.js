// The chart of a lane's last delays, the newest on the right. The scale is logarithmic, the same in
// every lane.

import { duration } from "./format.js";

const room = 40; // delays
const ticks = [100_000, 10_000, 1000, 100, 10, 1, .1]; // ms; delays beyond the scale are drawn at its end
const high = Math.log(ticks[0]), low = Math.log(ticks.at(-1));

export class Chart {
  #delays = [];
  #labelled = -Infinity; // when the label was last set
  #bars;

  constructor(element) {
    this.element = element;
    const make = name => document.createElementNS("http://www.w3.org/2000/svg", name);
    const svg = element.querySelector("svg");
    this.#bars = Array.from({ length: room }, (_, i) => {
      const [stem, cap] = [make("rect"), make("rect")];
      stem.setAttribute("class", "stem");
      for (const rect of [stem, cap]) {
        rect.setAttribute("x", i + .15);
        rect.setAttribute("width", .7);
        rect.setAttribute("height", 0);
        svg.append(rect);
      }
      return { stem, cap };
    });
    element.querySelector(".ticks").append(...ticks.map(ms => {
      const tick = document.createElement("span");
      tick.textContent = ms < 1000 ? `${ms} ms` : `${ms / 1000} s`;
      return tick;
    }));
  }

  add(ms) {
    this.#delays.push(ms);
    if (this.#delays.length > room) this.#delays.shift();
    const first = room - this.#delays.length;
    this.#delays.forEach((ms, i) => {
      const { stem, cap } = this.#bars[first + i];
      const y = 100 * (1 - Math.min(1, Math.max(0, (Math.log(ms) - low) / (high - low))));
      stem.setAttribute("y", y);
      stem.setAttribute("height", 100 - y);
      cap.setAttribute("y", Math.min(y, 97));
      cap.setAttribute("height", 3);
    });
    const now = performance.now();
    if (now - this.#labelled < 1000) return; // a screen reader can't keep up with more
    this.#labelled = now;
    const sorted = this.#delays.toSorted((a, b) => a - b);
    this.element.setAttribute("aria-label", sorted.length === 1 ? `One delay: ${duration(ms)}` :
      `The last ${sorted.length} delays: ${duration(sorted[0])} to ${duration(sorted.at(-1))}, half of them within ${duration(sorted[(sorted.length - 1) >> 1])}`);
  }
}
