import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { copyText, isFinal, releaseWords, spokenForm } from "../../review_ui/chat/answer.js";
import { loadThread, saveThread } from "../../review_ui/chat/thread.js";
import { landing } from "../../review_ui/login/landing.js";
import {
  certificateCells,
  knownCollections,
  modeChoices,
  provisionalWords,
} from "../../review_ui/operations/gate.js";
import {
  approvalWords,
  askedWords,
  askerWords,
  countWords,
  editProblem,
  listedWords,
  listNotes,
  stateWords,
  strangeNumbers,
  taskNotes,
} from "../../review_ui/review/words.js";
import { answer, task } from "./samples.js";

const PAGES = new URL("../../review_ui/", import.meta.url);
const SHARE = /\d\s*%|percent/i;
const CERTIFIED = /** @type {const} */ ({
  mode: "certified",
  certified: true,
  provisional: false,
  alpha: 0.05,
  weighed: false,
});

test("under the provisional certificate no share is stated anywhere", () => {
  const shown = answer();
  const certificate = { alpha: 0.05, threshold: 0.19, provisional: true };
  const row = {
    collection: "main",
    risk_class: "standard",
    state: /** @type {const} */ ("live"),
    reason: "",
    certificate,
    reviewer_error: "",
    audits: 3,
    e_value: 1,
    limit: 20,
  };
  const said = [releaseWords(shown), spokenForm(shown), copyText(shown)];
  said.push(provisionalWords({ provisional: certificate, certificates: [row] }));
  said.push(certificateCells(row).join(" "));
  for (const words of said) {
    assert.doesNotMatch(words, SHARE);
    assert.match(words, /provisional/i);
    assert.match(words, /measured on (these|your) documents/);
  }
});

test("an answer whose source is gone says so wherever it is read", () => {
  const gone = answer({ message: "A source was removed." });
  for (const words of [spokenForm(gone), copyText(gone)]) {
    assert.match(words, /The fee is £25.*A source was removed\./s);
  }
});

test("a reply to small talk is said without a heading", () => {
  const said = { answer: null, message: "Hello!", status: /** @type {const} */ ("abstained") };
  assert.equal(spokenForm(answer({ ...said, reason: "small_talk" })), "Hello!");
  assert.equal(spokenForm(answer(said)), "No answer. Hello!");
});

test("an answer that was erased says so, and not that a reviewer refused it", () => {
  const said = {
    answer: null,
    message: "It was erased.",
    status: /** @type {const} */ ("rejected"),
  };
  assert.equal(spokenForm(answer({ ...said, reason: "erased" })), "Erased. It was erased.");
  assert.equal(spokenForm(answer(said)), "Not released. It was erased.");
});

test("the way to a certificate is told with it and without, and what is measured stays so", () => {
  const mine = /** @type {any} */ ({ state: "live", certificate: { provisional: false } });
  const provisional = /** @type {any} */ ({ threshold: 0.19 });
  const none = provisionalWords({ provisional: null, certificates: [] });
  assert.match(none, /every answer waits for a reviewer/);
  const one = provisionalWords({ provisional, certificates: [mine] });
  assert.match(one, /^Where a collection has no certificate of its own, nothing/);
  const ended = provisionalWords({ provisional, certificates: [{ ...mine, state: "revoked" }] });
  assert.match(ended, /^Nothing has been measured on your documents/);
  for (const words of [none, one, ended]) assert.match(words, /\/label, then run countersign gate/);
});

test("no page or module holds a share in its text", () => {
  const names = readdirSync(PAGES, { recursive: true, encoding: "utf-8" });
  const read = names.filter((name) => /\.(js|html)$/.test(name));
  assert.ok(read.length > 15);
  for (const name of read) {
    const text = readFileSync(new URL(name, PAGES), "utf-8").replace(
      /^\s*(\/\/|\*|\/\*\*).*$/gm,
      "",
    );
    assert.doesNotMatch(text, /\d\s*%\s*(of|wrong)|public data, at most/i, name);
  }
});

test("a certificate of the collection states its share, a reviewer's release who looked", () => {
  assert.match(releaseWords(answer({ gate: CERTIFIED })), /Certified: at most 5\s%/);
  const weighed = releaseWords(answer({ gate: { ...CERTIFIED, weighed: true } }));
  assert.match(weighed, /are wrong, weighed by the harm they do\.$/);
  assert.equal(releaseWords(answer({ released_by: "reviewer" })), "Approved by a reviewer");
  const edited = answer({ released_by: "reviewer", edited: true });
  assert.equal(releaseWords(edited), "Edited by a reviewer");
  assert.equal(releaseWords(answer({ gate: null })), "Checked automatically against its sources.");
});

test("copying takes sources and disclaimer along", () => {
  const text = copyText(answer({ gate: CERTIFIED, disclaimer: "No advice." }));
  assert.equal(text, "The fee is £25 [1].\n\nSources:\n[1] Fees, page 2\n\nNo advice.");
});

test("each row of a table is copied as a line", () => {
  const sentences = [
    { text: "Bike | Per day", citations: [1] },
    { text: "Cargo bike | £45", citations: [2] },
    { text: "Helmets are free.", citations: [1] },
    { text: "Ask us.", citations: [] },
  ];
  const table = { text: "Bike | Per day [1] Cargo bike | £45 [2]", short: null, sentences };
  const rows = answer({ gate: null, answer: { ...table, citations: [] } });
  assert.equal(
    copyText(rows),
    "Bike | Per day [1]\nCargo bike | £45 [2]\nHelmets are free [1]. Ask us.",
  );
  const edited = answer({ answer: { ...table, text: "By\na person", citations: [] } });
  assert.match(copyText(edited), /^By\na person\n/);
});

test("what is not released is spoken as its state and message", () => {
  const held = answer({ status: "held", answer: null, message: "A person looks at it." });
  assert.equal(spokenForm(held), "A person looks at it.");
  assert.equal(isFinal(held), false);
  assert.equal(isFinal(answer({ status: "abstained" })), true);
});

test("a conversation goes on in its tab, for the person who began it", () => {
  /** @type {Map<string, string>} */
  const kept = new Map();
  const storage = /** @type {Storage} */ (
    /** @type {unknown} */ ({
      getItem: (/** @type {string} */ key) => kept.get(key) ?? null,
      setItem: (/** @type {string} */ key, /** @type {string} */ value) => kept.set(key, value),
      removeItem: (/** @type {string} */ key) => kept.delete(key),
    })
  );
  assert.equal(loadThread("ann", storage), null);
  saveThread("ann", "a1", storage);
  assert.equal(loadThread("ann", storage), "a1");
  assert.equal(loadThread("an", storage), null);
  saveThread("ann", null, storage);
  assert.equal(kept.size, 0);
});

test("signing in leads to a page that the person may use, and never off this site", () => {
  assert.equal(landing(["operator"], null), "/operations");
  assert.equal(landing(["reviewer"], null), "/review");
  assert.equal(landing(["reviewer", "asker"], null), "/");
  assert.equal(landing(["admin"], null), "/people");
  assert.equal(landing(["admin"], "/"), "/people");
  assert.equal(landing([], null), "/account");
  assert.equal(landing(["asker"], "/review#t1"), "/review#t1");
  for (const next of ["https://evil", "//evil", "/\\evil", "/\t/evil", "/login", "/login?next=/"]) {
    assert.equal(landing(["asker"], next), "/", next);
  }
});

test("the safest mode is the first choice, and the one without a bound the last", () => {
  const modes = modeChoices().map(({ mode }) => mode);
  assert.equal(modes[0], "review_everything");
  assert.equal(modes.at(-1), "off");
  assert.equal(modes.length, 5);
});

test("collections to choose from are those with documents and those switched before", () => {
  const row = { mode: "off", reason: "", changed_by: "olga", changed_at: "" };
  const modes = [
    { ...row, collection: "" },
    { ...row, collection: "old" },
  ];
  assert.deepEqual(knownCollections(["main", "hr"], { modes }), ["hr", "main", "old"]);
});

test("a task's small print says who holds it and what is still needed", () => {
  assert.equal(stateWords(task("a"), "rita"), "Open");
  const claimed = task("a", { state: "claimed", claimed_by: "rob" });
  assert.equal(stateWords(claimed, "rita"), "rob is reviewing");
  assert.equal(stateWords(claimed, "rob"), "You are reviewing");
  const four = task("a", {
    four_eyes: true,
    approved_by: ["rob"],
    approvals_needed: 2,
    queue: "legal",
  });
  assert.equal(approvalWords(four), "1 of 2 approvals");
  assert.equal(taskNotes(four), "Queue: legal · 1 of 2 approvals (rob)");
  assert.deepEqual(listNotes({ ...four, provisional: true }), [
    "legal",
    "1 of 2 approvals",
    "provisional certificate",
  ]);
  assert.equal(taskNotes(task("a")), "");
  const urgent = { ...task("a"), urgency: /** @type {const} */ ("urgent"), queue: "urgent" };
  assert.deepEqual(listNotes(urgent), ["Urgent"]);
  const aged = { ...urgent, escalated_at: "2026-05-01T10:00:00Z" };
  assert.deepEqual(listNotes(aged), ["Urgent", "escalated by age"]);
  assert.match(taskNotes(aged), /^Urgent · Escalated by age, /);
});

test("how many tasks wait is counted up to a limit", () => {
  assert.equal(countWords({ open: 12, open_more: false }), 12);
  assert.equal(countWords({ open: 1000, open_more: true }), "1,000+");
});

test("numbers that no source holds are pointed at, however they are grouped", () => {
  assert.deepEqual(strangeNumbers("It is 1,500 or 2.5 or 7.", ["1500 and 2.5"]), ["7"]);
  assert.deepEqual(strangeNumbers("No number.", []), []);
});

test("an edit must hold words, and cite only sources there are", () => {
  const sources = [{ number: 1 }, { number: 2 }];
  assert.equal(editProblem("Right [1].", sources), "");
  assert.match(editProblem(" ", sources), /empty/);
  assert.match(editProblem("Wrong [3] [4] [3].", sources), /\[3\], \[4\].*\[1\] \[2\]/);
  assert.match(editProblem("Wrong [1].", []), /no sources/);
});

test("an asker behind a widget has a name that people can read", () => {
  assert.equal(askerWords("cara"), "cara");
  assert.equal(askerWords("65c487190bcf0b02//9029bd2d19524b9b"), "visitor 9029");
  assert.equal(askerWords("65c487190bcf0b02/u-17"), "u-17 (widget)");
});

test("one task that is listed is not called tasks", () => {
  assert.deepEqual([0, 1, 2].map(listedWords), [
    "0 tasks are listed.",
    "1 task is listed.",
    "2 tasks are listed.",
  ]);
});

test("a task whose time is over while it is open is not said to expire in the past", () => {
  const at = (/** @type {number} */ ms) => new Date(Date.now() + ms).toISOString();
  const words = (/** @type {number} */ ms) => askedWords(task("a", { expires_at: at(ms) }));
  assert.match(words(2 * 86_400_000 + 5000), / · expires in 2 days$/);
  assert.match(words(-3_605_000), / · expired 1 hr\. ago$/);
});
