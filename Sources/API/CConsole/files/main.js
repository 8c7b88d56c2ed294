// The page: who is signed in, which view is in sight, and whether the gateway is ready.

import { address, get, messageOf } from "./api.js";
import { Announcer } from "./announcer.js";
import { ConnectionsView } from "./connections-view.js";
import { CreateView } from "./create-view.js";
import { CustodyView } from "./custody-view.js";
import { DetailView } from "./detail-view.js";
import { element, fill, setText } from "./dom.js";
import { finish } from "./entra.js";
import { ExportsView } from "./exports-view.js";
import * as session from "./session.js";
import { SignInView } from "./sign-in-view.js";

const READINESS_INTERVAL = 30_000;

const main = document.getElementById("main");
const nav = document.getElementById("nav");
const signOut = document.getElementById("sign-out");
const announcer = new Announcer(document.getElementById("announcer"));

let settings = null;
let providers = null;
/** The table stays as it is while an export is read: its place and its stream too. */
let table = null;
let view = null;

async function start() {
  let reason = null;
  try {
    settings = await get("console/settings.json");
    const token = settings.entra ? await finish(settings.entra) : null;
    if (token !== null) session.takeToken(token);
    else session.restore();
  } catch (error) {
    reason = messageOf(error);
  }
  if (settings === null) {
    fill(main, element("p", { class: "message bad", role: "alert" }, reason));
    return;
  }
  watchReadiness();
  const isWorthTrying = session.kind() !== null || settings.anonymous || settings.clientCertificates;
  if (reason === null && isWorthTrying) await enter();
  else askWho(reason);
}

/** Reads what every view needs, as the caller who is signed in. */
async function enter() {
  try {
    providers = (await get("providers", {}, { isTrial: true })).value;
  } catch (error) {
    askWho(error.status === 401 && session.kind() === null ? null : messageOf(error));
    return;
  }
  nav.hidden = false;
  signOut.hidden = session.kind() === null;
  route();
}

function askWho(reason) {
  leave();
  table?.close();
  table = null;
  providers = null;
  nav.hidden = true;
  signOut.hidden = true;
  show(new SignInView(settings, reason, enter));
}

function leave() {
  if (view !== null && view !== table) view.close?.();
  view = null;
}

function show(next) {
  leave();
  view = next;
  fill(main, view.node);
  document.title = `${view.title} · Export Gateway`;
  for (const link of nav.querySelectorAll("a")) {
    if (link.hash === `#/${location.hash.split("/")[1] || "exports"}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  scrollTo(0, 0);
  if (!view.show?.()) (view.node.querySelector("h1") ?? main).focus({ preventScroll: true });
}

/** Shows the view that the fragment names. */
function route() {
  if (providers === null) return;
  const [name, argument, more] = location.hash.replace(/^#\//, "").split("/").map(decode);
  if (name === "exports" && argument && more === "custody") show(new CustodyView(argument));
  else if (name === "exports" && argument) show(new DetailView(argument, announcer));
  else if (name === "new") show(new CreateView(providers, argument));
  else if (name === "connections") show(new ConnectionsView());
  else {
    table ??= new ExportsView(providers, announcer);
    show(table);
  }
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

async function watchReadiness() {
  const node = document.getElementById("readiness");
  for (;;) {
    let [text, tone] = ["Not reachable", "bad"];
    try {
      const response = await fetch(address("readyz"), { cache: "no-store" });
      const answer = await response.json();
      [text, tone] = !response.ok ? ["Not ready", "bad"] : answer.status === "pass" ? ["Ready", "good"] : ["Degraded", "warning"];
      node.title = (answer.reasons ?? []).map((each) => each.detail).join(" ");
    } catch {
      node.title = "";
    }
    setText(node, text);
    node.dataset.tone = tone;
    await new Promise((resolve) => setTimeout(resolve, READINESS_INTERVAL));
  }
}

addEventListener("hashchange", route);
signOut.addEventListener("click", () => session.end("You are signed out."));
session.onEnd(askWho);
document.getElementById("skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
start();
