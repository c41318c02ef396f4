import assert from "node:assert/strict";
import { test } from "node:test";
import {
  inForce,
  keyState,
  keyUse,
  liveFirst,
  matching,
  scopeWords,
} from "../../review_ui/people/words.js";
import { pagesFor } from "../../review_ui/shared/pages.js";

const NOW = Date.parse("2026-05-01T12:00:00Z");
const KEY = {
  key_id: "k1",
  principal: "ann",
  created_at: "2026-04-01T12:00:00Z",
  expires_at: null,
  revoked_at: null,
  last_used_at: null,
};

/**
 * @param {string} name
 * @param {Partial<import("../../review_ui/shared/wire.d.ts").Account>} [changes]
 */
function account(name, changes) {
  return { name, roles: ["asker"], scope: null, disabled: false, ...changes };
}

test("what an account may see and has in force is told in words", () => {
  assert.equal(scopeWords(null), "every collection");
  assert.equal(scopeWords([]), "no collection");
  assert.equal(scopeWords(["a", "b"]), "a and b");
  assert.equal(inForce({ sessions: 1, keys: 0 }), "1 sign-in, 0 keys");
});

test("people are found by name, role, collection and state, every word of the search", () => {
  const all = [
    account("Ann", { scope: ["claims"] }),
    account("rob", { roles: ["reviewer"], scope: ["claims"] }),
    account("old", { disabled: true }),
  ];
  /** @param {string} text */
  const names = (text) => matching(all, text).map(({ name }) => name);
  assert.deepEqual(names(""), ["Ann", "rob", "old"]);
  assert.deepEqual(names("ANN"), ["Ann"]);
  assert.deepEqual(names("claims reviewer"), ["rob"]);
  assert.deepEqual(names("disabled"), ["old"]);
  assert.deepEqual(names("claims disabled"), []);
});

test("a key's end counts: revoked and expired open nothing, and soon is a warning", () => {
  const state = (/** @type {Partial<typeof KEY>} */ changes) =>
    keyState({ ...KEY, ...changes }, NOW);
  assert.deepEqual(state({}), { words: "no end", tone: "ok", live: true });
  const revoked = /** @type {any} */ ({ revoked_at: "2026-04-02T12:00:00Z" });
  assert.equal(state(revoked).live, false);
  const at = (/** @type {string} */ iso) => state(/** @type {any} */ ({ expires_at: iso }));
  assert.equal(at("2026-05-01T11:59:59Z").words, "expired");
  assert.equal(at("2026-05-01T12:00:00Z").live, false);
  assert.equal(at("2026-05-03T12:00:00Z").tone, "warn");
  assert.match(at("2026-08-01T12:00:00Z").words, /^ends in 92 days/);
  assert.equal(at("2026-08-01T12:00:00Z").tone, "ok");
});

test("a key that was never used says so, and keys that open something stand first", () => {
  assert.match(keyUse(KEY, NOW), /never used$/);
  const used = { ...KEY, last_used_at: "2026-05-01T11:00:00Z" };
  assert.match(keyUse(used, NOW), /last used 1 h/);
  const dead = { ...KEY, key_id: "k0", revoked_at: "2026-04-02T12:00:00Z" };
  const order = liveFirst(/** @type {any} */ ([dead, KEY]), NOW).map(({ key_id }) => key_id);
  assert.deepEqual(order, ["k1", "k0"]);
});

test("everybody is led to the pages of their roles, in one order", () => {
  const names = pagesFor(["admin", "operator", "asker"]).map(({ name }) => name);
  assert.deepEqual(names, ["Chat", "Operations", "Documents", "People"]);
  assert.deepEqual(pagesFor([]), []);
});
