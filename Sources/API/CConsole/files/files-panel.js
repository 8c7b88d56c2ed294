// The files of an export, with their digests and downloads.

import { messageOf } from "./api.js";
import { button, element, fill } from "./dom.js";
import { download } from "./downloads.js";
import { bytes, number } from "./format.js";

const STATES = { claimed: "claimed by one reading", confirmed: "confirmed" };

/** Who told a value, and how well it is known. */
export function provenance(source, state) {
  if (source === undefined) return "";
  const who = source === "upstream" ? "told by the upstream" : source === "gateway" ? "measured by the gateway" : source;
  return state === undefined || source === "upstream" ? who : `${who}, ${STATES[state] ?? state}`;
}

/**
 * A table of the files. What is under way in it stays when the export is shown again: rows are kept by their file.
 *
 * - `context()`: `{ exported, log }` as they are now.
 * - `onDelivered()`: after a download has ended, in whatever way.
 */
export class FilesPanel {
  node = element("div", null);
  #rows = new Map();
  #shown = "";
  #context;
  #onDelivered;
  #announcer;
  #ending = new AbortController();

  constructor(context, onDelivered, announcer) {
    this.#context = context;
    this.#onDelivered = onDelivered;
    this.#announcer = announcer;
  }

  /** Breaks off what this page reads. Downloads of the browser go on. */
  close() {
    this.#ending.abort();
  }

  /** Shows the files of an export. */
  show(exported) {
    if (exported.destination !== undefined) {
      fill(this.node, element("p", { class: "empty" }, "The files went to the caller’s own container: ",
        element("code", null, exported.destination)));
      return;
    }
    if (exported.files.length === 0) {
      const text = exported.completedAt === undefined ? "There are no files before the export has succeeded." : "There are no files.";
      fill(this.node, element("p", { class: "empty" }, text));
      return;
    }
    // Another state of the same files changes nothing here: the focus and the progress stay.
    const shown = JSON.stringify([exported.status, exported.files]);
    if (shown === this.#shown) return;
    this.#shown = shown;
    const focused = [...this.#rows.values()].find((row) => row.node.contains(document.activeElement));
    const head = ["Name", "Size", "SHA-256", ""];
    const rows = exported.files.map((file) => this.#row(exported, file));
    fill(this.node, element(
      "div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Files" },
      element(
        "table", { class: "files" },
        element("thead", null, element("tr", null, head.map((title) => (title ? element("th", { scope: "col" }, title)
          : element("td", null))))),
        element("tbody", null, rows),
      ),
    ));
    focused?.button.focus();
  }

  #row(exported, file) {
    let row = this.#rows.get(file.id);
    if (row === undefined) {
      row = { progress: element("div", { class: "download-state", role: "status" }), node: element("tr", null) };
      row.button = button("Download", () => this.#download(row), { "aria-label": `Download ${file.name}` });
      this.#rows.set(file.id, row);
    }
    row.file = file;
    row.button.hidden = exported.status === "expired";
    fill(
      row.node,
      element("td", { class: "wide" }, file.name, element("small", null, file.contentType ?? "")),
      element("td", { class: "figure", title: file.size === undefined ? null : `${number(file.size)} bytes` }, bytes(file.size),
        element("small", null, provenance(file.sizeSource, file.sizeState))),
      element("td", { class: "digest" }, file.sha256 ?? element("small", null, "Not known before the first whole delivery"),
        element("small", null, provenance(file.digestSource, file.digestState))),
      element("td", { class: "action" }, row.button, row.progress),
    );
    return row.node;
  }

  async #download(row) {
    if (row.isBusy) return;
    row.isBusy = true;
    const { exported, log } = this.#context();
    const { file } = row;
    const bar = element("progress", { max: 1, "aria-label": `Download of ${file.name}` });
    const text = element("span", null, "Asking for the file …");
    fill(row.progress, bar, text);
    row.button.setAttribute("aria-disabled", "true");
    try {
      const result = await download(exported, file, log, {
        signal: this.#ending.signal,
        onProgress: (progress) => {
          if (progress.fraction === null) bar.removeAttribute("value");
          else bar.value = progress.fraction;
          text.textContent = progress.text;
        },
      });
      this.#succeed(row, result);
    } catch (error) {
      const isChoice = error?.name === "AbortError";
      fill(row.progress, isChoice ? null : element("span", { class: "status", "data-tone": "bad" }, messageOf(error)));
      if (!isChoice) this.#announcer.tell(`${file.name}: ${messageOf(error)}`);
    } finally {
      row.isBusy = false;
      row.button.removeAttribute("aria-disabled");
      this.#onDelivered();
    }
  }

  #succeed(row, { delivery, sha256, isVerified }) {
    const record = delivery?.sha256 ?? "";
    const texts = sha256 === null
      ? ["Delivered whole", record ? `SHA-256 of the record: ${record}` : ""]
      : [isVerified ? "Saved whole, SHA-256 verified" : "Saved; there is no digest to compare with", sha256];
    fill(
      row.progress,
      element("span", { class: "status", "data-tone": "good" }, texts[0]),
      element("small", { class: "digest" }, texts[1]),
    );
    this.#announcer.tell(`${row.file.name}: ${texts[0]}.`);
  }
}
