// @ts-check
// One question and what came of it, in the transcript.

import { copyButton } from "../shared/clipboard.js";
import { announce, el, fill, visible } from "../shared/dom.js";
import { age, moment } from "../shared/format.js";
import { answerBody, copyText, isFinal, NOT_MEASURED, spokenForm } from "./answer.js";
import { feedbackRow } from "./feedback.js";
import { watchAnswer, watchReleased } from "./live.js";
import { tellOfNews } from "./news.js";
import { openCitation } from "./panel.js";
import { sectionsNote } from "./sections.js";

/** @import { AnswerStatus, AnswerView, ArrivingSentence } from "../shared/wire.d.ts" */
/** @typedef {[label: string, onclick: () => void]} Action */

/** @type {Record<string, string>} */
const STAGES = {
  screening: "Screening the question",
  searching: "Searching the documents",
  drafting: "Drafting an answer",
  judging: "Checking the draft",
};

const AGAIN = new Set(["released", "abstained", "rejected", "withdrawn"]);

/** A question's list item; call `progress`, `settle` or `fail` for what happens to it. */
export class Exchange {
  /**
   * @param {string} question
   * @param {string} createdAt
   */
  constructor(question, createdAt) {
    /** @type {AnswerStatus | null} */
    this.status = null;
    /** @type {string | null} */
    this.releasedAt = null;
    /** @type {HTMLElement | null} */
    this.arriving = null;
    this.outcome = el("div", { class: "outcome" });
    const asked = el("p", { class: "question-text", dir: "auto" }, question || "Erased");
    const time = el("time", { datetime: createdAt, title: moment(createdAt) }, age(createdAt));
    const heading = el("h2", { class: "visually-hidden" }, "Question");
    const bubble = el("div", { class: "question" }, heading, asked, time);
    this.node = el("li", { class: "exchange" }, bubble, this.outcome);
  }

  /** Marks `current` and the stages before it; without one, the list as it starts. */
  progress(current = "screening") {
    const names = Object.keys(STAGES);
    const reached = Math.max(names.indexOf(current), 0);
    const items = names.map((name, index) => stageItem(name, index, reached));
    fill(this.outcome, el("ol", { class: "stages", "aria-label": "Progress" }, items));
    announce(STAGES[current] ?? "");
  }

  /**
   * Adds one sentence of an answer that is released and on its way.
   * @param {ArrivingSentence} sentence
   */
  arrive({ index, text, citations, provisional }) {
    if (index === 0) {
      this.arriving = el("p", { class: "answer-text", dir: "auto", "data-testid": "arriving" });
      const note = provisional && el("p", { class: "release-note" }, NOT_MEASURED);
      const props = { class: "answer", "aria-label": "Answer" };
      fill(this.outcome, el("article", props, this.arriving, note));
    }
    const marks = citations.map((number) => ` [${number}]`).join("");
    this.arriving?.append(visible(`${index ? " " : ""}${text}${marks}`));
  }

  /**
   * Shows the answer and follows it while it is held.
   * @param {AnswerView} answer
   */
  settle(answer, { quiet = false } = {}) {
    if (this.status === answer.status && this.releasedAt === answer.released_at) return;
    const first = this.status === null;
    if (!first) tellOfNews();
    this.status = answer.status;
    this.releasedAt = answer.released_at;
    fill(this.outcome, answerArticle(answer));
    if (!quiet) announce(spokenForm(answer));
    const settle = (/** @type {AnswerView} */ next) => this.settle(next);
    if (!isFinal(answer)) watchAnswer(answer.answer_id, settle);
    if (first) watchReleased(answer.answer_id, settle);
  }

  /**
   * Shows a failure and what can be done about it.
   * @param {string} message
   * @param {Action[]} actions
   * @param {{requestId?: string, tone?: "bad" | "calm"}} [options]
   */
  fail(message, actions, { requestId, tone = "bad" } = {}) {
    const buttons = actions.map(([label, onclick]) =>
      el("button", { type: "button", onclick }, label),
    );
    const reference = requestId && el("p", { class: "muted small" }, `Reference: ${requestId}`);
    const props = { class: `notice ${tone}`, role: "alert", "data-testid": "error" };
    const row = el("div", { class: "row" }, buttons);
    fill(this.outcome, el("div", props, el("p", {}, message), reference, row));
  }
}

/**
 * @param {string} name
 * @param {number} index
 * @param {number} reached
 */
function stageItem(name, index, reached) {
  const state = index < reached ? "done" : index === reached ? "current" : "todo";
  const props = {
    "data-testid": "stage",
    "data-stage": name,
    "data-state": state,
    "aria-current": state === "current" && "step",
  };
  const said = state === "done" && el("span", { class: "visually-hidden" }, " (done)");
  return el("li", props, STAGES[name], said);
}

/** @param {AnswerView} answer */
function answerArticle(answer) {
  const props = {
    class: `answer is-${answer.status}`,
    "data-testid": "answer",
    "data-status": answer.status,
    "data-answer-id": answer.answer_id,
    "aria-label": "Answer",
  };
  const body = answerBody(answer, openCitation);
  return el(
    "article",
    props,
    understoodAs(answer),
    body,
    sectionsNote(answer),
    belowAnswer(answer),
  );
}

/** @param {AnswerView} answer */
function belowAnswer(answer) {
  const again = askAgain(answer);
  if (answer.status !== "released" || !answer.answer) {
    return again && el("div", { class: "below-answer" }, again);
  }
  const copy = copyButton("Copy with sources", () => copyText(answer));
  const left = el("span", { class: "row" }, copy, again);
  return el("div", { class: "below-answer" }, left, feedbackRow(answer));
}

/**
 * Asks the same question once more, as the documents stand now; this answer stays. The page
 * listens for it.
 * @param {AnswerView} answer
 */
function askAgain({ status, question, answer_id, choices, reason }) {
  const replied = reason !== "" && reason !== "erased";
  if (!AGAIN.has(status) || choices.length > 0 || replied || !question) return null;
  const props = {
    type: "button",
    class: "quiet small",
    "data-testid": "ask-again",
    "data-question": question,
    "data-previous": answer_id,
  };
  return el("button", props, "Ask again");
}

/**
 * Of a follow-up question, or one with slips of typing, what was searched for in its place.
 * @param {AnswerView} answer
 */
function understoodAs({ question, searched }) {
  const meant = searched.read_as || searched.question;
  if (!meant || meant === question) return null;
  const props = { class: "muted small", dir: "auto", "data-testid": "searched-for" };
  return el("p", props, `Searched for: ${meant}`);
}
