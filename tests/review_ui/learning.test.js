// @ts-check
// What leads and reviewers see of gaps, of earlier answers, and of each reviewer.

import assert from "node:assert/strict";
import { test } from "node:test";
import { documentOf, gapWords, withQuote } from "../../review_ui/operations/gaps.js";
import { cellsOf, warningWords } from "../../review_ui/operations/reviewers.js";
import { asEdit } from "../../review_ui/review/earlier.js";
import { endWords, truthWords } from "../../review_ui/review/practice.js";
import { citation, detail } from "./samples.js";

const NOW = Date.parse("2026-05-02T12:00:00Z");

test("an earlier answer gets the numbers that its sources have in this task", () => {
  const known = {
    passage_id: "p2",
    document_id: "d2",
    title: "Fees",
    page: 1,
    last_page: null,
    text: "The fee is £25.",
    removed: false,
    cited: false,
    number: 2,
    headings: [],
  };
  const task = detail("a", { evidence: [known] });
  const other = { passage_id: "p9", title: "Terms", page: null };
  const answer = {
    text: "First [1]. Second [2]. No source [7].",
    short: null,
    sentences: [],
    citations: [
      citation({ number: 1, ...other }),
      citation({ number: 2, passage_id: known.passage_id }),
    ],
  };
  const earlier = {
    answer_id: "e",
    question: "",
    answer,
    edited: false,
    released_at: "",
    similarity: 0.9,
  };
  const { text, sources } = asEdit(earlier, task, []);
  const [added] = sources;
  assert.ok(added);
  assert.equal(sources.length, 1);
  assert.deepEqual(added, { number: added.number, ...other });
  assert.notEqual(added.number, known.number);
  assert.equal(text, `First [${added.number}]. Second [${known.number}]. No source [7].`);
  assert.equal(asEdit(earlier, task, [added]).sources.length, 0);
});

test("an expert's answer is a Markdown file with the question as its heading", () => {
  const made = documentOf("0a1b2c3d4e5f", "  What is\nthe excess? ", " It is £350. ");
  assert.equal(made.name, "What-is-the-excess-0a1b2c3d.md");
  assert.equal(made.text, "# What is the excess?\n\nIt is £350.\n");
  assert.equal(documentOf("0a1b2c3d4e5f", "???", "x").name, "answer-0a1b2c3d.md");
});

test("answers to questions that begin alike do not replace each other", () => {
  const begins = `What is the excess ${"for water damage ".repeat(5)}`;
  const [one, other] = [
    documentOf("0".repeat(32), `${begins} here?`, "x"),
    documentOf("1".repeat(32), `${begins} there?`, "x"),
  ];
  assert.notEqual(one.name, other.name);
});

test("a quote is added below what was written, its rows on lines of their own", () => {
  const said = (/** @type {string[]} */ ...texts) => ({
    answer: {
      text: "",
      short: null,
      sentences: texts.map((text) => ({ text, citations: [1] })),
      citations: [citation({ number: 1, passage_id: "p" })],
    },
    headings: [],
  });
  assert.equal(
    withQuote("", said("It is free.", "It ends in May.")),
    "It is free. It ends in May.",
  );
  assert.equal(
    withQuote(" Yes. \n", said("Fee | Days", "Basic | 3")),
    " Yes.\n\nFee | Days\nBasic | 3",
  );
});

test("practice tells the truth, and how it went", () => {
  assert.equal(truthWords({ wrong: true, right: true }), "Yes. This answer is wrong.");
  assert.match(truthWords({ wrong: false, right: false }), /^No. This answer is right:/);
  assert.match(endWords(3, 5), /3 of 5/);
  assert.match(endWords(0, 0), /nothing to practise/);
});

test("a gap says how often, by how many, and what became of it", () => {
  const gap = {
    gap_id: "g",
    question: "?",
    wordings: [],
    asked: 3,
    askers: 1,
    abstained: 2,
    refused: 1,
    expired: 0,
    collections: [],
    first_at: "2026-05-01T12:00:00Z",
    last_at: "2026-05-01T12:00:00Z",
    written: [],
  };
  assert.match(gapWords(gap, NOW), /^3 times by 1 person, last .*: 2 not found, 1 rejected$/);
});

test("a reviewer's row says of how many a share is", () => {
  const one = {
    reviewer: "rita",
    authority: "Claims lead",
    trained_on: null,
    decisions: 5,
    approved: 3,
    edited: 1,
    rejected: 1,
    timed: 0,
    median_seconds: null,
    wrong_items: 4,
    missed: 1,
    right_items: 0,
    false_alarms: 0,
    gold_kappa: 0.5,
    pairs: 0,
    kappa: null,
    warnings: [],
  };
  const cells = cellsOf(one);
  assert.equal(cells[1], "Claims lead");
  assert.equal(cells[2], "5 (3 approved, 1 edited, 1 rejected)");
  assert.match(String(cells[4]), /^25.*\(1 of 4\)$/);
  assert.deepEqual(cells.slice(5), ["–", "0.50", "–"]);
  assert.equal(warningWords([]), "");
  assert.match(warningWords(["very_fast", "misses_wrong"]), /^Decides within seconds; approves/);
});
