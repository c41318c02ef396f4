// @ts-check
// The chat within a frame on another site.

import { answerBody, copyText, isFinal, spokenForm } from "../chat/answer.js";
import { messageOf } from "../shared/api.js";
import { copyButton } from "../shared/clipboard.js";
import "../shared/composing.js";
import { announce, byId, el, fill, setText } from "../shared/dom.js";
import { placeOf } from "../shared/format.js";
import { tell } from "../shared/forms.js";
import { passageBlock } from "../shared/passage.js";
import { before, questionProblem } from "../shared/question.js";
import { endedWords, heldWords, keptBySite, Visit, whoVisits } from "./visit.js";

/** @import { AnswerView, CitationView } from "../shared/wire.d.ts" */
/** @import { Keeper } from "./visit.js" */

const who = whoVisits(location.hash);
const visit = new Visit(new URLSearchParams(location.search).get("key") ?? "", who, keeper());
/** Ends when what was asked before is shown; who presses Enter at once waits for it.
 * @type {Promise<void> | null} */
let beginning = null;
/** @type {string | null} */
let previous = null;
let busy = false;
const ONE_AT_A_TIME = "Please wait for the answer to your last question.";

async function main() {
  tellSite("countersign:ready");
  nameAs(new URLSearchParams(location.hash.slice(1)));
  byId("transcript").tabIndex = 0; // a long answer scrolls by keys too
  byId("close").addEventListener("click", close);
  document.addEventListener("keydown", (event) => event.key === "Escape" && close());
  window.addEventListener("message", ({ source, data }) => {
    if (source === window.parent && data === "countersign:opened") field().focus();
  });
  byId("composer").addEventListener("submit", (event) => {
    event.preventDefault();
    send();
  });
  field().addEventListener("input", () => note(""));
  field().addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey) return;
    event.preventDefault();
    byId("composer", HTMLFormElement).requestSubmit();
  });
  byId("history").addEventListener("click", choose);
  field().focus(); // whoever pressed the opener wants to write
  try {
    await begin();
  } finally {
    sendButton().disabled = false;
  }
}

/** Begins the visit; where that failed, the next question tries it again. */
function begin() {
  beginning ??= visit
    .begin()
    .then(showEarlier)
    .catch((error) => {
      beginning = null;
      throw error;
    });
  return beginning;
}

/**
 * Above a question that is asked meanwhile.
 * @param {AnswerView[]} earlier
 */
function showEarlier(earlier) {
  byId("empty").hidden = busy || earlier.length > 0;
  const now = byId("history").firstElementChild;
  for (const answer of earlier) settle(addQuestion(answer.question, now), answer, true);
}

/**
 * The site's own words above the chat may be in another language than the chat.
 * @param {URLSearchParams} told
 */
function nameAs(told) {
  const [label, lang] = [told.get("label"), told.get("lang")];
  if (!label) return;
  setText(byId("title"), label);
  document.title = label;
  if (lang) byId("title").lang = lang;
}

function field() {
  return byId("question", HTMLTextAreaElement);
}

function sendButton() {
  return byId("send", HTMLButtonElement);
}

/**
 * The frame's own storage; browsers that block cookies of other sites may deny it any.
 * @returns {Keeper}
 */
function keeper() {
  try {
    return window.sessionStorage;
  } catch {
    const kept = new URLSearchParams(location.hash.slice(1)).get("kept");
    return keptBySite(kept, (keep) => tellSite({ keep }));
  }
}

function close() {
  field().blur(); // else it counts as focused, and cannot be again when the frame is shown
  tellSite("countersign:close");
}

/** @param {unknown} what */
function tellSite(what) {
  // To whichever site is around: only those that the key names can be.
  window.parent.postMessage(what, "*");
}

/**
 * Says what is the matter below the field, and to screen readers.
 * @param {string} words
 */
function note(words) {
  setText(byId("ask-note"), words);
  if (words) announce(words);
}

function send() {
  const question = field().value.trim();
  const problem = busy ? ONE_AT_A_TIME : questionProblem(question);
  if (problem) return note(problem);
  field().value = "";
  submit(question);
}

/**
 * Asks; what stands in the field stays.
 * @param {string} question
 */
async function submit(question) {
  if (busy) return note(ONE_AT_A_TIME);
  note("");
  busy = true;
  sendButton().setAttribute("aria-disabled", "true");
  fill(byId("page-error"));
  const outcome = addQuestion(question);
  fill(outcome, el("p", { class: "muted" }, "Looking for an answer…"));
  announce("Looking for an answer.");
  try {
    await begin();
    settle(outcome, await visit.ask(question, previous), false);
  } catch (error) {
    outcome.closest("li")?.remove();
    field().value = before(question, field().value);
    tell(byId("page-error"), "bad", messageOf(error));
  } finally {
    busy = false;
    sendButton().removeAttribute("aria-disabled");
    field().focus();
  }
}

/**
 * A question in the transcript; returns the place of its answer.
 * @param {string} question
 * @param {Element | null} [next] what stands below it
 */
function addQuestion(question, next = null) {
  byId("empty").hidden = true;
  const outcome = el("div", { class: "outcome" });
  const asked = el(
    "div",
    { class: "question" },
    el("p", { class: "question-text", dir: "auto" }, question),
  );
  const item = el("li", { class: "exchange" }, asked, outcome);
  byId("history").insertBefore(item, next);
  item.scrollIntoView({ block: "end" });
  return outcome;
}

/**
 * @param {HTMLElement} outcome
 * @param {AnswerView} answer
 * @param {boolean} quiet
 */
async function settle(outcome, answer, quiet) {
  previous = answer.answer_id;
  draw(outcome, answer);
  if (!quiet) announce(spokenForm(answer));
  if (isFinal(answer)) return;
  const isLost = await visit.follow(answer.answer_id, (latest) => {
    if (latest.status !== answer.status) {
      draw(outcome, latest);
      announce(spokenForm(latest));
    }
    return !isFinal(latest);
  });
  if (isLost) tellLost(outcome);
}

/** @param {HTMLElement} outcome of an answer that waits */
function tellLost(outcome) {
  const words = endedWords(Boolean(who.user));
  const waiting = outcome.querySelector(".held-message");
  if (waiting) setText(waiting, words);
  announce(words);
}

/**
 * @param {HTMLElement} outcome
 * @param {AnswerView} answer
 */
function draw(outcome, answer) {
  const quoted = el("div", { class: "quoted", "aria-live": "polite" });
  const props = {
    class: `answer is-${answer.status}`,
    "data-testid": "answer",
    "data-status": answer.status,
    "aria-label": "Answer",
  };
  const copy = answer.answer && copyButton("Copy", () => copyText(answer));
  fill(outcome, el("article", props, bodyOf(answer, quoted), quoted, copy));
  outcome.scrollIntoView({ block: "nearest" });
}

/**
 * @param {AnswerView} answer
 * @param {HTMLElement} quoted
 */
function bodyOf(answer, quoted) {
  if (answer.status === "held") {
    const words = heldWords(answer.message, Boolean(who.user));
    return el("p", { class: "held-message", dir: "auto" }, words);
  }
  const cite = (/** @type {CitationView} */ citation) => showQuote(quoted, citation);
  return answerBody(answer, cite);
}

/**
 * @param {HTMLElement} quoted
 * @param {CitationView} citation
 */
function showQuote(quoted, citation) {
  const words = citation.redacted
    ? el(
        "p",
        { class: "notice warn" },
        "The quoted words hold personal data, so they are not shown.",
      )
    : passageBlock(citation.quote, undefined, { "data-testid": "quote" });
  const where = el("p", { class: "muted small" }, `[${citation.number}] ${placeOf(citation)}`);
  fill(quoted, words, where);
}

/** @param {Event} event */
function choose(event) {
  const { target } = event;
  const asked = target instanceof HTMLElement && target.dataset.question;
  if (asked) submit(asked);
}

main().catch((error) => tell(byId("page-error"), "bad", messageOf(error)));
