// Downloads. By a ticket where the gateway gives one: then the browser's own download reads the address, with its own progress
// and to any size. Otherwise the page reads the file with the caller's credential, and hashes it as it comes.

import { address, exportPath, Problem, send } from "./api.js";
import { save, saveBlob } from "./dom.js";
import { bytes } from "./format.js";
import * as session from "./session.js";
import { SHA256 } from "./sha256.js";

/** The largest file that is kept in memory, where the browser cannot write to a file as it comes. */
export const LARGEST_IN_MEMORY = 1 << 30;
/** A file of which it is not known that it is smaller is written to a file as it comes, where the browser can: it asks where to. */
const LARGEST_UNASKED = 64 << 20;
/** How long the end of a download by ticket is waited for, and its beginning: the upstream may take a minute. */
const LONGEST_WATCH = 24 * 3_600_000;
const LONGEST_START = 180_000;

/**
 * Downloads a file.
 *
 * - `exported`, `file`: as `GET /exports/{id}` gives them.
 * - `log`: the export's `DeliveryLog`.
 * - `onProgress({ text, fraction })`: `fraction` is null where it is not known.
 *
 * Gives back `{ delivery, sha256, isVerified }`: the delivery's record; `sha256` of the bytes that this page has read, null where
 * the browser read them; whether those digests agree. Throws where it broke, and where the digests differ.
 */
export async function download(exported, file, log, { onProgress, signal }) {
  const path = `${exportPath(exported.id)}/files/${encodeURIComponent(file.id)}`;
  const ticket = await ticketFor(path, signal);
  if (ticket !== null) return byTicket(ticket, file, log, onProgress, signal);
  return byReading(path, exported, file, log, onProgress, signal);
}

/** A ticket, `{ id, url }`; null where the file cannot be downloaded with one. */
async function ticketFor(path, signal) {
  try {
    const response = await send(address(`${path}/tickets`), { method: "POST", signal });
    const { id, href } = await response.json();
    return { id, url: new URL(href, response.url).href };
  } catch (error) {
    // What is wrong with the file or the caller, reading it says too, and says it of the file.
    if (error instanceof Problem && error.status >= 400 && error.status < 500 && error.status !== 401) return null;
    throw error;
  }
}

async function byTicket({ id, url }, file, log, onProgress, signal) {
  const begun = Date.now();
  save(url, file.name);
  onProgress({ text: "The browser downloads it", fraction: null });
  for (let wait = 500; Date.now() - begun < LONGEST_WATCH; wait = Math.min(wait * 1.5, 5000)) {
    await new Promise((resolve) => setTimeout(resolve, wait));
    // The browser may take it in several parts, where a connection breaks.
    const mine = (await log.read(signal)).filter((delivery) => delivery.ticketId === id);
    const whole = mine.find((delivery) => delivery.outcome === "whole");
    if (whole !== undefined) return { delivery: whole, sha256: null, isVerified: false };
    const last = mine.at(-1);
    if (last !== undefined && last.outcome !== "underWay") throw new Error(brokenText(last));
    if (last === undefined && Date.now() - begun > LONGEST_START) break;
  }
  throw new Error("The gateway has sent nothing of the file. The browser's list of downloads says why.");
}

async function byReading(path, exported, file, log, onProgress, signal) {
  if (file.size > LARGEST_IN_MEMORY && !canWriteFiles()) {
    throw new Error(`With more than ${bytes(LARGEST_IN_MEMORY)} it does not fit into this browser's memory. `
      + `Use the command line: export-gateway exports download ${exported.id}`);
  }
  const sink = await newSink(file);
  try {
    const response = await send(address(path), { fields: session.upstreamFields(exported.connection), signal });
    const sha256 = await pass(response.body, sink, file, onProgress);
    const delivery = await recordOf(response.headers.get("X-Request-Id"), log, signal);
    const expected = delivery?.sha256 ?? file.sha256;
    if (expected !== undefined && expected !== sha256) {
      throw new Error(`The bytes that came have the SHA-256 ${sha256}, and the record says ${expected}. Nothing was saved.`);
    }
    await sink.close();
    return { delivery, sha256, isVerified: expected !== undefined };
  } catch (error) {
    await sink.drop();
    throw error;
  }
}

async function pass(body, sink, file, onProgress) {
  const hash = new SHA256();
  let count = 0;
  let told = 0;
  for await (const piece of body) {
    hash.update(piece);
    await sink.write(piece);
    count += piece.length;
    if (performance.now() - told > 100) {
      told = performance.now();
      onProgress({ text: `${bytes(count)}${file.size ? ` of ${bytes(file.size)}` : ""}`, fraction: file.size ? count / file.size : null });
    }
  }
  return hash.hexadecimal();
}

/** The record of a download that this page has read: it is complete shortly after the last byte. */
async function recordOf(requestId, log, signal) {
  for (let attempt = 0; requestId !== null && attempt < 20; attempt += 1) {
    const delivery = (await log.ofRequest(requestId, signal)).at(-1);
    if (delivery !== undefined && delivery.outcome !== "underWay") return delivery;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  return undefined;
}

/** Whether the browser can (https://wicg.github.io/file-system-access/): most cannot. */
function canWriteFiles() {
  return typeof globalThis.showSaveFilePicker === "function";
}

/** Where the bytes go: to a file as they come, or into memory and then to a file. */
async function newSink(file) {
  if (canWriteFiles() && !(file.size <= LARGEST_UNASKED)) {
    const handle = await globalThis.showSaveFilePicker({ suggestedName: file.name.replace(/[\\/:*?"<>|\x00-\x1f]/g, "_") });
    const stream = await handle.createWritable();
    return {
      write: (piece) => stream.write(piece),
      close: () => stream.close(),
      drop: () => stream.abort().catch(() => {}),
    };
  }
  const pieces = [];
  let count = 0;
  return {
    write: (piece) => {
      count += piece.length;
      if (count > LARGEST_IN_MEMORY) throw new Error(`It is larger than ${bytes(LARGEST_IN_MEMORY)}. Use the command line.`);
      pieces.push(piece);
    },
    close: () => saveBlob(new Blob(pieces, { type: "application/octet-stream" }), file.name),
    drop: () => { pieces.length = 0; },
  };
}

function brokenText(delivery) {
  const why = delivery.reason === undefined ? "" : ` (${delivery.reason})`;
  return delivery.outcome === "abandoned" ? "The browser left before the end." : `The download broke off${why}.`;
}
