// Draws an answer in each of its states.

import { el } from "./dom.js";
import { listed, moment, plural, titleAndPage } from "./format.js";

const FINAL = new Set(["released", "blocked", "abstained", "rejected"]);

/** True when the answer's status will not change any more. */
export function isFinal(answer) {
  return FINAL.has(answer.status);
}

/** What a screen reader hears when the answer arrives. */
export function spokenForm(answer) {
  if (answer.status === "released") {
    const said = [plainText(answer.answer), answer.disclaimer, provisionalWords(answer)];
    return `Answer: ${said.filter(Boolean).join(" ")}`;
  }
  return `${HEADINGS[answer.status] ?? "Answer"}. ${answer.message}`;
}

/** The answer and its sources, for the clipboard. */
export function copyText(answer) {
  const { answer: { text, citations }, disclaimer } = answer;
  const sources = citations.map((item) => `[${item.number}] ${titleAndPage(item)}`);
  const list = sources.length > 0 && `Sources:\n${sources.join("\n")}`;
  return [text, list, disclaimer, provisionalWords(answer)].filter(Boolean).join("\n\n");
}

/** The inside of an answer; `onCite(citation, opener)` is called for a chosen citation. */
export function answerBody(answer, onCite) {
  if (answer.status === "released" && answer.answer) return releasedBody(answer, onCite);
  const heading = el("p", { class: "state-title" }, HEADINGS[answer.status] ?? "Answer");
  const message = answer.message && el("p", {}, answer.message);
  if (answer.status === "held") return [heading, message, heldNote()];
  if (answer.status === "abstained") return [heading, message, searchedNote(answer.searched)];
  return [heading, message];
}

/** A sentence's text with its core emphasised. */
export function emphasised(text, short) {
  const at = short ? text.indexOf(short) : -1;
  if (at < 0) return [text];
  return [text.slice(0, at), el("strong", {}, short), text.slice(at + short.length)];
}

const HEADINGS = {
  held: "A reviewer is checking this answer",
  abstained: "Your documents do not answer this",
  blocked: "This question cannot be answered here",
  rejected: "A reviewer did not release this answer",
};

function releasedBody(answer, onCite) {
  const content = answer.answer;
  return [
    el("p", { class: "answer-text", dir: "auto" }, sentencesOf(content, onCite)),
    content.citations.length > 0 && sourceList(content.citations, onCite),
    answer.disclaimer && el("p", {
      class: "disclaimer",
      dir: "auto",
      "data-testid": "disclaimer",
    }, answer.disclaimer),
    releaseNote(answer),
  ];
}

function sentencesOf(content, onCite) {
  if (!content.sentences.length) return [content.text];
  const core = content.sentences.findIndex((item) => content.short && item.text.includes(content.short));
  return content.sentences.map((sentence, index) => [
    index > 0 && " ",
    emphasised(sentence.text, index === core ? content.short : null),
    sentence.citations.map((number) => citationButton(content.citations, number, onCite)),
  ]);
}

function citationButton(citations, number, onCite) {
  const citation = citations.find((item) => item.number === number);
  if (!citation) return null;
  const props = {
    type: "button",
    class: "citation",
    "data-testid": "citation",
    "aria-label": `Source ${number}: ${titleAndPage(citation)}`,
    onclick: (event) => onCite(citation, event.currentTarget),
  };
  // The joiner keeps a marker on the line of the word it belongs to.
  return el("span", { class: "keep" }, el("button", props, `[${number}]`));
}

function sourceList(citations, onCite) {
  const items = citations.map((citation) => {
    const open = (event) => onCite(citation, event.currentTarget);
    const number = el("span", { class: "source-number" }, `[${citation.number}]`);
    const button = el("button", {
      type: "button",
      class: "source",
      onclick: open,
    }, number, " ", titleAndPage(citation));
    return el("li", {}, button);
  });
  return el("ul", { class: "sources", "aria-label": "Sources" }, items);
}

function releaseNote(answer) {
  if (answer.released_by !== "reviewer") {
    return el("p", { class: "release-note" }, `Checked automatically against its sources${bound(answer.gate)}`);
  }
  const words = answer.edited ? "Answered by a reviewer, edited" : "Answered by a reviewer";
  const when = answer.released_at && ` ${moment(answer.released_at)}`;
  return el("p", { class: "release-note" }, el("span", { class: "badge ok" }, words), when);
}

/** What stands behind a release that no person has seen, in words. */
function bound(gate) {
  if (!gate?.certified && !gate?.provisional) return "";
  const most = `${Math.round(gate.alpha * 1000) / 10} %`;
  if (gate.certified) return ` · certified: at most ${most} of such answers are wrong`;
  return ` · provisional: at most ${most} wrong on public data, not yet measured on these documents`;
}

/** The same for those who do not see the note: "" unless the certificate is from public data. */
function provisionalWords({ gate, released_by: by }) {
  return gate?.provisional && by !== "reviewer" ? `Checked automatically${bound(gate)}` : "";
}

function heldNote() {
  const words = "You can leave this page. The answer appears here as soon as it is released.";
  return el("p", { class: "waiting" }, el("span", { class: "pulse", "aria-hidden": "true" }), words);
}

function searchedNote(searched) {
  if (!searched) return null;
  const where = searched.collections.length ? ` in ${listed(searched.collections)}` : "";
  const looked = el("p", {}, `Searched ${plural(searched.passages, "passage")}${where}.`);
  if (!searched.titles.length) return el("div", { class: "searched" }, looked);
  const titles = searched.titles.map((title) => el("li", { dir: "auto" }, title));
  return el("div", { class: "searched" }, looked, el("p", {}, "Closest documents:"), el("ul", {}, titles));
}

function plainText(content) {
  return content.sentences.map((sentence) => sentence.text).join(" ") || content.text;
}
