// @ts-check
// Draws an answer's sentences: paragraphs, lists and tables with their citation marks.

import { el, fill } from "./dom.js";
import { blocksOf } from "./markdown.js";
import { inOrder, piecesAround, strong } from "./passage.js";

/** @import { Child } from "./dom.js" */
/** @import { Block, Piece, Run } from "./markdown.js" */
/** @import { AnswerBody } from "./wire.d.ts" */
/** @typedef {(number: number) => Child} DrawMark */

const LONGEST_KEPT = 24;
/** Each block by its own first letter: an answer may be in two languages. */
const DIRECTED = { dir: "auto" };

/**
 * The answer as blocks; `drawMark(number)` draws a citation mark.
 * @param {Pick<AnswerBody, "text" | "short" | "sentences">} answer
 * @param {DrawMark} drawMark
 */
export function prose({ text, short, sentences }, drawMark) {
  const said = sentences.length ? sentences : [{ text, citations: [] }];
  const core = { short: short || null };
  return el(
    "div",
    { class: "prose answer-text" },
    blocksOf(said).map((block) => drawBlock(block, (run) => drawRun(run, core, drawMark))),
  );
}

/**
 * A text with its core emphasised.
 * @param {string} text
 * @param {string | null} short
 * @returns {Child[]}
 */
export function emphasised(text, short) {
  return piecesAround(text, short).map((piece) => (piece.marked ? strong(piece.text) : piece.text));
}

/**
 * @param {Block} block
 * @param {(run: Run) => Child} draw
 */
function drawBlock(block, draw) {
  if (block.kind === "table") return drawTable(block.heads, block.rows, draw);
  if (block.kind === "bullets") {
    return el(
      "ul",
      DIRECTED,
      block.items.map((item) => el("li", {}, draw(item))),
    );
  }
  if (block.kind === "numbers") {
    return el(
      "ol",
      { ...DIRECTED, start: block.start },
      block.items.map((item) => el("li", {}, draw(item))),
    );
  }
  const runs = block.runs.map((run, index) => [index > 0 && " ", draw(run)]);
  return el("p", DIRECTED, block.kind === "heading" ? el("strong", {}, runs) : runs);
}

/**
 * @param {Run[][]} heads
 * @param {Run[][]} rows
 * @param {(run: Run) => Child} draw
 */
function drawTable(heads, rows, draw) {
  const names = heads.map((cells) => tableRow(cells, (cell) => headCell(cellOf(cell, draw))));
  const body = rows.map((cells) => tableRow(cells, (cell) => el("td", {}, cellOf(cell, draw))));
  const head = names.length > 0 && el("thead", {}, names);
  const table = el("table", {}, head, el("tbody", {}, body));
  return el(
    "div",
    { ...DIRECTED, class: "scrolls", tabindex: "0", role: "group", "aria-label": "Table" },
    table,
  );
}

/**
 * @param {Run[]} cells
 * @param {(cell: Run) => HTMLElement} draw
 */
function tableRow(cells, draw) {
  return el("tr", {}, cells.map(draw));
}

/**
 * @param {Run} cell
 * @param {(run: Run) => Child} draw
 */
function cellOf(cell, draw) {
  return inOrder(cell.pieces.map(({ text }) => text).join(""), draw(cell));
}

/** @param {Child} name */
function headCell(name) {
  return el("th", { scope: "col" }, name);
}

/**
 * @param {Run} run
 * @param {{short: string | null}} core
 * @param {DrawMark} drawMark
 * @returns {Child}
 */
function drawRun({ pieces, citations }, core, drawMark) {
  const said = document.createDocumentFragment();
  fill(
    said,
    pieces.map((piece) => drawPiece(piece, core)),
  );
  const marks = citations.map(drawMark);
  const end = marks.length > 0 && lastWord(said);
  return [said, end ? el("span", { class: "keep" }, end, marks) : marks];
}

/**
 * Takes the last word out, so that its marks can stay on its line; null where a word is too long
 * to be kept whole.
 * @param {DocumentFragment} said
 */
function lastWord(said) {
  const last = said.lastChild;
  if (!(last instanceof Text)) return null;
  const start = last.data.trimEnd().lastIndexOf(" ") + 1;
  if (last.data.length - start > LONGEST_KEPT) return null;
  const word = start > 0 ? last.splitText(start) : last;
  word.remove();
  return word;
}

/**
 * The first place of the core is emphasised, and then no other.
 * @param {Piece} piece
 * @param {{short: string | null}} core
 * @returns {Child}
 */
function drawPiece({ text, style }, core) {
  if (style === "strong" || style === "em" || style === "code") return el(style, {}, text);
  const parts = emphasised(text, core.short);
  if (parts.length > 1) core.short = null;
  return parts;
}
