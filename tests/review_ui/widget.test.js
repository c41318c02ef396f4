import assert from "node:assert/strict";
import { test } from "node:test";
import { originsOf, snippet } from "../../review_ui/people/words.js";
import { keptBySite, Visit, whoVisits } from "../../review_ui/widget/visit.js";

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

test("a frame without storage goes on with what its site kept, and tells it of changes", () => {
  const kept = JSON.stringify({ token: "t", answers: ["a"] });
  /** @type {string[]} */
  const told = [];
  const keeper = keptBySite(kept, (value) => told.push(value));
  assert.equal(keeper.getItem("anything"), kept);
  new Visit("pk_1", {}, keeper).keep({ token: "t", answers: ["a", "b"] });
  assert.deepEqual(told, ['{"token":"t","answers":["a","b"]}']);
  const signed = { user: "ann", issued: 1, signature: "ff" };
  new Visit("pk_1", signed, keeper).keep({ token: "u", answers: [] });
  assert.equal(told.length, 1); // a user is found again by name
});
