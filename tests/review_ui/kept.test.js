import assert from "node:assert/strict";
import { test } from "node:test";
import { keepUnsaved, loadUnsaved } from "../../review_ui/review/unsaved.js";
import { dropKept, keep, keepFor, loadKept } from "../../review_ui/shared/kept.js";

/** A storage as a tab has it; `room` is how many characters fit. */
function tab(room = 10_000) {
  const kept = {};
  const methods = {
    getItem: (/** @type {string} */ key) => Reflect.get(kept, key) ?? null,
    removeItem: (/** @type {string} */ key) => Reflect.deleteProperty(kept, key),
    setItem: (/** @type {string} */ key, /** @type {string} */ value) => {
      if (value.length > room) throw new Error("QuotaExceededError");
      Reflect.set(kept, key, value);
    },
  };
  // Its keys are its own properties, its methods are not.
  const storage = Object.setPrototypeOf(kept, methods);
  return /** @type {Storage} */ (storage);
}

test("what was written is kept for who wrote it, and dropped for anybody else", () => {
  const storage = tab();
  keepFor("rita");
  keep("question", "One\ntwo", storage);
  assert.equal(loadKept("question", storage), "One\ntwo");
  keepFor("rob");
  assert.equal(loadKept("question", storage), "");
  keepFor("rita");
  assert.equal(loadKept("question", storage), "");
});

test("signing out drops what was kept, and nothing else", () => {
  const storage = tab();
  storage.setItem("countersign.thread", "x");
  keep("question", "One", storage);
  keepUnsaved({ edits: { a: "Two" }, sources: {} }, storage);
  dropKept(storage);
  assert.deepEqual(Object.keys(storage), ["countersign.thread"]);
});

test("where there is no room, no older text is taken for the newest", () => {
  const storage = tab(20);
  keep("question", "Short", storage);
  keep("question", "Far too long to be kept here", storage);
  assert.equal(loadKept("question", storage), "");
});

test("unsaved edits come back with what they cite, and no other sources", () => {
  const storage = tab();
  const source = { number: 4, passage_id: "p4", title: "Fees", page: 2 };
  const sources = { a: [source], gone: [source] };
  keepUnsaved({ edits: { a: "Mine [4].\nMore." }, sources }, storage);
  assert.deepEqual(loadUnsaved(storage), {
    edits: { a: "Mine [4].\nMore." },
    sources: { a: [source] },
  });
  keepUnsaved({ edits: {}, sources }, storage);
  assert.deepEqual(loadUnsaved(storage), { edits: {}, sources: {} });
});
