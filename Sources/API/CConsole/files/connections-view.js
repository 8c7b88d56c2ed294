// The connections: how their request budgets stand, and how late their polls are.

import { address, get, messageOf, send } from "./api.js";
import { element, fill, setText } from "./dom.js";
import { number, span } from "./format.js";
import { meanBetween, parse, sum } from "./metrics.js";
import { Plot } from "./plot.js";

const INTERVAL = 5000;

export class ConnectionsView {
  title = "Connections";
  node;
  #place = element("div", { class: "stack" });
  #note = element("p", { class: "hint" });
  #message = element("p", { class: "message bad", role: "alert", hidden: true });
  #panels = new Map();
  #samples = null;
  #hasMetrics = true;
  #timer;
  #ending = new AbortController();

  constructor() {
    this.node = element(
      "section", { class: "connections-view" },
      element("div", { class: "head" }, element("h1", { tabindex: -1 }, "Connections")),
      this.#message, this.#place, this.#note,
    );
    this.#read();
  }

  close() {
    this.#ending.abort();
    clearTimeout(this.#timer);
  }

  /** Reads again every five seconds, as long as the page is in sight. */
  async #read() {
    const { signal } = this.#ending;
    try {
      if (!document.hidden) {
        const providers = (await get("providers", {}, { signal })).value;
        this.#show(providers, await this.#metrics(signal));
        this.#message.hidden = true;
      }
    } catch (error) {
      if (signal.aborted) return;
      setText(this.#message, messageOf(error));
      this.#message.hidden = false;
    }
    if (!signal.aborted) this.#timer = setTimeout(() => this.#read(), INTERVAL);
  }

  /** The samples of this moment; null where the gateway does not serve metrics here. */
  async #metrics(signal) {
    if (!this.#hasMetrics) return null;
    try {
      const response = await send(address("metrics"), { signal });
      return parse(await response.text());
    } catch (error) {
      if (error.status !== 404) throw error;
      this.#hasMetrics = false;
      return null;
    }
  }

  #show(providers, samples) {
    for (const provider of providers) {
      for (const connection of provider.connections) {
        let panel = this.#panels.get(connection);
        if (panel === undefined) {
          panel = new ConnectionPanel(provider, connection, this.#hasMetrics);
          this.#panels.set(connection, panel);
          this.#place.append(panel.node);
        }
        panel.update(provider, this.#samples, samples);
      }
    }
    this.#samples = samples;
    if (this.#panels.size === 0) fill(this.#place, element("p", { class: "empty" }, "There is no connection that you may use."));
    setText(this.#note, this.#hasMetrics
      ? "Read every five seconds. The plots begin when this view is opened, and show ten minutes at most. Lags are of this replica."
      : "Read every five seconds. Lags and unfinished exports are not shown: this gateway serves its metrics on an address of its own "
        + "(server.operations).");
  }
}

class ConnectionPanel {
  node;
  #connection;
  #budget = element("p", { class: "hint" });
  #used = new Plot("Calls that count", (value) => number(value));
  #queue = new Plot("Calls waiting", (value) => number(value));
  #unfinished = new Plot("Unfinished exports", (value) => number(value));
  #lag = new Plot("Mean lag of polls", (value) => span(value));

  constructor(provider, connection, hasMetrics) {
    this.#connection = connection;
    const hasBudget = budgetOf(provider, connection) !== undefined;
    this.node = element(
      "section", { class: "panel" },
      element("div", { class: "panel-head" }, element("h2", null, connection), element("span", { class: "hint" }, provider.title)),
      this.#budget,
      element("div", { class: "plots" }, hasBudget ? [this.#used.node, this.#queue.node] : null,
        hasMetrics ? [this.#unfinished.node, this.#lag.node] : null),
    );
  }

  update(provider, before, samples) {
    const budget = budgetOf(provider, this.#connection);
    if (budget === undefined) {
      setText(this.#budget, "Nothing bounds the calls of this connection.");
    } else {
      const { caller, start, poll } = budget.queueLength;
      const others = budget.connections.filter((name) => name !== this.#connection);
      const shared = others.length > 0 ? ` Shared with ${others.join(", ")}.` : "";
      const slowed = budget.limit < budget.count ? ` Slowed to ${budget.limit} after the upstream refused one.` : "";
      setText(this.#budget, `${budget.count} calls in ${span(budget.perSeconds)}; ${budget.used} count now. `
        + `Waiting: ${caller} for callers, ${start} to start, ${poll} to poll.`
        + (budget.nextPlaceSeconds > 0 ? ` Next place in ${span(budget.nextPlaceSeconds)}.` : "") + slowed + shared);
      this.#used.add(budget.used, budget.limit);
      this.#queue.add(caller + start + poll);
    }
    if (samples === null) return;
    const labels = { connection: this.#connection };
    this.#unfinished.add(sum(samples, "export_gateway_exports_unfinished", labels) ?? 0);
    this.#lag.add(before === null ? null : meanBetween(before, samples, "export_gateway_poll_lag_seconds", labels));
  }
}

function budgetOf(provider, connection) {
  return provider.budgets?.find((budget) => budget.connections.includes(connection));
}
