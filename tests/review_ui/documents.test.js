import assert from "node:assert/strict";
import { test } from "node:test";
import {
  changesWords,
  changeWords,
  clashWords,
  comparedWith,
  factsOf,
  freeName,
  mayGoBack,
  nameFirst,
  nameOf,
  replaceHint,
  sizeWords,
  stateOf,
  uploadWords,
  versionWords,
} from "../../review_ui/documents/words.js";
import { partsLaidOut, partsOf } from "../../review_ui/shared/document.js";

/** @import { DocumentView, PlacedPassage } from "../../review_ui/shared/wire.d.ts" */

/**
 * @param {string} text
 * @param {number} start
 * @param {Partial<PlacedPassage>} [changes]
 * @returns {PlacedPassage}
 */
function passage(text, start, changes) {
  const end = start + Array.from(text).length;
  return {
    passage_id: `p${start}`,
    text,
    start,
    end,
    page: null,
    last_page: null,
    headings: [],
    suspect: null,
    ...changes,
  };
}

/** @param {ReturnType<typeof partsOf>} parts */
function texts(parts) {
  return parts.map(({ pieces }) => pieces.map(({ text }) => text).join(""));
}

test("words that stand in two passages are shown once", () => {
  const parts = partsOf([passage("One. Two.", 0), passage("Two. Three.", 5), passage("Two.", 5)]);
  assert.deepEqual(texts(parts), ["One. Two.", " Three.", ""]);
});

test("a quote is marked at its place, also over two passages and beyond the BMP", () => {
  const parts = partsOf([passage("😀 ab cd", 0), passage("ef gh", 8)], { start: 5, end: 10 });
  const marked = parts.flatMap(({ pieces }) => pieces.filter((piece) => piece.marked));
  assert.deepEqual(
    marked.map(({ text }) => text),
    ["cd", "ef"],
  );
  assert.deepEqual(texts(parts), ["😀 ab cd", "ef gh"]);
  assert.ok(!partsOf([passage("ab", 0)]).some(({ pieces }) => pieces.some((p) => p.marked)));
});

test("a document of which nothing was read has no old content that answers", () => {
  assert.match(replaceHint({ passages: 3 }), /the old content answers/);
  assert.match(replaceHint({ passages: 0 }), /^Nothing of this document answers yet/);
});

test("headings that stand above a passage are not said again in it", () => {
  const told = (/** @type {string} */ text) => {
    const parts = partsOf([passage(text, 0, { headings: ["Hire terms", "Opening hours"] })]);
    return partsLaidOut(parts).flatMap(({ blocks }) =>
      blocks.map((block) => block.kind === "text" && block.pieces.map((one) => one.text).join("")),
    );
  };
  const body = "Open from 9:00.";
  assert.deepEqual(told(`Hire terms\n\nOpening hours\n\n${body}`), [body]);
  assert.deepEqual(told(`Opening hours\n${body}`), [body]);
  assert.deepEqual(told(`Opening hours of all boats\n${body}`), [
    `Opening hours of all boats\n${body}`,
  ]);
});

test("a heading and a page are shown where they change", () => {
  const parts = partsOf([
    passage("a", 0, { headings: ["Fees", "Phone"], page: 1, last_page: 1 }),
    passage("b", 2, { headings: ["Fees", "Phone"], page: 1, last_page: 2 }),
    passage("c", 4, { headings: ["Fees", "Post"], page: 2, last_page: 2 }),
    passage("d", 6, { headings: ["Fees"], page: 3 }),
  ]);
  assert.deepEqual(
    parts.map(({ headings }) => headings),
    [["Fees", "Phone"], [], ["Post"], []],
  );
  assert.deepEqual(
    parts.map(({ page }) => page),
    [1, null, null, 3],
  );
});

/** @type {DocumentView} */
const READY = {
  document_id: "d1",
  collection: "main",
  title: "Fees",
  source: "/srv/fees.md",
  media_type: "text/markdown",
  state: "ready",
  error_message: null,
  retryable: false,
  passages: 2,
  updated_at: "2026-05-01T12:00:00Z",
  valid_until: null,
  pages: null,
  owner: null,
  valid_from: null,
  language: null,
  about: {},
  superseded_by: null,
  near_copies: [],
};

test("a document outside of its valid days says so, and one that failed says why", () => {
  const words = (/** @type {Partial<DocumentView>} */ changes) =>
    stateOf({ ...READY, ...changes }, "2026-05-01").words;
  assert.equal(words({ valid_until: "2026-05-01" }), "ready");
  assert.equal(words({ valid_until: "2026-04-30" }), "no longer valid");
  assert.equal(words({ valid_from: "2026-05-01" }), "ready");
  assert.equal(words({ valid_from: "2026-05-02" }), "not valid yet");
  const failed = { ...READY, state: /** @type {const} */ ("failed"), valid_until: "2026-04-30" };
  assert.equal(stateOf(failed, "2026-05-01").tone, "bad");
  assert.equal(sizeWords(READY), "2 passages");
  assert.equal(sizeWords({ ...READY, passages: 1, pages: 3 }), "1 passage, 3 pages");
  assert.equal(sizeWords({ ...READY, state: "failed", error_message: "Damaged." }), "Damaged.");
  assert.equal(nameOf({ title: "", source: "a/b.txt" }), "b.txt");
  const names = factsOf(READY).map(([name]) => name);
  assert.ok(!names.includes("Owner") && names.includes("Last valid day"));
  const told = factsOf({ ...READY, language: "de", about: { cost_centre: "7", tags: ["a", "b"] } });
  assert.deepEqual(told.slice(-2), [
    ["Cost centre", "7"],
    ["Tags", "a, b"],
  ]);
  assert.deepEqual(
    told.find(([name]) => name === "Language"),
    ["Language", "de"],
  );
});

test("a kind of file is called as people call it", () => {
  const word = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
  const kinds = [word, "text/markdown", "image/tiff"].map((media_type) =>
    factsOf({ ...READY, media_type })
      .find(([name]) => name === "Kind")
      ?.at(1),
  );
  assert.deepEqual(kinds, ["Word", "Markdown", "image/tiff"]);
});

test("a version is compared with the live one, and that with the one before it", () => {
  const versions = /** @type {const} */ ([
    { version_id: "c", state: "verified" },
    { version_id: "b", state: "live" },
    { version_id: "x", state: "failed" },
    { version_id: "a", state: "retired" },
  ]);
  assert.equal(comparedWith([...versions], "c", "b"), "b");
  assert.equal(comparedWith([...versions], "b", "b"), "a");
  assert.equal(comparedWith([...versions], "a", "a"), null);
});

test("versions built within one minute differ in the list by what they hold", () => {
  const built = { created_at: "2026-05-01T12:00:00Z", state: /** @type {const} */ ("retired") };
  assert.notEqual(
    versionWords({ ...built, passages: 20 }),
    versionWords({ ...built, passages: 16 }),
  );
});

test("files that come before their collection has a name are said to wait", () => {
  assert.match(nameFirst(1), /1 file waits/);
  assert.match(nameFirst(3), /3 files wait/);
  assert.match(nameFirst(3, false), /^Choose the collection: 3 files wait/);
});

test("changes and uploads are told in words", () => {
  const none = { passages_added: 0, passages_removed: 0, passages_kept: 9 };
  assert.equal(changesWords(none), "Both hold the same passages.");
  assert.match(changesWords({ ...none, passages_added: 1 }), /^1 passage added, 0 removed, 9/);
  const changed = {
    collection: "m",
    document_id: "d",
    title: "T",
    passages_added: 2,
    passages_removed: 1,
  };
  assert.equal(changeWords({ ...changed, change: "changed" }), "changed: +2 −1");
  assert.equal(changeWords({ ...changed, change: "removed" }), "removed, 1 passage");
  assert.match(uploadWords({ sent: 1, size: 3 }), /^33/);
  assert.equal(uploadWords({ sent: 3, size: 3 }), "Storing…");
});

test("one can go back only to what was live before", () => {
  /** @param {("building" | "verified" | "live" | "retired" | "failed")[]} states */
  const may = (...states) => mayGoBack(states.map((state) => ({ state })));
  assert.equal(may("live"), false);
  assert.equal(may("live", "failed", "retired"), true);
  assert.equal(may("retired", "live"), false);
  assert.equal(may("live", "verified"), false);
  assert.equal(may("building"), false);
});

test("a name beside one that is taken keeps its ending", () => {
  assert.equal(freeName("fees.md", 2), "fees (2).md");
  assert.equal(freeName("a.tar.gz", 3), "a.tar (3).gz");
  assert.equal(freeName(".notes", 2), ".notes (2)");
  assert.equal(freeName("README", 2), "README (2)");
});

const AT = "2026-01-02T10:00:00Z";

test("of a name that is taken it is said what has it", () => {
  const found = { passages: 12, pages: 3, state: "ready", error_message: null };
  const words = clashWords(/** @type {any} */ ({ ...found, source: "a.md", updated_at: AT }));
  assert.match(words, /^A document of this name is there: 12 passages, 3 pages, from .*2026/);
  const other = clashWords(/** @type {any} */ ({ ...found, source: "old/a.md", updated_at: AT }));
  assert.match(other, /^A document of this name is there \(old\/a\.md\): 12/);
});
