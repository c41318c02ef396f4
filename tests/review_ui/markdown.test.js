import assert from "node:assert/strict";
import { test } from "node:test";
import { blocksOf, piecesOf } from "../../review_ui/shared/markdown.js";

/** @import { Block, Run } from "../../review_ui/shared/markdown.js" */

/**
 * Sentences that each cite their own place, from 1.
 * @param {string[]} texts
 */
function said(...texts) {
  return texts.map((text, index) => ({ text, citations: [index + 1] }));
}

/** @param {Run} run */
function flat({ pieces, citations }) {
  return pieces.map((piece) => piece.text).join("") + citations.map((n) => `[${n}]`).join("");
}

/** @param {Block} block */
function summary(block) {
  if (block.kind === "table") {
    return {
      kind: "table",
      heads: block.heads.map((row) => row.map(flat)),
      rows: block.rows.map((row) => row.map(flat)),
    };
  }
  const runs = block.kind === "bullets" || block.kind === "numbers" ? block.items : block.runs;
  return { kind: block.kind, runs: runs.map(flat) };
}

test("plain sentences are one paragraph, and each keeps its citations", () => {
  assert.deepEqual(blocksOf(said("One.", "Two.")).map(summary), [
    { kind: "paragraph", runs: ["One.[1]", "Two.[2]"] },
  ]);
});

test("list items, one sentence each, become lists", () => {
  const blocks = blocksOf(said("You need:", "- a key", "* a badge", "3. first", "4) then"));
  assert.deepEqual(blocks.map(summary), [
    { kind: "paragraph", runs: ["You need:[1]"] },
    { kind: "bullets", runs: ["a key[2]", "a badge[3]"] },
    { kind: "numbers", runs: ["first[4]", "then[5]"] },
  ]);
  assert.equal(blocks[2]?.kind === "numbers" && blocks[2].start, 3);
});

test("table rows become a table, with a head where a rule follows it", () => {
  const rows = said("| Cover | Excess |", "|---|:--:|", "| Water | £250 |");
  assert.deepEqual(blocksOf(rows).map(summary), [
    { kind: "table", heads: [["Cover", "Excess[1]"]], rows: [["Water", "£250[3]"]] },
  ]);
  const bare = said("Water | £250", "Fire | £100");
  assert.deepEqual(blocksOf(bare).map(summary), [
    {
      kind: "table",
      heads: [],
      rows: [
        ["Water", "£250[1]"],
        ["Fire", "£100[2]"],
      ],
    },
  ]);
});

/** How many rows of a table name its columns. */
function named(/** @type {string[]} */ ...rows) {
  const [block] = blocksOf(said(...rows));
  return block?.kind === "table" ? block.heads.length : -1;
}

test("rows that an answer quotes are below the names of their columns", () => {
  assert.equal(named("Bike | Per day | Deposit", "Electric bike | €32 | €150"), 1);
  assert.equal(named("Plan | Fee", "Basic | £5", "Pro | £9"), 1);
  assert.equal(named("Plan | Support | Seats", "Basic | e-mail | one"), 1);
  assert.equal(named("Fee | 2025 | 2026", "Basic | £5 | £6"), 1);
  assert.equal(named(" | Summer | Summer", " | Day | Night", "Pitch | £20 | £15"), 1);
  assert.equal(named("Pitch | Summer | Winter", "Pitch | Day | Day", "Tent | £20 | £15"), 2);
});

test("a column without a name keeps its place", () => {
  const [block] = blocksOf(said("| Summer | Winter", "Pitch | £20 | £15")).map(summary);
  assert.deepEqual(block, {
    kind: "table",
    heads: [["", "Summer", "Winter[1]"]],
    rows: [["Pitch", "£20", "£15[2]"]],
  });
});

test("rows without the names of their columns have no head", () => {
  assert.equal(named("Water | £250", "Fire | £100"), 0);
  assert.equal(named("Basic | 5 users | e-mail", "Pro | 10 users | phone"), 0);
  assert.equal(named("Wi-Fi | free", "Parking | in the street"), 0);
  assert.equal(named("| Fee | Basic |"), 0);
  assert.equal(named("2025 | £5 | £6", "2026 | £6 | £7"), 0);
  assert.equal(named("Mon | 8:00 | 18:00", "Tue | 9:00 | 17:00"), 0);
});

test("one line with bars is text, not a table", () => {
  assert.deepEqual(blocksOf(said("Home | Claims | Contact")).map(summary), [
    { kind: "paragraph", runs: ["Home | Claims | Contact[1]"] },
  ]);
});

test("lines inside one sentence are told apart; its citations come last", () => {
  const blocks = blocksOf([{ text: "# Fees\n- one\n- two", citations: [7] }]);
  assert.deepEqual(blocks.map(summary), [
    { kind: "heading", runs: ["Fees"] },
    { kind: "bullets", runs: ["one", "two[7]"] },
  ]);
});

test("strong, emphasised and code are styled; what only looks like it stays", () => {
  assert.deepEqual(piecesOf("a **b** *c* `d*e*`"), [
    { text: "a ", style: "plain" },
    { text: "b", style: "strong" },
    { text: " ", style: "plain" },
    { text: "c", style: "em" },
    { text: " ", style: "plain" },
    { text: "d*e*", style: "code" },
  ]);
  for (const text of ["5 * 3 * 2", "2*3*4", "a ** b ** c", "snake_case_name", "`open"]) {
    assert.deepEqual(piecesOf(text), [{ text, style: "plain" }], text);
  }
});

test("links, pictures and markup stay the text they are", () => {
  for (const text of ["[pay here](https://evil)", "![x](y)", "<b>bold</b>", "<script>1</script>"]) {
    assert.deepEqual(piecesOf(text), [{ text, style: "plain" }], text);
  }
});

test("no text is lost, whatever it is", () => {
  for (const text of ["-", "- ", "|", "||", "1.", "#", "* * *", "**", "|-|", "- - x"]) {
    const shown = blocksOf([{ text, citations: [1] }]).map(summary);
    assert.ok(JSON.stringify(shown).includes("[1]"), text);
  }
});
