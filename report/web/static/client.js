// One user of a room over one transport: the client that an application would have to write.
//
// A client reads the room's log by cursor. When its connection breaks, it rejoins by itself and
// resumes from its cursor, with a backoff from 50 ms to 2 s. It sends each message, in order, until
// the server acknowledges that it is stored. A message may therefore be stored twice: bodies need an
// id by which readers drop duplicates. The client counts the bytes of requests, answers and frames.

import { Events } from "./events.js";

const firstPause = 50, longestPause = 2000; // ms, like those of pushpull's simulated users
const answerTimeout = 10_000; // ms, for a request that the server does not hold
const heldTimeout = 70_000; // ms; a server holds a request for at most 60 s by default
const longestQueue = 100; // messages that aren't stored yet

const utf8 = new TextEncoder();
const size = text => utf8.encode(text).length;

// A browser has six connections to a server for requests with credentials, and six for those without.
// Requests that stay open are made without, so that sends and short polls never wait for them.
const brief = { credentials: "same-origin" }, lasting = { credentials: "omit" };

// Behind a proxy that wants credentials and speaks HTTP/1.1, all requests share six connections. Then
// two lanes have requests that stay open, for two users each, and two connections are left for what is brief.
const mostRooms = 2;
const rooms = new Set(); // with such requests
const fewConnections = () => /^http\/1/.test(performance.getEntriesByType("navigation")[0]?.nextHopProtocol);

/** The size of the head that a browser gives to a request. No script sees it, so the server measures it. */
export const heads = {
  brief: NaN, lasting: NaN, post: NaN, // bytes, without the path and the digits of a length
  async measure() {
    const path = "/page/head";
    const of = async options => {
      const answer = await fetch(path, options);
      if (answer.status === 401 && options === lasting) return of(brief); // as the lanes will do
      return (await answer.json()).bytes - path.length;
    };
    [this.brief, this.lasting, this.post] = await Promise.all(
      [of(brief), of(lasting), of({ method: "POST", body: "x" }).then(n => n - 1)]);
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
   * way is "timer", "held", "scan", "stream" or "duplex"; every is the polling interval of a timer, in
   * ms. on holds the callbacks: state(state, words), message(body), stored(body),
   * refused(body, words), gap(words), contact() whenever the server sends something, and
   * travels(what): "ask" and "send" leave the user, "empty", "answer" and "frame" reach it.
   */
  constructor({ transport, way, room, user, every, on }) {
    Object.assign(this, { transport, way, room, user, on });
    this.every = every;
    this.lasting = way !== "timer"; // requests stay open
    this.options = this.lasting ? lasting : brief;
    this.questions = this.handshakes = this.empty = this.posts = 0;
    this.carried = 0; // bytes, except the parts of requests that heads measures
    this.#wait("pause");
  }

  /** Joins the room, and reads on from the cursor. */
  start() {
    if (this.#life) return;
    this.#life = new AbortController();
    this.#wait("answer");
    this.#read(this.#life.signal);
    if (this.way !== "duplex") this.#post(this.#life.signal);
  }

  /** Leaves the room until start is called. Messages that aren't stored yet are kept. */
  stop() {
    this.#life?.abort();
    this.#life = null;
    this.#wait("pause");
    this.on.state("paused", "paused");
  }

  send(body) {
    if (this.#queue.length === longestQueue) {
      this.on.refused(body, `${longestQueue} messages wait already`);
      return;
    }
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
  get bytes() {
    return this.carried + this.questions * (this.lasting ? heads.lasting : heads.brief) + this.posts * heads.post;
  }

  /**
   * Sets what the user waits for: "answer" of a request, "timer" until the next one, "held" request,
   * "open" connection or response, "retry" after an error, or "pause". since and until are by
   * performance.now; until is NaN if it isn't known.
   */
  #wait(what, ms = NaN) {
    const now = performance.now();
    this.waits = { for: what, since: now, until: now + ms };
  }

  async #read(signal) {
    let pause = 0;
    const well = () => this.on.state("connected", "connected");
    const read = { stream: this.#stream, duplex: this.#listen }[this.way] ?? this.#ask;
    while (!signal.aborted) {
      const begun = performance.now();
      this.#heard = false;
      this.#wait("answer");
      try {
        await read.call(this, signal, well);
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof Gap) {
          this.#cursor = String(error.oldest - 1);
          this.on.gap(error.message);
        }
        if (this.#heard || performance.now() - begun > longestPause) pause = 0;
        pause = Math.min(longestPause, pause * 2 || firstPause);
        const wait = pause * (1 + Math.random()) / 2;
        this.#wait("retry", wait);
        this.on.state("lost", reason(error));
        await sleep(wait, signal);
      }
    }
  }

  get #path() { return `/rooms/${this.room}/${this.transport}?after=${this.#cursor}&user=${this.user}`; }

  /** Sends a request to receive messages. */
  #get(path, signal) {
    if (this.lasting && this.options === brief) this.#enter();
    this.#asked = performance.now();
    this.questions++;
    this.carried += path.length;
    this.on.travels("ask");
    return fetch(path, { ...this.options, signal });
  }

  async #ask(signal, well) {
    for (let first = this.lasting; ; first = false) {
      signal.throwIfAborted();
      const held = this.lasting && !first;
      this.#wait(held ? "held" : "answer");
      const path = this.#path + (first ? "&hold=0s" : ""); // an immediate answer shows that the connection works
      const answer = await this.#get(path, within(held ? heldTimeout : answerTimeout, signal));
      const text = await this.#answered(answer);
      signal.throwIfAborted(); // start may have been called again
      if (this.#refusedBare(answer)) continue;
      if (answer.status === 410) throw new Gap(JSON.parse(text).oldest);
      if (!answer.ok) throw new Error(said(answer, text));
      well();
      this.#contact();
      if (answer.status === 204) {
        this.empty++;
        this.on.travels("empty");
      } else {
        this.on.travels("answer");
        for (const m of JSON.parse(text)) this.on.message(m.body);
      }
      this.#cursor = answer.headers.get("Next-Cursor");
      if (answer.headers.get("Retry-After") === "0") continue; // there are more messages
      if (!this.lasting) await this.#due(signal);
      else if (answer.status === 204 && held) await sleep(firstPause, signal); // a stopping server does not hold requests
    }
  }

  /** Reports whether a proxy wants credentials. Then all requests are made with them. */
  #refusedBare(answer) {
    const bare = answer.status === 401 && this.options === lasting;
    if (bare) this.options = brief;
    return bare;
  }

  /** Throws an error if a request that stays open would leave no connection for those that send. */
  #enter() {
    if (fewConnections() && rooms.size >= mostRooms && !rooms.has(this.room)) {
      throw new Error("no connection is left: a browser opens six to a server that wants a password");
    }
    rooms.add(this.room);
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
      this.#wait("timer", wait);
      await Promise.race([sleep(wait, signal), new Promise(done => { this.#rush = done; })]);
    }
  }

  /** Reads a stream of events: messages in JSON, or "gap" with the oldest place and "error", which end it. */
  async #stream(signal, well) {
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(new DOMException("", "TimeoutError")), answerTimeout);
    try {
      const answer = await this.#get(this.#path, AbortSignal.any([signal, late.signal]));
      clearTimeout(timer);
      if (this.#refusedBare(answer)) return;
      if (!answer.ok) {
        const text = await this.#answered(answer);
        if (answer.status === 410) throw new Gap(JSON.parse(text).oldest);
        throw new Error(said(answer, text));
      }
      this.carried += headOf(answer);
      well();
      this.#contact();
      this.#wait("open");
      const events = new Events((type, data) => this.#event(type, JSON.parse(data)));
      const decoder = new TextDecoder();
      for (const reader = answer.body.getReader(); ;) {
        const { done, value } = await reader.read();
        if (done) throw new Error("the stream has ended");
        signal.throwIfAborted();
        this.carried += value.length;
        this.#contact();
        events.feed(decoder.decode(value, { stream: true }));
      }
    } finally {
      clearTimeout(timer);
      late.abort(); // the response may not be read to its end
    }
  }

  #event(type, data) {
    if (type === "gap") throw new Gap(data.oldest);
    if (type === "error") throw new Error(data.error);
    if (type === "message") this.#delivered(data); // other types are for clients that know them
  }

  /** Takes a message that the server has pushed. */
  #delivered({ seq, body }) {
    this.#cursor = String(seq);
    this.on.travels("frame");
    this.on.message(body);
  }

  #listen(signal, well) {
    return new Promise((_, reject) => {
      const url = new URL(this.#path, location.href);
      url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
      const socket = new WebSocket(url);
      this.handshakes++;
      this.on.travels("ask");
      const leave = () => socket.close();
      signal.addEventListener("abort", leave);
      socket.onopen = () => {
        if (signal.aborted) return;
        well();
        this.on.contact();
        this.#wait("open");
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
        } else this.#delivered(frame);
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
    this.on.travels("send");
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
        this.on.travels("send");
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
    this.carried += headOf(answer) + data.byteLength;
    return new TextDecoder().decode(data);
  }
}

/** The bytes of an answer's head. */
function headOf(answer) {
  let bytes = `HTTP/1.1 ${answer.status} ${answer.statusText}\r\n\r\n`.length;
  for (const [name, value] of answer.headers) bytes += `${name}: ${value}\r\n`.length;
  return bytes;
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
