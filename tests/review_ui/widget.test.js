import assert from "node:assert/strict";
import { test } from "node:test";
import { originsOf, snippet } from "../../review_ui/people/words.js";
import { before, questionProblem } from "../../review_ui/shared/question.js";
import { heldWords, keptBySite, whoVisits } from "../../review_ui/widget/visit.js";

test("a visitor is nobody unless the site has signed them", () => {
  assert.deepEqual(whoVisits("#label=Ask"), {});
  assert.deepEqual(whoVisits("#user=ann&issued=5"), {});
  assert.deepEqual(whoVisits("#user=a%26b&issued=5&signature=ff"), {
    user: "a&b",
    issued: 5,
    signature: "ff",
  });
});

test("sites are typed with or without their scheme", () => {
  assert.deepEqual(originsOf(" a.example, http://b:81\nc.example "), [
    "https://a.example",
    "http://b:81",
    "https://c.example",
  ]);
  assert.match(snippet("https://x", "pk_1"), /src="https:\/\/x\/widget\.js" data-key="pk_1"/);
});

test("a frame without storage goes on with what its site kept, and tells it of changes", async () => {
  /** @type {string[]} */
  const told = [];
  const keeper = keptBySite("cw_one", (value) => told.push(value));
  assert.equal(keeper.getItem("anything"), "cw_one");
  keeper.setItem("anything", "cw_two");
  assert.deepEqual(told, ["cw_two"]);
});

test("who is nobody to the site is not told that they may leave", () => {
  const message = "A person checks it. You can leave this page: it will be here. Call 112 at once.";
  assert.equal(heldWords(message, true), message);
  assert.equal(
    heldWords(message, false),
    "A person checks it. Call 112 at once. Please keep this page open: the answer appears here.",
  );
});

test("a question says why it cannot be sent, and loses nothing that was written meanwhile", () => {
  assert.equal(questionProblem(""), "Please write a question.");
  assert.equal(questionProblem("\u{1F6F6}".repeat(4000)), "");
  assert.match(questionProblem("x".repeat(10_000)), /4,000 characters; this one has 10,000/);
  assert.equal(before("How much?", ""), "How much?");
  assert.equal(before("How much?", "How much?"), "How much?");
  assert.equal(before("How much?", "And when?"), "How much?\nAnd when?");
});
