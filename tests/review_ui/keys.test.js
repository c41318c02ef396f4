import assert from "node:assert/strict";
import { test } from "node:test";
import { commandOf } from "../../review_ui/review/keys.js";

const IDLE = { typing: false, shortcuts: true, mode: "" };

/** @param {string} key */
function press(key, held = {}) {
  return { key, ctrlKey: false, metaKey: false, altKey: false, ...held };
}

test("letters move and decide", () => {
  const letters = ["j", "k", "a", "e", "r", "x", "u", "/"];
  const commands = letters.map((key) => commandOf(press(key), IDLE));
  const deciding = ["approve", "edit", "reject", "escalate", "undo"];
  assert.deepEqual(commands, ["next", "previous", ...deciding, "search"]);
  assert.equal(commandOf(press("y"), IDLE), null);
  assert.equal(commandOf(press("toString"), IDLE), null);
});

test("digits use a quote while nothing else is being done", () => {
  const digits = ["1", "2", "3", "4"];
  const commands = digits.map((key) => commandOf(press(key), IDLE));
  assert.deepEqual(commands, ["1", "2", "3", null]);
  for (const mode of ["reject", "approve", "edit"]) {
    assert.equal(commandOf(press("1"), { ...IDLE, mode }), null);
  }
  assert.equal(commandOf(press("1"), { ...IDLE, shortcuts: false }), null);
});

test("letters that are typed, or switched off, are only letters", () => {
  assert.equal(commandOf(press("a"), { ...IDLE, typing: true }), null);
  assert.equal(commandOf(press("a"), { ...IDLE, shortcuts: false }), null);
});

test("the browser's own shortcuts stay the browser's", () => {
  for (const held of [{ ctrlKey: true }, { metaKey: true }, { altKey: true }]) {
    assert.equal(commandOf(press("r", held), IDLE), null);
  }
});

test("Ctrl+Enter saves and Escape cancels what is being done, also while typing", () => {
  const writing = { typing: true, shortcuts: false, mode: "edit" };
  assert.equal(commandOf(press("Enter", { ctrlKey: true }), writing), "save");
  assert.equal(commandOf(press("Enter", { metaKey: true }), writing), "save");
  assert.equal(commandOf(press("Enter"), writing), null);
  assert.equal(commandOf(press("Escape"), writing), "cancel");
  assert.equal(commandOf(press("Escape"), IDLE), null);
  assert.equal(commandOf(press("Enter", { ctrlKey: true }), IDLE), null);
});
