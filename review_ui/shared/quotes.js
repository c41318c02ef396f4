// @ts-check
// Quotes that may answer a question: what stands there word for word, and where.

import { el } from "./dom.js";
import { placeOf } from "./format.js";
import { passageBlock, piecesAround, strong } from "./passage.js";

/** @import { Child, Props } from "./dom.js" */
/** @import { AnswerBody, QuoteView, SentenceView } from "./wire.d.ts" */

/**
 * One of a list of quotes: where it stands, its words, and a button to use it.
 * @param {QuoteView} quote
 * @param {string} id of its words; that of its place ends in "-place"
 * @param {{where: Child, label: Child, props: Props}} drawn its place, and the button
 */
export function quoteItem(quote, id, { where, label, props }) {
  const about = {
    type: "button",
    class: "small",
    "data-testid": "use-quote",
    "aria-describedby": `${id} ${id}-place`,
  };
  return el(
    "li",
    { "data-testid": "quote" },
    el("p", { id: `${id}-place`, class: "source-title", dir: "auto" }, where),
    passageBlock(piecesAround(quoteText(quote), quote.answer.short), strong, { id }),
    el("button", { ...about, ...props }, label),
  );
}

/**
 * The document of a quote, and where in it the quote stands.
 * @param {QuoteView} quote
 */
export function quotePlace({ answer: { citations }, headings }) {
  const [first] = citations;
  return first ? { where: placeOf({ ...first, headings }), documentId: first.document_id } : null;
}

/** @param {QuoteView} quote */
export function quoteText({ answer }) {
  return together(answer.sentences.map(({ text }) => text));
}

/**
 * Sentences go on in one paragraph; rows and items stand on lines of their own.
 * @param {string[]} parts
 */
export function together(parts) {
  return parts.reduce((text, part) => `${text}${/[.!?]$/.test(text) ? " " : "\n"}${part}`);
}

/**
 * The sentence with its markers before the sign that ends it.
 * @param {SentenceView} sentence
 * @param {(number: number) => number | undefined} [shown] the number that a citation has there
 */
export function marked({ text, citations }, shown = (number) => number) {
  const markers = citations.map((number) => ` [${shown(number)}]`).join("");
  return /[.!?]$/.test(text) ? text.slice(0, -1) + markers + text.slice(-1) : text + markers;
}

/**
 * An answer as it is written: its lines are its own, or else each row and item has one.
 * @param {Pick<AnswerBody, "text" | "sentences">} answer
 */
export function writtenText({ text, sentences }) {
  if (text.includes("\n") || !sentences.length) return text;
  return together(sentences.map((sentence) => marked(sentence)));
}
