// @ts-check
// Which of an answer's sentences are paragraphs, list items, table rows or headings.
//
// The service sends sentences; a list item, table row or heading is a sentence of its own. Only
// what cannot mislead is read as Markdown: links and pictures stay the text they are.

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
const BORDERED = /^\s*\|.*\|\s*$/;
const RULE = /^[\s|:-]*-{2,}[\s|:-]*$/;
const DIGIT = /\d/;
const YEAR = /^(?:19|20)\d\d$/;
const FIGURE = /[-+−±]?\d[\d.,:]*/g;
const LETTERS = /\p{L}+/gu;
/** Share of the cells below that may have the shape of a name with digits above them. */
const MOST_ALIKE = 1 / 3;
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
  if (BORDERED.test(line) || line.includes(" | ")) return { kind: "table", ...plain };
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
    const stays = line.kind !== "table" || beside || BORDERED.test(line.text);
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
  const isRuled = RULE.test(lines[1]?.text ?? "");
  const shown = lines.filter((line) => !RULE.test(line.text));
  const top = isRuled ? 1 : headerRows(shown.map(({ text }) => textsOf(text)));
  const rows = shown.map(cellsOf);
  return { kind: "table", heads: rows.slice(0, top), rows: rows.slice(top) };
}

/**
 * How many of the first rows name the columns. An answer quotes them above the rows that it quotes,
 * without the rule that marked them where they came from, so that their words must tell, as they
 * tell the service.
 * @param {string[][]} rows
 */
function headerRows(rows) {
  const [first = [], ...below] = rows;
  if (!below.length || !first.every((cell, place) => isName(cell, valuesAt(below, place), place)))
    return 0;
  let depth = 1;
  while (depth < below.length && goesOn(rows[depth - 1] ?? [], rows[depth] ?? [])) depth += 1;
  // Of two columns the first may be what is told and the second what it is.
  const counted = first.map((_, place) => valuesAt(rows.slice(depth), place).filter(hasDigit));
  const most = Math.max(...counted.map((cells) => cells.length));
  return first.length > 2 || 2 * most > below.length ? depth : 0;
}

/**
 * Whether a cell may name its column: what has digits, such as a year or a size, does where the
 * values below have another shape.
 * @param {string} cell
 * @param {string[]} values
 * @param {number} place
 */
function isName(cell, values, place) {
  if (!hasDigit(cell)) return true;
  if (place === 0 || !values.length) return false;
  if (YEAR.test(cell)) return !values.some((value) => YEAR.test(value));
  const alike = values.filter((value) => shapeOf(value) === shapeOf(cell));
  return alike.length <= MOST_ALIKE * values.length;
}

/**
 * Whether `row` is a second line of names: a label that reaches down stands in both.
 * @param {string[]} head
 * @param {string[]} row
 */
function goesOn(head, row) {
  const isBoth = head.some((cell, place) => cell !== "" && cell === row[place]);
  return isBoth && head.some((cell, place) => cell !== row[place]);
}

/** @param {string} cell */
function hasDigit(cell) {
  return DIGIT.test(cell);
}

/**
 * Numbers and words as signs for them: "1.4 litres" is like "12 bar".
 * @param {string} cell
 */
function shapeOf(cell) {
  return cell.replace(FIGURE, "0").replace(LETTERS, "a");
}

/**
 * @param {string[][]} rows
 * @param {number} place
 */
function valuesAt(rows, place) {
  return rows.flatMap((row) => row[place] ?? []);
}

/**
 * @param {Line} line
 * @returns {Run[]}
 */
function cellsOf({ text, citations }) {
  const cells = textsOf(text);
  return cells.map((cell, index) => ({
    pieces: piecesOf(cell),
    citations: index === cells.length - 1 ? citations : [],
  }));
}

/**
 * Bars at both ends frame the row; one at the start alone follows an empty cell.
 * @param {string} row
 */
function textsOf(row) {
  const line = row.trim();
  const inside = BORDERED.test(line) ? line.slice(1, -1) : line;
  return inside.split("|").map((cell) => cell.trim());
}
