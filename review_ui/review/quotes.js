// @ts-check
// Other places that may answer: quotes beside the draft, each with a way to use it.

import { request } from "../shared/api.js";
import { el, fill } from "../shared/dom.js";
import { marked, quoteItem, quotePlace, together } from "../shared/quotes.js";
import { nextNumber } from "./evidence.js";

/** @import { QuotesView, QuoteView, TaskDetailView } from "../shared/wire.d.ts" */
/** @import { Added } from "./evidence.js" */

/**
 * Fills `place` with quotes; it stays empty where there are none.
 * @param {HTMLElement} place
 * @param {TaskDetailView} task
 * @param {(quote: QuoteView) => void} onUse
 */
export async function drawQuotes(place, task, onUse) {
  const path = `/v1/reviews/${encodeURIComponent(task.task_id)}/quotes`;
  /** @type {QuotesView} */
  const { quotes } = await request("GET", path);
  if (!place.isConnected || !quotes.length) return;
  const head = el("h3", { id: "quotes-title" }, "Other places that may answer");
  const items = quotes.map((quote, index) => item(quote, index + 1, onUse));
  fill(place, head, el("ol", { class: "plain", "aria-labelledby": "quotes-title" }, items));
}

/** Uses the shown quote with this number, if there is one. */
export function pressQuote(/** @type {string} */ number) {
  const button = document.querySelector(`#quotes [aria-keyshortcuts="${number}"]`);
  if (button instanceof HTMLElement) button.click();
}

/**
 * @param {QuoteView} quote
 * @param {number} number
 * @param {(quote: QuoteView) => void} onUse
 */
function item(quote, number, onUse) {
  const props = { "aria-keyshortcuts": number, onclick: () => onUse(quote) };
  const label = [el("kbd", { "aria-hidden": "true" }, number), " Use this quote"];
  return quoteItem(quote, `quote-${number}`, { where: quotePlace(quote)?.where, label, props });
}

/**
 * A quote as an unsaved answer of this task, after what was written already: each part with a number
 * that its passage has here and nothing else is cited by, and the sources that must be added for that.
 * @param {QuoteView} quote
 * @param {TaskDetailView} task
 * @param {Added[]} added
 * @param {string} written
 */
export function quoteAsEdit({ answer }, task, added, written) {
  const all = [...added];
  const taken = new Set([...written.matchAll(/\[(\d+)\]/g)].map((match) => Number(match[1])));
  /** @type {Map<number, number>} */
  const numbers = new Map();
  for (const { number, passage_id, title, page } of answer.citations) {
    // The number of a passage that the draft cites stands for the words that it quotes there.
    const free = task.evidence.find(
      (one) => one.passage_id === passage_id && !one.cited && !taken.has(one.number),
    );
    const here = free?.number ?? nextNumber(task, all);
    if (!free) all.push({ number: here, passage_id, title, page });
    taken.add(here);
    numbers.set(number, here);
  }
  const text = together(
    answer.sentences.map((one) => marked(one, (number) => numbers.get(number))),
  );
  const before = written.trim() ? `${written.trimEnd()}\n` : "";
  return { text: before + text, sources: all.slice(added.length) };
}
