// @ts-check
// Tables of the operations page: they scroll alone where the page is narrow.

import { byId, el, refill } from "../shared/dom.js";

/** @import { Child } from "../shared/dom.js" */

/**
 * @param {string} id of the element to fill; `ID-title` is its heading
 * @param {string[]} heads
 * @param {(string | number)[][]} rows
 * @param {string} empty
 * @param {Child} [note]
 */
export function drawTable(id, heads, rows, empty, note) {
  if (!rows.length) return refill(byId(id), note, el("p", { class: "muted" }, empty));
  refill(byId(id), note, table(`${id}-title`, heads, rows));
}

/**
 * @param {string} title id of its heading
 * @param {string[]} heads
 * @param {(string | number)[][]} rows
 */
export function table(title, heads, rows) {
  const head = heads.map((text) => el("th", { scope: "col" }, text));
  const body = rows.map((cells) => {
    const filled = cells.map((text) => el("td", { dir: "auto" }, String(text)));
    return el("tr", {}, filled);
  });
  const whole = el(
    "table",
    { class: "figures" },
    el("thead", {}, el("tr", {}, head)),
    el("tbody", {}, body),
  );
  const props = { class: "scrolls", tabindex: "0", role: "group", "aria-labelledby": title };
  return el("div", props, whole);
}
