// @ts-check
// Practice: some answers that are known, judged one by one, with the truth told at once.

import { messageOf, request } from "../shared/api.js";
import { byId, el, fill } from "../shared/dom.js";
import { placeOf } from "../shared/format.js";
import { passageBlock } from "../shared/passage.js";

/** @import { PracticeItem, PracticeView, Truth } from "../shared/wire.d.ts" */

/** The button opens a dialog over the page. */
export function mountPractice() {
  const dialog = byId("practice", HTMLDialogElement);
  byId("practise").addEventListener("click", () => {
    dialog.showModal();
    begin(dialog);
  });
}

/** @param {HTMLDialogElement} dialog */
async function begin(dialog) {
  fill(dialog, el("p", {}, "Loading…"));
  try {
    /** @type {PracticeView} */
    const { items } = await request("GET", "/v1/practice");
    show(dialog, items, 0, 0);
  } catch (error) {
    fill(dialog, el("p", { role: "alert" }, messageOf(error)), closeButton(dialog));
  }
}

/**
 * @param {HTMLDialogElement} dialog
 * @param {PracticeItem[]} items
 * @param {number} place
 * @param {number} right how many were judged right so far
 */
function show(dialog, items, place, right) {
  const item = items[place];
  if (!item) {
    const said = endWords(right, items.length);
    return fill(dialog, heading("Practice"), el("p", {}, said), closeButton(dialog));
  }
  const told = el("div", { role: "status", "data-testid": "practice-told" });
  const judge = async (/** @type {boolean} */ wrong) => {
    for (const button of buttons) button.disabled = true;
    try {
      const path = `/v1/practice/${encodeURIComponent(item.item_id)}`;
      /** @type {Truth} */
      const truth = await request("POST", path, { body: { wrong } });
      const next = () => show(dialog, items, place + 1, right + Number(truth.right));
      const go = el("button", { type: "button", class: "primary", onclick: next }, "Go on");
      fill(told, el("p", { class: `notice ${truth.right ? "ok" : "bad"}` }, truthWords(truth)), go);
      go.focus();
    } catch (error) {
      fill(told, el("p", { role: "alert" }, messageOf(error)));
    }
  };
  const buttons = [
    judgeButton("It may go out", "practice-right", () => judge(false)),
    judgeButton("It is wrong", "practice-wrong", () => judge(true)),
  ];
  fill(
    dialog,
    heading(`Practice: ${place + 1} of ${items.length}`),
    el("p", { class: "source-title", dir: "auto" }, item.question),
    passageBlock(item.draft.text),
    el("ul", { class: "plain" }, item.evidence.map(source)),
    el("div", { class: "row" }, buttons, el("span", { class: "spacer" }), closeButton(dialog)),
    told,
  );
  dialog.querySelector("h2")?.focus();
}

/** @param {PracticeItem["evidence"][number]} passage */
function source(passage) {
  const title = `${placeOf(passage)}${passage.cited ? " (cited)" : ""}`;
  return el(
    "li",
    {},
    el("p", { class: "source-title small", dir: "auto" }, title),
    passageBlock(passage.text, undefined, { class: "passage small" }),
  );
}

/** @param {Truth} truth */
export function truthWords({ wrong, right }) {
  const is = wrong ? "This answer is wrong" : "This answer is right";
  return right ? `Yes. ${is}.` : `No. ${is}: look at what its sources say.`;
}

/**
 * @param {number} right
 * @param {number} all
 */
export function endWords(right, all) {
  if (!all) return "There is nothing to practise with. Come back when more was reviewed.";
  return `You judged ${right} of ${all} right. Nobody is measured by this.`;
}

/** @param {string} text */
function heading(text) {
  return el("h2", { id: "practice-title", tabindex: "-1" }, text);
}

/**
 * @param {string} label
 * @param {string} testId
 * @param {() => void} onclick
 */
function judgeButton(label, testId, onclick) {
  return el("button", { type: "button", "data-testid": testId, onclick }, label);
}

/** @param {HTMLDialogElement} dialog */
function closeButton(dialog) {
  return el("button", { type: "button", onclick: () => dialog.close() }, "Close");
}
