// @ts-check
// A document's text out of its passages: headings where they change, no words twice.

import { el } from "./dom.js";
import { drawn, markedAs } from "./passage.js";
import { laidOut } from "./rows.js";

/** @import { Child } from "./dom.js" */
/** @import { Piece, TableBlock, TextBlock } from "./rows.js" */
/** @import { PlacedPassage } from "./wire.d.ts" */
/** @typedef {{start: number, end: number}} Span offsets in the document, in code points */
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
  const mark = markedAs(testId);
  return partsLaidOut(parts).map(({ part: { passage, headings, page }, blocks }) => {
    const title = headings.join(" › ");
    return el(
      "div",
      { class: "document-part", "data-passage": passage.passage_id },
      page !== null && el("p", { class: "page-mark muted small" }, `Page ${page}`),
      title && el("p", { class: "document-heading", dir: "auto" }, title),
      blocks.length > 0 && el("div", { class: "document-text", dir: "auto" }, drawn(blocks, mark)),
      below?.(passage),
    );
  });
}

/**
 * A table that goes on in the next part has the names of its columns above its first rows alone.
 * @param {Part[]} parts
 */
export function partsLaidOut(parts) {
  /** @type {TextBlock | TableBlock | undefined} */
  let before;
  let heads = "";
  return parts.map((part) => {
    const blocks = laidOut(withoutTitle(part.pieces, part.headings));
    const [first] = blocks;
    const columns = before?.kind === "table" && !part.headings.length && before.columns;
    if (first?.kind === "table" && first.columns === columns) {
      // A long table repeats the names itself.
      if (wordsOf(first) !== heads) {
        first.rows = [...first.heads, ...first.rows];
        first.heads = [];
      }
    }
    before = blocks.at(-1) ?? before;
    if (before?.kind === "table" && before.heads.length) heads = wordsOf(before);
    return { part, blocks };
  });
}

/** @param {TableBlock} table */
function wordsOf({ heads }) {
  return heads
    .flat(2)
    .map(({ text }) => text)
    .join("\n");
}

/**
 * A passage often begins with its headings, which stand above it already.
 * @param {Piece[]} pieces
 * @param {string[]} headings
 * @returns {Piece[]}
 */
function withoutTitle(pieces, headings) {
  const [first, ...rest] = pieces;
  if (!first || first.marked) return pieces;
  let { text } = first;
  for (const heading of headings) {
    if (heading && text.startsWith(`${heading}\n`)) text = text.slice(heading.length).trimStart();
  }
  return [{ text, marked: false }, ...rest];
}
