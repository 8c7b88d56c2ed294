// Fields made from a JSON Schema (2020-12), as the providers' options have them: objects, texts, choices, numbers, booleans, lists,
// and an object with branches. What they do not express, the gateway checks; its errors are shown beside the fields.
//
// A field is `{ node, value(), find(path) }`: `value` is undefined where nothing was filled in; `find` gives the control that a
// path of a JSON Pointer leads to, or the nearest above it, or null.

import { button, element, fill, uniqueId } from "./dom.js";
import { words } from "./format.js";

/** A control with its label, its description and the place for its error. */
export function labelled(title, control, { name, description, isRequired } = {}) {
  const id = uniqueId("field");
  control.id = id;
  const hint = description ? element("p", { class: "hint", id: `${id}-hint` }, description) : null;
  const error = element("p", { class: "field-error", id: `${id}-error`, hidden: true });
  const describe = () => {
    const ids = [hint?.id, error.hidden ? null : error.id].filter(Boolean).join(" ");
    if (ids) control.setAttribute("aria-describedby", ids);
    else control.removeAttribute("aria-describedby");
  };
  control.showError = (text) => {
    error.textContent = text ?? "";
    error.hidden = text === null;
    if (text === null) control.removeAttribute("aria-invalid");
    else control.setAttribute("aria-invalid", "true");
    describe();
  };
  if (isRequired) control.setAttribute("aria-required", "true");
  describe();
  const label = element("label", { for: id }, title, isRequired ? element("span", { class: "required" }, "required") : null,
    name ? element("code", null, name) : null);
  return element("div", { class: "field" }, label, control, hint, error);
}

/** The field of a schema. */
export function fieldOf(schema, name, isRequired = false) {
  if (schema.const !== undefined) return constant(schema, isRequired);
  if (Array.isArray(schema.oneOf) && schema.oneOf.some((branch) => branch.properties)) return branches(schema, name);
  if (schema.type === "object" && schema.properties) return object(schema, name, isRequired);
  if (schema.type === "object") return map(schema, name);
  if (schema.type === "array") return list(schema, name);
  return single(schema, name, isRequired);
}

function constant(schema, isRequired) {
  const isSent = isRequired || schema.default !== undefined;
  return { node: null, isConstant: true, value: () => (isSent ? schema.const : undefined), find: () => null };
}

function single(schema, name, isRequired) {
  const control = controlOf(schema);
  const node = labelled(words(name), control, { name, description: describe(schema), isRequired });
  return {
    node,
    find: () => control,
    value: () => {
      const text = control.value;
      if (text === "") return undefined;
      if (schema.type === "boolean") return text === "true";
      // What is no number is sent as it is: the gateway says what is wrong with it.
      if (schema.type === "integer" || schema.type === "number") return Number.isFinite(Number(text)) ? Number(text) : text;
      return text;
    },
  };
}

function controlOf(schema) {
  const choices = schema.type === "boolean" ? [["true", "Yes"], ["false", "No"]] : schema.enum?.map((value) => [value, value]);
  if (choices !== undefined) {
    return element("select", null, element("option", { value: "" }, "Not set"),
      choices.map(([value, text]) => element("option", { value }, text)));
  }
  if (schema.writeOnly) return element("input", { type: "password", autocomplete: "off" });
  const isNumber = schema.type === "integer" || schema.type === "number";
  const isLong = !schema.format && !schema.pattern && schema.maxLength > 1000;
  if (isLong) return element("textarea", { rows: 2, spellcheck: "false" });
  return element("input", {
    type: "text", autocomplete: "off", spellcheck: "false", inputmode: isNumber ? "decimal" : schema.format === "uri" ? "url" : null,
    placeholder: schema.format === "uuid" ? "00000000-0000-0000-0000-000000000000" : null,
  });
}

function describe(schema) {
  const examples = Array.isArray(schema.examples) && schema.examples.length > 0 ? ` For example: ${schema.examples.join(", ")}.` : "";
  return `${schema.description ?? ""}${examples}`.trim();
}

/** The properties, those that are required first. */
function object(schema, name, isRequired, title = words(name)) {
  const required = new Set(schema.required ?? []);
  const names = Object.keys(schema.properties).sort((one, two) => required.has(two) - required.has(one));
  const fields = new Map(names.map((key) => [key, fieldOf(schema.properties[key], key, required.has(key))]));
  const nodes = [...fields.values()].map((field) => field.node);
  const description = describe(schema);
  const hint = description ? element("p", { class: "hint" }, description) : null;
  const node = name === ""
    ? element("div", { class: "fields" }, hint, nodes)
    : isRequired
      ? element("fieldset", null, element("legend", null, title), hint, nodes)
      : element("details", { class: "group" }, element("summary", null, title, element("code", null, name)), hint, nodes);
  return {
    node,
    value: () => {
      const entries = [...fields].map(([key, field]) => [key, field.value()]).filter(([, value]) => value !== undefined);
      const isFilled = [...fields].some(([, field]) => !field.isConstant && field.value() !== undefined);
      return isFilled || name === "" ? Object.fromEntries(entries) : undefined;
    },
    find: ([key, ...rest]) => fields.get(key)?.find(rest)
      ?? [...fields.values()].map((field) => field.find([])).find((control) => control !== null) ?? null,
  };
}

/** An object of one of several kinds. */
function branches(schema, name) {
  const kinds = schema.oneOf.map((branch) => ({ title: branch.title ?? "Kind", field: object({ ...branch, title: undefined }, "") }));
  const control = element("select", null, kinds.map((kind, index) => element("option", { value: index }, kind.title)));
  const place = element("div", null);
  let current = kinds[0];
  const choose = () => {
    current = kinds[Number(control.value)];
    fill(place, current.field.node);
  };
  control.addEventListener("change", choose);
  choose();
  return {
    node: element("div", { class: "fields" }, labelled("Kind", control, { description: describe(schema) }), place),
    value: () => current.field.value(),
    find: (path) => (path.length === 0 ? control : current.field.find(path)),
  };
}

function list(schema, name) {
  const items = [];
  // Empty items are not sent, and do not count.
  const filled = () => items.filter((item) => item.field.value() !== undefined);
  const place = element("div", { class: "items" });
  const itemName = name.replace(/ies$/, "y").replace(/s$/, "");
  const add = button(`Add ${words(itemName).toLowerCase()}`, () => {
    const field = fieldOf(schema.items, itemName, true);
    const item = { field, node: null };
    const remove = button("Remove", () => {
      items.splice(items.indexOf(item), 1);
      item.node.remove();
      add.focus();
    }, { class: "quiet" });
    item.node = element("div", { class: "item" }, field.node, remove);
    items.push(item);
    place.append(item.node);
    item.node.querySelector("input, select, textarea")?.focus();
  }, { class: "quiet" });
  add.showError = errorOf(add);
  const hint = describe(schema);
  return {
    node: element("fieldset", { class: "list" }, element("legend", null, words(name), element("code", null, name)),
      hint ? element("p", { class: "hint" }, hint) : null, place, add, add.errorNode),
    value: () => {
      const values = filled().map((item) => item.field.value());
      return values.length > 0 ? values : undefined;
    },
    find: ([index, ...rest]) => filled()[Number(index)]?.field.find(rest) ?? add,
  };
}

/** An object whose members have names of the caller's own. */
function map(schema, name) {
  const pair = { type: "object", properties: { name: { type: "string" }, value: schema.additionalProperties ?? { type: "string" } } };
  const field = list({ type: "array", items: { ...pair, required: ["name", "value"] }, description: schema.description }, name);
  return {
    ...field,
    value: () => {
      const pairs = (field.value() ?? []).filter((entry) => entry.name !== undefined);
      return pairs.length > 0 ? Object.fromEntries(pairs.map((entry) => [entry.name, entry.value ?? ""])) : undefined;
    },
    find: () => field.find([]),
  };
}

function errorOf(control) {
  control.errorNode = element("p", { class: "field-error", id: uniqueId("error"), hidden: true });
  return (text) => {
    control.errorNode.textContent = text ?? "";
    control.errorNode.hidden = text === null;
    if (text === null) control.removeAttribute("aria-describedby");
    else control.setAttribute("aria-describedby", control.errorNode.id);
  };
}
