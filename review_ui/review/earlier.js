// @ts-check
// Answered before: what reviewers released on similar questions, and a way to begin with it.

import { request } from "../shared/api.js";
import { el, fill } from "../shared/dom.js";
import { moment, placeOf } from "../shared/format.js";
import { passageBlock } from "../shared/passage.js";
import { numberFor, sourcesOf } from "./evidence.js";

/** @import { EarlierAnswer, EarlierAnswers, TaskDetailView } from "../shared/wire.d.ts" */
/** @import { Added } from "./evidence.js" */

/**
 * Fills `place` with earlier answers; it stays empty where there are none.
 * @param {HTMLElement} place
 * @param {TaskDetailView} task
 * @param {(answer: EarlierAnswer) => void} onUse
 */
export async function drawEarlier(place, task, onUse) {
  const path = `/v1/reviews/${encodeURIComponent(task.task_id)}/answered`;
  /** @type {EarlierAnswers} */
  const { answers } = await request("GET", path);
  if (!place.isConnected || !answers.length) return;
  const head = el("h3", {}, "Answered before");
  const items = answers.map((answer) => earlier(answer, onUse));
  fill(place, head, el("ul", { class: "plain" }, items));
}

/**
 * @param {EarlierAnswer} earlier
 * @param {(answer: EarlierAnswer) => void} onUse
 */
function earlier(earlier, onUse) {
  const { question, answer, edited, released_at } = earlier;
  const how = edited ? "written by a reviewer" : "approved as drafted";
  const sources = answer.citations.map((one) => `[${one.number}] ${placeOf(one)}`).join(" · ");
  return el(
    "li",
    { "data-testid": "earlier-answer" },
    el("p", { class: "source-title", dir: "auto" }, question),
    passageBlock(answer.text, undefined, { class: "passage small" }),
    el("p", { class: "muted small", dir: "auto" }, `${how}, ${moment(released_at)}. ${sources}`),
    el(
      "button",
      {
        type: "button",
        class: "small",
        "data-testid": "use-earlier",
        onclick: () => onUse(earlier),
      },
      "Begin with this",
    ),
  );
}

/**
 * An earlier answer as an unsaved answer of this task: its markers with the numbers that the
 * sources have here, and the sources that must be added for that.
 * @param {EarlierAnswer} earlier
 * @param {TaskDetailView} task
 * @param {Added[]} added
 */
export function asEdit({ answer }, task, added) {
  const all = [...added];
  /** @type {Map<number, number>} */
  const numbers = new Map();
  for (const { number, passage_id, title, page } of answer.citations) {
    const here = numberFor(task, all, passage_id);
    numbers.set(number, here);
    if (sourcesOf(task, all).some((one) => one.number === here)) continue;
    all.push({ number: here, passage_id, title, page });
  }
  const text = answer.text.replace(/\[(\d{1,3})\]/g, (marker, number) => {
    const here = numbers.get(Number(number));
    return here === undefined ? marker : `[${here}]`;
  });
  return { text, sources: all.slice(added.length) };
}
