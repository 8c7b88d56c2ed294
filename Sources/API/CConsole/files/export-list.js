// The exports that the table shows: newest first, and each once. What is kept of an export is what its row needs.

import { exportPath, page } from "./api.js";
import { follow } from "./events.js";

/** Exports on a page of the interface, its most. */
const PAGE_SIZE = 200;
/** The most exports that are kept. Older ones are found with the filters by time. */
export const MOST_EXPORTS = 50_000;

/** What a row shows of an export or of a change. */
export function recordOf(value) {
  return {
    id: value.id,
    provider: value.provider,
    connection: value.connection,
    name: value.name,
    status: value.status,
    percent: value.percentComplete ?? null,
    createdAt: value.createdAt,
    updatedAt: value.updatedAt,
    createdBy: value.createdBy,
    code: value.code ?? value.error?.code ?? value.notice?.code ?? null,
    isOver: value.ended === true || value.completedAt !== undefined,
  };
}

/** The same, ordered and without I/O. */
export class ExportRecords {
  /** Newest first. Ids are UUIDs of version 7: their order is that of creation. */
  rows = [];
  #byId = new Map();
  #status;

  /** `status`: the only status that is kept; undefined keeps all. */
  constructor(status) {
    this.#status = status || null;
  }

  /** Takes a state of an export, unless a later one is known. Gives back the record where anything changed; else null. */
  merge(record) {
    const known = this.#byId.get(record.id);
    if (known !== undefined && Date.parse(known.updatedAt) > Date.parse(record.updatedAt)) return null;
    const wasShown = known !== undefined && this.#isWanted(known);
    const isShown = this.#isWanted(record);
    // What does not match any more stays known, so that an older state that comes late does not bring it back.
    if (known === undefined) this.#byId.set(record.id, record);
    const isSame = known !== undefined && ["status", "percent", "name", "code"].every((name) => known[name] === record[name]);
    const kept = known === undefined ? record : Object.assign(known, record);
    if (isShown && !wasShown) this.rows.splice(this.#position(record.id), 0, kept);
    if (!isShown && wasShown) this.rows.splice(this.#position(record.id), 1);
    return isSame || !(isShown || wasShown) ? null : kept;
  }

  #isWanted(record) {
    return this.#status === null || record.status === this.#status;
  }

  /** Where an id stands, or would stand. */
  #position(id) {
    const last = this.rows.at(-1);
    if (last === undefined || last.id > id) return this.rows.length;
    let [low, high] = [0, this.rows.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.rows[middle].id > id) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** A list that is read page by page and follows the changes of its exports. */
export class ExportList {
  records;
  /** Whether older exports can be read. */
  hasMore = false;
  isLoading = false;
  #filters;
  #cursor;
  #ending = new AbortController();
  #handlers;

  /**
   * - `filters`: those of `GET /exports`.
   * - `handlers`: `onChange(changed)` after records have changed by events, with those; `onPage()` after a page;
   *   `onState(text, detail)` as `follow`; `onError(error)`.
   */
  constructor(filters, handlers) {
    this.#filters = filters;
    this.#handlers = handlers;
    this.records = new ExportRecords(filters.status);
  }

  /** Begins. The events come first, so that no change is missed between the page and them. */
  start() {
    const { status, ...others } = this.#filters;
    follow("exports/events", {
      parameters: { ...others, limit: 1 },
      signal: this.#ending.signal,
      onState: this.#handlers.onState,
      onEvent: ({ name, data }) => {
        if (name === "snapshot") this.#reload();
        // One that is purged stays until the list is read again: its view says what became of it.
        else if (name === "change") this.#take(data);
      },
    });
  }

  /** Ends it for good. */
  stop() {
    this.#ending.abort();
  }

  /** Reads the next page of older exports. */
  async more() {
    if (this.hasMore && !this.isLoading) await this.#load(this.#cursor);
  }

  /** Reads pages until there are no more, or as many exports as are kept. */
  async all() {
    while (this.hasMore && !this.#ending.signal.aborted) {
      const before = this.#cursor;
      await this.more();
      if (this.#cursor === before) return;
    }
  }

  /** What the stream told may be incomplete: the newest page is read again, and then older ones from there. */
  async #reload() {
    const isFirst = this.records.rows.length === 0;
    if (!isFirst) this.records = new ExportRecords(this.#filters.status);
    await this.#load(undefined);
  }

  async #load(cursor) {
    this.isLoading = true;
    const records = this.records;
    try {
      const answer = await page("exports", { ...this.#filters, limit: PAGE_SIZE }, cursor, {
        signal: this.#ending.signal,
      });
      if (records !== this.records) return;
      for (const value of answer.value) records.merge(recordOf(value));
      this.#cursor = answer.nextCursor;
      this.hasMore = answer.nextCursor !== undefined && records.rows.length < MOST_EXPORTS;
      this.isLoading = false;
      this.#handlers.onPage();
    } catch (error) {
      if (!this.#ending.signal.aborted) this.#handlers.onError(error);
    } finally {
      this.isLoading = false;
    }
  }

  #take(change) {
    const changed = this.records.merge(recordOf(change));
    if (changed !== null) this.#handlers.onChange(changed);
  }
}

/** The address of an export's view. */
export function viewOf(id) {
  return `#/${exportPath(id)}`;
}
