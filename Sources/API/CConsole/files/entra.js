// Sign-in at Microsoft Entra ID: authorization code with PKCE (RFC 6749, 4.1; RFC 7636), with the page's own address for the answer.
// The code comes back in the fragment, which no server sees. The access token stays in this page's memory.

import { base } from "./api.js";
import { SHA256 } from "./sha256.js";

const STORED = "export-gateway.console.sign-in";
/** The tab keeps for so long what a sign-in under way needs. */
const LONGEST_SIGN_IN = 600_000;

/** The page's own address, as it is registered at Entra ID. */
const redirect = new URL("console", base).href;

/** Goes to the sign-in page. */
export function begin(settings) {
  const [state, verifier] = [random(), random()];
  const challenge = base64URL(hash(verifier));
  const view = location.hash.startsWith("#/") ? location.hash : "#/exports";
  sessionStorage.setItem(STORED, JSON.stringify({ state, verifier, view, begun: Date.now() }));
  const url = new URL(settings.authorizationEndpoint);
  const parameters = {
    client_id: settings.clientId, response_type: "code", response_mode: "fragment", redirect_uri: redirect,
    scope: settings.scope, state, code_challenge: challenge, code_challenge_method: "S256",
  };
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  location.assign(url);
}

/**
 * Takes up the answer of the sign-in page, where this load of the page is one. Gives back the access token, null where it is
 * none; throws where the sign-in failed. The address is clean afterwards.
 */
export async function finish(settings) {
  const answer = new URLSearchParams(location.hash.slice(1));
  if (!answer.has("state") || !(answer.has("code") || answer.has("error"))) return null;
  const stored = JSON.parse(sessionStorage.getItem(STORED) ?? "null");
  sessionStorage.removeItem(STORED);
  history.replaceState(null, "", redirect + (stored?.view ?? "#/exports"));
  if (stored === null || stored.state !== answer.get("state") || Date.now() - stored.begun > LONGEST_SIGN_IN) {
    throw new Error("This answer belongs to no sign-in of this tab. Sign in again.");
  }
  if (answer.has("error")) throw new Error(answer.get("error_description") ?? answer.get("error"));
  const response = await fetch(settings.tokenEndpoint, {
    method: "POST",
    credentials: "omit",
    redirect: "error",
    body: new URLSearchParams({
      client_id: settings.clientId, grant_type: "authorization_code", code: answer.get("code"), redirect_uri: redirect,
      scope: settings.scope, code_verifier: stored.verifier,
    }),
  });
  const token = await response.json().catch(() => ({}));
  if (!response.ok || typeof token.access_token !== "string") {
    throw new Error(token.error_description ?? `The sign-in service answered with ${response.status}.`);
  }
  return token.access_token;
}

function random() {
  return base64URL(crypto.getRandomValues(new Uint8Array(32)));
}

function hash(text) {
  const sha256 = new SHA256();
  sha256.update(new TextEncoder().encode(text));
  return sha256.digest();
}

function base64URL(bytes) {
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
