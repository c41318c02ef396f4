// @ts-check
// Released answers whose sources changed: look at them again, withdraw them, or let them stand.

import { messageOf, request } from "../shared/api.js";
import { announce, byId, el, fill } from "../shared/dom.js";
import { age, plural } from "../shared/format.js";
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
  const node = el("li", { "data-testid": "changed-answer" });
  const act = (/** @type {Promise<unknown>} */ done) => {
    done.then(loadChanged).catch((error) => {
      node.append(el("p", { class: "flag bad", role: "alert" }, messageOf(error)));
    });
  };
  const path = `/v1/released/${encodeURIComponent(answer.answer_id)}`;
  const review = async () => {
    const { task_id: taskId } = await request("POST", `${path}/review`);
    openTask(taskId);
  };
  node.append(
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
      button("Review again", "review-again", () => act(review())),
      button("Withdraw…", "withdraw", () => node.append(reasonForm("withdrawal", path, act))),
      button("Let it stand…", "keep", () => node.append(reasonForm("keep", path, act))),
    ),
  );
  return node;
}

/**
 * @param {"withdrawal" | "keep"} what
 * @param {string} path
 * @param {(done: Promise<unknown>) => void} act
 */
export function reasonForm(what, path, act) {
  const withdraws = what === "withdrawal";
  const reason = field("Why, for the record", "withdraw-reason");
  const message = withdraws ? field("What to tell the asker (optional)", "withdraw-message") : null;
  const node = el(
    "form",
    {
      class: "reason-form",
      onsubmit: (/** @type {SubmitEvent} */ event) => {
        event.preventDefault();
        const said = reason.input.value.trim();
        if (!said) return reason.input.focus();
        const body = message
          ? { reason: said, message: message.input.value.trim() }
          : { reason: said };
        announce(withdraws ? "Withdrawn." : "It stands.");
        act(request("POST", `${path}/${what}`, { body }));
        node.remove();
      },
    },
    reason.node,
    message?.node,
    el(
      "div",
      { class: "row" },
      el(
        "button",
        { class: withdraws ? "danger" : "primary", "data-testid": "reason-save" },
        withdraws ? "Withdraw" : "Let it stand",
      ),
      el("button", { type: "button", onclick: () => node.remove() }, "Cancel"),
    ),
  );
  return node;
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
