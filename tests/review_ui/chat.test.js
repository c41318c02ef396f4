import assert from "node:assert/strict";
import { test } from "node:test";
import { placesOf } from "../../review_ui/chat/answer.js";
import { conversationText, fileName } from "../../review_ui/chat/export.js";
import { waitWords } from "../../review_ui/chat/waiting.js";
import { answer, citation } from "./samples.js";

test("an exported conversation has questions, answers, sources and what stands behind them", () => {
  const released = answer({
    question: "What is\nthe fee?",
    status: "released",
    released_by: "reviewer",
    answer: { text: "It is £25. [1]", short: null, sentences: [], citations: [citation()] },
  });
  const refused = answer({ question: "", status: "rejected", message: "Erased.", answer: null });
  const text = conversationText({ title: "Fees\n# x", answers: [released, refused] });
  assert.match(text, /^# Fees # x\n\n## What is the fee\?\n/);
  assert.match(text, /It is £25\. \[1\]\n\nSources:\n\[1\] Fees, page 2/);
  assert.match(text, /Approved by a reviewer/);
  assert.match(text, /## Erased\n(?:.*\n)*Erased\.\n$/);
});

test("a place that is quoted twice is named once, with both marks", () => {
  const elsewhere = { ...citation(), number: 3, page: 4 };
  const places = placesOf([citation(), { ...citation(), number: 2 }, elsewhere]);
  assert.deepEqual(
    places.map(({ marks, place }) => [marks, place]),
    [
      ["[1] [2]", "Fees, page 2"],
      ["[3]", "Fees, page 4"],
    ],
  );
});

test("an export has a name that every file system takes", () => {
  assert.equal(fileName("What is the fee? ../../x"), "What-is-the-fee-x.md");
  assert.equal(fileName("保険 ¿Qué?"), "保険-Qué.md");
  assert.equal(fileName("?!"), "conversation.md");
});

test("the usual wait is told in one unit, and not at all without figures", () => {
  assert.equal(waitWords(null), "");
  assert.match(waitWords(20), /a minute/);
  assert.match(waitWords(600), /about 10 minutes/);
  assert.match(waitWords(7200), /about 2 hours/);
  assert.match(waitWords(200_000), /about 2 days/);
});
