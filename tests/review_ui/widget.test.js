import assert from "node:assert/strict";
import { test } from "node:test";
import { originsOf, snippet } from "../../review_ui/people/words.js";
import { whoVisits } from "../../review_ui/widget/visit.js";

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
