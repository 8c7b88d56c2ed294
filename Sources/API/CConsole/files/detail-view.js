// One export: where it stands, its course, its files, and who had them.

import { address, exportPath, get, messageOf, send } from "./api.js";
import { DeliveryLog, showDeliveries } from "./deliveries.js";
import { confirm } from "./dialog.js";
import { button, element, fill, setText, terms } from "./dom.js";
import { follow } from "./events.js";
import { viewOf } from "./export-list.js";
import { FilesPanel } from "./files-panel.js";
import { statusText, statusTone, time } from "./format.js";
import * as session from "./session.js";
import { timeline } from "./timeline.js";

/** The newest deliveries that are shown here; all are in the chain of custody. */
const SHOWN_DELIVERIES = 100;

export class DetailView {
  title = "Export";
  node;
  #id;
  #exported = null;
  #history = [];
  #log;
  #files;
  #announcer;
  #ending = new AbortController();
  #parts = {};
  #isReading = false;
  #isStale = false;

  constructor(id, announcer) {
    this.#id = id;
    this.#announcer = announcer;
    this.#log = new DeliveryLog(id);
    this.#files = new FilesPanel(() => ({ exported: this.#exported, log: this.#log }), () => this.#refresh(), announcer);
    const parts = this.#parts;
    parts.name = element("h1", { tabindex: -1 }, "Export");
    parts.status = element("span", { class: "status large" });
    parts.state = element("span", { class: "state" });
    parts.progress = element("progress", { max: 100, hidden: true, "aria-label": "Progress" });
    parts.cancel = button("Cancel export", () => this.#cancel(), { class: "danger", hidden: true });
    parts.message = element("p", { class: "message bad", role: "alert", hidden: true });
    parts.body = element("div", { class: "detail", hidden: true });
    for (const name of ["timeline", "deliveries", "facts", "source"]) parts[name] = element("div", null);
    const section = (title, ...children) => element("section", { class: "panel" }, element("h2", null, title), children);
    fill(
      parts.body,
      section("Timeline", parts.timeline),
      element("div", { class: "stack" }, section("Files", this.#files.node), section("Deliveries", parts.deliveries),
        section("Facts", parts.facts), section("Source", parts.source)),
    );
    this.node = element(
      "article", { class: "detail-view" },
      element("p", { class: "trail" }, element("a", { href: "#/exports" }, "Exports")),
      element("div", { class: "head" }, parts.name, element("div", { class: "actions" },
        element("a", { class: "button", href: `${viewOf(id)}/custody` }, "Chain of custody"), parts.cancel)),
      element("div", { class: "standing" }, parts.status, parts.progress, parts.state),
      parts.message,
      parts.body,
    );
    this.#start();
  }

  close() {
    this.#ending.abort();
    this.#files.close();
  }

  async #start() {
    await this.#refresh();
    if (this.#exported === null || this.#ending.signal.aborted) return;
    follow(`${exportPath(this.#id)}/events`, {
      // From the first change on: the course so far comes too, as far as it is stored.
      lastId: "0",
      signal: this.#ending.signal,
      onState: (state) => {
        const texts = { live: "Live", waiting: "Connecting …", over: "", refused: "Not live" };
        this.#parts.state.dataset.state = state;
        setText(this.#parts.state, texts[state]);
      },
      onEvent: ({ name, data }) => {
        if (name === "snapshot") this.#exported = data;
        else if (name === "change") this.#history.push(data);
        this.#refresh();
      },
    });
  }

  /** Reads the export and its deliveries, once for all changes that come meanwhile. */
  async #refresh() {
    this.#isStale = true;
    if (this.#isReading) return;
    this.#isReading = true;
    const { signal } = this.#ending;
    try {
      while (this.#isStale && !signal.aborted) {
        this.#isStale = false;
        const fields = this.#exported === null ? {} : session.upstreamFields(this.#exported.connection);
        this.#exported = await get(exportPath(this.#id), {}, { signal, fields });
        if (this.#exported.completedAt !== undefined) await this.#log.read(signal);
        this.#show();
      }
    } catch (error) {
      if (!signal.aborted) this.#fail(messageOf(error));
    } finally {
      this.#isReading = false;
    }
  }

  #fail(text) {
    setText(this.#parts.message, text);
    this.#parts.message.hidden = false;
  }

  #show() {
    const [exported, parts] = [this.#exported, this.#parts];
    const before = parts.status.textContent;
    parts.message.hidden = true;
    parts.body.hidden = false;
    setText(parts.name, exported.name);
    document.title = `${exported.name} · Export Gateway`;
    parts.status.dataset.tone = statusTone(exported.status);
    setText(parts.status, statusText(exported.status));
    if (before !== "" && before !== parts.status.textContent) this.#announcer.tell(`${exported.name}: ${parts.status.textContent}.`);
    const isOver = exported.completedAt !== undefined;
    parts.progress.hidden = isOver || exported.percentComplete === undefined;
    parts.progress.value = exported.percentComplete ?? 0;
    parts.cancel.hidden = isOver || exported.cancellation !== undefined;
    fill(parts.timeline, timeline(exported, this.#history, this.#log.all));
    this.#files.show(exported);
    const names = new Map(exported.files.map((file) => [file.id, file.name]));
    showDeliveries(parts.deliveries, this.#log.all, names, SHOWN_DELIVERIES);
    fill(parts.facts, facts(exported));
    fill(parts.source, element("pre", { tabindex: 0 }, JSON.stringify(exported.source, null, 2)));
  }

  async #cancel() {
    const isCertain = await confirm({
      title: "Cancel this export?",
      text: "Where the provider cannot stop a running job, the job goes on there and is no longer tracked here.",
      yes: "Cancel the export", no: "Keep it",
    });
    if (!isCertain) return;
    try {
      const fields = session.upstreamFields(this.#exported.connection);
      const response = await send(address(exportPath(this.#id)), { method: "DELETE", fields });
      this.#exported = await response.json();
      const outcomes = {
        confirmed: "It was stopped.", requested: "The upstream was asked and has not confirmed.",
        unsupported: "The provider cannot stop jobs; it is no longer tracked here.",
      };
      this.#announcer.tell(outcomes[this.#exported.cancellation] ?? "It was canceled.");
      this.#show();
      this.#parts.name.focus();
    } catch (error) {
      this.#fail(messageOf(error));
    }
  }
}

/** What else there is to know of an export. */
export function facts(exported) {
  const { upstream = {}, error, notice } = exported;
  return terms([
    ["ID", element("code", null, exported.id)],
    ["Provider", exported.provider],
    ["Connection", exported.connection],
    ["Created by", exported.createdBy],
    ["Created", time(exported.createdAt)],
    ["Ended", exported.completedAt && time(exported.completedAt)],
    ["Confirmed last", exported.observedAt && `${time(exported.observedAt)}${exported.stale ? ", the upstream gives nothing newer" : ""}`],
    ["Files kept until", exported.expiresAt && time(exported.expiresAt)],
    ["Cancellation", exported.cancellation],
    ["Goes on", exported.tracking === "onRequest" ? "with the next request that brings its owner's token" : null],
    ["Upstream’s ID", upstream.id && element("code", null, upstream.id)],
    ["Upstream’s status", upstream.status],
    ["Error", error && `${error.title}: ${error.detail}`],
    ["Upstream’s error", error?.upstream && [error.upstream.status, error.upstream.code, error.upstream.message]
      .filter(Boolean).join(" ")],
    ["Upstream’s request", error?.upstream?.requestId && element("code", null, error.upstream.requestId)],
    ["Notice", notice && notice.detail],
  ]);
}
