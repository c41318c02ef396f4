// @ts-check
// Which lines of a text are rows of tables, where their cells stand, and which rows name columns.

/** @typedef {{text: string, marked: boolean}} Piece */
/** @typedef {Piece[]} Cell */
/** @typedef {{kind: "text", pieces: Piece[]}} TextBlock */
/** @typedef {{kind: "table", columns: number, heads: Cell[][], rows: Cell[][]}} TableBlock */
/** @typedef {{start: number, end: number, text: string}} Line offsets in the text */
/** @typedef {{isTable: boolean, lines: Line[]}} Group */

const FRAMED = /^\s*\|.*\|\s*$/;
const PARTED = /(?<=^|\s)\|(?=\s|$)/;
/** A bar that parts two cells: of a framed row any one that is not escaped. */
const BARS = { framed: /(?<!\\)\|/g, bare: new RegExp(PARTED, "g") };
const RULE = /^[\s|:-]*-{2,}[\s|:-]*$/;
/** The longest line that may be a cell over the whole width of a table. */
const MOST_ACROSS = 120;
const DIGIT = /\d/;
const YEAR = /^(?:19|20)\d\d$/;
const FIGURE = /[-+−±]?\d[\d.,:]*/g;
const LETTERS = /\p{L}+/gu;
/** Share of the cells below that may have the shape of a name with digits above them. */
const MOST_ALIKE = 1 / 3;

/**
 * Whether the line has bars at both ends.
 * @param {string} line
 */
export function isFramed(line) {
  return FRAMED.test(line);
}

/**
 * Whether the line may be a row: alone, without a frame, it is none ("Home | Claims | Contact").
 * @param {string} line
 */
export function isRow(line) {
  return FRAMED.test(line) || PARTED.test(line);
}

/**
 * The line below the names of columns in Markdown.
 * @param {string} line
 */
export function isRule(line) {
  return RULE.test(line);
}

/**
 * The cells of each row of one table, without the space around them.
 * @param {string[]} lines
 */
export function cellsOf(lines) {
  return spansOfRows(lines).map((spans, at) =>
    spans.map(([start, end]) => (lines[at] ?? "").slice(start, end)),
  );
}

/**
 * Where every row has bars at both ends they are its frame; else a bar at an end stands beside an
 * empty cell, unless only a frame gives the row as many cells as the others have.
 * @param {string[]} lines
 */
function spansOfRows(lines) {
  const bare = lines.filter((line) => !isFramed(line)).map((line) => spansOf(line, false).length);
  const most = Math.max(0, ...bare);
  return lines.map((line) => {
    const framed = isFramed(line) ? spansOf(line, true) : [];
    return framed.length && (!bare.length || framed.length === most)
      ? framed
      : spansOf(line, false);
  });
}

/**
 * Where the cells of a row begin and end in it.
 * @param {string} line
 * @param {boolean} framed
 * @returns {[number, number][]}
 */
function spansOf(line, framed) {
  const bars = [...line.matchAll(framed ? BARS.framed : BARS.bare)].map(({ index }) => index);
  const ends = framed ? bars : [-1, ...bars, line.length];
  return ends.slice(1).map((end, place) => trimmed(line, (ends[place] ?? -1) + 1, end));
}

/**
 * @param {string} line
 * @param {number} start
 * @param {number} end
 * @returns {[number, number]}
 */
function trimmed(line, start, end) {
  const cell = line.slice(start, end);
  const from = start + cell.length - cell.trimStart().length;
  return [from, from + cell.trim().length];
}

/**
 * How many of the first lines of a table name its columns, a rule below them included.
 * @param {string[]} lines
 */
export function headLines(lines) {
  if (isRule(lines[1] ?? "")) return 2;
  return headerRows(cellsOf(lines.filter((line) => isRow(line) && !isRule(line))));
}

/**
 * How many of the first rows name the columns. Rows come without the rule that marked them where
 * they came from, so that their words must tell, as they tell the service.
 * @param {string[][]} rows
 */
export function headerRows(rows) {
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
 * A text as paragraphs and tables, in its order; what is marked stays marked in every cell that it
 * reaches into. A text without tables is one block, as it is.
 * @param {Piece[]} pieces
 * @returns {(TextBlock | TableBlock)[]}
 */
export function laidOut(pieces) {
  const groups = groupsOf(pieces.map(({ text }) => text).join(""));
  const blocks = groups.map((group) => {
    if (group.isTable) return tableOf(group.lines, pieces);
    const [start, end] = groups.length > 1 ? inside(group.lines) : ends(group.lines);
    return textOf(cut(pieces, start, end));
  });
  return blocks.filter((block) => block.kind === "table" || block.pieces.length > 0);
}

/**
 * @param {Piece[]} pieces
 * @returns {TextBlock}
 */
function textOf(pieces) {
  return { kind: "text", pieces };
}

/**
 * Of sentences that are rows of one table, the rows that name its columns: none above these
 * themselves. Null for what is no row.
 * @param {string[]} sentences
 * @returns {(string[] | null)[]}
 */
export function namesAbove(sentences) {
  /** @type {(string[] | null)[]} */
  const names = sentences.map(() => null);
  const isAlone = sentences.map((text) => !text.includes("\n"));
  const rows = rowsAmong(sentences.map((text, at) => (isAlone[at] ? text : "")));
  for (let at = 0; at < rows.length; at += 1) {
    if (!rows[at]) continue;
    const end = rows.indexOf(false, at);
    const group = sentences.slice(at, end < 0 ? rows.length : end);
    const top = headLines(group);
    const heads = group.slice(0, top);
    for (const [place] of group.entries()) names[at + place] = place < top ? [] : heads;
    at += group.length;
  }
  return names;
}

/**
 * One row below the names of its columns.
 * @param {string[]} names
 * @param {Piece[]} row
 * @param {boolean} isName whether the row names the columns itself
 */
export function rowBelow(names, row, isName) {
  const above = names.map((text) => ({ text: `${text}\n`, marked: false }));
  const pieces = [...above, ...row];
  const lines = linesOf(pieces.map(({ text }) => text).join(""));
  return tableOf(lines, pieces, isName ? lines.length : names.length);
}

/**
 * The lines of the table that holds `offset`, and those of them that name its columns; null where
 * the text is none there.
 * @param {string} text
 * @param {number} offset
 */
export function tableAt(text, offset) {
  const holds = (/** @type {Group} */ { lines }) => {
    const [start, end] = ends(lines);
    return start <= offset && offset <= end;
  };
  const group = groupsOf(text).find((one) => one.isTable && holds(one));
  if (!group) return null;
  const heads = group.lines.slice(0, headLines(group.lines.map((line) => line.text)));
  return { lines: group.lines, heads };
}

/**
 * Lines that belong together. A short line between two rows of as many cells is a cell over the
 * whole width.
 * @param {string} text
 * @returns {Group[]}
 */
function groupsOf(text) {
  const lines = linesOf(text);
  const rows = rowsAmong(lines.map((line) => line.text));
  /** @type {Group[]} */
  const groups = [];
  for (const [at, line] of lines.entries()) {
    const isTable = rows[at] ?? false;
    const last = groups.at(-1);
    if (last?.isTable === isTable) last.lines.push(line);
    else groups.push({ isTable, lines: [line] });
  }
  return groups;
}

/**
 * @param {string[]} lines
 * @returns {boolean[]}
 */
function rowsAmong(lines) {
  const may = lines.map(isRow);
  const width = (/** @type {number} */ at) => cellsOf([lines[at] ?? ""])[0]?.length ?? 0;
  const isAcross = (/** @type {number} */ at) =>
    Boolean(may[at - 1] && may[at + 1] && lines[at]?.trim()) &&
    (lines[at]?.length ?? 0) <= MOST_ACROSS &&
    width(at - 1) === width(at + 1);
  const across = lines.map((_, at) => !may[at] && isAcross(at));
  const goesOn = (/** @type {number} */ at) => Boolean(may[at] || across[at]);
  return may.map((row, at) =>
    row ? goesOn(at - 1) || goesOn(at + 1) || isFramed(lines[at] ?? "") : Boolean(across[at]),
  );
}

/**
 * @param {string} text
 * @returns {Line[]}
 */
function linesOf(text) {
  let start = 0;
  return text.split("\n").map((line) => {
    const found = { start, end: start + line.length, text: line };
    start = found.end + 1;
    return found;
  });
}

/**
 * @param {Line[]} lines
 * @returns {[number, number]}
 */
function ends(lines) {
  return [lines[0]?.start ?? 0, lines.at(-1)?.end ?? 0];
}

/**
 * Without the empty lines that part a paragraph from a table.
 * @param {Line[]} lines
 * @returns {[number, number]}
 */
function inside(lines) {
  const filled = lines.filter(({ text }) => text.trim());
  return filled.length ? ends(filled) : [0, 0];
}

/**
 * @param {Line[]} lines
 * @param {Piece[]} pieces
 * @returns {TableBlock}
 */
function tableOf(lines, pieces, top = headLines(lines.map(({ text }) => text))) {
  const texts = lines.map(({ text }) => text);
  const shown = spansOfRows(texts).map((spans, at) => {
    const start = lines[at]?.start ?? 0;
    return spans.map(([from, to]) => cut(pieces, start + from, start + to));
  });
  const isShown = (/** @type {number} */ at) => !isRule(texts[at] ?? "");
  const columns = Math.max(...shown.map((row) => row.length));
  const heads = shown.slice(0, top).filter((_, at) => isShown(at));
  const rows = shown.slice(top).filter((_, at) => isShown(top + at));
  return { kind: "table", columns, heads, rows };
}

/**
 * @param {Piece[]} pieces
 * @param {number} start
 * @param {number} end
 */
function cut(pieces, start, end) {
  let at = 0;
  const found = pieces.map(({ text, marked }) => {
    const shown = text.slice(Math.max(0, start - at), Math.max(0, end - at));
    at += text.length;
    return { text: shown, marked };
  });
  return found.filter(({ text }) => text !== "");
}
