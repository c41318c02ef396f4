// @ts-check
// The side panel that shows a citation's passage; a modal dialog where there is no room beside.

import { ApiError, messageOf, request } from "../shared/api.js";
import { documentBlocks, partsOf } from "../shared/document.js";
import { byId, el, fill, setText } from "../shared/dom.js";
import { pageImage } from "../shared/page_image.js";
import { cutAtQuote, passageBlock, passageText } from "../shared/passage.js";

/** @import { Child } from "../shared/dom.js" */
/** @import { CitationView, DocumentsView, DocumentText, PassageView, SectionView } from "../shared/wire.d.ts" */

const BESIDE = "(min-width: 1180px)";
/** Passages that are shown at once, the cited one amid them. */
const AROUND = 40;

/** @type {HTMLElement | null} */
let opener = null;
/**
 * What is shown: a citation, a section, or the title of a document.
 * @type {CitationView | SectionView | string | null}
 */
let wanted = null;

/**
 * Opens the panel on a citation; focus comes back to `from` when it closes.
 * @param {CitationView} citation
 * @param {HTMLElement} from
 */
export async function openCitation(citation, from) {
  const title = `[${citation.number}] ${citation.title}`;
  const body = await opened(citation, from, title, "passage", passageBody(citation));
  body?.querySelector("mark")?.scrollIntoView({ block: "center" });
}

/**
 * Opens the panel on the beginning of a document.
 * @param {string} title
 * @param {HTMLElement} from
 */
export async function openDocument(title, from) {
  await opened(title, from, title, "document", documentBody(title));
}

/**
 * Opens the panel on a section of a document.
 * @param {SectionView} section
 * @param {HTMLElement} from
 */
export async function openSection(section, from) {
  const body = await opened(section, from, section.title, "section", sectionBody(section));
  const part = body?.querySelector(`[data-passage="${section.passage_id}"]`);
  part?.scrollIntoView({ block: "start" });
}

/**
 * The panel's body once what is `coming` stands in it; null if something else is wanted by then.
 * @param {NonNullable<typeof wanted>} what
 * @param {HTMLElement} from
 * @param {string} title
 * @param {string} kind
 * @param {Promise<Child>} coming
 */
async function opened(what, from, title, kind, coming) {
  opener = from;
  wanted = what;
  show();
  const body = byId("panel-body");
  setText(byId("panel-title"), title);
  fill(body, el("p", { class: "muted" }, `Loading the ${kind}…`));
  body.tabIndex = 0; // a long passage scrolls by keys too
  byId("panel-title").focus();
  const found = await coming;
  if (wanted !== what) return null;
  fill(body, found);
  return body;
}

/** @param {SectionView} section */
async function sectionBody({ document_id, passage_id, collection }) {
  try {
    const around = `around=${encodeURIComponent(passage_id)}`;
    return textView(document_id, collection, await loadText(document_id, around), null);
  } catch (error) {
    const isGone = error instanceof ApiError && error.status === 404;
    return problem(isGone ? "This document was changed or removed meanwhile." : messageOf(error));
  }
}

/** @param {string} title */
async function documentBody(title) {
  try {
    /** @type {DocumentsView} */
    const { documents } = await request(
      "GET",
      `/v1/documents?limit=20&find=${encodeURIComponent(title.slice(0, 200))}`,
    );
    const found = documents.find((one) => one.title === title);
    if (!found) return problem("This document was removed, or you may no longer read it.");
    const text = await loadText(found.document_id, "first=0");
    return textView(found.document_id, found.collection, text, null);
  } catch (error) {
    return problem(messageOf(error));
  }
}

/** @param {string} words */
function problem(words) {
  return el("p", { class: "notice bad", role: "alert", "data-testid": "error" }, words);
}

/**
 * @param {string} documentId
 * @param {string} where
 * @returns {Promise<DocumentText>}
 */
function loadText(documentId, where) {
  const path = `/v1/documents/${encodeURIComponent(documentId)}/passages`;
  return request("GET", `${path}?${where}&limit=${AROUND}`);
}

/**
 * @param {string} documentId
 * @param {string} collection
 * @param {DocumentText} text
 * @param {{start: number, end: number} | null} mark
 */
function textView(documentId, collection, { passages, total }, mark) {
  const parts = partsOf(passages, mark);
  const whole = el("a", { href: `/documents#doc/${documentId}` }, "The whole document");
  return [
    el("p", { class: "muted small" }, `Collection: ${collection}`),
    documentBlocks(parts, { testId: "citation-quote" }),
    total > passages.length && el("p", {}, whole),
  ];
}

export function mountPanel() {
  const panel = dialog();
  byId("panel-close").addEventListener("click", () => panel.close());
  panel.addEventListener("close", closed);
  // The browser closes only modal dialogs on Escape.
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && panel.open) panel.close();
  });
  panel.addEventListener("click", (event) => event.target === panel && panel.close());
}

function dialog() {
  return byId("panel", HTMLDialogElement);
}

function show() {
  const panel = dialog();
  if (panel.open) return;
  const beside = window.matchMedia(BESIDE).matches;
  if (beside) panel.show();
  else panel.showModal();
  document.body.classList.toggle("panel-beside", beside);
}

function closed() {
  wanted = null;
  document.body.classList.remove("panel-beside");
  opener?.focus();
  opener = null;
}

/** @param {CitationView} citation */
async function passageBody(citation) {
  if (citation.redacted) {
    const hidden = "The quoted words hold personal data, so they are not shown.";
    return el("p", { class: "notice warn" }, hidden);
  }
  try {
    /** @type {PassageView} */
    const passage = await request("GET", `/v1/passages/${encodeURIComponent(citation.passage_id)}`);
    return (await inItsDocument(passage, citation)) ?? passageView(passage, citation);
  } catch (error) {
    const gone = "This passage was removed, or you may no longer read it.";
    const isGone = error instanceof ApiError && error.status === 404;
    return problem(isGone ? gone : messageOf(error));
  }
}

/**
 * The document at the quote; null when the document has changed since, or holds it no more.
 * @param {PassageView} passage
 * @param {CitationView} citation
 */
async function inItsDocument(passage, citation) {
  const cut = cutAtQuote(passage.text, citation);
  if (!cut) return null;
  const start = passage.start + Array.from(cut.before).length;
  const mark = { start, end: start + Array.from(cut.quote).length };
  try {
    const around = `around=${encodeURIComponent(passage.passage_id)}`;
    const text = await loadText(passage.document_id, around);
    const shown = textView(passage.document_id, passage.collection, text, mark);
    return [pageImage(passage), ...shown];
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return null;
    throw error;
  }
}

/** @param {PassageView} passage */
function whereIs({ page, collection }) {
  const place = `Collection: ${collection}`;
  return page === null ? place : `Page ${page} · ${place}`;
}

/**
 * @param {PassageView} passage
 * @param {CitationView} citation
 */
function passageView(passage, citation) {
  const where = el("p", { class: "muted" }, whereIs(passage));
  const cut = cutAtQuote(passage.text, citation);
  if (cut) return [where, passageText(cut, "citation-quote")];
  const changed =
    "The document has changed since this answer was written. The quoted words are no longer in it.";
  const text = passageBlock(passage.text);
  return [where, el("p", { class: "notice warn" }, changed), text];
}
