import assert from "node:assert/strict";
import { test } from "node:test";
import { originsOf, snippet } from "../../review_ui/people/words.js";
import { before, questionProblem } from "../../review_ui/shared/question.js";
import {
  endedWords,
  heldWords,
  keptBySite,
  Visit,
  whoVisits,
} from "../../review_ui/widget/visit.js";

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

/**
 * A visit that follows an answer while the service replies so, one reply for each request.
 * @param {Response[]} replies
 */
async function following(replies) {
  const whole = /** @type {any} */ (globalThis);
  const { fetch, setTimeout } = whole;
  whole.fetch = async () => replies.shift();
  whole.setTimeout = (/** @type {() => void} */ then) => queueMicrotask(then);
  const statuses = /** @type {string[]} */ ([]);
  try {
    const visit = new Visit(
      "pk_1",
      {},
      keptBySite(null, () => {}),
    );
    const isLost = await visit.follow("a1", ({ status }) => statuses.push(status) < 2);
    return { isLost, statuses, left: replies.length };
  } finally {
    Object.assign(whole, { fetch, setTimeout });
  }
}

/** @param {[event: string, data: object][]} events */
function streamed(...events) {
  const lines = events.map(([event, data]) => `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
  return new Response(lines.join(""));
}

test("who waits longer than the visit is told so, over a stream or a new connection", async () => {
  const ended = { code: "credentials_expired", message: "This visit has ended.", retryable: false };
  const held = /** @type {[string, object]} */ (["answer", { status: "held" }]);
  assert.equal((await following([streamed(held, ["error", ended])])).isLost, true);
  const refused = new Response(JSON.stringify(ended), { status: 401 });
  assert.equal((await following([streamed(held), refused])).isLost, true);
  assert.match(endedWords(true), /Load this page anew/);
  assert.match(endedWords(false), /ask again/);
});

test("a fault of the service that passes does not end the waiting", async () => {
  const busy = { code: "storage_unavailable", message: "Try again.", retryable: true };
  const [held, released] = [{ status: "held" }, { status: "released" }];
  const replies = [streamed(["answer", held], ["error", busy]), streamed(["answer", released])];
  const found = await following(replies);
  assert.deepEqual(found, { isLost: false, statuses: ["held", "released"], left: 0 });
});
