// @ts-check
// The API reference: every operation of the OpenAPI document, and the chosen one beside the list.

import { loadSession, request } from "../shared/api.js";
import { byId, el, fill } from "../shared/dom.js";
import { namedIn, plural, words } from "../shared/format.js";
import { mountHeader, showPageError } from "../shared/header.js";
import { addressOf, operationDetail } from "./detail.js";
import { matching, operationsOf } from "./operations.js";

/** @import { OpenApi, Operation } from "./operations.js" */

async function main() {
  // Nobody needs to sign in to read what the service can do.
  const [session, document] = await Promise.all([
    loadSession(),
    /** @type {Promise<OpenApi>} */ (request("GET", "/v1/openapi.json")),
  ]);
  if (session) mountHeader(session);
  const operations = operationsOf(document);
  const draw = () => drawList(document, operations);
  const show = () => {
    draw();
    drawDetail(document, operations);
  };
  byId("find").addEventListener("input", draw);
  window.addEventListener("hashchange", show);
  show();
}

function chosen() {
  return namedIn(location.hash);
}

/**
 * @param {OpenApi} document
 * @param {Operation[]} operations
 */
function drawList(document, operations) {
  const found = matching(operations, byId("find", HTMLInputElement).value);
  const groups = document.tags.map(({ name, description }) => {
    const members = found.filter(({ group }) => group === name);
    return members.length > 0 && groupOf(name, description, members);
  });
  fill(byId("operations"), groups);
  byId("operations").setAttribute("aria-busy", "false");
  byId("count").textContent = plural(found.length, "operation");
}

/**
 * @param {string} name
 * @param {string} about
 * @param {Operation[]} members
 */
function groupOf(name, about, members) {
  const id = `group-${name}`;
  const head = el("div", { class: "group-head" }, el("h3", { id }, words(name)));
  head.append(el("p", { class: "muted small" }, about));
  const list = el("ul", { class: "entries", "aria-labelledby": id }, members.map(entry));
  return el("div", {}, head, list);
}

/** @param {Operation} operation */
function entry(operation) {
  const props = {
    href: `#${encodeURIComponent(operation.id)}`,
    "aria-current": operation.id === chosen() && "true",
    "data-testid": "operation",
  };
  const title = el("span", { class: "entry-title" }, operation.summary);
  return el("li", {}, el("a", props, title, el("span", {}, addressOf(operation))));
}

/**
 * @param {OpenApi} document
 * @param {Operation[]} operations
 */
function drawDetail(document, operations) {
  const id = chosen();
  byId("panes").classList.toggle("with-detail", id !== "");
  const operation = operations.find((one) => one.id === id);
  const back = el("a", { class: "back", href: "#" }, "‹ All operations");
  if (operation) fill(byId("detail"), back, operationDetail(operation, document));
  else if (id)
    fill(byId("detail"), back, el("p", { class: "empty-pane" }, "There is no such one."));
  else return;
  byId("detail").scrollTop = 0;
  byId("detail").focus();
}

main().catch(showPageError);
