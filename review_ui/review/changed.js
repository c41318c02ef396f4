// @ts-check
// Released answers whose sources changed: look at them again, withdraw them, or let them stand.

import { messageOf, request } from "../shared/api.js";
import { announce, byId, el, fill } from "../shared/dom.js";
import { age, plural } from "../shared/format.js";
import { attempt, sender } from "../shared/forms.js";
import { askerWords } from "./words.js";

/** @import { ChangedAnswer, ChangedAnswers } from "../shared/wire.d.ts" */

/** @type {(taskId: string) => void} */
let openTask = () => {};

/**
 * `open(taskId)` shows the task in which an answer is reviewed again.
 * @param {(taskId: string) => void} open
 */
export function mountChanged(open) {
  openTask = open;
  byId("changed-more").addEventListener("toggle", () => {
    if (byId("changed-more", HTMLDetailsElement).open) loadChanged();
  });
}

/** Loads and shows the list. */
export async function loadChanged() {
  const box = byId("changed-list");
  try {
    /** @type {ChangedAnswers} */
    const { answers, next_cursor: more } = await request("GET", "/v1/released/changed?limit=50");
    byId("changed-count").textContent = answers.length ? `${answers.length}${more ? "+" : ""}` : "";
    fill(
      box,
      answers.length
        ? el("ul", { class: "plain" }, answers.map(item))
        : el("p", { class: "muted" }, "Every released answer rests on sources that stand."),
    );
  } catch (error) {
    fill(box, el("p", { class: "flag bad", role: "alert" }, messageOf(error)));
  }
}

/** @param {ChangedAnswer} answer */
function item(answer) {
  const gone = answer.documents.filter((one) => one.removed).length;
  const titles = answer.documents.map((one) => one.title).join(", ");
  const what = gone ? `${plural(gone, "source")} removed` : "changed";
  const [place, told] = [el("div"), el("div", { class: "told" })];
  const path = `/v1/released/${encodeURIComponent(answer.answer_id)}`;
  /** @type {HTMLButtonElement} */
  const again = button("Review again", "review-again", () =>
    attempt(
      told,
      async () => {
        const { task_id: taskId } = await request("POST", `${path}/review`);
        openTask(taskId);
        await loadChanged();
      },
      again,
    ),
  );
  return el(
    "li",
    { "data-testid": "changed-answer" },
    el("p", { class: "task-question", dir: "auto" }, answer.question),
    el("p", { class: "small", dir: "auto" }, answer.text),
    el(
      "p",
      { class: "muted small" },
      `${titles}: ${what} · ${askerWords(answer.asker)}, ${age(answer.released_at)}`,
    ),
    el(
      "div",
      { class: "row" },
      again,
      opener("Withdraw…", "withdrawal", place, path),
      opener("Let it stand…", "keep", place, path),
    ),
    place,
    told,
  );
}

/**
 * A button that opens the form for one of the two, in the place of the other.
 * @param {string} label
 * @param {"withdrawal" | "keep"} what
 * @param {HTMLElement} place
 * @param {string} path
 */
function opener(label, what, place, path) {
  /** @type {HTMLButtonElement} */
  const open = button(label, what === "keep" ? "keep" : "withdraw", () => {
    const close = () => {
      fill(place);
      open.focus();
    };
    showForm(place, reasonForm(what, path, { done: loadChanged, close }));
  });
  return open;
}

/**
 * @param {HTMLElement} place
 * @param {HTMLFormElement} form
 */
export function showForm(place, form) {
  fill(place, form);
  form.querySelector("input")?.focus();
}

/**
 * The form stays until what it says is done, so that a failure loses no word of it.
 * @param {"withdrawal" | "keep"} what
 * @param {string} path
 * @param {{done: () => unknown, close: () => void}} then
 */
export function reasonForm(what, path, { done, close }) {
  const withdraws = what === "withdrawal";
  const reason = field("Why, for the record", "withdraw-reason");
  const message = withdraws ? field("What to tell the asker (optional)", "withdraw-message") : null;
  const told = el("div", { class: "told" });
  const send = async () => {
    const said = { reason: reason.input.value.trim() };
    const body = message ? { ...said, message: message.input.value.trim() } : said;
    await request("POST", `${path}/${what}`, { body });
    announce(withdraws ? "Withdrawn." : "It stands.");
    await done();
  };
  const onsubmit = (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    if (reason.input.value.trim()) attempt(told, send, sender(event));
    else reason.input.focus();
  };
  const save = el(
    "button",
    { class: withdraws ? "danger" : "primary", "data-testid": "reason-save" },
    withdraws ? "Withdraw" : "Let it stand",
  );
  const cancel = el("button", { type: "button", onclick: close }, "Cancel");
  const buttons = el("div", { class: "row" }, save, cancel);
  return el("form", { class: "reason-form", onsubmit }, reason.node, message?.node, told, buttons);
}

/**
 * @param {string} label
 * @param {string} testId
 */
function field(label, testId) {
  const input = el("input", { type: "text", maxlength: "2000", "data-testid": testId });
  return { input, node: el("label", { class: "field" }, el("span", {}, label), input) };
}

/**
 * @param {string} label
 * @param {string} testId
 * @param {() => void} onclick
 */
function button(label, testId, onclick) {
  return el("button", { type: "button", class: "small", "data-testid": testId, onclick }, label);
}
