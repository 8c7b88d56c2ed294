// Questions that must be answered before something is done.

import { button, element, uniqueId } from "./dom.js";

/** Asks, in a modal dialog. Resolves to whether the answer is yes; Escape is no. */
export function confirm({ title, text, yes, no = "Back" }) {
  return new Promise((resolve) => {
    const [titleId, textId] = [uniqueId("dialog"), uniqueId("dialog")];
    const dialog = element(
      "dialog",
      { "aria-labelledby": titleId, "aria-describedby": textId },
      element("h2", { id: titleId }, title),
      element("p", { id: textId }, text),
      element(
        "div",
        { class: "actions" },
        button(no, () => dialog.close("no"), { autofocus: true }),
        button(yes, () => dialog.close("yes"), { class: "danger" }),
      ),
    );
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
