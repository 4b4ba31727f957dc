/** A map that keeps only the last entries, so that a long conversation takes no more memory than a short one. */
export class Recent extends Map {
  #most;

  constructor(most) {
    super();
    this.#most = most;
  }

  set(key, value) {
    super.set(key, value);
    if (this.size > this.#most) this.delete(this.keys().next().value);
    return this;
  }
}
