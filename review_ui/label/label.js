// @ts-check
// The labelling page: shows one answer after the other, and sends one key's judgement.

import { ApiError, request, requireSession } from "../shared/api.js";
import { byId, el, fill } from "../shared/dom.js";
import { placeOf, plural } from "../shared/format.js";
import { undoButton } from "../shared/forms.js";
import { explainNoAccess, mountHeader, showPageError } from "../shared/header.js";
import { markedAs, passageBlock, piecesQuoted } from "../shared/passage.js";
import { progressView } from "../shared/progress.js";
import { prose } from "../shared/prose.js";
import { CALLED, DECISIONS, verdictOf } from "./verdicts.js";

/** @import { CollectionsView, EvidenceView, NextLabelView, TaskDetailView } from "../shared/wire.d.ts" */
/** @import { Verdict } from "./verdicts.js" */

const PROVISIONAL =
  "Drafted under the provisional certificate: nothing was measured on these documents.";

/** @type {TaskDetailView | null} */
let task = null;
/** Of which answers are shown. */
let collection = "";
let busy = false;
/** Ends with what is under way. */
let work = Promise.resolve();
/** Judgements since the page was opened. */
let judgedHere = 0;

async function main() {
  const session = await requireSession();
  mountHeader(session);
  if (!session.roles.includes("reviewer"))
    return explainNoAccess("This account is not a reviewer.");
  /** @type {CollectionsView} */
  const { collections } = await request("GET", "/v1/collections");
  const select = byId("collection", HTMLSelectElement);
  fill(select, ...collections.map(({ name }) => el("option", { value: name }, name)));
  select.addEventListener("change", () => afterwards(showChosen));
  byId("judge").addEventListener("click", (event) => {
    const button = event.target instanceof Element ? event.target.closest("button") : null;
    const verdict = /** @type {Verdict | undefined} */ (button?.dataset.verdict);
    if (verdict) guarded(() => judge(verdict));
  });
  document.addEventListener("keydown", onKey);
  if (select.value) await guarded(showNext);
  else fill(byId("task"), el("p", { class: "muted" }, "There are no documents yet."));
}

/** @param {KeyboardEvent} event */
function onKey(event) {
  const typing = event.target instanceof HTMLSelectElement;
  const verdict = verdictOf(event, typing);
  if (verdict) guarded(() => judge(verdict));
}

/**
 * One thing at a time: a second key press while the first is sent says nothing.
 * @param {() => Promise<void>} act
 */
function guarded(act) {
  if (busy) return work;
  busy = true;
  work = act()
    .catch(showPageError)
    .finally(() => {
      busy = false;
    });
  return work;
}

/**
 * What was chosen while the next answer is on its way is done then, and not lost.
 * @param {() => Promise<void>} act
 */
function afterwards(act) {
  return work.then(() => guarded(act));
}

/** Of a collection that was chosen; where it is shown already nothing is lost from the screen. */
async function showChosen() {
  if (byId("collection", HTMLSelectElement).value !== collection) await showNext();
}

async function showNext() {
  collection = byId("collection", HTMLSelectElement).value;
  const body = { collection };
  /** @type {NextLabelView} */
  const next = await request("POST", "/v1/labelling/next", { body });
  fill(byId("progress"), progressView(next.progress));
  task = next.task_id ? await request("POST", `/v1/reviews/${next.task_id}/claim`) : null;
  drawTask();
}

/** @param {Verdict} verdict */
async function judge(verdict) {
  if (task === null) return;
  const { task_id, content_sha256, fence } = task;
  const body = { ...DECISIONS[verdict], content_sha256, fence };
  try {
    offerUndo(await request("POST", `/v1/reviews/${task_id}/decision`, { body }), verdict);
    count(1);
  } catch (error) {
    // Decided elsewhere, lost, or changed meanwhile: the next one is as good.
    if (!(error instanceof ApiError && error.status === 409)) throw error;
  }
  task = null;
  fill(byId("page-error"));
  await showNext();
}

/**
 * The way back from a slip of the finger, as long as there is one.
 * @param {TaskDetailView} judged
 * @param {Verdict} verdict
 */
function offerUndo({ task_id, question, undo_until }, verdict) {
  if (!undo_until) return fill(byId("judged"));
  const back = () => afterwards(() => takeBack(task_id));
  const button = undoButton(Date.parse(undo_until), back);
  const words = el("span", { dir: "auto" }, `${CALLED[verdict]}: “${question}”`);
  fill(byId("judged"), words, " ", button);
}

/**
 * Says that each key press was kept: the number of labels grows later.
 * @param {1 | -1} by
 */
function count(by) {
  judgedHere += by;
  byId("judged-count").hidden = judgedHere === 0;
  const words = `You judged ${plural(judgedHere, "answer")} here. `;
  fill(byId("judged-count"), words, "Each counts as a label once it can be undone no more.");
}

/** @param {string} taskId */
async function takeBack(taskId) {
  task = await request("POST", `/v1/reviews/${encodeURIComponent(taskId)}/undo`);
  fill(byId("judged"), "It was taken back: judge it again.");
  count(-1);
  drawTask();
}

function drawTask() {
  byId("judge").hidden = task === null;
  fill(
    byId("task"),
    task ? taskView(task) : el("p", {}, "No answer waits that a label would help."),
  );
}

/** @param {TaskDetailView} shown */
function taskView(shown) {
  const cited = shown.evidence.filter((passage) => passage.cited);
  return [
    el("h2", { dir: "auto" }, shown.question),
    el("div", { "data-testid": "draft" }, prose(shown.draft, markOf)),
    shown.provisional && el("p", { class: "muted small" }, PROVISIONAL),
    cited.map((passage) => sourceOf(passage, shown)),
  ];
}

/** @param {number} number */
function markOf(number) {
  return ` [${number}]`;
}

/**
 * @param {EvidenceView} passage
 * @param {TaskDetailView} shown
 */
function sourceOf(passage, { draft }) {
  const quoted = draft.citations.filter(({ passage_id }) => passage_id === passage.passage_id);
  return el(
    "section",
    {},
    el("h3", { dir: "auto" }, placeOf(passage)),
    passage.removed
      ? el("p", { class: "muted" }, "This source was removed.")
      : passageBlock(piecesQuoted(passage.text, quoted), markedAs("quote")),
  );
}

main().catch(showPageError);
