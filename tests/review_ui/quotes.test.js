// @ts-check
// How a quote becomes an unsaved answer.

import assert from "node:assert/strict";
import { test } from "node:test";
import { quoteAsEdit } from "../../review_ui/review/quotes.js";
import { citation, detail } from "./samples.js";

const EVIDENCE = {
  document_id: "d1",
  title: "Fees",
  page: 2,
  last_page: null,
  text: "Fee | Days\nBasic | 3",
  removed: false,
  headings: [],
};
const TASK = detail("a", {
  evidence: [
    { ...EVIDENCE, passage_id: "p1", cited: true, number: 1 },
    { ...EVIDENCE, passage_id: "p2", cited: false, number: 2 },
  ],
});

/**
 * @param {string} passage_id
 * @param {string[]} parts
 */
function quote(passage_id, parts) {
  const citations = parts.map((part, at) => citation({ number: at + 1, passage_id, quote: part }));
  const sentences = parts.map((text, at) => ({ text, citations: [at + 1] }));
  return { answer: { text: parts.join(" "), short: null, sentences, citations }, headings: [] };
}

test("a quote takes the number of its passage, unless the draft quotes that elsewhere", () => {
  const other = quoteAsEdit(quote("p2", ["It is due at once."]), TASK, [], "");
  assert.deepEqual(other, { text: "It is due at once [2].", sources: [] });
  const same = quoteAsEdit(quote("p1", ["It is due at once."]), TASK, [], "");
  const added = { number: 3, passage_id: "p1", title: "Fees", page: 2 };
  assert.deepEqual(same, { text: "It is due at once [3].", sources: [added] });
});

test("each part of a quote is cited by itself, rows on lines of their own", () => {
  const { text, sources } = quoteAsEdit(quote("p2", ["Fee | Days", "Basic | 3"]), TASK, [], "");
  assert.equal(text, "Fee | Days [2]\nBasic | 3 [3]");
  assert.deepEqual(
    sources.map(({ number, passage_id }) => [number, passage_id]),
    [[3, "p2"]],
  );
  const prose = quoteAsEdit(quote("p2", ["It is free.", "This ends in May."]), TASK, [], "");
  assert.equal(prose.text, "It is free [2]. This ends in May [3].");
});

test("what was written stays before the quote, and its sources keep their numbers", () => {
  const added = [{ number: 3, passage_id: "p9", title: "Terms", page: null }];
  const more = quoteAsEdit(quote("p2", ["It is free."]), TASK, added, "Ours [3]. See [2].\n");
  assert.equal(more.text, "Ours [3]. See [2].\nIt is free [4].");
  assert.deepEqual(
    more.sources.map(({ number }) => number),
    [4],
  );
});
