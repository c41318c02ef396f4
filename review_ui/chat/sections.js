// @ts-check
// What can be read while an answer waits, or where there is none: the sections that were found.

import { request } from "../shared/api.js";
import { el, fill } from "../shared/dom.js";
import { placeOf } from "../shared/format.js";
import { openDocument, openSection } from "./panel.js";

/** @import { AnswerView, SectionsView, SectionView } from "../shared/wire.d.ts" */

/**
 * Filled as soon as they are known; null where an answer or a question back says more.
 * @param {AnswerView} answer
 */
export function sectionsNote(answer) {
  const waits = answer.status === "held";
  const none = answer.status === "abstained" && !answer.choices.length && !answer.reason;
  if (!waits && !none) return null;
  const note = el("div", { class: "sections", "data-testid": "sections" });
  const title = waits ? "Read meanwhile:" : "Closest to your question:";
  foundSections(answer.answer_id).then((found) => {
    const sections = found.map(sectionButton);
    const buttons =
      sections.length || waits ? sections : answer.searched.titles.map(documentButton);
    if (!buttons.length) return;
    const items = buttons.map((button) => el("li", {}, button));
    fill(note, el("p", { class: "muted" }, title), el("ul", { class: "sources" }, items));
  });
  return note;
}

/**
 * None when they cannot be asked for: they are an extra.
 * @param {string} answerId
 * @returns {Promise<SectionView[]>}
 */
async function foundSections(answerId) {
  try {
    const path = `/v1/answers/${encodeURIComponent(answerId)}/sections`;
    /** @type {SectionsView} */
    const { sections } = await request("GET", path);
    return sections;
  } catch {
    return [];
  }
}

/** @param {SectionView} section */
function sectionButton(section) {
  const button = sourceButton(placeOf(section));
  button.addEventListener("click", () => openSection(section, button));
  return button;
}

/** @param {string} title */
function documentButton(title) {
  const button = sourceButton(title);
  button.addEventListener("click", () => openDocument(title, button));
  return button;
}

/** @param {string} words */
function sourceButton(words) {
  const props = { type: "button", class: "source small", dir: "auto", "data-testid": "closest" };
  return el("button", props, words);
}
