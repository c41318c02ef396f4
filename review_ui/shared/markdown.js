// @ts-check
// Which of an answer's sentences are paragraphs, list items, table rows or headings.
//
// The service sends sentences; a list item, table row or heading is a sentence of its own. Only
// what cannot mislead is read as Markdown: links and pictures stay the text they are.

import { cellsOf, headLines, isFramed, isRow, isRule } from "./rows.js";

/** @import { SentenceView } from "./wire.d.ts" */
/** @typedef {{text: string, style: "plain" | "strong" | "em" | "code"}} Piece */
/** @typedef {{pieces: Piece[], citations: number[]}} Run */
/** @typedef {{kind: "paragraph" | "heading", runs: Run[]}} TextBlock */
/** @typedef {{kind: "bullets", items: Run[]}} BulletBlock */
/** @typedef {{kind: "numbers", start: number, items: Run[]}} NumberBlock */
/** @typedef {{kind: "table", heads: Run[][], rows: Run[][]}} TableBlock */
/** @typedef {TextBlock | BulletBlock | NumberBlock | TableBlock} Block */
/** @typedef {{kind: Block["kind"], text: string, number: number, citations: number[]}} Line */

const BULLET = /^\s*[-*•]\s+(?=\S)/;
const NUMBER = /^\s*(\d{1,3})[.)]\s+(?=\S)/;
const HEADING = /^\s*#{1,6}\s+(?=\S)/;
const INLINE =
  /`(?<code>[^`]+)`|\*\*(?<strong>(?!\s)[^*]+(?<!\s))\*\*|(?<![\w*])\*(?<em>(?!\s)[^*]+(?<!\s))\*(?![\w*])/g;

/**
 * The sentences as blocks, in their order.
 * @param {Pick<SentenceView, "text" | "citations">[]} sentences
 * @returns {Block[]}
 */
export function blocksOf(sentences) {
  const lines = plainUnlessTable(sentences.flatMap(linesOf));
  /** @type {Line[][]} */
  const groups = [];
  for (const line of lines) {
    const last = groups.at(-1);
    if (last?.[0]?.kind === line.kind && line.kind !== "heading") last.push(line);
    else groups.push([line]);
  }
  return groups.map(blockOf);
}

/**
 * A text as pieces of one style each.
 * @param {string} text
 * @returns {Piece[]}
 */
export function piecesOf(text) {
  /** @type {Piece[]} */
  const pieces = [];
  let end = 0;
  for (const match of text.matchAll(INLINE)) {
    if (match.index > end) pieces.push({ text: text.slice(end, match.index), style: "plain" });
    const { code, strong, em } = match.groups ?? {};
    if (code) pieces.push({ text: code, style: "code" });
    else if (strong) pieces.push({ text: strong, style: "strong" });
    else pieces.push({ text: em ?? "", style: "em" });
    end = match.index + match[0].length;
  }
  if (end < text.length) pieces.push({ text: text.slice(end), style: "plain" });
  return pieces;
}

/**
 * @param {Pick<SentenceView, "text" | "citations">} sentence
 * @returns {Line[]}
 */
function linesOf({ text, citations }) {
  const lines = text.split("\n").filter((line) => line.trim());
  return lines.map((line, index) => ({
    ...kindOf(line),
    citations: index === lines.length - 1 ? citations : [],
  }));
}

/**
 * @param {string} line
 * @returns {Omit<Line, "citations">}
 */
function kindOf(line) {
  const number = NUMBER.exec(line);
  if (number) {
    return { kind: "numbers", text: line.slice(number[0].length), number: Number(number[1]) };
  }
  const plain = { text: line, number: 0 };
  if (isRow(line)) return { kind: "table", ...plain };
  if (BULLET.test(line)) return { kind: "bullets", text: line.replace(BULLET, ""), number: 0 };
  if (HEADING.test(line)) return { kind: "heading", text: line.replace(HEADING, ""), number: 0 };
  return { kind: "paragraph", ...plain };
}

/**
 * One line with bars and no border is no table: "Home | Claims | Contact".
 * @param {Line[]} lines
 * @returns {Line[]}
 */
function plainUnlessTable(lines) {
  return lines.map((line, index) => {
    const beside = [lines[index - 1], lines[index + 1]].some((other) => other?.kind === "table");
    const stays = line.kind !== "table" || beside || isFramed(line.text);
    return stays ? line : { ...line, kind: "paragraph" };
  });
}

/**
 * @param {Line[]} lines
 * @returns {Block}
 */
function blockOf(lines) {
  const [first] = lines;
  const runs = lines.map(({ text, citations }) => ({ pieces: piecesOf(text), citations }));
  if (first?.kind === "table") return tableOf(lines);
  if (first?.kind === "bullets") return { kind: "bullets", items: runs };
  if (first?.kind === "numbers") return { kind: "numbers", start: first.number, items: runs };
  return { kind: first?.kind ?? "paragraph", runs };
}

/**
 * @param {Line[]} lines
 * @returns {TableBlock}
 */
function tableOf(lines) {
  const texts = lines.map(({ text }) => text);
  const isShown = texts.map((text) => !isRule(text));
  const rows = cellsOf(texts).map((cells, at) => runsOf(cells, lines[at]?.citations ?? []));
  const top = headLines(texts);
  return {
    kind: "table",
    heads: rows.slice(0, top).filter((_, at) => isShown[at]),
    rows: rows.slice(top).filter((_, at) => isShown[top + at]),
  };
}

/**
 * The last cell carries the marks of its row.
 * @param {string[]} cells
 * @param {number[]} citations
 * @returns {Run[]}
 */
function runsOf(cells, citations) {
  return cells.map((cell, index) => ({
    pieces: piecesOf(cell),
    citations: index === cells.length - 1 ? citations : [],
  }));
}
