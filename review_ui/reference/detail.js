// @ts-check
// One operation: who may, parameters, body, response, errors, and an example request.

import { copyButton } from "../shared/clipboard.js";
import { el } from "../shared/dom.js";
import {
  curlOf,
  exampleOf,
  fieldsOf,
  formOf,
  paragraphsOf,
  parameterField,
  parametersOf,
} from "./operations.js";

/** @import { Content, Field, OpenApi, Operation, Schema } from "./operations.js" */

const DEEPEST = 4;
/** @type {Record<string, string>} */
const REACHES = {
  own: "Only what is the caller’s own.",
  collection: "Only what lies in collections of the caller’s scope.",
  service: "The whole service: not for accounts with a scope.",
};

/**
 * @param {string} piece
 * @param {number} place
 */
function codeOrText(piece, place) {
  return place % 2 ? el("code", {}, piece) : piece;
}

/**
 * @param {Operation} operation
 * @param {OpenApi} document
 */
export function operationDetail(operation, document) {
  const answer = Object.entries(operation.responses).find(([status]) => status.startsWith("2"));
  return [
    el(
      "div",
      {},
      el("h2", { id: "operation-title" }, operation.summary),
      el("p", { class: "address" }, addressOf(operation)),
    ),
    paragraphsOf(operation.description ?? "").map((pieces) => el("p", {}, pieces.map(codeOrText))),
    el("p", { class: "muted" }, whoMay(operation)),
    exampleBlock(operation, document),
    parameterBlock(operation, document),
    bodyBlock(operation, document),
    answer && answerBlock(answer[0], answer[1].content, document),
    errorBlock(operation, document),
  ];
}

/** @param {Operation} operation */
export function addressOf({ method, path }) {
  return [el("span", { class: "badge accent" }, method), " ", el("code", {}, path)];
}

/** @param {Operation} operation */
function whoMay(operation) {
  const reach = operation["x-reach"];
  if (!reach) return "Public: without a key or a sign-in.";
  const role = operation["x-role"];
  return `${role ? `Role ${role}.` : "Any role."} ${REACHES[reach] ?? ""}`;
}

/**
 * @param {Operation} operation
 * @param {OpenApi} document
 */
function exampleBlock(operation, document) {
  const text = curlOf(operation, document, location.origin);
  return block("example", "Example request", code(text, "The request"));
}

/**
 * @param {Operation} operation
 * @param {OpenApi} document
 */
function parameterBlock(operation, document) {
  const parameters = parametersOf(operation);
  if (!parameters.length) return null;
  const groups = ["path", "query", "header"].map((place) => {
    const fields = parameters.filter((one) => one.in === place).map(parameterField);
    const title = `In the ${place === "path" ? "address" : place}`;
    return fields.length > 0 && [el("h4", {}, title), fieldList(fields, document, 0)];
  });
  return block("parameters", "Parameters", groups);
}

/**
 * @param {Operation} operation
 * @param {OpenApi} document
 */
function bodyBlock(operation, document) {
  const form = formOf(operation.requestBody?.content);
  if (!form) return null;
  return block("body", "Body", el("p", {}, el("code", {}, form.media)), fields(form, document));
}

/**
 * @param {string} status
 * @param {Content | undefined} content
 * @param {OpenApi} document
 */
function answerBlock(status, content, document) {
  const form = formOf(content);
  const kinds = Object.keys(content ?? {}).map((media) => [el("code", {}, media), " "]);
  const head = el("p", {}, el("span", { class: "badge ok" }, status), " ", kinds);
  if (!form) return block("answer", "Response", head);
  const example = JSON.stringify(exampleOf(form.schema, document, true), null, 2);
  const folded = el("details", {}, el("summary", {}, "Example"), code(example, "The response"));
  return block("answer", "Response", head, fields(form, document), folded);
}

/**
 * @param {Operation} operation
 * @param {OpenApi} document
 */
function errorBlock(operation, document) {
  const known = new Map(document["x-errors"].map((one) => [one.code, one]));
  const rows = operation["x-errors"].map((name) => {
    const error = known.get(name);
    const again = error?.retryable ? "may succeed later" : "";
    return el(
      "tr",
      {},
      el("td", {}, error?.status ?? ""),
      el("th", { scope: "row" }, el("code", {}, name)),
      el("td", {}, error?.message ?? "", again && el("span", { class: "muted" }, ` (${again})`)),
    );
  });
  const titles = ["Status", "Code", "Meaning"].map((title) => el("th", { scope: "col" }, title));
  const table = el("table", {}, el("thead", {}, el("tr", {}, titles)), el("tbody", {}, rows));
  return block("errors", "Errors", scrolling("Errors", table));
}

/**
 * @param {{schema: Schema}} form
 * @param {OpenApi} document
 */
function fields({ schema }, document) {
  const found = fieldsOf(schema, document);
  return found.length > 0 && fieldList(found, document, 0);
}

/**
 * @param {Field[]} found
 * @param {OpenApi} document
 * @param {number} depth
 * @returns {HTMLElement}
 */
function fieldList(found, document, depth) {
  const items = found.map(({ name, type, required, about, standard, inner }) => [
    el("dt", {}, el("code", {}, name), required && el("span", { class: "badge" }, "required")),
    el(
      "dd",
      {},
      el("span", { class: "muted" }, type, standard && ` = ${standard}`),
      about && el("p", {}, about),
      inner && depth < DEEPEST && nested(name, inner, document, depth),
    ),
  ]);
  return el("dl", { class: "fields" }, items);
}

/**
 * The fields of an object within, drawn when it is opened: there can be many of them.
 * @param {string} name
 * @param {Schema} schema
 * @param {OpenApi} document
 * @param {number} depth
 */
function nested(name, schema, document, depth) {
  const box = el("details", {}, el("summary", {}, `Fields of ${name}`));
  const draw = () => box.append(fieldList(fieldsOf(schema, document), document, depth + 1));
  box.addEventListener("toggle", draw, { once: true });
  return box;
}

/**
 * @param {string} text
 * @param {string} label
 */
function code(text, label) {
  const shown = scrolling(label, el("pre", {}, el("code", {}, text)));
  return el(
    "div",
    { class: "example" },
    shown,
    el(
      "p",
      {},
      copyButton("Copy", () => text),
    ),
  );
}

/**
 * @param {string} label
 * @param {Node} content
 */
function scrolling(label, content) {
  return el(
    "div",
    { class: "scrolls", tabindex: "0", role: "group", "aria-label": label },
    content,
  );
}

/**
 * @param {string} name
 * @param {string} title
 * @param {import("../shared/dom.js").Child[]} children
 */
function block(name, title, ...children) {
  const id = `${name}-title`;
  const props = { class: "block", "aria-labelledby": id, "data-testid": name };
  return el("section", props, el("h3", { id }, title), children);
}
