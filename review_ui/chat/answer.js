// @ts-check
// Draws an answer in each of its states.

import { el, setText } from "../shared/dom.js";
import { moment, percent, placeOf, plural } from "../shared/format.js";
import { prose } from "../shared/prose.js";
import { writtenText } from "../shared/quotes.js";
import { usualWait } from "./waiting.js";

/** @import { AnswerBody, AnswerView, ChoiceView, CitationView, SearchedView } from "../shared/wire.d.ts" */
/** @import { Child } from "../shared/dom.js" */
/** @typedef {(citation: CitationView, opener: HTMLElement) => void} OnCite */

const FINAL = new Set(["released", "blocked", "abstained", "rejected", "withdrawn"]);
/** @type {Record<string, string>} */
const HEADINGS = {
  abstained: "No answer",
  blocked: "Not answered",
  rejected: "Not released",
  withdrawn: "Withdrawn",
};
/** What an answer under the certificate from public data says of itself. */
export const NOT_MEASURED =
  "Provisional: how often such answers are wrong has not been measured on these documents.";

/**
 * True when the answer's status will not change any more.
 * @param {Pick<AnswerView, "status">} answer
 */
export function isFinal(answer) {
  return FINAL.has(answer.status);
}

/**
 * What stands above an answer that is none; "" where its message is a reply.
 * @param {Pick<AnswerView, "status" | "reason">} answer
 */
function headingOf({ status, reason }) {
  if (reason === "erased") return "Erased";
  return reason ? "" : (HEADINGS[status] ?? "");
}

/**
 * What a screen reader hears when the answer arrives.
 * @param {AnswerView} answer
 */
export function spokenForm(answer) {
  if (answer.status === "released" && answer.answer) {
    const said = [
      plainText(answer.answer),
      answer.message,
      answer.disclaimer,
      isUnmeasured(answer) && NOT_MEASURED,
    ];
    return `Answer: ${said.filter(Boolean).join(" ")}`;
  }
  const offered = answer.choices.map((choice) => choice.label).join("; ");
  const said = offered ? `${answer.message} ${offered}` : answer.message;
  const heading = headingOf(answer);
  return heading ? `${heading}. ${said}` : said;
}

/**
 * The answer and its sources, for the clipboard.
 * @param {AnswerView} answer
 */
export function copyText(answer) {
  const citations = answer.answer?.citations ?? [];
  const since = answer.answer && answer.message;
  const sources = placesOf(citations).map(({ marks, place }) => `${marks} ${place}`);
  const list = sources.length > 0 && `Sources:\n${sources.join("\n")}`;
  const unmeasured = isUnmeasured(answer) && `Checked automatically. ${NOT_MEASURED}`;
  const text = answer.answer && writtenText(answer.answer);
  return [text, list, since, answer.disclaimer, unmeasured].filter(Boolean).join("\n\n");
}

/**
 * What stands behind a release, in words: who or what checked it, and what is promised.
 * @param {Pick<AnswerView, "released_by" | "edited" | "gate">} answer
 */
export function releaseWords({ released_by, edited, gate }) {
  if (released_by === "reviewer") {
    return edited ? "Edited by a reviewer" : "Approved by a reviewer";
  }
  const checked = "Checked automatically against its sources.";
  if (gate?.provisional) return `${checked} ${NOT_MEASURED}`;
  if (!gate?.certified || gate.alpha === null) return checked;
  const weighed = gate.weighed ? ", weighed by the harm they do" : "";
  return `${checked} Certified: at most ${percent(gate.alpha)} of such answers are wrong${weighed}.`;
}

/**
 * The inside of an answer; `onCite(citation, opener)` is called for a chosen citation.
 * @param {AnswerView} answer
 * @param {OnCite} onCite
 * @returns {Child[]}
 */
export function answerBody(answer, onCite) {
  if (answer.status === "released" && answer.answer) {
    return releasedBody(answer, answer.answer, onCite);
  }
  if (answer.status === "held") return heldBody(answer);
  const named = headingOf(answer);
  if (!named) return [el("p", { dir: "auto" }, answer.message)];
  const title = answer.choices.length ? "Which one do you mean?" : named;
  const heading = el("p", { class: "state-title" }, title);
  const message = answer.message && el("p", { dir: "auto" }, answer.message);
  if (answer.choices.length) return [heading, message, choiceList(answer.choices)];
  const searched = answer.status === "abstained" && searchedNote(answer.searched);
  return [heading, message, searched];
}

/**
 * One thing, said once: that a person checks it, and how long that takes as a rule.
 * @param {Pick<AnswerView, "message">} answer
 * @returns {Child[]}
 */
function heldBody({ message }) {
  const pulse = el("span", { class: "pulse", "aria-hidden": "true" });
  const wait = el("p", { class: "muted", "data-testid": "usual-wait" });
  usualWait().then((words) => setText(wait, words));
  return [el("p", { class: "held-message", dir: "auto" }, pulse, " ", message), wait];
}

/**
 * Buttons that ask the full question; the page listens for them.
 * @param {ChoiceView[]} choices
 */
function choiceList(choices) {
  const items = choices.map(({ label, question }) => {
    const props = { type: "button", class: "choice", dir: "auto", "data-testid": "choice" };
    return el("li", {}, el("button", { ...props, "data-question": question }, label));
  });
  return el("ul", { class: "choices", "aria-label": "Which one do you mean?" }, items);
}

/**
 * @param {AnswerView} answer
 * @param {AnswerBody} content
 * @param {OnCite} onCite
 */
function releasedBody(answer, content, onCite) {
  const props = { class: "disclaimer", dir: "auto", "data-testid": "disclaimer" };
  const since = { class: "notice warn", dir: "auto", "data-testid": "since" };
  return [
    answer.message && el("p", since, answer.message),
    prose(content, (number) => citationButton(content.citations, number, onCite)),
    content.citations.length > 0 && sourceList(content.citations, onCite),
    answer.disclaimer && el("p", props, answer.disclaimer),
    releaseNote(answer),
  ];
}

/**
 * @param {CitationView[]} citations
 * @param {number} number
 * @param {OnCite} onCite
 */
function citationButton(citations, number, onCite) {
  const citation = citations.find((item) => item.number === number);
  if (!citation) return null;
  const button = el("button", { type: "button", class: "citation", "data-testid": "citation" });
  button.ariaLabel = `Source ${number}: ${placeOf(citation)}`;
  button.textContent = `[${number}]`;
  button.addEventListener("click", () => onCite(citation, button));
  return button;
}

/**
 * The places that are cited, each once with the marks of all that is quoted from it, and the first
 * of its citations.
 * @param {CitationView[]} citations
 */
export function placesOf(citations) {
  /** @type {Map<string, {marks: string, place: string, first: CitationView}>} */
  const places = new Map();
  for (const citation of citations) {
    const [mark, place] = [`[${citation.number}]`, placeOf(citation)];
    const key = `${citation.document_id} ${place}`;
    const known = places.get(key);
    if (known) known.marks += ` ${mark}`;
    else places.set(key, { marks: mark, place, first: citation });
  }
  return [...places.values()];
}

/**
 * @param {CitationView[]} citations
 * @param {OnCite} onCite
 */
function sourceList(citations, onCite) {
  const items = placesOf(citations).map(({ marks, place, first }) => {
    const numbers = el("span", { class: "source-number" }, marks);
    const props = { type: "button", class: "source small" };
    const button = el("button", props, numbers, " ", place);
    button.addEventListener("click", () => onCite(first, button));
    return el("li", {}, button);
  });
  return el("ul", { class: "sources", "aria-label": "Sources" }, items);
}

/** @param {AnswerView} answer */
function releaseNote(answer) {
  const words = releaseWords(answer);
  if (answer.released_by !== "reviewer") return el("p", { class: "release-note" }, words);
  const when = answer.released_at && ` ${moment(answer.released_at)}`;
  return el("p", { class: "release-note" }, el("span", { class: "badge ok" }, words), when);
}

/** @param {Pick<AnswerView, "released_by" | "gate">} answer */
function isUnmeasured({ released_by, gate }) {
  return Boolean(gate?.provisional) && released_by !== "reviewer";
}

/** @param {SearchedView} searched */
function searchedNote({ passages }) {
  return el("p", { class: "searched" }, `Searched ${plural(passages, "passage")}.`);
}

/** @param {AnswerBody} content */
function plainText(content) {
  return content.sentences.map((sentence) => sentence.text).join(" ") || content.text;
}
