// @ts-check
// One document: its facts, its text with headings, and what can be done with it.

import { request, upload } from "../shared/api.js";
import { documentBlocks, partsOf } from "../shared/document.js";
import { el, fill, showingMore } from "../shared/dom.js";
import { plural } from "../shared/format.js";
import { attempt, confirming, field, sender, tell } from "../shared/forms.js";
import { factsOf, nameOf, replaceHint, stateOf, uploadWords } from "./words.js";

/** @import { DocumentText, DocumentView, PlacedPassage } from "../shared/wire.d.ts" */
/** @typedef {{operator: boolean, changed: () => Promise<void>, gone: () => void}} Context */

const PART = 100;

/** @param {string} documentId */
export function pathOf(documentId) {
  return `/v1/documents/${encodeURIComponent(documentId)}`;
}

/**
 * @param {string} documentId
 * @param {Context} context
 * @returns {Promise<Node[]>}
 */
export async function documentDetail(documentId, context) {
  /** @type {DocumentView} */
  const shown = await request("GET", pathOf(documentId));
  const told = el("div", { class: "told" });
  return [
    headOf(shown),
    ...problem(shown),
    told,
    ...related(shown),
    factBlock(shown),
    ...(context.operator ? [changeBlock(shown, context, told)] : []),
    await textBlock(shown),
  ];
}

/** @param {DocumentView} shown */
function headOf(shown) {
  const { words, tone } = stateOf(shown, new Date().toISOString().slice(0, 10));
  const badge = el("span", { class: `badge ${tone}`, "data-testid": "document-state" }, words);
  return el(
    "h2",
    { class: "row", dir: "auto", "data-testid": "document-title" },
    nameOf(shown),
    badge,
  );
}

/** @param {DocumentView} shown */
function problem({ state, error_message }) {
  if (!error_message || state === "ready") return [];
  const tone = state === "failed" ? "bad" : "warn";
  return [el("p", { class: `notice ${tone}`, "data-testid": "reason" }, error_message)];
}

/**
 * The edition that counts in its place, and documents with nearly the same words.
 * @param {DocumentView} shown
 */
function related({ superseded_by, near_copies }) {
  const newer =
    superseded_by &&
    el(
      "p",
      { class: "notice warn", "data-testid": "superseded" },
      "There is a ",
      el("a", { href: `#doc/${superseded_by}` }, "newer edition"),
      ". Where both are found, this one answers only questions that name its edition.",
    );
  const links = near_copies.map((id, at) => [
    at ? ", " : "",
    el("a", { href: `#doc/${id}` }, at ? `${at + 1}` : "document 1"),
  ]);
  const copies =
    links.length > 0 &&
    el(
      "p",
      { class: "notice warn", "data-testid": "near-copies" },
      `${plural(links.length, "document")} of this collection `,
      links.length > 1 ? "have" : "has",
      " nearly the same words: ",
      links,
      ". What they say alike is read once.",
    );
  return [newer, copies].filter((node) => node instanceof Node);
}

/** @param {DocumentView} shown */
function factBlock(shown) {
  const facts = factsOf(shown).map(([name, value]) => [
    el("dt", {}, name),
    el("dd", { dir: "auto" }, value),
  ]);
  return el("section", { class: "block" }, el("dl", { class: "facts" }, facts));
}

/**
 * @param {DocumentView} shown
 * @param {Context} context
 * @param {HTMLElement} told
 */
function changeBlock(shown, context, told) {
  const again = el(
    "button",
    { type: "button", class: "small", "data-testid": "retry" },
    "Try again",
  );
  again.addEventListener("click", () =>
    attempt(
      told,
      async () => {
        await request("POST", `${pathOf(shown.document_id)}/retry`);
        await context.changed();
      },
      again,
    ),
  );
  const remove = confirming({
    label: "Delete the document",
    question: "No later answer can use or cite it.",
    sure: "Delete it",
    testid: "delete-document",
    act: () =>
      attempt(told, async () => {
        await request("DELETE", pathOf(shown.document_id));
        context.gone();
      }),
  });
  const buttons = el("div", { class: "row" }, shown.retryable && again, remove);
  const summary = el("summary", { "data-testid": "replace-open" }, "Replace its content");
  const form = replaceForm(shown, context, told);
  // Where only another file helps, that is what is offered.
  const open = shown.state === "failed" && !shown.retryable;
  return el("section", { class: "block" }, buttons, el("details", { open }, summary, form));
}

/**
 * @param {DocumentView} shown
 * @param {Context} context
 * @param {HTMLElement} told
 */
function replaceForm(shown, context, told) {
  const file = el("input", {
    type: "file",
    name: "file",
    required: true,
    "data-testid": "replace-file",
  });
  const from = el("input", { type: "date", name: "valid_from" });
  const until = el("input", { type: "date", name: "valid_until" });
  const button = el("button", { type: "submit", "data-testid": "replace" }, "Replace");
  const form = el(
    "form",
    { class: "group" },
    field("The new file", file, replaceHint(shown)),
    field("First valid day", from, "Empty: as it is."),
    field("Last valid day", until, "Empty: as it is."),
    el("p", {}, button),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const data = new FormData(form);
    for (const day of [from, until]) if (!day.value) data.delete(day.name);
    attempt(
      told,
      async () => {
        await upload("PUT", pathOf(shown.document_id), data, (sent, size) =>
          tell(told, "ok", uploadWords({ sent, size })),
        );
        await context.changed();
      },
      sender(event),
    );
  });
  return form;
}

/** @param {DocumentView} shown */
async function textBlock(shown) {
  const text = el("div", { class: "text", "data-testid": "document-text" });
  const more = el("button", { type: "button", class: "small" }, "Show more");
  /** @type {PlacedPassage[]} */
  let passages = [];
  const load = async () => {
    /** @type {DocumentText} */
    const next = await request(
      "GET",
      `${pathOf(shown.document_id)}/passages?first=${passages.length}&limit=${PART}`,
    );
    passages = [...passages, ...next.passages];
    fill(text, documentBlocks(partsOf(passages), { below: suspectNote }));
    more.hidden = passages.length >= next.total || next.passages.length === 0;
    if (!passages.length) fill(text, el("p", { class: "muted" }, "There is no text yet."));
  };
  const told = el("div", { class: "told" });
  more.addEventListener("click", () => showingMore(more, text, () => attempt(told, load, more)));
  await load();
  const title = `Text (${plural(shown.passages, "passage")})`;
  return el("section", { class: "block" }, el("h3", {}, title), text, more, told);
}

/** @param {PlacedPassage} passage */
function suspectNote({ suspect }) {
  if (!suspect) return null;
  const words = `${suspect} Answers that rest on this passage are held.`;
  return el(
    "p",
    { class: "notice warn" },
    words,
    " ",
    el("a", { href: "#suspects" }, "Look at suspects"),
  );
}
