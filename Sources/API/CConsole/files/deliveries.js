// The deliveries of an export: who was sent which file, and whether whole.

import { exportPath, page } from "./api.js";
import { element, fill } from "./dom.js";
import { bytes, plural, time } from "./format.js";

const PAGE_SIZE = 200;

const OUTCOMES = {
  underWay: ["Under way", "active"], whole: ["Whole", "good"], broken: ["Broken off", "bad"],
  abandoned: ["Left by the caller", "warning"],
};

/** An outcome in words, with how it is meant. */
export function outcome(delivery) {
  const [text, tone] = OUTCOMES[delivery.outcome] ?? [delivery.outcome, "neutral"];
  if (delivery.kind === "measurement" && delivery.outcome === "abandoned") return { text: "Given up", tone };
  return { text, tone };
}

/** All deliveries of an export, in the order of their starts. Reading them again takes the last page only. */
export class DeliveryLog {
  /** By id. */
  #entries = new Map();
  #path;
  #last;

  constructor(id) {
    this.#path = `${exportPath(id)}/deliveries`;
  }

  get all() {
    return [...this.#entries.values()];
  }

  /** Reads what there is to its end. A delivery that has ended never changes; of those under way, all pages are read again. */
  async read(signal) {
    let cursor = this.all.some((delivery) => delivery.outcome === "underWay") ? undefined : this.#last;
    for (;;) {
      const answer = await page(this.#path, { limit: PAGE_SIZE }, cursor, { signal });
      for (const delivery of answer.value) this.#entries.set(delivery.id, delivery);
      this.#last = cursor;
      if (answer.nextCursor === undefined) return this.all;
      cursor = answer.nextCursor;
    }
  }

  /** Those of one request. */
  async ofRequest(requestId, signal) {
    const answer = await page(this.#path, { requestId }, undefined, { signal });
    return answer.value;
  }
}

/** What was sent of a file, in words. */
export function part(delivery) {
  if (delivery.coding === "zip") return "All files, as an archive";
  if (delivery.rangeFirst === undefined) return "Whole file";
  return `Bytes ${delivery.rangeFirst}–${delivery.rangeLast ?? "end"}`;
}

/** A table of deliveries. `names` has the files' names by their ids. */
export function deliveryTable(deliveries, names, { isWhole = true } = {}) {
  if (deliveries.length === 0) return element("p", { class: "empty" }, "Nobody has downloaded anything of this export.");
  const head = ["Started", "To", "File", "Sent", "Outcome", "SHA-256"];
  return element(
    "div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Deliveries" },
    element(
      "table", null,
      element("caption", null, plural(deliveries.length, "delivery", "deliveries"), isWhole ? "" : ", the newest"),
      element("thead", null, element("tr", null, head.map((title) => element("th", { scope: "col" }, title)))),
      element("tbody", null, deliveries.map((delivery) => row(delivery, names))),
    ),
  );
}

function row(delivery, names) {
  const { text, tone } = outcome(delivery);
  const isMeasurement = delivery.kind === "measurement";
  const file = delivery.fileId === undefined ? "All files" : names.get(delivery.fileId) ?? delivery.fileId;
  return element(
    "tr", null,
    element("td", { class: "time" }, time(delivery.startedAt)),
    element("td", null, isMeasurement ? "The gateway, to measure" : delivery.caller),
    element("td", { class: "wide" }, file, element("small", null, part(delivery))),
    element("td", { class: "figure" }, bytes(isMeasurement ? delivery.fileBytes : delivery.bytesSent),
      element("small", null, delivery.coding === "identity" ? "" : delivery.coding)),
    element("td", null, element("span", { class: "status", "data-tone": tone }, text),
      element("small", null, delivery.reason ?? "")),
    element("td", { class: "digest" }, delivery.sha256 ?? "–"),
  );
}

/** Shows a table in the place of the one before. */
export function showDeliveries(node, deliveries, names, limit) {
  const newest = deliveries.slice(-limit).reverse();
  fill(node, deliveryTable(newest, names, { isWhole: newest.length === deliveries.length }));
}
