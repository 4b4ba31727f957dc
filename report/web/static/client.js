// One user of a room over one transport: the client that an application would have to write.
//
// A client reads the room's log by cursor. When its connection breaks, it rejoins by itself and
// resumes from its cursor, with a backoff from 50 ms to 2 s. It sends each message, in order, until
// the server acknowledges that it is stored. A message may therefore be stored twice: bodies need an
// id by which readers drop duplicates. The client counts the bytes of requests, answers and frames.

const firstPause = 50, longestPause = 2000; // ms, like those of pushpull's simulated users
const answerTimeout = 10_000; // ms, for a request that the server does not hold
const heldTimeout = 70_000; // ms; a server holds a request for at most 60 s by default

const utf8 = new TextEncoder();
const size = text => utf8.encode(text).length;

/** The size of the head that a browser gives to a request. No script sees it, so the server measures it. */
export const heads = {
  get: NaN, post: NaN, // bytes, without the path and the digits of a length
  async measure() {
    const path = "/page/head";
    const of = async options => (await (await fetch(path, options)).json()).bytes - path.length;
    [this.get, this.post] = await Promise.all([of({}), of({ method: "POST", body: "x" }).then(n => n - 1)]);
  },
};

/** The error of a cursor that the server has no log for: it is before the oldest message or after the newest. */
class Gap extends Error {
  constructor(oldest) {
    super("the server has lost messages of this room");
    this.oldest = oldest;
  }
}

export class Client {
  #cursor = "0";
  #queue = []; // bodies that aren't stored yet, in order
  #life = null; // aborts everything in progress; null while stopped
  #socket = null; // null unless open
  #overdue = 0; // the timer that closes a socket without acknowledgements
  #heard = false; // whether the server has sent anything since the client joined
  #asked = 0; // when the last request was sent
  #rush = () => {}; // ends the wait for the next request

  /**
   * way is "timer", "held", "scan" or "duplex"; every is the polling interval of a timer, in ms.
   * on holds the callbacks: state(state, words), message(body), stored(body), refused(body, words),
   * gap(words), and contact() whenever the server sends something.
   */
  constructor({ transport, way, room, user, every, on }) {
    Object.assign(this, { transport, way, room, user, on });
    this.every = every;
    this.questions = this.handshakes = this.empty = this.posts = 0;
    this.carried = 0; // bytes, except the parts of requests that heads measures
  }

  /** Joins the room, and reads on from the cursor. */
  start() {
    if (this.#life) return;
    this.#life = new AbortController();
    this.#read(this.#life.signal);
    if (this.way !== "duplex") this.#post(this.#life.signal);
  }

  /** Leaves the room until start is called. Messages that aren't stored yet are kept. */
  stop() {
    this.#life?.abort();
    this.#life = null;
    this.on.state("paused", "paused");
  }

  send(body) {
    this.#queue.push(body);
    if (this.way === "duplex") this.#write(body);
    else if (this.#queue.length === 1 && this.#life) this.#post(this.#life.signal);
  }

  /** Sets the polling interval, also for the current wait. */
  setEvery(ms) {
    this.every = ms;
    this.#rush();
  }

  /** The number of requests for receiving, including handshakes. */
  get requests() { return this.questions + this.handshakes; }

  /** The bytes in both directions; NaN until heads are measured. */
  get bytes() { return this.carried + this.questions * heads.get + this.posts * heads.post; }

  async #read(signal) {
    let pause = 0;
    const well = () => this.on.state("connected", "connected");
    while (!signal.aborted) {
      const begun = performance.now();
      this.#heard = false;
      try {
        await (this.way === "duplex" ? this.#listen(signal, well) : this.#ask(signal, well));
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof Gap) {
          this.#cursor = String(error.oldest - 1);
          this.on.gap(error.message);
        }
        if (this.#heard || performance.now() - begun > longestPause) pause = 0;
        pause = Math.min(longestPause, pause * 2 || firstPause);
        this.on.state("lost", reason(error));
        await sleep(pause * (1 + Math.random()) / 2, signal);
      }
    }
  }

  async #ask(signal, well) {
    const held = this.way !== "timer";
    for (let first = held; ; first = false) {
      this.#asked = performance.now();
      let path = `/rooms/${this.room}/${this.transport}?after=${this.#cursor}&user=${this.user}`;
      if (first) path += "&hold=0s"; // an immediate answer shows that the connection works
      this.questions++;
      this.carried += path.length;
      const answer = await fetch(path, { signal: within(held && !first ? heldTimeout : answerTimeout, signal) });
      const text = await this.#answered(answer);
      signal.throwIfAborted(); // start may have been called again
      if (answer.status === 410) throw new Gap(JSON.parse(text).oldest);
      if (!answer.ok) throw new Error(said(answer, text));
      well();
      this.#contact();
      if (answer.status === 204) this.empty++;
      else for (const m of JSON.parse(text)) this.on.message(m.body);
      this.#cursor = answer.headers.get("Next-Cursor");
      if (answer.headers.get("Retry-After") === "0") continue; // there are more messages
      if (!held) await this.#due(signal);
      else if (answer.status === 204 && !first) await sleep(firstPause, signal); // a stopping server does not hold requests
    }
  }

  #contact() {
    this.#heard = true;
    this.on.contact();
  }

  /** Waits until the next request is due, by the current interval. */
  async #due(signal) {
    while (!signal.aborted) {
      const wait = this.#asked + this.every - performance.now();
      if (wait <= 0) return;
      await Promise.race([sleep(wait, signal), new Promise(done => { this.#rush = done; })]);
    }
  }

  #listen(signal, well) {
    return new Promise((_, reject) => {
      const url = new URL(`/rooms/${this.room}/${this.transport}?after=${this.#cursor}&user=${this.user}`, location.href);
      url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
      const socket = new WebSocket(url);
      this.handshakes++;
      const leave = () => socket.close();
      signal.addEventListener("abort", leave);
      socket.onopen = () => {
        if (signal.aborted) return;
        well();
        this.on.contact();
        this.#socket = socket;
        this.#queue.forEach(body => this.#write(body));
      };
      socket.onmessage = ({ data }) => {
        if (signal.aborted) return;
        const bytes = size(data);
        this.carried += bytes + (bytes < 126 ? 2 : bytes < 65_536 ? 4 : 10);
        this.#contact();
        const frame = JSON.parse(data);
        if ("stored" in frame) {
          this.on.stored(this.#queue.shift());
          this.#expect();
        } else if ("error" in frame) {
          socket.close(); // the store can't be reached: after rejoining, the queue is sent again in order
        } else {
          this.#cursor = String(frame.seq);
          this.on.message(frame.body);
        }
      };
      socket.onclose = ({ code, reason }) => {
        signal.removeEventListener("abort", leave);
        if (this.#socket === socket) this.#socket = null;
        clearTimeout(this.#overdue);
        if (code === 4410) reject(new Gap(JSON.parse(reason).oldest));
        else if (code === 1007 || code === 1009) { // the message would be refused again
          this.on.refused(this.#queue.shift(), reason);
          reject(new Error(reason));
        } else reject(new Error(code === 1001 ? "the server is stopping" : reason || "the connection is lost"));
      };
    });
  }

  #write(body) {
    if (!this.#socket) return; // onopen sends the queue
    const frame = JSON.stringify({ body }), bytes = size(frame);
    this.#socket.send(frame);
    this.carried += bytes + (bytes < 126 ? 6 : bytes < 65_536 ? 8 : 14);
    if (this.#queue[0] === body) this.#expect();
  }

  /** Closes the socket if the server does not acknowledge the next message in time. */
  #expect() {
    clearTimeout(this.#overdue);
    const socket = this.#socket;
    if (socket && this.#queue.length > 0) this.#overdue = setTimeout(() => socket.close(), answerTimeout);
  }

  async #post(signal) {
    let pause = 0;
    while (this.#queue.length > 0 && !signal.aborted) {
      const body = this.#queue[0], path = `/rooms/${this.room}/messages`, bytes = size(body);
      try {
        this.posts++;
        this.carried += path.length + String(bytes).length + bytes;
        const answer = await fetch(path, { method: "POST", body, signal: within(answerTimeout, signal) });
        const text = await this.#answered(answer);
        signal.throwIfAborted(); // the message stays in the queue and is sent again, with the same id
        if (answer.status >= 500) throw new Error(said(answer, text));
        this.#queue.shift();
        if (answer.ok) this.on.stored(body);
        else this.on.refused(body, said(answer, text));
        pause = 0;
      } catch {
        pause = Math.min(longestPause, pause * 2 || firstPause);
        await sleep(pause, signal);
      }
    }
  }

  /** Reads a whole answer, counts its bytes and returns its body. */
  async #answered(answer) {
    const data = await answer.arrayBuffer();
    let head = `HTTP/1.1 ${answer.status} ${answer.statusText}\r\n\r\n`.length;
    for (const [name, value] of answer.headers) head += `${name}: ${value}\r\n`.length;
    this.carried += head + data.byteLength;
    return new TextDecoder().decode(data);
  }
}

/** A signal that aborts with another one, or after that many milliseconds. */
const within = (ms, signal) => AbortSignal.any([signal, AbortSignal.timeout(ms)]);

function sleep(ms, signal) {
  return new Promise(done => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      done();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end);
    if (signal.aborted) end();
  });
}

/** The error message of an answer. */
function said(answer, text) {
  try {
    return JSON.parse(text).error;
  } catch {
    return `the server answered ${answer.status}`;
  }
}

function reason(error) {
  if (error.name === "TimeoutError") return "the server doesn’t answer";
  if (error instanceof TypeError) return "the server can’t be reached"; // the error of fetch has no details
  return error.message;
}
