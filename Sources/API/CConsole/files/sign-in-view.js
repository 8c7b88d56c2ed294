// Who is it: by an API key, or at Microsoft Entra ID.

import { get, messageOf } from "./api.js";
import { button, element, setText } from "./dom.js";
import { begin } from "./entra.js";
import { labelled } from "./schema-form.js";
import * as session from "./session.js";

export class SignInView {
  title = "Sign in";
  node;
  #key;
  #keep;
  #message;
  #onSignedIn;

  /** `reason`: why a session has ended, or what went wrong; shown above the form. */
  constructor(settings, reason, onSignedIn) {
    this.#onSignedIn = onSignedIn;
    this.#key = element("input", { type: "password", autocomplete: "current-password", spellcheck: "false" });
    this.#keep = element("input", { type: "checkbox" });
    this.#message = element("p", { class: "message bad", role: "alert", hidden: !reason }, reason ?? "");
    const form = element(
      "form", { class: "form", on: { submit: (event) => this.#submit(event) } },
      labelled("API key", this.#key),
      element("label", { class: "check" }, this.#keep, " Keep it in this tab until the tab is closed"),
      element("button", { type: "submit", class: settings.entra ? "" : "primary" }, "Sign in with the key"),
    );
    const entra = settings.entra
      ? button("Sign in with Microsoft", () => begin(settings.entra), { class: "primary" })
      : null;
    this.node = element(
      "section", { class: "sign-in" },
      element("div", { class: "panel stack" },
        element("h1", { tabindex: -1 }, "Sign in"),
        this.#message,
        entra,
        entra && settings.apiKeys ? element("p", { class: "divider" }, "or") : null,
        settings.apiKeys ? form : null,
        settings.apiKeys || settings.entra ? null
          : element("p", null, "This gateway knows its callers by TLS client certificates. Choose yours when the browser asks, and load "
            + "the page again.")),
    );
  }

  close() {}

  async #submit(event) {
    event.preventDefault();
    const key = this.#key.value.trim();
    // What a header field cannot have is no key: fetch would fail without a reason.
    if (!/^[\x21-\x7e]+$/.test(key)) return this.#refuse("Enter an API key of this gateway.");
    session.takeKey(key, this.#keep.checked);
    try {
      await get("providers", {}, { isTrial: true });
      this.#key.value = "";
      return this.#onSignedIn();
    } catch (error) {
      session.takeKey("", false);
      return this.#refuse(messageOf(error));
    }
  }

  #refuse(text) {
    setText(this.#message, text);
    this.#message.hidden = false;
    this.#key.focus();
  }
}
