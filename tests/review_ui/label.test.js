// @ts-check
// The labelling page's keys, and the points of the betting curve.

import assert from "node:assert/strict";
import { test } from "node:test";
import { DECISIONS, verdictOf } from "../../review_ui/label/verdicts.js";
import { pointsOf } from "../../review_ui/shared/progress.js";

const PLAIN = { key: "", ctrlKey: false, metaKey: false, altKey: false, repeat: false };

test("one key is one judgement", () => {
  const said = ["1", "2", "3"].map((key) => verdictOf({ ...PLAIN, key }, false));
  assert.deepEqual(said, ["right", "wrong", "unsure"]);
  assert.equal(verdictOf({ ...PLAIN, key: "4" }, false), null);
});

test("a key that is held down, typed or part of a shortcut judges nothing", () => {
  for (const more of [{ repeat: true }, { ctrlKey: true }, { metaKey: true }, { altKey: true }]) {
    assert.equal(verdictOf({ ...PLAIN, key: "1", ...more }, false), null);
  }
  assert.equal(verdictOf({ ...PLAIN, key: "1" }, true), null);
});

test("only what is right goes out", () => {
  assert.equal(DECISIONS.right.kind, "approve");
  for (const verdict of /** @type {const} */ (["wrong", "unsure"])) {
    assert.equal(DECISIONS[verdict].kind, "reject");
    assert.ok(DECISIONS[verdict].reason);
  }
});

test("the curve rises to the line at 1 and stays on the drawing", () => {
  assert.equal(pointsOf([0, 0.5, 1]), "0.0,57.1 160.0,34.3 320.0,11.4");
  assert.equal(pointsOf([-9, 9]), "0.0,80 320.0,0");
});
