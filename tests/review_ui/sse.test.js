import assert from "node:assert/strict";
import { test } from "node:test";
import { readEvents } from "../../review_ui/shared/sse.js";

/**
 * The events read from a body that comes in these pieces.
 * @param {(string | Uint8Array<ArrayBuffer>)[]} pieces
 */
async function eventsOf(...pieces) {
  const encoder = new TextEncoder();
  const body = new ReadableStream({
    start(controller) {
      for (const piece of pieces) {
        controller.enqueue(typeof piece === "string" ? encoder.encode(piece) : piece);
      }
      controller.close();
    },
  });
  const events = [];
  for await (const event of readEvents(body)) events.push(event);
  return events;
}

test("an event has a name and data; several data lines are joined", async () => {
  const events = await eventsOf("event: stage\ndata: one\ndata: two\n\ndata: three\n\n");
  assert.deepEqual(events, [
    { event: "stage", data: "one\ntwo" },
    { event: "message", data: "three" },
  ]);
});

test("all three line ends work, also when a piece ends inside one", async () => {
  assert.deepEqual(await eventsOf("data: a\r", "\n\r", "\ndata: b\r\rdata: c\n\n"), [
    { event: "message", data: "a" },
    { event: "message", data: "b" },
    { event: "message", data: "c" },
  ]);
});

test("a character cut between two pieces is put together", async () => {
  const bytes = new TextEncoder().encode("data: £\n\n");
  const events = await eventsOf(bytes.slice(0, 7), bytes.slice(7));
  assert.deepEqual(events, [{ event: "message", data: "£" }]);
});

test("comments and events without data say nothing", async () => {
  assert.deepEqual(await eventsOf(": ping\n\nevent: answer\n\ndata\n\n"), [
    { event: "message", data: "" },
  ]);
});

test("an event that was not finished is dropped", async () => {
  assert.deepEqual(await eventsOf("data: whole\n\ndata: half\n"), [
    { event: "message", data: "whole" },
  ]);
});
