// The form of a new export, made from the schemas of `GET /providers`.

import { address, messageOf, newIdempotencyKey, Problem, send } from "./api.js";
import { element, fill, setText } from "./dom.js";
import { viewOf } from "./export-list.js";
import { fieldOf, labelled } from "./schema-form.js";
import * as session from "./session.js";

/** What a fault is about: the field's title where there is one. */
function titleOf({ control, pointer }) {
  return control?.labels?.[0]?.firstChild.textContent ?? (pointer || "The form");
}

export class CreateView {
  title = "New export";
  node;
  #providers;
  #provider;
  /** One for this form: to send it again after a broken connection creates nothing twice. */
  #key = newIdempotencyKey();
  #parts = {};
  #marked = [];

  constructor(providers, chosen) {
    this.#providers = providers.filter((provider) => provider.connections.length > 0);
    const parts = this.#parts;
    parts.provider = element("select", { name: "provider" },
      this.#providers.map((provider) => element("option", { value: provider.id }, provider.title)));
    if (this.#providers.some((provider) => provider.id === chosen)) parts.provider.value = chosen;
    parts.provider.addEventListener("change", () => this.#choose());
    parts.name = element("input", { type: "text", autocomplete: "off", name: "name" });
    parts.place = element("div", { class: "fields" });
    parts.about = element("div", { class: "about" });
    parts.summary = element("div", { class: "message bad", role: "alert", tabindex: -1, hidden: true });
    parts.submit = element("button", { type: "submit", class: "primary" }, "Create export");
    this.node = element(
      "section", { class: "create-view" },
      element("div", { class: "head" }, element("h1", { tabindex: -1 }, "New export")),
      this.#providers.length === 0
        ? element("p", { class: "empty" }, "There is no connection that you may create exports on.")
        : element(
          "form", { novalidate: true, class: "panel form", on: { submit: (event) => this.#submit(event) } },
          parts.summary,
          labelled("Provider", parts.provider),
          parts.about,
          labelled("Name", parts.name, { description: "What to call the export. Left empty, it is made from the options." }),
          parts.place,
          element("div", { class: "actions" }, parts.submit, element("a", { class: "button quiet", href: "#/exports" }, "Back")),
        ),
    );
    if (this.#providers.length > 0) this.#choose();
  }

  #choose() {
    const parts = this.#parts;
    this.#mark([]);
    this.#provider = this.#providers.find((provider) => provider.id === parts.provider.value);
    const { connections, description, retirement, capabilities } = this.#provider;
    fill(parts.about, element("p", { class: "hint" }, description),
      retirement && element("p", { class: "message warning" }, retirement.detail));
    parts.connection = element("select", null, connections.map((name) => element("option", { value: name }, name)));
    parts.token = element("input", { type: "password", autocomplete: "off" });
    parts.options = fieldOf(this.#provider.optionsSchema, "");
    const token = labelled("Your own token for the upstream", parts.token, {
      name: "Upstream-Authorization", isRequired: capabilities.delegatedOnly,
      description: "An access token of Microsoft’s, for connections that act as their callers. It stays in this page’s memory and is "
        + "sent with what this page asks about the connection.",
    });
    fill(
      parts.place,
      connections.length > 1 ? labelled("Connection", parts.connection) : null,
      parts.options.node,
      capabilities.delegatedOnly ? token : element("details", { class: "group" }, element("summary", null, "Your own token"), token),
    );
  }

  async #submit(event) {
    event.preventDefault();
    const parts = this.#parts;
    if (parts.submit.getAttribute("aria-disabled") === "true") return;
    this.#mark([]);
    const connection = parts.connection.value;
    session.takeUpstreamToken(connection, parts.token.value.trim());
    const body = { provider: this.#provider.id, connection, [this.#provider.optionsMember]: parts.options.value() ?? {} };
    if (parts.name.value.trim() !== "") body.name = parts.name.value.trim();
    parts.submit.setAttribute("aria-disabled", "true");
    setText(parts.submit, "Creating …");
    try {
      const response = await send(address("exports"), {
        method: "POST", body, fields: { "Idempotency-Key": this.#key, ...session.upstreamFields(connection) },
      });
      location.hash = viewOf((await response.json()).id);
    } catch (error) {
      this.#refuse(error);
    } finally {
      parts.submit.removeAttribute("aria-disabled");
      setText(parts.submit, "Create export");
    }
  }

  #refuse(error) {
    const faults = error instanceof Problem ? error.errors : [];
    const found = faults.map((fault) => ({ ...fault, control: this.#find(fault.pointer) }));
    const { summary } = this.#parts;
    fill(
      summary,
      element("p", null, messageOf(error)),
      found.length === 0 ? null : element("ul", null, found.map((fault) => element(
        "li", null,
        element("a", {
          href: "#/new",
          on: {
            click: (event) => {
              event.preventDefault();
              (fault.control ?? summary).focus();
            },
          },
        }, titleOf(fault)), ` ${fault.detail}`,
      ))),
      error?.requestId ? element("p", { class: "hint" }, `Request ${error.requestId}`) : null,
    );
    this.#mark(found.filter((fault) => fault.control !== null));
    summary.hidden = false;
    (found.find((fault) => fault.control !== null)?.control ?? summary).focus();
  }

  /** The control that a JSON Pointer (RFC 6901) leads to. */
  #find(pointer) {
    const path = pointer.split("/").slice(1).map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
    const [first, ...rest] = path;
    const parts = this.#parts;
    if (first === "name") return parts.name;
    if (first === "provider") return parts.provider;
    if (first === "connection") return parts.connection.isConnected ? parts.connection : null;
    if (first === this.#provider.optionsMember) return parts.options.find(rest);
    return null;
  }

  /** Shows errors beside their fields, and takes those of before away. */
  #mark(faults) {
    for (const control of this.#marked) control.showError(null);
    this.#marked = [];
    this.#parts.summary.hidden = true;
    for (const fault of faults) {
      // Several errors of one field stand beside it together.
      const texts = faults.filter((each) => each.control === fault.control).map((each) => each.detail);
      for (let node = fault.control.closest("details"); node !== null; node = node.parentElement.closest("details")) {
        node.open = true;
      }
      fault.control.showError(texts.join(" "));
      this.#marked.push(fault.control);
    }
  }
}
