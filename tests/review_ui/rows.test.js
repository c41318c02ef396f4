import assert from "node:assert/strict";
import { test } from "node:test";
import { partsLaidOut, partsOf } from "../../review_ui/shared/document.js";
import { cutAtQuote, nearQuote, piecesQuoted } from "../../review_ui/shared/passage.js";
import { laidOut, namesAbove, rowBelow } from "../../review_ui/shared/rows.js";

/** @import { Cell, Piece, TableBlock, TextBlock } from "../../review_ui/shared/rows.js" */

/** @param {Piece[]} pieces */
function flat(pieces) {
  return pieces.map(({ text, marked }) => (marked ? `[${text}]` : text)).join("");
}

/** @param {TextBlock | TableBlock} block */
function summary(block) {
  if (block.kind === "text") return flat(block.pieces);
  const rows = (/** @type {Cell[][]} */ some) => some.map((cells) => cells.map(flat));
  return { heads: rows(block.heads), rows: rows(block.rows) };
}

/** @param {Piece[]} pieces */
function blocks(...pieces) {
  return laidOut(pieces).map(summary);
}

/**
 * @param {string} text
 * @returns {Piece}
 */
function plain(text) {
  return { text, marked: false };
}

/**
 * @param {string} text
 * @returns {Piece}
 */
function mark(text) {
  return { text, marked: true };
}

test("rows amid paragraphs are a table, with a mark in each cell that a quote reaches into", () => {
  const found = blocks(
    plain("Our lines.\n\nService | Number\nHome | 0"),
    mark("1\nMotor | 02\n"),
    plain("Pets | 03\n\nCall us."),
  );
  assert.deepEqual(found, [
    "Our lines.",
    {
      heads: [["Service", "Number"]],
      rows: [
        ["Home", "0[1]"],
        ["[Motor]", "[02]"],
        ["Pets", "03"],
      ],
    },
    "Call us.",
  ]);
});

test("a text without a table stays one block, with all its lines", () => {
  const text = "\nHome | Claims | Contact\n\n  One.  \n";
  assert.deepEqual(blocks(plain(text)), [text]);
  assert.deepEqual(blocks(plain("")), []);
});

test("bars at both ends are a frame where every row has them, else empty cells", () => {
  const framed = blocks(plain("| A | B |\n|---|---|\n| x\\|y | 1 |"));
  assert.deepEqual(framed, [{ heads: [["A", "B"]], rows: [["x\\|y", "1"]] }]);
  const bare = blocks(plain("A | B | C\n | 1 | \nx | 2 | y"));
  assert.deepEqual(bare, [
    {
      heads: [["A", "B", "C"]],
      rows: [
        ["", "1", ""],
        ["x", "2", "y"],
      ],
    },
  ]);
});

test("a short line between rows is a cell over the whole width", () => {
  const found = blocks(plain("Fee | Amount\nCards\nNew card | £5\nPlans\nBasic | £9"));
  assert.deepEqual(found, [
    {
      heads: [["Fee", "Amount"]],
      rows: [["Cards"], ["New card", "£5"], ["Plans"], ["Basic", "£9"]],
    },
  ]);
});

test("of a table the quoted row is shown with its neighbours below the names of the columns", () => {
  const rows = [...Array(9).keys()].map((n) => `Cover ${n} | £${n}00`);
  const text = ["Intro.", "", "Cover | Limit", ...rows, "", "Outro."].join("\n");
  const quote = "Cover 5 | £500";
  const cut = cutAtQuote(text, { start: 0, end: 0, quote });
  assert.ok(cut);
  const near = nearQuote(cut, 20);
  assert.equal(near.before, "Cover | Limit\n…\nCover 3 | £300\nCover 4 | £400\n");
  assert.equal(near.after, "\nCover 6 | £600\nCover 7 | £700\n…");
  const shown = [near.before, near.quote, near.after].map((part, at) =>
    at === 1 ? mark(part) : plain(part),
  );
  const [table] = laidOut(shown);
  assert.deepEqual(table?.kind === "table" && table.heads.map((row) => row.map(flat)), [
    ["Cover", "Limit"],
  ]);
});

test("every quote of a passage is marked, each place once", () => {
  const at = (/** @type {string} */ quote) => ({ start: 0, end: 0, quote });
  const pieces = piecesQuoted("A | B\nx | 1\ny | 2", ["y | 2", "A | B", "| B", "z"].map(at));
  assert.equal(flat(pieces), "[A | B]\nx | 1\n[y | 2]");
  assert.deepEqual(piecesQuoted("Plain.", []), [plain("Plain.")]);
});

test("a table that goes on in the next passage gets no second head", () => {
  const first = "Wine | Stored | Served\nRed | cool | warm\n";
  const second = "White | cold | cool\nPort | cool | warm";
  const at = { page: null, last_page: null, headings: [], passage_id: "" };
  const parts = partsOf(
    /** @type {any} */ ([
      { ...at, text: first, start: 0, end: first.length },
      { ...at, text: second, start: first.length, end: first.length + second.length },
    ]),
  );
  const [one, two] = partsLaidOut(parts).map(({ blocks: all }) => all.map(summary));
  assert.deepEqual(one?.[0], {
    heads: [["Wine", "Stored", "Served"]],
    rows: [["Red", "cool", "warm"]],
  });
  assert.deepEqual(two, [
    {
      heads: [],
      rows: [
        ["White", "cold", "cool"],
        ["Port", "cool", "warm"],
      ],
    },
  ]);
});

test("each sentence that is a row stands below the names of its columns", () => {
  const said = ["These are open:", "Line | Number", "Fraud | 01", "Pets | 02", "Ask us."];
  assert.deepEqual(namesAbove(said), [null, [], ["Line | Number"], ["Line | Number"], null]);
  const row = rowBelow(["Line | Number"], [plain("Fraud | "), mark("01")], false);
  assert.deepEqual(summary(row), { heads: [["Line", "Number"]], rows: [["Fraud", "[01]"]] });
  assert.deepEqual(summary(rowBelow([], [plain("Line | Number")], true)), {
    heads: [["Line", "Number"]],
    rows: [],
  });
});
