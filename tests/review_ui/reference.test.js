import assert from "node:assert/strict";
import { test } from "node:test";
import {
  curlOf,
  exampleOf,
  fieldsOf,
  matching,
  operationsOf,
  paragraphsOf,
  typeWords,
} from "../../review_ui/reference/operations.js";

/** @type {any} */
const DOCUMENT = {
  tags: [
    { name: "questions", description: "" },
    { name: "accounts", description: "" },
  ],
  "x-errors": [],
  components: {
    schemas: {
      Ask: {
        type: "object",
        required: ["question", "parts"],
        properties: {
          question: { type: "string", examples: ["It's late?"], maxLength: 9 },
          parts: { type: "array", items: { $ref: "#/components/schemas/Part" } },
          limit: { anyOf: [{ type: "integer", minimum: 1, maximum: 20 }, { type: "null" }] },
        },
      },
      Part: {
        type: "object",
        required: ["name"],
        properties: { name: { type: "string" }, within: { $ref: "#/components/schemas/Part" } },
      },
      Upload: {
        type: "object",
        required: ["file"],
        properties: { file: { type: "string", contentMediaType: "application/octet-stream" } },
      },
    },
  },
  paths: {
    "/v1/users/{name}": {
      put: {
        summary: "Change",
        operationId: "b",
        tags: ["accounts"],
        "x-reach": "service",
        "x-role": "admin",
        "x-errors": ["conflict"],
        responses: {},
        parameters: [{ name: "q", in: "query", required: true, schema: { type: "string" } }],
        requestBody: {
          content: { "multipart/form-data": { schema: { $ref: "#/components/schemas/Upload" } } },
        },
      },
    },
    "/v1/ask": {
      post: {
        summary: "Ask a question",
        operationId: "a",
        tags: ["questions"],
        "x-errors": ["overloaded"],
        responses: {},
        requestBody: {
          content: { "application/json": { schema: { $ref: "#/components/schemas/Ask" } } },
        },
      },
    },
  },
};
const ALL = operationsOf(DOCUMENT);

test("operations stand in the order of their groups, and every word narrows them", () => {
  assert.deepEqual(
    ALL.map(({ id }) => id),
    ["a", "b"],
  );
  const ids = (/** @type {string} */ text) => matching(ALL, text).map(({ id }) => id);
  assert.deepEqual(ids("POST ask"), ["a"]);
  assert.deepEqual(ids("admin"), ["b"]);
  assert.deepEqual(ids("conflict users"), ["b"]);
  assert.deepEqual(ids("ask conflict"), []);
});

test("an example request is one that a shell takes, whatever the example holds", () => {
  const [ask, change] = ALL;
  assert.ok(ask && change);
  assert.equal(
    curlOf(ask, DOCUMENT, "http://here"),
    [
      "curl 'http://here/v1/ask'",
      "-X POST",
      "-H 'Content-Type: application/json'",
      `-d '{"question":"It'\\''s late?","parts":[{"name":"NAME"}]}'`,
    ].join(" \\\n  "),
  );
  const text = curlOf(change, DOCUMENT, "http://here");
  assert.match(text, /'http:\/\/here\/v1\/users\/NAME\?q=Q'/);
  assert.match(text, /Bearer \$COUNTERSIGN_KEY/);
  assert.match(text, /-F 'file=@FILE'/);
});

test("types, limits and what is within are told in words", () => {
  const fields = fieldsOf({ $ref: "#/components/schemas/Ask" }, DOCUMENT);
  assert.deepEqual(
    fields.map(({ name, type, required }) => [name, type, required]),
    [
      ["question", "string, at most 9 characters", true],
      ["parts", "list of Part", true],
      ["limit", "integer, 1 to 20 or null", false],
    ],
  );
  assert.equal(fields[1]?.inner?.$ref, "#/components/schemas/Part");
  assert.equal(fields[0]?.inner, null);
  assert.equal(typeWords({ enum: ["a", "b"] }), "a | b");
});

test("a form that holds itself has an example that ends", () => {
  const whole = exampleOf({ $ref: "#/components/schemas/Part" }, DOCUMENT, true);
  assert.ok(JSON.stringify(whole).length < 500);
});

test("a description breaks where its paragraphs do, and says what is code", () => {
  const said = "The answer, or\n`events`: `a`\nand so on.\n\nRaises nothing.\n";
  assert.deepEqual(paragraphsOf(said), [
    ["The answer, or ", "events", ": ", "a", " and so on."],
    ["Raises nothing."],
  ]);
  assert.deepEqual(paragraphsOf(""), []);
});
