// Makes elements. Text only ever becomes text nodes: nothing that a server says is read as HTML.

const SVG = "http://www.w3.org/2000/svg";

/**
 * An HTML element.
 *
 * - `attributes`: `on` maps event names to listeners; true sets an empty attribute; false, null and undefined set none.
 * - `children`: nodes, texts, or lists of them; null, undefined and false are left out.
 */
export function element(name, attributes, ...children) {
  return filled(document.createElement(name), attributes, children);
}

/** An SVG element; as `element`. */
export function svg(name, attributes, ...children) {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (name === "on") {
      for (const [event, listener] of Object.entries(value)) node.addEventListener(event, listener);
    } else if (value === true) {
      node.setAttribute(name, "");
    } else if (value !== false && value !== null && value !== undefined) {
      node.setAttribute(name, String(value));
    }
  }
  append(node, children);
  return node;
}

function append(node, children) {
  for (const child of children) {
    if (Array.isArray(child)) append(node, child);
    else if (child !== null && child !== undefined && child !== false) {
      node.append(child instanceof Node ? child : String(child));
    }
  }
}

/** Puts children in the place of all that a node has. */
export function fill(node, ...children) {
  node.replaceChildren();
  append(node, children);
  return node;
}

/** Sets a text where it is another one: an unchanged text costs no layout. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

let count = 0;

/** An id that no other element has. */
export function uniqueId(prefix) {
  count += 1;
  return `${prefix}-${count}`;
}

/** A list of terms and their values; terms without a value are left out. */
export function terms(pairs) {
  return element(
    "dl",
    { class: "terms" },
    pairs
      .filter(([, value]) => value !== undefined && value !== null && value !== "")
      .map(([term, value]) => element("div", null, element("dt", null, term), element("dd", null, value))),
  );
}

/** A button. */
export function button(text, onClick, attributes) {
  return element("button", { type: "button", ...attributes, on: { click: onClick } }, text);
}

/** Has the browser save what is at an address. */
export function save(address, name) {
  const link = element("a", { href: address, download: name ?? "", hidden: true });
  document.body.append(link);
  link.click();
  link.remove();
}

/** Has the browser save bytes under a name. */
export function saveBlob(blob, name) {
  const address = URL.createObjectURL(blob);
  save(address, name);
  // The browser has taken the address when the click has been handled; a minute is beyond any doubt.
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
