// @ts-check
// The documents page: the list with its filters, and what the address names beside it.

import { request, requireSession } from "../shared/api.js";
import { byId, el, fill, refill, showingMore, standAt } from "../shared/dom.js";
import { namedIn, plural } from "../shared/format.js";
import { mountHeader, showPageError } from "../shared/header.js";
import { addingView } from "./adding.js";
import { documentDetail } from "./detail.js";
import { droppedFiles } from "./dropped.js";
import { jobDetail, jobsView } from "./jobs.js";
import { loadSuspects, suspectsView } from "./suspects.js";
import { versionsView } from "./versions.js";
import { nameOf, sizeWords, stateOf } from "./words.js";

/** @import { CollectionsView, DocumentsView, DocumentView } from "../shared/wire.d.ts" */
/** @import { View } from "./jobs.js" */

const PAGE = 100;
const MOST = 500;
const POLL_MS = 2000;
const TYPING_MS = 250;

let operator = false;
/** @type {string[]} */
let collections = [];
/** @type {DocumentView[]} */
let documents = [];
/** @type {ReturnType<typeof addingView> | null} */
let adding = null;
let shownState = "";
/** Whether a view was drawn. */
let isDrawn = false;
/** What the address named before. */
let before = "";
/** Ends what the view before follows. */
let leave = () => {};

async function main() {
  const session = await requireSession();
  mountHeader(session);
  operator = session.roles.includes("operator");
  byId("add").hidden = !operator;
  await loadCollections();
  mountFilters();
  if (operator) mountDrop();
  await Promise.all([load(), drawViews()]);
  // Only now: a view that is opened while the list still loads must not be drawn twice.
  window.addEventListener("hashchange", () => show().catch(showPageError));
  // Files that were dropped meanwhile have opened the view that takes them.
  if (!isDrawn) await show();
  setInterval(() => poll().catch(showPageError), POLL_MS);
}

async function loadCollections() {
  /** @type {CollectionsView} */
  const found = await request("GET", "/v1/collections");
  const names = found.collections.map(({ name }) => name);
  if (names.join("\n") === collections.join("\n") && collections.length) return;
  collections = names;
  const select = byId("collection", HTMLSelectElement);
  const before = select.value;
  const options = names.map((name) => el("option", { value: name }, name));
  fill(select, el("option", { value: "" }, "every collection"), options);
  select.value = names.includes(before) ? before : "";
}

function mountFilters() {
  const again = () => load().catch(showPageError);
  byId("collection").addEventListener("change", again);
  byId("state").addEventListener("change", again);
  let timer = 0;
  byId("find").addEventListener("input", () => {
    clearTimeout(timer);
    timer = window.setTimeout(again, TYPING_MS);
  });
  const older = byId("older");
  const more = () => load(documents.length).catch(showPageError);
  older.addEventListener("click", () => showingMore(older, byId("documents"), more));
}

/** Files may be dropped anywhere on the page. */
function mountDrop() {
  const over = (/** @type {boolean} */ on) => adding?.drop.classList.toggle("over", on);
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    over(true);
  });
  document.addEventListener("dragleave", () => over(false));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    over(false);
    takeDropped(event.dataTransfer).catch(showPageError);
  });
}

/** @param {DataTransfer | null} dropped */
async function takeDropped(dropped) {
  const files = await droppedFiles(dropped);
  if (!files.length) return;
  if (location.hash !== "#add") {
    history.pushState(null, "", "#add");
    await show();
  }
  adding?.take(files);
}

/** What the list is narrowed to, as the query says it. */
function filters() {
  const params = new URLSearchParams();
  for (const name of ["collection", "state"]) {
    const value = byId(name, HTMLSelectElement).value;
    if (value) params.set(name, value);
  }
  const find = byId("find", HTMLInputElement).value.trim();
  if (find) params.set("find", find);
  return params;
}

async function load(offset = 0) {
  const wanted = filters();
  // What is read anew while somebody reads on must not become shorter beneath them.
  const size = offset ? PAGE : Math.min(MOST, Math.max(PAGE, documents.length));
  const query = `limit=${size}&offset=${offset}&${wanted}`;
  /** @type {DocumentsView} */
  const found = await request("GET", `/v1/documents?${query}`);
  fill(byId("page-error")); // a connection that was lost is there again
  // What was chosen meanwhile comes by a request of its own, perhaps sooner than this one.
  if (`${filters()}` !== `${wanted}`) return;
  if (offset && offset !== documents.length) return; // a second press asked for the same ones
  documents = offset ? [...documents, ...found.documents] : found.documents;
  drawList(found.total, `${wanted}` !== "");
}

/**
 * @param {number} total
 * @param {boolean} filtered
 */
function drawList(total, filtered) {
  refill(byId("documents"), documents.map(entry));
  byId("documents").setAttribute("aria-busy", "false");
  byId("older").hidden = documents.length >= total;
  byId("none").hidden = total > 0;
  fill(byId("none"), filtered ? "No document fits." : "There are no documents yet.");
  fill(byId("list-title"), plural(total, "document"));
}

/** @param {DocumentView} one */
function entry(one) {
  const { words, tone } = stateOf(one, new Date().toISOString().slice(0, 10));
  const badge =
    one.state !== "ready" || tone !== "ok" ? el("span", { class: `badge ${tone}` }, words) : null;
  const title = el("span", { class: "entry-title", dir: "auto" }, nameOf(one), badge);
  const about = [
    one.collection,
    sizeWords(one),
    one.valid_until && `valid until ${one.valid_until}`,
  ];
  const props = {
    href: `#doc/${one.document_id}`,
    "aria-current": chosen() === `doc/${one.document_id}` && "true",
    "data-testid": "document",
    "data-state": one.state,
  };
  return el(
    "li",
    {},
    el("a", props, title, el("span", { class: "muted small" }, about.filter(Boolean).join(" · "))),
  );
}

/** The other views, for operators. */
async function drawViews() {
  if (!operator) return;
  const suspects = (await loadSuspects()).length;
  const views = [
    ["jobs", "Jobs"],
    ["suspects", suspects ? `Suspects (${suspects})` : "Suspects"],
    ["index", "Index versions"],
  ];
  const links = views.map(([hash, name]) =>
    el(
      "a",
      { href: `#${hash}`, "aria-current": chosen() === hash && "true", "data-testid": hash },
      name,
    ),
  );
  byId("more-views").hidden = false;
  refill(byId("more-views"), links);
}

function chosen() {
  return namedIn(location.hash);
}

/** Draws what the address names; on a narrow screen it takes the place of the list. */
async function show() {
  isDrawn = true;
  const what = chosen();
  byId("panes").classList.toggle("with-detail", what !== "");
  for (const link of document.querySelectorAll(".entries a, .views a")) {
    if (link.getAttribute("href") === `#${what}`) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
  adding = null;
  leave();
  const { nodes: parts, leave: ended } = asView(await viewOf(what));
  if (chosen() !== what) return ended();
  leave = ended;
  fill(byId("detail"), el("a", { class: "back", href: "#" }, "‹ All documents"), parts);
  if (what) byId("detail").focus();
  else standAt(before);
  before = location.hash;
}

/**
 * @param {Node[] | View} shown
 * @returns {View}
 */
function asView(shown) {
  return Array.isArray(shown) ? { nodes: shown, leave: () => {} } : shown;
}

/**
 * @param {string} what
 * @returns {Promise<Node[] | View>}
 */
async function viewOf(what) {
  if (what.startsWith("doc/")) return oneDocument(what.slice(4));
  if (what === "jobs" && operator) return jobsView().catch(problem);
  if (what.startsWith("job/") && operator) return jobDetail(what.slice(4)).catch(problem);
  if (what === "suspects" && operator) return suspectsView(drawViews);
  if (what === "index" && operator) return versionsView().catch(problem);
  if (what === "add" && operator) {
    const chosenNow = byId("collection", HTMLSelectElement).value;
    adding = addingView({ collections, chosen: chosenNow, changed: reload });
    return adding.nodes;
  }
  if (collections.length || !operator) {
    return [el("p", { class: "empty-pane" }, "Choose a document to see its text.")];
  }
  const first = el("a", { href: "#add" }, "Add the first ones");
  return [el("p", { class: "empty-pane" }, first, ": answers come from them.")];
}

/** @param {string} documentId */
async function oneDocument(documentId) {
  const changed = async () => {
    await reload();
    await show();
  };
  const gone = () => {
    location.hash = "";
    reload().catch(showPageError);
  };
  try {
    const parts = await documentDetail(documentId, { operator, changed, gone });
    shownState = documents.find((one) => one.document_id === documentId)?.state ?? "";
    return parts;
  } catch (error) {
    return problem(error);
  }
}

/** @param {unknown} error */
function problem(error) {
  const words = error instanceof Error ? error.message : String(error);
  // Its link in the list leads to where the page is already, so a click there does nothing.
  const onclick = () => show().catch(showPageError);
  const again = el("button", { type: "button", class: "small", onclick }, "Try again");
  const props = { class: "notice bad", role: "alert", "data-testid": "error" };
  return [el("div", props, el("p", {}, words), again)];
}

async function reload() {
  await loadCollections();
  await load();
}

/** While something is being read, the list follows; the open document does when it is done. */
async function poll() {
  if (document.hidden || !documents.some(({ state }) => state === "pending")) return;
  await load();
  const open = documents.find((one) => chosen() === `doc/${one.document_id}`);
  if (open && open.state !== shownState) await show();
  if (operator) await drawViews();
}

main().catch(showPageError);
