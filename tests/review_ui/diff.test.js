import assert from "node:assert/strict";
import { test } from "node:test";
import { wordDiff } from "../../review_ui/shared/diff.js";

/**
 * @param {string} before
 * @param {string} after
 */
function short(before, after) {
  const marks = { same: "", gone: "-", new: "+" };
  return wordDiff(before, after).map(({ kind, text }) => marks[kind] + text);
}

test("only the words that changed are marked", () => {
  assert.deepEqual(short("The fee is £25 a year.", "The fee is £30 a year."), [
    "The fee is ",
    "-£25",
    "+£30",
    " a year.",
  ]);
  assert.deepEqual(short("same words", "same words"), ["same words"]);
  assert.deepEqual(short("", "new"), ["+new"]);
  assert.deepEqual(short("gone", ""), ["-gone"]);
});

test("both texts can be put together from the changes", () => {
  const samples = [
    ["a b c d", "a x c y d"],
    ["one two", "two one"],
    ["a a a b", "a b a"],
    ["", ""],
    ["line\n\nline", "line\nline two"],
  ];
  for (const [before = "", after = ""] of samples) {
    const changes = wordDiff(before, after);
    const without = (/** @type {string} */ kind) =>
      changes
        .filter((change) => change.kind !== kind)
        .map((change) => change.text)
        .join("");
    assert.equal(without("gone"), after);
    assert.equal(without("new"), before);
  }
});

test("two long texts without a common word take no noticeable time", () => {
  const [before, after] = ["a", "b"].map((letter) => `${letter} `.repeat(20_000));
  const started = performance.now();
  assert.deepEqual(
    wordDiff(before ?? "", after ?? "").map((change) => change.kind),
    ["gone", "new", "same"],
  );
  assert.ok(performance.now() - started < 1000);
});
