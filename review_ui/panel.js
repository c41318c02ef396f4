// The side panel that shows a citation's passage; a modal dialog where there is no room beside.

import { request } from "./api.js";
import { byId, el, fill, setText } from "./dom.js";
import { cutAtQuote, passageText } from "./passage.js";

const BESIDE = window.matchMedia("(min-width: 1180px)");

let opener = null;
let wanted = null;

/** Opens the panel on a citation; focus comes back to `from` when it closes. */
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
  const panel = byId("panel");
  byId("panel-close").addEventListener("click", () => panel.close());
  panel.addEventListener("close", closed);
  // The browser closes only modal dialogs on Escape.
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && panel.open) panel.close();
  });
  panel.addEventListener("click", (event) => event.target === panel && panel.close());
}

function show() {
  const panel = byId("panel");
  if (panel.open) return;
  if (BESIDE.matches) panel.show();
  else panel.showModal();
  document.body.classList.toggle("panel-beside", BESIDE.matches);
}

function closed() {
  wanted = null;
  document.body.classList.remove("panel-beside");
  opener?.focus();
  opener = null;
}

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
    const text = error.status === 404 ? gone : error.message;
    return el("p", { class: "notice bad", role: "alert", "data-testid": "error" }, text);
  }
}

function whereIs({ page, collection }) {
  const place = `Collection: ${collection}`;
  return page === null || page === undefined ? place : `Page ${page} · ${place}`;
}

function passageView(passage, citation) {
  const where = el("p", { class: "muted" }, whereIs(passage));
  const cut = cutAtQuote(passage.text, citation);
  if (cut) return [where, passageText(cut, "citation-quote")];
  const changed = "The document has changed since this answer; the quoted words are no longer in it.";
  const text = el("blockquote", { class: "passage", dir: "auto" }, passage.text);
  return [where, el("p", { class: "notice warn" }, changed), text];
}
