// @ts-check
// A document's text out of its passages: headings where they change, no words twice.

import { el } from "./dom.js";

/** @import { Child } from "./dom.js" */
/** @import { PlacedPassage } from "./wire.d.ts" */
/** @typedef {{start: number, end: number}} Span offsets in the document, in code points */
/** @typedef {{text: string, marked: boolean}} Piece */
/** @typedef {{passage: PlacedPassage, headings: string[], page: number | null, pieces: Piece[]}} Part */

/**
 * The passages as parts: each with the headings and the page that are new with it, without the
 * words that the part before has shown, cut where `mark` begins and ends.
 * @param {PlacedPassage[]} passages
 * @param {Span | null} [mark]
 * @returns {Part[]}
 */
export function partsOf(passages, mark = null) {
  let shown = -1;
  /** @type {PlacedPassage | null} */
  let before = null;
  return passages.map((passage) => {
    const from = Math.max(passage.start, shown);
    const points = Array.from(passage.text).slice(from - passage.start);
    const part = {
      passage,
      headings: newHeadings(before?.headings ?? [], passage.headings),
      page: passage.page !== (before?.last_page ?? before?.page ?? null) ? passage.page : null,
      pieces: cut(points, from, mark),
    };
    shown = Math.max(shown, passage.end);
    before = passage;
    return part;
  });
}

/**
 * Headings from the first level that differs.
 * @param {string[]} before
 * @param {string[]} now
 */
function newHeadings(before, now) {
  const first = now.findIndex((heading, level) => heading !== before[level]);
  return first < 0 ? [] : now.slice(first);
}

/**
 * @param {string[]} points
 * @param {number} from
 * @param {Span | null} mark
 * @returns {Piece[]}
 */
function cut(points, from, mark) {
  const [start, end] = mark ? [mark.start - from, mark.end - from] : [0, 0];
  /** @param {number} offset */
  const within = (offset) => Math.min(Math.max(offset, 0), points.length);
  const pieces = [
    { text: points.slice(0, within(start)).join(""), marked: false },
    { text: points.slice(within(start), within(end)).join(""), marked: true },
    { text: points.slice(within(end)).join(""), marked: false },
  ];
  return pieces.filter(({ text }) => text !== "");
}

/**
 * The text as blocks; `below(passage)` draws what stands below one. `testId` marks the quote.
 * @param {Part[]} parts
 * @param {{testId?: string, below?: (passage: PlacedPassage) => Child}} [options]
 */
export function documentBlocks(parts, { testId = "quote", below } = {}) {
  return parts.map(({ passage, headings, page, pieces }) => {
    const title = headings.join(" › ");
    const text = pieces.map(({ text, marked }) =>
      marked ? el("mark", { "data-testid": testId }, text) : text,
    );
    return el(
      "div",
      { class: "document-part", "data-passage": passage.passage_id },
      page !== null && el("p", { class: "page-mark muted small" }, `Page ${page}`),
      title && el("p", { class: "document-heading", dir: "auto" }, title),
      pieces.length > 0 &&
        el("p", { class: "document-text", dir: "auto" }, withoutTitle(text, headings)),
      below?.(passage),
    );
  });
}

/**
 * A passage often begins with its heading, which stands above it already.
 * @param {Child[]} text
 * @param {string[]} headings
 */
function withoutTitle(text, headings) {
  const [first, ...rest] = text;
  const last = headings.at(-1);
  if (typeof first !== "string" || !last || !first.startsWith(`${last}\n`)) return text;
  return [first.slice(last.length).trimStart(), ...rest];
}
