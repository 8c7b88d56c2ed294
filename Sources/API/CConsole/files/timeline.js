// The course of an export, from what the interface tells: the export, its changes as events, and its deliveries.

import { element } from "./dom.js";
import { between, bytes, plural, span, statusText, statusTone, time } from "./format.js";
import { outcome } from "./deliveries.js";

/** The deliveries that stand in a timeline, the newest. */
const MOST_DELIVERIES = 20;

/**
 * The entries, in their order: `{ time, title, text, tone }`. An entry without a time belongs where it stands.
 *
 * - `history`: the changes in their order, as `ExportChange`. They may begin later than the export.
 */
export function entries(exported, history, deliveries) {
  const found = [{ time: exported.createdAt, title: "Accepted", text: `by ${exported.createdBy}`, tone: "good" }];
  found.push(...changes(exported, history));
  if (exported.notice?.code === "queued") found.push(queued(exported.notice));
  else if (exported.notice !== undefined) {
    found.push({ title: words(exported.notice.code), text: exported.notice.detail, tone: "warning" });
  }
  if (exported.completedAt === undefined) {
    const text = exported.observedAt === undefined ? "Not asked yet" : `Asked last at ${time(exported.observedAt)}`;
    found.push({ title: statusText(exported.status), text, tone: statusTone(exported.status), isPresent: true });
    return found;
  }
  found.push(ending(exported));
  if (exported.files.length > 0) found.push(files(exported));
  found.push(...delivered(exported, deliveries));
  if (exported.expiresAt !== undefined && exported.status !== "expired") {
    found.push({ time: exported.expiresAt, title: "Files expire", text: "The upstream keeps them until then.", tone: "waiting" });
  }
  return found;
}

/** The changes before the end. Several that only tell a percentage are one entry. */
function changes(exported, history) {
  const found = [];
  let progress = null;
  let hasStarted = false;
  for (const change of history) {
    if (change.ended) break;
    if (change.code) {
      progress = null;
      const tone = change.code === "queued" ? "waiting" : "warning";
      if (found.at(-1)?.code === change.code) found.at(-1).count += 1;
      else found.push({ time: change.updatedAt, title: words(change.code), code: change.code, count: 1, tone });
    } else if (change.status === "running" && progress !== null) {
      progress.last = change;
      progress.count += 1;
    } else if (change.status !== "notStarted") {
      progress = { time: change.updatedAt, first: change, last: change, count: 1, tone: "active", isStart: !hasStarted };
      found.push(progress);
      hasStarted = true;
    }
  }
  if (!hasStarted && exported.upstream?.id !== undefined) {
    found.push({ title: "Started", text: `as ${exported.upstream.id}`, tone: "active" });
  }
  return found.map((entry) => (entry.first ? run(entry, exported) : repeated(entry)));
}

function run(entry, exported) {
  const [from, to] = [entry.first.percentComplete, entry.last.percentComplete];
  const parts = [];
  if (entry.isStart && exported.upstream?.id) parts.push(`as ${exported.upstream.id}`);
  if (to !== undefined) parts.push(from === to ? `${to} %` : `${from ?? 0} % to ${to} %`);
  if (entry.count > 1) parts.push(`${entry.count} changes in ${between(entry.first.updatedAt, entry.last.updatedAt)}`);
  const title = entry.isStart && entry.first.status === "running" ? "Started" : statusText(entry.first.status);
  return { time: entry.time, title, text: parts.join(", "), tone: entry.tone };
}

function repeated(entry) {
  return { time: entry.time, title: entry.title, text: entry.count > 1 ? `${entry.count} times` : "", tone: entry.tone };
}

function queued(notice) {
  const behind = notice.position === undefined ? "" : `behind ${plural(notice.position - 1, "start")}`;
  const when = notice.estimatedStart === undefined ? "" : `expected to start at ${time(notice.estimatedStart)}`;
  return { title: "In the queue", text: [behind, when].filter(Boolean).join("; ") || notice.detail, tone: "waiting" };
}

function ending(exported) {
  const took = `after ${between(exported.createdAt, exported.completedAt)}`;
  const reason = exported.error?.detail;
  return {
    time: exported.completedAt, title: statusText(exported.status), tone: statusTone(exported.status),
    text: reason === undefined ? took : `${took}. ${reason}`,
  };
}

function files(exported) {
  const sizes = exported.files.map((file) => file.size);
  const isKnown = sizes.every((size) => size !== undefined);
  const total = isKnown ? `, ${bytes(sizes.reduce((sum, size) => sum + size, 0))}` : "";
  return { title: "Files ready", text: plural(exported.files.length, "file") + total, tone: "good" };
}

function delivered(exported, deliveries) {
  const names = new Map(exported.files.map((file) => [file.id, file.name]));
  const sent = deliveries.filter((delivery) => delivery.kind !== "measurement");
  const older = sent.length - MOST_DELIVERIES;
  const found = sent.slice(-MOST_DELIVERIES).map((delivery) => ({
    time: delivery.startedAt,
    title: `Download: ${outcome(delivery).text.toLowerCase()}`,
    text: `${delivery.fileId === undefined ? "all files" : names.get(delivery.fileId) ?? delivery.fileId} to ${delivery.caller}, `
      + bytes(delivery.bytesSent)
      + (delivery.endedAt === undefined ? "" : ` in ${span((Date.parse(delivery.endedAt) - Date.parse(delivery.startedAt)) / 1000)}`),
    tone: outcome(delivery).tone,
  }));
  if (older > 0) found.unshift({ title: plural(older, "earlier download"), text: "in the list of deliveries", tone: "neutral" });
  return found;
}

/** A code in words: `upstream-throttled` becomes `Upstream throttled`. */
function words(code) {
  const text = code.replaceAll("-", " ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** The entries as a list. */
export function timeline(exported, history, deliveries) {
  return element(
    "ol", { class: "timeline" },
    entries(exported, history, deliveries).map((entry) => element(
      "li", { "data-tone": entry.tone, class: entry.isPresent ? "present" : null },
      element("span", { class: "title" }, entry.title),
      entry.time === undefined ? null : element("time", { datetime: entry.time }, time(entry.time)),
      entry.text ? element("p", null, entry.text) : null,
    )),
  );
}
