// @ts-check
// What an edit can cite: the passages of the task, and more that a reviewer looks for.

import { messageOf, request } from "../shared/api.js";
import { el, fill } from "../shared/dom.js";
import { placeOf } from "../shared/format.js";
import { clip, passageBlock } from "../shared/passage.js";

/** @import { PassageView, TaskDetailView } from "../shared/wire.d.ts" */
/** @typedef {{number: number, title: string, page: number | null, last_page?: number | null}} Source */
/** @typedef {Source & {passage_id: string}} Added */

const SHOWN = 320;

/**
 * Everything that an edit of the task can cite, by number: each passage once.
 * @param {TaskDetailView} task
 * @param {Added[]} added
 * @returns {Source[]}
 */
export function sourcesOf(task, added) {
  const base = (task.proposal?.answer ?? task.draft).citations;
  const others = task.evidence.filter((item) => !item.cited && !item.removed);
  return [...base, ...others, ...added];
}

/**
 * The number for one more passage; the one it has when it can be cited already.
 * @param {TaskDetailView} task
 * @param {Added[]} added
 * @param {string} passageId
 */
export function numberFor(task, added, passageId) {
  const known = [...task.evidence, ...added].find((item) => item.passage_id === passageId);
  return known ? known.number : nextNumber(task, added);
}

/**
 * A number that no source has yet.
 * @param {TaskDetailView} task
 * @param {Added[]} added
 */
export function nextNumber(task, added) {
  const all = [...sourcesOf(task, added), ...task.evidence];
  return Math.max(0, ...all.map((item) => item.number)) + 1;
}

/**
 * A search over the documents; `onCite(passage)` is called for one that is to be cited.
 * @param {TaskDetailView} task
 * @param {(passage: PassageView) => void} onCite
 */
export function evidenceFinder(task, onCite) {
  const field = el("input", {
    id: "evidence-text",
    type: "search",
    maxlength: "4000",
    "data-testid": "evidence-text",
  });
  field.value = task.searched_for;
  const found = el("div", { "aria-live": "polite" });
  const find = async () => {
    fill(found, el("p", { class: "muted small" }, "Searching…"));
    const path = `/v1/reviews/${encodeURIComponent(task.task_id)}/evidence`;
    try {
      const { passages } = await request("POST", path, { body: { text: field.value } });
      fill(found, passages.length ? list(passages, onCite) : el("p", {}, "Nothing was found."));
    } catch (error) {
      fill(found, el("p", { class: "flag bad", role: "alert" }, messageOf(error)));
    }
  };
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    find();
  });
  const button = el(
    "button",
    { type: "button", "data-testid": "evidence-find", onclick: find },
    "Find",
  );
  return el(
    "details",
    { class: "finder" },
    el("summary", {}, "Find more evidence"),
    el("label", { for: "evidence-text" }, "Search the documents"),
    el("div", { class: "row finder-row" }, field, button),
    found,
  );
}

/**
 * @param {PassageView[]} passages
 * @param {(passage: PassageView) => void} onCite
 */
function list(passages, onCite) {
  const items = passages.map((passage) =>
    el(
      "li",
      { "data-testid": "found-passage" },
      el("p", { class: "source-title", dir: "auto" }, placeOf(passage)),
      passageBlock(clip(passage.text, SHOWN), undefined, { class: "passage small" }),
      el(
        "button",
        { type: "button", class: "small", "data-testid": "cite", onclick: () => onCite(passage) },
        "Cite this",
      ),
    ),
  );
  return el("ul", { class: "plain" }, items);
}
