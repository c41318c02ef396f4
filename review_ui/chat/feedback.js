// @ts-check
// Whether an answer was useful, and why: kept for operators.

import { request } from "../shared/api.js";
import { announce, el, fill } from "../shared/dom.js";
import { attempt, sender } from "../shared/forms.js";

/** @import { AnswerView, FeedbackView } from "../shared/wire.d.ts" */

/**
 * Two buttons, and a line for the reason after one of them.
 * @param {Pick<AnswerView, "answer_id" | "feedback">} answer
 */
export function feedbackRow({ answer_id, feedback }) {
  const box = el("div", { class: "feedback" });
  /** @param {FeedbackView | null} given */
  const draw = (given, open = false) => {
    const buttons = [thumb("Useful", true, given, send), thumb("Not useful", false, given, send)];
    const kept =
      given?.reason &&
      !open &&
      el("span", { class: "muted small", dir: "auto" }, `“${given.reason}”`);
    const row = el(
      "div",
      { class: "row", role: "group", "aria-label": "Was this answer useful?" },
      buttons,
      kept,
    );
    fill(box, row, open && given && reasonForm(given, send), told);
  };
  const told = el("div", { class: "told" });
  /**
   * @param {FeedbackView} given
   * @param {boolean} open
   * @param {HTMLButtonElement | null} [button]
   */
  const send = (given, open, button) =>
    attempt(
      told,
      async () => {
        const path = `/v1/answers/${encodeURIComponent(answer_id)}/feedback`;
        await request("PUT", path, { body: given });
        draw(given, open);
        announce(open ? "Noted. You can say why." : "Thank you.");
        const next = box.querySelector("input") ?? box.querySelector("[aria-pressed=true]");
        if (next instanceof HTMLElement) next.focus();
      },
      button,
    );
  draw(feedback);
  return box;
}

/** @typedef {(given: FeedbackView, open: boolean, button?: HTMLButtonElement | null) => void} Send */

/**
 * @param {string} label
 * @param {boolean} useful
 * @param {FeedbackView | null} given
 * @param {Send} send
 */
function thumb(label, useful, given, send) {
  const pressed = given?.useful === useful;
  const props = {
    type: "button",
    class: "quiet small",
    "aria-pressed": String(pressed),
    "data-testid": useful ? "useful" : "not-useful",
  };
  const button = el("button", props, label);
  const reason = pressed ? given.reason : "";
  button.addEventListener("click", () => send({ useful, reason }, true, button));
  return button;
}

/**
 * @param {FeedbackView} given
 * @param {Send} send
 */
function reasonForm(given, send) {
  const props = {
    maxlength: 2000,
    "aria-label": "Why?",
    placeholder: "Why? (optional)",
    autocomplete: "off",
    "data-testid": "feedback-reason",
  };
  const reason = el("input", props);
  reason.value = given.reason;
  const form = el("form", { class: "row" }, reason, el("button", { class: "small" }, "Send"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send({ ...given, reason: reason.value.trim() }, false, sender(event));
  });
  return form;
}
