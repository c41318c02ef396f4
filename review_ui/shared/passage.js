// @ts-check
// A passage with its quote highlighted, and its tables as tables.

import { el } from "./dom.js";
import { laidOut, tableAt } from "./rows.js";

/** @import { Child } from "./dom.js" */
/** @import { Cell, Piece, TableBlock, TextBlock } from "./rows.js" */
/** @typedef {{before: string, quote: string, after: string}} Cut */
/** @typedef {(text: string) => Child} Mark draws what is marked */

const LETTER = /\p{L}/u;
/** Rows of a table that are shown above and below those that are quoted. */
const ROWS_AROUND = 2;

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
 * A passage cut into what is quoted and what is not; quotes that are not in it, or lie in another,
 * mark nothing more.
 * @param {string} text
 * @param {{start: number, end: number, quote: string}[]} citations
 * @returns {Piece[]}
 */
export function piecesQuoted(text, citations) {
  const spans = citations
    .flatMap((citation) => cutAtQuote(text, citation) ?? [])
    .map(({ before, quote }) => ({ start: before.length, end: before.length + quote.length }))
    .sort((one, other) => one.start - other.start);
  /** @type {Piece[]} */
  const pieces = [];
  let at = 0;
  for (const { start, end } of spans) {
    if (start < at) continue;
    pieces.push({ text: text.slice(at, start), marked: false });
    pieces.push({ text: text.slice(start, end), marked: true });
    at = end;
  }
  return [...pieces, { text: text.slice(at), marked: false }].filter((piece) => piece.text !== "");
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
 * What is near the quote: about `context` code points on each side, of a table whole rows below the
 * names of its columns.
 * @param {Cut} cut
 * @param {number} context
 * @returns {Cut}
 */
export function nearQuote({ before, quote, after }, context) {
  const text = before + quote + after;
  const [first, last] = [before.length, before.length + quote.length];
  return {
    before: rowsBefore(text, first) ?? clip(before, -context),
    quote,
    after: rowsAfter(text, last) ?? clip(after, context),
  };
}

/**
 * @param {string} text
 * @param {number} at where the quote begins
 */
function rowsBefore(text, at) {
  const table = tableAt(text, at);
  if (!table) return null;
  const row = table.lines.findIndex(({ end }) => at <= end);
  const from = Math.max(row - ROWS_AROUND, 0);
  const heads = table.heads.slice(0, from).map((line) => line.text);
  const near = text.slice(table.lines[from]?.start ?? at, at);
  if (from <= heads.length) return text.slice(table.lines[0]?.start ?? at, at);
  return `${[...heads, "…", ""].join("\n")}${near}`;
}

/**
 * @param {string} text
 * @param {number} at where the quote ends
 */
function rowsAfter(text, at) {
  const table = tableAt(text, at);
  if (!table) return null;
  const row = table.lines.findIndex(({ end }) => at <= end);
  const last = table.lines[row + ROWS_AROUND] ?? table.lines.at(-1);
  const more = last === table.lines.at(-1) ? "" : "\n…";
  return `${text.slice(at, last?.end ?? at)}${more}`;
}

/**
 * The passage as a block of text; `testId` marks the highlighted quote.
 * @param {Cut} cut
 * @param {string} testId
 */
export function passageText({ before, quote, after }, testId) {
  const pieces = [before, quote, after].map((text, at) => ({ text, marked: at === 1 }));
  return passageBlock(pieces, markedAs(testId));
}

/**
 * @param {string} testId
 * @returns {Mark}
 */
export function markedAs(testId) {
  return (text) => el("mark", { "data-testid": testId }, text);
}

/**
 * A text that is quoted, as a block.
 * @param {Piece[] | string} text
 * @param {Mark} [mark]
 * @param {Record<string, string>} [props]
 */
export function passageBlock(text, mark = (said) => said, props = {}) {
  const pieces = typeof text === "string" ? [{ text, marked: false }] : text;
  return el("blockquote", { class: "passage", dir: "auto", ...props }, blocksOf(pieces, mark));
}

/**
 * A text cut around its core, to be emphasised.
 * @param {string} text
 * @param {string | null} short
 * @returns {Piece[]}
 */
export function piecesAround(text, short) {
  const at = short ? text.indexOf(short) : -1;
  if (!short || at < 0) return [{ text, marked: false }];
  return [
    { text: text.slice(0, at), marked: false },
    { text: short, marked: true },
    { text: text.slice(at + short.length), marked: false },
  ];
}

/** @param {string} text */
export function strong(text) {
  return el("strong", {}, text);
}

/**
 * A text with its tables, as nodes for a block that keeps its lines.
 * @param {Piece[]} pieces
 * @param {Mark} mark
 * @returns {Child[]}
 */
export function blocksOf(pieces, mark) {
  return drawn(laidOut(pieces), mark);
}

/**
 * @param {(TextBlock | TableBlock)[]} blocks
 * @param {Mark} mark
 * @returns {Child[]}
 */
export function drawn(blocks, mark) {
  return blocks.map((block) => {
    if (block.kind === "table") return table(block, mark);
    const said = draw(block.pieces, mark);
    return blocks.length > 1 ? el("div", { dir: "auto" }, said) : said;
  });
}

/**
 * @param {Piece[]} pieces
 * @param {Mark} mark
 */
function draw(pieces, mark) {
  return pieces.map(({ text, marked }) => (marked ? mark(text) : text));
}

/**
 * What stands in a cell: figures without letters keep their order, also where the table is written
 * from right to left ("01632 960180").
 * @param {string} text
 * @param {Child} said
 */
export function inOrder(text, said) {
  return LETTER.test(text) ? said : el("bdi", { dir: "ltr" }, said);
}

/**
 * @param {TableBlock} block
 * @param {Mark} mark
 */
function table({ columns, heads, rows }, mark) {
  /**
   * @param {"td" | "th"} tag
   * @param {Cell[]} cells
   */
  const row = (tag, cells) => {
    const colspan = cells.length === 1 && columns > 1 && columns;
    const props = { scope: tag === "th" && "col", colspan };
    const drawnCells = cells.map((cell) => {
      const said = cell.map(({ text }) => text).join("");
      return el(tag, props, inOrder(said, draw(cell, mark)));
    });
    return el("tr", {}, drawnCells);
  };
  const head = heads.length > 0 && el("thead", {}, [heads.map((cells) => row("th", cells))]);
  const body = el("tbody", {}, [rows.map((cells) => row("td", cells))]);
  const props = { dir: "auto", class: "scrolls", tabindex: "0", role: "group" };
  return el("div", { ...props, "aria-label": "Table" }, el("table", {}, head, body));
}
