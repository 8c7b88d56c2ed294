// The chain of custody of an export: what it is, its files with their digests, and every delivery. Printable, and as JSON.

import { base, exportPath, get, messageOf } from "./api.js";
import { DeliveryLog, deliveryTable } from "./deliveries.js";
import { facts } from "./detail-view.js";
import { button, element, fill, saveBlob } from "./dom.js";
import { viewOf } from "./export-list.js";
import { number, time } from "./format.js";
import { provenance } from "./files-panel.js";

export class CustodyView {
  title = "Chain of custody";
  node;
  #id;
  #body = element("div", { class: "stack" }, element("p", { class: "empty" }, "Reading every delivery …"));
  #ending = new AbortController();

  constructor(id) {
    this.#id = id;
    this.node = element(
      "article", { class: "custody-view" },
      element("p", { class: "trail" }, element("a", { href: "#/exports" }, "Exports"), element("a", { href: viewOf(id) }, "Export")),
      this.#body,
    );
    this.#read();
  }

  close() {
    this.#ending.abort();
  }

  async #read() {
    const { signal } = this.#ending;
    try {
      const log = new DeliveryLog(this.#id);
      const deliveries = await log.read(signal);
      const exported = await get(exportPath(this.#id), {}, { signal });
      this.#show(custody(exported, deliveries, new Date()));
    } catch (error) {
      if (!signal.aborted) fill(this.#body, element("p", { class: "message bad", role: "alert" }, messageOf(error)));
    }
  }

  #show(record) {
    const { export: exported, deliveries } = record;
    const names = new Map(exported.files.map((file) => [file.id, file.name]));
    const underWay = deliveries.filter((delivery) => delivery.outcome === "underWay").length;
    document.title = `Chain of custody of ${exported.name}`;
    fill(
      this.#body,
      element("div", { class: "head" },
        element("h1", { tabindex: -1 }, "Chain of custody"),
        element("div", { class: "actions" }, button("Save as JSON", () => saveBlob(
          new Blob([JSON.stringify(record, null, 2), "\n"], { type: "application/json" }), `custody-${exported.id}.json`,
        )), button("Print", () => print(), { class: "primary" }))),
      element("p", { class: "lead" }, element("strong", null, exported.name),
        ` – as recorded by the gateway ${record.gateway}, read at ${time(record.generatedAt)}.`,
        underWay > 0 ? ` ${underWay} of the deliveries have not ended.` : ""),
      element("section", { class: "panel" }, element("h2", null, "Export"), facts(exported)),
      element("section", { class: "panel" }, element("h2", null, "Files"), fileTable(exported.files)),
      element("section", { class: "panel" }, element("h2", null, "Deliveries, oldest first"), deliveryTable(deliveries, names)),
      element("section", { class: "panel" }, element("h2", null, "Source"),
        element("pre", { tabindex: 0 }, JSON.stringify(exported.source, null, 2))),
    );
  }
}

/** The record as JSON has it: the interface's own documents, unchanged. */
export function custody(exported, deliveries, now) {
  return { generatedAt: now.toISOString(), gateway: base.href, export: exported, deliveries };
}

function fileTable(files) {
  if (files.length === 0) return element("p", { class: "empty" }, "There are no files.");
  const head = ["ID", "Name", "Bytes", "SHA-256"];
  return element(
    "div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Files" },
    element(
      "table", null,
      element("thead", null, element("tr", null, head.map((title) => element("th", { scope: "col" }, title)))),
      element("tbody", null, files.map((file) => element(
        "tr", null,
        element("td", null, file.id),
        element("td", { class: "wide" }, file.name),
        element("td", { class: "figure" }, file.size === undefined ? "–" : number(file.size),
          element("small", null, provenance(file.sizeSource, file.sizeState))),
        element("td", { class: "digest" }, file.sha256 ?? "–", element("small", null, provenance(file.digestSource, file.digestState))),
      ))),
    ),
  );
}
