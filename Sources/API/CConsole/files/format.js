// Values of the interface as texts for people.

const dateTime = new Intl.DateTimeFormat("en-CA", {
  year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false,
});
const integers = new Intl.NumberFormat("en");

const STATUSES = {
  notStarted: ["Not started", "waiting"],
  running: ["Running", "active"],
  succeeded: ["Succeeded", "good"],
  partiallySucceeded: ["Partly succeeded", "warning"],
  failed: ["Failed", "bad"],
  canceled: ["Canceled", "neutral"],
  expired: ["Expired", "neutral"],
  unknown: ["Unknown", "warning"],
};

/** The statuses that the interface knows, with their texts. */
export const statuses = Object.entries(STATUSES).map(([value, [text]]) => ({ value, text }));

/** A status in words; one that is not known here stays as it is. */
export function statusText(status) {
  return STATUSES[status]?.[0] ?? status;
}

/** How a status is meant: `waiting`, `active`, `good`, `warning`, `bad` or `neutral`. */
export function statusTone(status) {
  return STATUSES[status]?.[1] ?? "neutral";
}

/** A time in the browser's time zone, `2026-07-02 09:15:04`; a dash where there is none. */
export function time(text) {
  const date = new Date(text ?? NaN);
  return Number.isNaN(date.getTime()) ? "–" : dateTime.format(date).replace(",", "");
}

/** A time without its seconds. */
export function shortTime(text) {
  return time(text).replace(/:\d\d$/, "");
}

/** A number with its thousands apart. */
export function number(value) {
  return integers.format(value);
}

/** A size with a binary unit, `1.5 MiB`; a dash where it is not known. */
export function bytes(value) {
  if (typeof value !== "number") return "–";
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  let rest = value;
  while (rest >= 1024 && unit < units.length - 1) {
    rest /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? rest : rest.toFixed(rest < 10 ? 2 : 1)} ${units[unit]}`;
}

/** A time span of so many seconds, `1 min 12 s`. */
export function span(seconds) {
  if (seconds < 0.95) return `${Math.round(seconds * 1000)} ms`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return both(whole, 60, "min", 1, "s");
  if (whole < 86_400) return both(whole, 3600, "h", 60, "min");
  return both(whole, 86_400, "d", 3600, "h");
}

function both(seconds, large, largeUnit, small, smallUnit) {
  const rest = Math.trunc((seconds % large) / small);
  return `${Math.trunc(seconds / large)} ${largeUnit}${rest === 0 ? "" : ` ${rest} ${smallUnit}`}`;
}

/** How long it is from one time of the interface to another. */
export function between(from, to) {
  return span((Date.parse(to) - Date.parse(from)) / 1000);
}

/** A count with its noun. */
export function plural(count, one, many = `${one}s`) {
  return `${number(count)} ${count === 1 ? one : many}`;
}

/** A member's name in words: `reviewSetId` becomes `Review set ID`. */
export function words(name) {
  const text = name
    .replace(/([a-z0-9])([A-Z])/g, "$1 $2")
    .replace(/([A-Z])([A-Z][a-z])/g, "$1 $2")
    .toLowerCase()
    .replace(/\b(id|url|sas|bi)\b/g, (word) => word.toUpperCase());
  return text.charAt(0).toUpperCase() + text.slice(1);
}
