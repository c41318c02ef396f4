import assert from "node:assert/strict";
import { test } from "node:test";
import { follower } from "../../review_ui/documents/following.js";
import {
  itemWords,
  jobName,
  jobState,
  progressWords,
  retryWords,
} from "../../review_ui/documents/words.js";

/** @import { JobView } from "../../review_ui/shared/wire.d.ts" */

/**
 * @param {Partial<JobView>} [changes]
 * @returns {JobView}
 */
function job(changes) {
  return {
    job_id: "j1",
    state: "running",
    waits: false,
    collection: "main",
    by: "olga",
    created_at: "2026-05-01T12:00:00Z",
    first: "/srv/files/fees.md",
    items: 1,
    pending: 1,
    ready: 0,
    unchanged: 0,
    failed: 0,
    cancelled: 0,
    replaced: 0,
    retryable: 0,
    passages: 0,
    ...changes,
  };
}

test("a job is told by its files and what became of them", () => {
  assert.equal(jobName(job()), "fees.md");
  assert.equal(jobName(job({ items: 4 })), "fees.md and 3 more");
  assert.equal(jobName(job({ items: 0, first: null })), "Nothing yet");
  assert.equal(progressWords(job()), "0 of 1 file");
  const some = job({ items: 5, pending: 2, ready: 2, failed: 1, passages: 40 });
  assert.equal(progressWords(some), "3 of 5 files; 2 ready, 1 failed; 40 passages stored");
  assert.equal(progressWords(job({ pending: 0, unchanged: 1 })), "1 file; 1 unchanged");
  assert.equal(jobState(job()).words, "being read");
  assert.equal(jobState(job({ waits: true })).words, "waits");
  assert.equal(jobState(job({ state: "failed", items: 2, failed: 1 })).words, "some failed");
  assert.equal(jobState(job({ state: "failed", items: 2, failed: 2 })).words, "failed");
});

test("a file that is tried again later says so", () => {
  const waits = { source: "a/b.md", state: /** @type {const} */ ("pending"), error_code: null };
  assert.deepEqual(itemWords(waits), { name: "b.md", words: "waits", tone: "warn" });
  assert.equal(itemWords({ ...waits, error_code: "dependency_failed" }).words, "tried again soon");
});

/** A stream that the test speaks through. */
class Stream extends EventTarget {
  readyState = 1;
  closed = false;

  /** @param {string} address */
  constructor(address) {
    super();
    this.address = address;
  }

  /**
   * @param {string} type
   * @param {unknown} [value]
   */
  say(type, value) {
    const data = value === undefined ? {} : { data: JSON.stringify(value) };
    this.dispatchEvent(value === undefined ? new Event(type) : new MessageEvent(type, data));
  }

  close() {
    this.closed = true;
  }
}

/** A follower with the streams that it opened and what it told. */
function followed() {
  /** @type {Stream[]} */
  const streams = [];
  /** @type {JobView[]} */
  const told = [];
  /** @type {string[]} */
  const refused = [];
  const listener = {
    onJob: (/** @type {JobView} */ one) => told.push(one),
    onRefused: (/** @type {string} */ words) => refused.push(words),
  };
  const open = (/** @type {string} */ address) => {
    const stream = new Stream(address);
    streams.push(stream);
    return /** @type {EventSource} */ (/** @type {unknown} */ (stream));
  };
  return { streams, told, refused, all: follower(listener, open) };
}

test("few jobs are followed at once, the next when one has ended, none twice", () => {
  const { streams, told, all } = followed();
  const jobs = ["a", "b", "c"].map((job_id) => job({ job_id }));
  all.follow([...jobs, job({ job_id: "d", state: "done" })]);
  all.follow(jobs);
  assert.deepEqual(
    streams.map(({ address }) => address),
    ["/v1/jobs/a/events", "/v1/jobs/b/events"],
  );
  streams[0]?.say("job", job({ job_id: "a", ready: 1 }));
  assert.equal(streams[0]?.closed, false);
  streams[0]?.say("job", job({ job_id: "a", state: "done" }));
  assert.equal(streams[0]?.closed, true);
  assert.equal(streams[2]?.address, "/v1/jobs/c/events");
  assert.deepEqual(
    told.map(({ state }) => state),
    ["running", "done"],
  );
  all.leave();
  assert.ok(streams.every(({ closed }) => closed));
});

test("a lost connection is kept, a refused one is told and ended", () => {
  const { streams, refused, all } = followed();
  all.follow([job()]);
  streams[0]?.say("error");
  assert.equal(streams[0]?.closed, false);
  streams[0]?.say("error", { message: "Sign in again." });
  assert.equal(streams[0]?.closed, true);
  assert.deepEqual(refused, ["Sign in again."]);
});

test("what is tried again is counted where some of it fails for good", () => {
  const failed = job({ failed: 3, cancelled: 1, retryable: 2 });
  assert.equal(retryWords(failed), "Try 2 of 4 again");
  assert.equal(retryWords(job({ failed: 2, retryable: 2 })), "Try again what failed");
});
