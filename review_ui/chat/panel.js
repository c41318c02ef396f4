// @ts-check
// The side panel that shows a citation's passage; a modal dialog where there is no room beside.

import { ApiError, messageOf, request } from "../shared/api.js";
import { byId, el, fill, setText } from "../shared/dom.js";
import { cutAtQuote, passageText } from "../shared/passage.js";

/** @import { CitationView, PassageView } from "../shared/wire.d.ts" */

const BESIDE = "(min-width: 1180px)";

/** @type {HTMLElement | null} */
let opener = null;
/** @type {CitationView | null} */
let wanted = null;

/**
 * Opens the panel on a citation; focus comes back to `from` when it closes.
 * @param {CitationView} citation
 * @param {HTMLElement} from
 */
export async function openCitation(citation, from) {
  opener = from;
  wanted = citation;
  show();
  setText(byId("panel-title"), `[${citation.number}] ${citation.title}`);
  fill(byId("panel-body"), el("p", { class: "muted" }, "Loading the passage…"));
  byId("panel-title").focus();
  const body = await passageBody(citation);
  if (wanted !== citation) return;
  fill(byId("panel-body"), body);
  byId("panel-body").querySelector("mark")?.scrollIntoView({ block: "center" });
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
    const passage = await request("GET", `/v1/passages/${encodeURIComponent(citation.passage_id)}`);
    return passageView(passage, citation);
  } catch (error) {
    const gone = "This passage was removed, or you may no longer read it.";
    const isGone = error instanceof ApiError && error.status === 404;
    const props = { class: "notice bad", role: "alert", "data-testid": "error" };
    return el("p", props, isGone ? gone : messageOf(error));
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
  const text = el("blockquote", { class: "passage", dir: "auto" }, passage.text);
  return [where, el("p", { class: "notice warn" }, changed), text];
}
