// @ts-check
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import * as states from "../../review_ui/review/state.js";

test("the review page asks early for the list that it draws first", () => {
  const page = readFileSync(new URL("../../review_ui/review/index.html", import.meta.url), "utf8");
  const named = /<meta name="early" content="([^"]+)">/.exec(page)?.[1] ?? "";
  const path = states.listPath(states.begin("anybody"), states.FIRST_ROWS);
  assert.deepEqual(named.replaceAll("&amp;", "&").split(" "), ["/v1/session", path]);
});

test("what was asked for early is given out once, and told of when it failed", async () => {
  const asked = /** @type {string[]} */ ([]);
  const whole = /** @type {any} */ (globalThis);
  const { fetch } = whole;
  whole.document = { querySelector: () => ({ getAttribute: () => "/one /two" }) };
  whole.fetch = async (/** @type {string} */ path) => {
    asked.push(path);
    if (path === "/two") throw new TypeError("offline");
    return new Response("{}");
  };
  try {
    const { takeEarly } = await import("../../review_ui/shared/early.js");
    assert.deepEqual(asked, ["/one", "/two"]);
    assert.equal((await takeEarly("/one"))?.status, 200);
    assert.equal(takeEarly("/one"), undefined);
    await assert.rejects(Promise.resolve(takeEarly("/two")), TypeError);
    assert.equal(takeEarly("/three"), undefined);
  } finally {
    whole.fetch = fetch;
    delete whole.document;
  }
});
