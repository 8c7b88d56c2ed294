// Calls of the gateway's HTTP interface, as openapi.yaml describes it.

import * as session from "./session.js";

/** The gateway's address: the page's own, without `console`. It holds below a prefix that a proxy adds. */
export const base = new URL("./", location.href.split("#")[0]);

/** An error of the gateway: a problem document (RFC 9457), or what is known where there is none. */
export class Problem extends Error {
  constructor(status, document, retryAfter) {
    super(document.detail ?? document.title ?? `The gateway answered with ${status}.`);
    this.status = status;
    this.code = document.code ?? null;
    this.errors = Array.isArray(document.errors) ? document.errors : [];
    this.requestId = document.requestId ?? null;
    /** Seconds to wait, where the gateway says so. */
    this.retryAfter = retryAfter;
  }
}

/** What to show for any error. */
export function messageOf(error) {
  if (error instanceof Problem) return error.message;
  if (error instanceof TypeError) return "The gateway cannot be reached.";
  return error?.message ?? String(error);
}

/** The address of a path of the interface, or of a link in an answer, with a query of those parameters that have a value. */
export function address(path, parameters = {}, origin = base) {
  const url = new URL(path, origin);
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined && value !== null && value !== "") url.searchParams.set(name, value);
  }
  return url;
}

/**
 * Sends one request and gives its answer. Throws `Problem` for an error of the gateway; one that says that the caller is not
 * known also ends the session.
 */
export async function send(url, { method = "GET", fields = {}, body, signal, isTrial = false } = {}) {
  const headers = new Headers(fields);
  const credential = session.authorization();
  if (url.origin !== base.origin) throw new Error(`The address ${url.origin} is not the gateway's.`);
  if (credential !== null && !headers.has("Authorization")) headers.set("Authorization", credential);
  if (body !== undefined) headers.set("Content-Type", "application/json");
  const response = await fetch(url, {
    method,
    headers,
    body: body === undefined ? undefined : JSON.stringify(body),
    signal,
    cache: "no-store",
    redirect: "error",
  });
  if (response.ok) return response;
  const problem = await problemOf(response);
  if (problem.status === 401 && problem.code === "unauthenticated" && !isTrial) session.end(problem.message);
  throw problem;
}

async function problemOf(response) {
  let document = {};
  try {
    document = await response.json();
  } catch {
    // A proxy's own page: the status is all that is known.
  }
  const wait = Number(response.headers.get("Retry-After"));
  return new Problem(response.status, document ?? {}, Number.isFinite(wait) && wait > 0 ? wait : null);
}

/** The JSON of an answer to GET. */
export async function get(path, parameters, options) {
  return (await send(address(path, parameters), options)).json();
}

/** One page of a list, from the beginning or from a cursor. */
export function page(path, parameters, cursor, options) {
  return get(path, { ...parameters, cursor }, options);
}

/** The path of an export. */
export function exportPath(id) {
  return `exports/${encodeURIComponent(id)}`;
}

/** A random text for `Idempotency-Key`, which has the form of a structured string. */
export function newIdempotencyKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `"console-${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}"`;
}
