// Small line plots, as SVG. What a plot says stands beside it in words.

import { element, setText, svg } from "./dom.js";

const WIDTH = 240;
const HEIGHT = 48;
/** Points of a plot. */
export const MOST_POINTS = 120;

/** A plot of the last values of one figure. */
export class Plot {
  node;
  #values = [];
  #line;
  #area;
  #limit;
  #text;
  #format;

  /** `format(value)`: the value in words. */
  constructor(title, format) {
    this.#format = format;
    this.#area = svg("path", { class: "plot-area" });
    this.#line = svg("path", { class: "plot-line" });
    this.#limit = svg("path", { class: "plot-limit" });
    this.#text = element("span", { class: "plot-value" }, "–");
    this.node = element(
      "figure", { class: "plot" },
      element("figcaption", null, element("span", null, title), this.#text),
      svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true", focusable: "false" },
        this.#area, this.#line, this.#limit),
    );
  }

  /** Adds a value, null where there is none; `limit` is drawn as a line. */
  add(value, limit) {
    this.#values.push(value);
    if (this.#values.length > MOST_POINTS) this.#values.shift();
    setText(this.#text, value === null ? "–" : this.#format(value));
    const known = this.#values.filter((each) => each !== null);
    const top = Math.max(limit ?? 0, ...known, 1e-9) * 1.1;
    const y = (each) => (HEIGHT - 1 - (each / top) * (HEIGHT - 2)).toFixed(1);
    const x = (index) => ((index + MOST_POINTS - this.#values.length) / (MOST_POINTS - 1) * WIDTH).toFixed(1);
    const points = this.#values.map((each, index) => (each === null ? null : `${x(index)} ${y(each)}`));
    let line = "";
    points.forEach((point, index) => {
      if (point !== null) line += `${points[index - 1] ? "L" : "M"}${point}`;
    });
    this.#line.setAttribute("d", line);
    const first = points.findIndex((point) => point !== null);
    const isWhole = first >= 0 && points.slice(first).every((point) => point !== null);
    this.#area.setAttribute("d", isWhole ? `${line}L${WIDTH} ${HEIGHT}L${x(first)} ${HEIGHT}Z` : "");
    this.#limit.setAttribute("d", limit === undefined ? "" : `M0 ${y(limit)}H${WIDTH}`);
  }
}
