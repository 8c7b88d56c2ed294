// The table of exports, with its filters.

import { messageOf } from "./api.js";
import { button, element, setText } from "./dom.js";
import { ExportList, MOST_EXPORTS, viewOf } from "./export-list.js";
import { number, plural, shortTime, statuses, statusText, statusTone, time } from "./format.js";
import { Grid } from "./grid.js";

export class ExportsView {
  node;
  title = "Exports";
  #grid;
  #list = null;
  #filters;
  #state;
  #summary;
  #loadAll;
  #message;
  #announcer;
  #isScheduled = false;
  #changed = new Map();

  /** `providers`: those of `GET /providers`. */
  constructor(providers, announcer) {
    this.#announcer = announcer;
    this.#grid = new Grid({
      label: "Exports, newest first",
      columns: columns(providers),
      onOpen: (row) => { location.hash = viewOf(row.id); },
      onEnd: () => this.#list?.more(),
    });
    this.#filters = filterForm(providers, (isRemote) => (isRemote ? this.#restart() : this.#show()));
    this.#state = element("span", { class: "state" });
    this.#summary = element("span", null);
    this.#loadAll = button("Load all", () => this.#list.all(), { class: "quiet", hidden: true });
    this.#message = element("p", { class: "message bad", role: "alert", hidden: true });
    this.node = element(
      "section",
      { class: "exports-view" },
      element(
        "div",
        { class: "head" },
        element("h1", { tabindex: -1 }, "Exports"),
        element("a", { class: "button primary", href: "#/new" }, "New export"),
      ),
      this.#filters.node,
      this.#message,
      this.#grid.node,
      element("div", { class: "grid-foot" }, this.#summary, this.#loadAll, this.#state),
    );
    this.#restart();
  }

  /** Called when the view is in sight again. Says whether it has taken the focus. */
  show() {
    return this.#grid.restore();
  }

  /** Ends it for good. */
  close() {
    this.#list?.stop();
  }

  #restart() {
    this.#list?.stop();
    this.#message.hidden = true;
    this.#list = new ExportList(this.#filters.remote(), {
      onPage: () => {
        this.#message.hidden = true;
        this.#schedule();
      },
      onChange: (record) => {
        this.#changed.set(record.id, record);
        this.#schedule();
      },
      onState: (state, detail) => this.#setState(state, detail),
      onError: (error) => this.#fail(messageOf(error)),
    });
    this.#list.start();
  }

  #fail(text) {
    setText(this.#message, text);
    this.#message.hidden = false;
  }

  #setState(state, detail) {
    const texts = { live: "Live", waiting: "Connecting …", over: "Ended", refused: "Not live" };
    this.#state.dataset.state = state;
    setText(this.#state, texts[state]);
    if (detail) this.#fail(detail);
  }

  #schedule() {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    requestAnimationFrame(() => {
      this.#isScheduled = false;
      this.#show();
    });
  }

  #show() {
    const all = this.#list.records.rows;
    const rows = this.#filters.local(all);
    this.#grid.setRows(rows);
    const isWhole = !this.#list.hasMore;
    const limit = all.length >= MOST_EXPORTS ? `; no more than ${number(MOST_EXPORTS)} are shown` : "";
    const found = rows.length === all.length ? "" : `${number(rows.length)} of `;
    setText(this.#summary, `${found}${plural(all.length, "export")}${isWhole ? limit : " loaded, there are older ones"}`);
    this.#loadAll.hidden = isWhole;
    this.#tell();
  }

  #tell() {
    const changed = [...this.#changed.values()].filter((record) => record.isOver);
    this.#changed.clear();
    if (changed.length === 0) return;
    const last = changed.at(-1);
    const others = changed.length > 1 ? `, and ${changed.length - 1} more` : "";
    this.#announcer.tell(`${last.name}: ${statusText(last.status)}${others}.`);
  }
}

function columns(providers) {
  const titles = new Map(providers.map((provider) => [provider.id, provider.title]));
  return [
    {
      name: "status", title: "Status",
      make: () => element("span", { class: "status" }),
      update: (cell, row) => {
        const node = cell.firstChild;
        node.dataset.tone = statusTone(row.status);
        setText(node, statusText(row.status) + (row.percent !== null && !row.isOver ? ` ${row.percent} %` : ""));
      },
    },
    {
      name: "name", title: "Name",
      make: () => element("a", { tabindex: -1 }),
      update: (cell, row) => {
        setText(cell.firstChild, row.name);
        cell.firstChild.href = viewOf(row.id);
        cell.title = row.name;
      },
    },
    { name: "provider", title: "Provider", text: (row) => titles.get(row.provider) ?? row.provider },
    { name: "connection", title: "Connection", text: (row) => row.connection },
    {
      name: "created", title: "Created",
      update: (cell, row) => {
        setText(cell, shortTime(row.createdAt));
        cell.title = time(row.createdAt);
      },
    },
    { name: "caller", title: "Created by", text: (row) => row.createdBy },
  ];
}

/** The filters: those that the gateway applies, and one that the page applies to what it has loaded. */
function filterForm(providers, onChange) {
  const select = (name, options) => element(
    "select", { name }, element("option", { value: "" }, "All"),
    options.map(({ value, text }) => element("option", { value }, text)),
  );
  const usable = providers.filter((provider) => provider.connections.length > 0);
  const fields = {
    status: select("status", statuses),
    provider: select("provider", providers.map((provider) => ({ value: provider.id, text: provider.title }))),
    connection: select("connection", usable.flatMap((provider) => provider.connections)
      .map((name) => ({ value: name, text: name }))),
    createdAfter: element("input", { type: "datetime-local", name: "createdAfter" }),
    createdBefore: element("input", { type: "datetime-local", name: "createdBefore" }),
    text: element("input", { type: "search", name: "text", autocomplete: "off" }),
  };
  const field = (title, control) => element("label", { class: "filter" }, element("span", null, title), control);
  const instant = (control) => (control.value === "" ? undefined : new Date(control.value).toISOString());
  const more = element(
    "details", { class: "more-filters" }, element("summary", null, "More filters"),
    element("div", { class: "filters" }, field("Connection", fields.connection), field("Created from", fields.createdAfter),
      field("Created before", fields.createdBefore)),
  );
  const node = element(
    "form",
    {
      class: "filter-form", "aria-label": "Filters",
      on: {
        submit: (event) => event.preventDefault(),
        input: (event) => onChange(event.target !== fields.text),
        reset: () => queueMicrotask(() => onChange(true)),
      },
    },
    element("div", { class: "filters" }, field("Name or caller, among those loaded", fields.text), field("Status", fields.status),
      field("Provider", fields.provider), element("button", { type: "reset", class: "quiet" }, "Clear")),
    more,
  );
  return {
    node,
    remote: () => ({
      status: fields.status.value, provider: fields.provider.value, connection: fields.connection.value,
      createdAfter: instant(fields.createdAfter), createdBefore: instant(fields.createdBefore),
    }),
    local: (rows) => {
      const text = fields.text.value.trim().toLowerCase();
      if (text === "") return rows;
      return rows.filter((row) => row.name.toLowerCase().includes(text) || row.createdBy.toLowerCase().includes(text));
    },
  };
}
