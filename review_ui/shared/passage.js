// @ts-check
// A passage with its quote highlighted.

import { el } from "./dom.js";

/** @typedef {{before: string, quote: string, after: string}} Cut */

/**
 * Cuts a passage around a citation; null when the quote is not in it. Offsets count Unicode code
 * points, as the service does, not UTF-16 units.
 * @param {string} text
 * @param {{start: number, end: number, quote: string}} citation
 * @returns {Cut | null}
 */
export function cutAtQuote(text, { start, end, quote }) {
  const points = Array.from(text);
  if (quote && points.slice(start, end).join("") === quote) {
    const before = points.slice(0, start).join("");
    return { before, quote, after: points.slice(end).join("") };
  }
  const found = quote ? text.indexOf(quote) : -1;
  if (found < 0) return null;
  return { before: text.slice(0, found), quote, after: text.slice(found + quote.length) };
}

/**
 * About the last (`keep` < 0) or first `keep` code points, in whole words where there are any,
 * with an ellipsis where something is cut.
 * @param {string} text
 * @param {number} keep
 */
export function clip(text, keep) {
  const points = Array.from(text);
  if (points.length <= Math.abs(keep)) return text;
  if (keep < 0)
    return `…${points
      .slice(keep)
      .join("")
      .replace(/^\S{0,30}\s+/, "")}`;
  return `${points
    .slice(0, keep)
    .join("")
    .replace(/\s+\S{0,30}$/, "")}…`;
}

/**
 * The passage as a block of text; `testId` marks the highlighted quote.
 * @param {Cut} cut
 * @param {string} testId
 */
export function passageText({ before, quote, after }, testId) {
  const mark = el("mark", { "data-testid": testId }, quote);
  return el("blockquote", { class: "passage", dir: "auto" }, before, mark, after);
}
