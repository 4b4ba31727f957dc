const longest = 8 << 20; // of a line, in characters

/**
 * Parses an event stream as the HTML standard describes it, and calls on(type, data) for each event that
 * has data. A piece may end anywhere, also within a line end.
 */
export class Events {
  #on;
  #rest = ""; // an incomplete line
  #type = "";
  #data = [];

  constructor(on) { this.#on = on; }

  feed(piece) {
    const text = this.#rest + piece;
    const whole = text.endsWith("\r") ? text.slice(0, -1) : text; // a line feed may follow
    const lines = whole.split(/\r\n|\r|\n/);
    this.#rest = lines.pop() + text.slice(whole.length);
    if (this.#rest.length > longest) throw new Error("the server sends a line without an end");
    lines.forEach(line => this.#line(line));
  }

  #line(line) {
    if (line === "") {
      if (this.#data.length > 0) this.#on(this.#type || "message", this.#data.join("\n"));
      this.#type = "";
      this.#data = [];
      return;
    }
    const [, field, value = ""] = line.match(/^([^:]*)(?:: ?(.*))?$/s);
    if (field === "data") this.#data.push(value);
    else if (field === "event") this.#type = value;
  }
}
