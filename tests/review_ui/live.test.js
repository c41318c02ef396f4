import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { answer } from "./samples.js";

/** @type {Record<string, unknown>} */
const whole = globalThis;
const before = { EventSource: whole.EventSource, document: whole.document };
const interval = globalThis.setInterval;

/** @type {Stream[]} */
let streams = [];

/** A stream of which the test says what comes. */
class Stream {
  static OPEN = 1;
  static CLOSED = 2;

  /** @param {string} address */
  constructor(address) {
    this.address = address;
    this.readyState = Stream.OPEN;
    /** @type {Record<string, (event: unknown) => void>} */
    this.heard = {};
    streams.push(this);
  }

  /**
   * @param {string} name
   * @param {(event: unknown) => void} listener
   */
  addEventListener(name, listener) {
    this.heard[name] = listener;
  }

  close() {
    this.readyState = Stream.CLOSED;
  }
}

beforeEach(() => {
  streams = [];
  const listen = () => {};
  whole.EventSource = Stream;
  whole.document = { hidden: false, addEventListener: listen, querySelector: () => null };
  whole.setInterval = () => 0;
});

afterEach(() => {
  Object.assign(whole, before, { setInterval: interval });
});

function open() {
  return streams.filter(({ readyState }) => readyState === Stream.OPEN);
}

test("a held answer that is shown again and again has one stream, which tells the one shown last", async () => {
  const { watchAnswer } = await import("../../review_ui/chat/live.js");
  /** @type {string[]} */
  const told = [];
  for (const at of ["first", "second", "third"]) watchAnswer("a1", () => told.push(at));
  assert.deepEqual(
    open().map(({ address }) => address),
    ["/v1/answers/a1/events"],
  );
  const data = JSON.stringify(answer({ answer_id: "a1", status: "released" }));
  open()[0]?.heard.answer?.({ data });
  assert.deepEqual(told, ["third"]);
  assert.deepEqual(open(), []);
});

test("streams are for the two answers that were shown last", async () => {
  const { watchAnswer } = await import("../../review_ui/chat/live.js");
  for (const id of ["b1", "b2", "b3", "b1"]) watchAnswer(id, () => {});
  const found = open().map(({ address }) => address);
  assert.deepEqual(found.sort(), ["/v1/answers/b1/events", "/v1/answers/b3/events"]);
});
