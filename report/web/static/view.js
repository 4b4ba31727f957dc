// What one user sees of a room: the last messages, each an item of a list.

const most = 50; // items

export class View {
  #list;
  #items = new Map(); // all items of the list, in its order, by the id of the message if it is known

  constructor(list, user) {
    this.#list = list;
    this.user = user;
    new ResizeObserver(() => { list.scrollTop = list.scrollHeight; }).observe(list);
  }

  /** Shows a message. sent is how far an own message is, see mark; named is whether to show its sender. */
  message(id, { from, text, sent, named }) {
    const item = document.createElement("li");
    item.dataset.from = from === this.user ? "me" : "other";
    if (sent) item.dataset.sent = sent;
    if (named) item.append(part("span", "soft", from));
    item.append(part("span", "text", text));
    this.#add(id, item);
  }

  /** Shows words of the page itself. */
  note(words) {
    const item = document.createElement("li");
    item.dataset.from = "page";
    item.textContent = words;
    this.#add(undefined, item);
  }

  /** Shows how far an own message is: "under way", "stored" or "refused". */
  mark(id, sent) {
    const item = this.#items.get(id);
    if (item) item.dataset.sent = sent;
  }

  /** Adds words to a message, with a value for scripts if there is one. */
  add(id, kind, words, value) {
    const item = this.#items.get(id);
    if (!item) return;
    const element = part(value === undefined ? "span" : "data", kind, words);
    if (value !== undefined) element.value = value;
    this.#append(item, element);
  }

  #add(id, item) {
    // Anyone may send a message with any id, also one that is taken.
    this.#items.set(id === undefined || this.#items.has(id) ? Symbol("item") : id, item);
    this.#append(this.#list, item);
    if (this.#items.size <= most) return;
    const [key, oldest] = this.#items.entries().next().value;
    this.#items.delete(key);
    oldest.remove();
  }

  /** Appends to the list or to an item of it. The list stays scrolled to its end if it was. */
  #append(to, child) {
    const list = this.#list;
    const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 8;
    to.append(child);
    if (atEnd) list.scrollTop = list.scrollHeight;
  }
}

function part(name, kind, text) {
  const element = document.createElement(name);
  element.className = kind;
  element.textContent = text;
  return element;
}
