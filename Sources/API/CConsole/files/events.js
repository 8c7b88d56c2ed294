// Server-Sent Events, read with fetch: EventSource cannot send Authorization. See Events.md for what the streams say.

import { address, messageOf, Problem, send } from "./api.js";

/** The longest event that is taken: a snapshot of 200 exports with many files is far below. */
const LONGEST_EVENT = 32 << 20;
/** A stream on which nothing comes for so long is given up; heartbeats come at least every five minutes. */
const SILENCE = 330_000;
const LONGEST_WAIT = 30_000;

/** Reads the text of a stream: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation */
export class EventParser {
  #rest = "";
  #name = "";
  #data = [];
  #length = 0;
  /** The id of the last block. */
  lastId = "";
  /** The time to wait before coming back, in milliseconds; null where the stream did not say. */
  retry = null;

  /** The events that are complete with this piece of text. */
  push(text) {
    const events = [];
    const lines = (this.#rest + text).split(/\r\n|\n|\r(?=.)/s);
    this.#rest = lines.pop();
    if (this.#length + this.#rest.length > LONGEST_EVENT) throw new Error("An event is too long.");
    for (const line of lines) {
      if (line === "") {
        if (this.#data.length > 0) {
          events.push({ name: this.#name || "message", data: this.#data.join("\n"), id: this.lastId });
        }
        this.#name = "";
        this.#data = [];
        this.#length = 0;
        continue;
      }
      this.#take(line);
    }
    return events;
  }

  #take(line) {
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") this.#name = value;
    if (field === "data") {
      this.#data.push(value);
      this.#length += value.length;
    }
    if (field === "id" && !value.includes("\0")) this.lastId = value;
    if (field === "retry" && /^\d+$/.test(value)) this.retry = Number(value);
  }
}

/**
 * Follows a stream until it is over (204), until it is refused for good, or until `signal`.
 *
 * - `onEvent({ name, data, id })`: each event, its data as JSON.
 * - `onState(text)`: `live`, `waiting` while there is no stream, `over`, or `refused` with what the gateway says.
 */
export async function follow(path, { parameters, fields = {}, lastId = "", onEvent, onState, signal }) {
  let id = lastId;
  let failures = 0;
  while (!signal.aborted) {
    let wait = 2000;
    try {
      const headers = { ...fields, Accept: "text/event-stream", ...(id === "" ? {} : { "Last-Event-ID": id }) };
      const parser = new EventParser();
      parser.lastId = id;
      const isOver = await read(address(path, parameters), headers, parser, signal, () => onState("live"), (event) => {
        id = event.id;
        failures = 0;
        onEvent(event);
      });
      if (isOver) {
        onState("over");
        return;
      }
      id = parser.lastId;
      wait = parser.retry ?? wait;
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Problem && error.status < 500 && error.status !== 429) {
        onState("refused", messageOf(error));
        return;
      }
      failures += 1;
      wait = (error.retryAfter ?? 0) * 1000 || Math.min(LONGEST_WAIT, 500 * 2 ** failures) * (0.5 + Math.random() / 2);
    }
    onState("waiting");
    await pause(wait, signal);
  }
}

/** Reads one stream to its end. Says whether there is nothing more to come. */
async function read(url, headers, parser, signal, onOpen, onEvent) {
  const silence = new AbortController();
  let timer = setTimeout(() => silence.abort(), SILENCE);
  try {
    const response = await send(url, { fields: headers, signal: AbortSignal.any([signal, silence.signal]) });
    if (response.status === 204) return true;
    onOpen();
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return false;
      clearTimeout(timer);
      timer = setTimeout(() => silence.abort(), SILENCE);
      for (const event of parser.push(value)) onEvent({ ...event, data: JSON.parse(event.data) });
    }
  } finally {
    clearTimeout(timer);
  }
}

function pause(milliseconds, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    }, { once: true });
  });
}
