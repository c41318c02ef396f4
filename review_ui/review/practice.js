// @ts-check
// Practice: some answers that are known, judged one by one, with the truth told at once.

import { messageOf, request } from "../shared/api.js";
import { byId, el, fill } from "../shared/dom.js";
import { placeOf } from "../shared/format.js";
import { markedAs, passageBlock, piecesQuoted } from "../shared/passage.js";
import { prose } from "../shared/prose.js";

/** @import { PracticeItem, PracticeView, Truth } from "../shared/wire.d.ts" */

/** The button opens a dialog over the page. */
export function mountPractice() {
  const dialog = byId("practice", HTMLDialogElement);
  dialog.addEventListener("keydown", (event) => onKey(dialog, event));
  byId("practise").addEventListener("click", () => {
    dialog.showModal();
    begin(dialog);
  });
}

/** @param {HTMLDialogElement} dialog */
async function begin(dialog) {
  fill(dialog, heading("Practice"), el("p", {}, "Loading…"));
  try {
    /** @type {PracticeView} */
    const { items } = await request("GET", "/v1/practice");
    show(dialog, items, 0, 0);
  } catch (error) {
    const failed = el("p", { class: "notice bad", role: "alert" }, messageOf(error));
    fill(dialog, heading("Practice"), failed, closeButton(dialog));
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
    const props = { role: "status", "data-testid": "practice-end" };
    fill(dialog, heading("Practice"), el("p", props, said), closeButton(dialog));
    return dialog.querySelector("button")?.focus();
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
      fill(told, el("p", { class: "notice bad", role: "alert" }, messageOf(error)));
      for (const button of buttons) button.disabled = false;
    }
  };
  const buttons = [
    judgeButton("It may go out", "1", "practice-right", () => judge(false)),
    judgeButton("It is wrong", "2", "practice-wrong", () => judge(true)),
  ];
  fill(
    dialog,
    heading(`Practice: ${place + 1} of ${items.length}`),
    el("p", { class: "practice-question", dir: "auto" }, item.question),
    prose(item.draft, (number) => ` [${number}]`),
    el(
      "ul",
      { class: "plain" },
      item.evidence.map((passage) => source(passage, item)),
    ),
    el("div", { class: "row" }, buttons, el("span", { class: "spacer" }), closeButton(dialog)),
    told,
  );
  dialog.querySelector("h2")?.focus();
}

/**
 * @param {PracticeItem["evidence"][number]} passage
 * @param {PracticeItem} item
 */
function source(passage, { draft }) {
  const quoted = piecesQuoted(passage.text, passage.cited ? draft.citations : []);
  const title = `${placeOf(passage)}${passage.cited ? " (cited)" : ""}`;
  return el(
    "li",
    {},
    el("p", { class: "source-title small", dir: "auto" }, title),
    passageBlock(quoted, markedAs("practice-quote"), { class: "passage small" }),
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
 * @param {string} key
 * @param {string} testId
 * @param {() => void} onclick
 */
function judgeButton(label, key, testId, onclick) {
  const props = { type: "button", "data-testid": testId, "data-key": key, onclick };
  const shown = el("kbd", { "aria-hidden": "true" }, key);
  return el("button", { ...props, "aria-keyshortcuts": key }, label, " ", shown);
}

/**
 * The digits judge, as they do while labelling.
 * @param {HTMLDialogElement} dialog
 * @param {KeyboardEvent} event
 */
function onKey(dialog, { key, ctrlKey, metaKey, altKey, repeat }) {
  if (ctrlKey || metaKey || altKey || repeat || (key !== "1" && key !== "2")) return;
  const button = dialog.querySelector(`[data-key="${key}"]`);
  if (button instanceof HTMLButtonElement) button.click();
}

/** @param {HTMLDialogElement} dialog */
function closeButton(dialog) {
  return el("button", { type: "button", onclick: () => dialog.close() }, "Close");
}
