// A table of any number of rows, of which only those in sight are elements: the ARIA pattern `grid`, with one row in the tab
// order, moved by arrow keys (https://www.w3.org/WAI/ARIA/apg/patterns/grid/).

import { element, setText } from "./dom.js";

/** Rows above and below those in sight. */
const OVERSCAN = 8;

export class Grid {
  node;
  #head;
  #body;
  #columns;
  #onOpen;
  #onEnd;
  #rows = [];
  #rowHeight = 44;
  /** Elements by the id of their row. */
  #shown = new Map();
  /** Where it was scrolled to: an element that is taken out of the page loses that. */
  #top = 0;
  #activeId = null;
  #activeIndex = 0;
  #isScheduled = false;

  /**
   * - `label`: the table's name.
   * - `columns`: `{ name, title, make(), update(cell, row) }`; `make` gives the content of a new cell.
   * - `onOpen(row)`: a row was clicked, or Enter was pressed on it.
   * - `onEnd()`: the last rows are in sight.
   */
  constructor({ label, columns, onOpen, onEnd }) {
    this.#columns = columns;
    this.#onOpen = onOpen;
    this.#onEnd = onEnd;
    this.#head = element(
      "div",
      { role: "rowgroup", class: "grid-head" },
      element(
        "div",
        { role: "row", class: "grid-row", "aria-rowindex": 1 },
        columns.map((column) => element("div", { role: "columnheader", class: `cell cell-${column.name}` }, column.title)),
      ),
    );
    this.#body = element("div", { role: "rowgroup", class: "grid-body" });
    this.node = element(
      "div",
      {
        role: "grid", class: "grid", "aria-label": label, "aria-colcount": columns.length, "aria-rowcount": 1,
        on: {
          scroll: () => {
            if (this.node.isConnected) this.#top = this.node.scrollTop;
            this.#schedule();
          },
          keydown: (event) => this.#press(event),
          click: (event) => this.#click(event),
          focusin: (event) => this.#focus(event),
        },
      },
      this.#head,
      this.#body,
    );
    new ResizeObserver(() => this.refresh()).observe(this.node);
  }

  /** Shows these rows: objects with an `id`. What was in sight stays there where rows come above it. */
  setRows(rows) {
    const first = this.#rows[Math.trunc(this.node.scrollTop / this.#rowHeight)];
    const isAtTop = this.node.scrollTop < this.#rowHeight;
    this.#rows = rows;
    this.node.setAttribute("aria-rowcount", String(rows.length + 1));
    this.#body.style.height = `${rows.length * this.#rowHeight}px`;
    if (this.#activeId !== null) {
      const index = rows[this.#activeIndex]?.id === this.#activeId
        ? this.#activeIndex
        : rows.findIndex((row) => row.id === this.#activeId);
      if (index < 0) this.#activeId = null;
      else this.#activeIndex = index;
    }
    if (!isAtTop && first !== undefined) {
      const offset = this.node.scrollTop % this.#rowHeight;
      const index = rows.indexOf(first);
      if (index >= 0) this.node.scrollTop = index * this.#rowHeight + offset;
    }
    this.refresh();
  }

  /** Draws what is in sight again, after its size or its rows have changed. */
  refresh() {
    const height = parseFloat(getComputedStyle(this.node).getPropertyValue("--row-height")) || 44;
    if (height !== this.#rowHeight) {
      this.#rowHeight = height;
      this.#body.style.height = `${this.#rows.length * height}px`;
    }
    this.#schedule();
  }

  /** Shows it where it was, after it was out of the page. Gives the focus back to the row that had it, and says whether one had. */
  restore() {
    this.node.scrollTop = this.#top;
    this.refresh();
    if (this.#activeId === null) return false;
    this.#move(this.#activeIndex);
    return true;
  }

  #schedule() {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    requestAnimationFrame(() => {
      this.#isScheduled = false;
      this.#draw();
    });
  }

  #draw() {
    const height = this.node.clientHeight;
    if (height === 0) return;
    const first = Math.max(0, Math.trunc(this.node.scrollTop / this.#rowHeight) - OVERSCAN);
    const last = Math.min(this.#rows.length, Math.ceil((this.node.scrollTop + height) / this.#rowHeight) + OVERSCAN);
    const indexes = [];
    // The row with the focus stays an element wherever it is.
    const active = this.#activeId === null ? -1 : this.#activeIndex;
    if (active >= 0 && active < first) indexes.push(active);
    for (let index = first; index < last; index += 1) indexes.push(index);
    if (active >= last) indexes.push(active);
    const spare = this.#release(new Set(indexes.map((index) => this.#rows[index].id)));
    const tabStop = active >= 0 ? active : indexes[0];
    // Elements stand in the order of their rows. One that is no longer wanted takes another row where it stands, because
    // nothing of the layout changes then; and the one with the focus never moves, or it would lose it.
    let next = this.#body.firstElementChild;
    for (const index of indexes) {
      const row = this.#rows[index];
      let node = this.#shown.get(row.id);
      if (node === undefined) {
        node = spare.has(next) ? next : spare.values().next().value ?? this.#make();
        spare.delete(node);
        this.#shown.set(row.id, node);
      } else {
        while (next !== node && spare.has(next)) next = next.nextElementSibling;
      }
      this.#update(node, row, index, index === tabStop);
      if (node === next) next = node.nextElementSibling;
      else this.#body.insertBefore(node, next);
    }
    for (const node of spare) node.remove();
    if (last >= this.#rows.length - OVERSCAN) this.#onEnd();
  }

  /** The elements of rows that are not wanted any more. */
  #release(wanted) {
    const spare = new Set();
    for (const [id, node] of this.#shown) {
      if (wanted.has(id)) continue;
      this.#shown.delete(id);
      spare.add(node);
    }
    return spare;
  }

  #make() {
    return element(
      "div",
      { role: "row", class: "grid-row" },
      this.#columns.map((column) => element("div", { role: "gridcell", class: `cell cell-${column.name}` }, column.make?.())),
    );
  }

  #update(node, row, index, isTabStop) {
    node.row = row;
    node.style.transform = `translateY(${index * this.#rowHeight}px)`;
    node.tabIndex = isTabStop ? 0 : -1;
    if (node.getAttribute("aria-rowindex") !== String(index + 2)) node.setAttribute("aria-rowindex", String(index + 2));
    this.#columns.forEach((column, position) => {
      const cell = node.children[position];
      if (column.text !== undefined) setText(cell, column.text(row));
      else column.update(cell, row);
    });
  }

  #move(index) {
    if (this.#rows.length === 0) return;
    this.#activeIndex = Math.min(Math.max(index, 0), this.#rows.length - 1);
    this.#activeId = this.#rows[this.#activeIndex].id;
    const top = this.#activeIndex * this.#rowHeight;
    const visible = this.node.clientHeight - this.#head.offsetHeight;
    if (top < this.node.scrollTop) this.node.scrollTop = top;
    else if (top + this.#rowHeight > this.node.scrollTop + visible) this.node.scrollTop = top + this.#rowHeight - visible;
    this.#draw();
    this.#shown.get(this.#activeId)?.focus({ preventScroll: true });
  }

  #press(event) {
    const page = Math.max(1, Math.trunc(this.node.clientHeight / this.#rowHeight) - 2);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    if (event.ctrlKey || event.metaKey || event.altKey || !event.target.matches("[role=row]")) return;
    if (event.key === "Enter" || event.key === " ") this.#onOpen(event.target.row);
    else if (event.key in steps) this.#move(this.#activeIndex + steps[event.key]);
    else return;
    event.preventDefault();
  }

  #click(event) {
    const node = event.target.closest(".grid-body [role=row]");
    // Links open by themselves, in another tab too, and selected text is to be copied.
    if (node !== null && event.target.closest("a") === null && getSelection().isCollapsed) this.#onOpen(node.row);
  }

  #focus(event) {
    const node = event.target.closest(".grid-body [role=row]");
    if (node === null) return;
    this.#activeId = node.row.id;
    this.#activeIndex = this.#rows.findIndex((row) => row.id === node.row.id);
  }
}
