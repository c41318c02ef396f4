import assert from "node:assert/strict";
import { test } from "node:test";
import { hasInvisible, visible } from "../../review_ui/shared/dom.js";
import {
  age,
  listed,
  namedIn,
  percent,
  placeOf,
  plural,
  words,
} from "../../review_ui/shared/format.js";
import { clip, cutAtQuote } from "../../review_ui/shared/passage.js";

const NOW = Date.parse("2026-05-01T12:00:00Z");

test("an age is told in the largest whole unit, in both directions", () => {
  assert.equal(age("2026-05-01T11:59:30Z", NOW), "just now");
  assert.equal(age("2026-05-01T12:00:30Z", NOW), "in a moment");
  assert.match(age("2026-05-01T11:55:00Z", NOW), /^5 min/);
  assert.match(age("2026-05-01T09:01:00Z", NOW), /^2 h/);
  assert.equal(age("2026-04-30T11:00:00Z", NOW), "yesterday");
  assert.match(age("2026-05-04T13:00:00Z", NOW), /^in 3 days/);
});

test("counts, lists, shares and places read like English", () => {
  assert.equal(plural(1, "task"), "1 task");
  assert.equal(plural(0, "task"), "0 tasks");
  assert.equal(plural(2, "query", "queries"), "2 queries");
  assert.equal(listed(["a", "b", "c"]), "a, b and c");
  assert.equal(percent(0.05), "5\u00A0%");
  assert.equal(percent(0.0125), "1.3\u00A0%");
  assert.equal(placeOf({ title: "Fees", page: null }), "Fees");
  assert.equal(placeOf({ title: "Fees", page: 0 }), "Fees, page 0");
  assert.equal(placeOf({ title: "Fees", page: 2, last_page: 3 }), "Fees, pages 2 to 3");
  assert.equal(placeOf({ title: "Fees", page: 2, last_page: 2 }), "Fees, page 2");
  assert.equal(placeOf({ title: "Fees", page: null, headings: ["Fees", "Late"] }), "Fees › Late");
  assert.equal(words("prompt_sha256"), "Prompt SHA-256");
});

test("characters that cannot be seen are left out, and their presence is known", () => {
  assert.equal(visible("pay\u200B \u202Enow\u2066"), "pay now");
  assert.equal(visible("नमस्\u200Dते"), "नमस्\u200Dते");
  assert.equal(visible(null), "");
  assert.equal(visible(0), "0");
  assert.equal(hasInvisible("tag\u{E0041}"), true);
  assert.equal(hasInvisible("two\r\nlines"), false);
});

test("a quote is found by code points, not by UTF-16 units", () => {
  const text = "😀😀 The fee is £25. The fee is £25.";
  const quote = "The fee is £25.";
  const start = Array.from(text).join("").length - quote.length;
  const cut = cutAtQuote(text, { start: start - 2, end: start - 2 + quote.length, quote });
  assert.deepEqual(cut, { before: "😀😀 The fee is £25. ", quote, after: "" });
});

test("a quote whose offsets no longer fit is searched for; one that is gone is null", () => {
  const moved = cutAtQuote("new words: the fee", { start: 0, end: 7, quote: "the fee" });
  assert.deepEqual(moved, { before: "new words: ", quote: "the fee", after: "" });
  assert.equal(cutAtQuote("other", { start: 0, end: 3, quote: "fee" }), null);
  assert.equal(cutAtQuote("other", { start: 0, end: 0, quote: "" }), null);
});

test("clipping keeps whole characters at either end", () => {
  assert.equal(clip("a😀b😀c", 2), "a😀…");
  assert.equal(clip("a😀b😀c", -2), "…😀c");
  assert.equal(clip("abc", -3), "abc");
});

test("clipping cuts no word in two, where there are words", () => {
  assert.equal(clip("one two three", 9), "one two…");
  assert.equal(clip("one two three", -9), "…three");
});

test("an address that was cut names nothing", () => {
  assert.equal(namedIn("#doc/a%20b"), "doc/a b");
  assert.equal(namedIn("#%E0%A4%A"), "");
  assert.equal(namedIn(""), "");
});
