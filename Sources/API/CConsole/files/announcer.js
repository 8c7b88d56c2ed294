// What screen readers are told of changes: the last text only, and not more often than people can listen.

import { setText } from "./dom.js";

const PAUSE = 5000;

export class Announcer {
  #node;
  #waiting = null;
  #timer = null;

  /** `node` is a polite live region. */
  constructor(node) {
    this.#node = node;
  }

  /** Tells a text now, or five seconds after the last one; of several that wait, the newest is told. */
  tell(text) {
    if (this.#timer !== null) {
      this.#waiting = text;
      return;
    }
    setText(this.#node, text);
    this.#timer = setTimeout(() => {
      this.#timer = null;
      const next = this.#waiting;
      this.#waiting = null;
      if (next !== null) this.tell(next);
    }, PAUSE);
  }
}
