// Who is signed in. A credential is in this page's memory, and an API key, where its owner wants that, in the tab's session
// storage. It is sent in `Authorization` to the gateway that the page came from, and stands in no address.

const STORED = "export-gateway.console.key";

let credential = null;
/** Tokens for upstreams that their owner typed in, by connection. In memory only. */
const upstreamTokens = new Map();
const listeners = new Set();

/** The value of `Authorization`; null for a caller without one. */
export function authorization() {
  return credential === null ? null : `Bearer ${credential.value}`;
}

/** `key`, `token`, or null. */
export function kind() {
  return credential?.kind ?? null;
}

/** Takes an API key. With `isKept`, it is there again when this tab is loaded again, until the tab is closed. */
export function takeKey(value, isKept) {
  credential = { kind: "key", value };
  if (isKept) sessionStorage.setItem(STORED, value);
  else sessionStorage.removeItem(STORED);
}

/** Takes an access token, for the life of the page. */
export function takeToken(value) {
  credential = { kind: "token", value };
}

/** Takes up a key that the tab has kept. Says whether there is one. */
export function restore() {
  const value = sessionStorage.getItem(STORED);
  if (value !== null) credential = { kind: "key", value };
  return value !== null;
}

/** Drops everything that was signed in with, and tells those who listen why. */
export function end(reason) {
  credential = null;
  sessionStorage.removeItem(STORED);
  upstreamTokens.clear();
  for (const listener of listeners) listener(reason);
}

/** Has `listener` called with a text when the session ends. */
export function onEnd(listener) {
  listeners.add(listener);
}

/** Keeps the caller's own token for the upstream of a connection. */
export function takeUpstreamToken(connection, value) {
  if (value) upstreamTokens.set(connection, value);
}

/** The header fields with the caller's own token for a connection; none where there is no token. */
export function upstreamFields(connection) {
  const token = upstreamTokens.get(connection);
  return token === undefined ? {} : { "Upstream-Authorization": `Bearer ${token}` };
}
