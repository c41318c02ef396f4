// @ts-check
// Questions without an answer, and a form to answer one for all: it becomes a document.

import { messageOf, request, upload } from "../shared/api.js";
import { byId, el, fill } from "../shared/dom.js";
import { age, plural } from "../shared/format.js";
import { choices, field, unsavedBadge } from "../shared/forms.js";
import { keep, loadKept } from "../shared/kept.js";
import { quoteItem, quotePlace, quoteText } from "../shared/quotes.js";

/** @import { DocumentView, Gap, GapsView, QuotesView, QuoteView } from "../shared/wire.d.ts" */

const SHOWN = 20;
const NEAREST = "What came nearest";

/**
 * Draws the gaps of a collection. A form that is being written in is left alone.
 * @param {string} collection "" for all in scope
 * @param {string} days
 * @param {string[]} collections where an answer can go
 * @param {() => boolean} wanted whether what comes is still to be drawn
 */
export async function drawGaps(collection, days, collections, wanted) {
  const place = byId("gaps");
  if (place.querySelector("form") || place.matches(":focus-within")) return;
  const params = new URLSearchParams({ days });
  if (collection) params.set("collection", collection);
  /** @type {GapsView} */
  const { gaps, complete } = await request("GET", `/v1/gaps?${params}`);
  // Nor is what somebody began with, or stands at, while this was on its way.
  if (!wanted() || place.querySelector("form") || place.matches(":focus-within")) return;
  const none = el("p", { class: "muted" }, "Every question of this time got an answer.");
  const items = gaps.slice(0, SHOWN).map((gap) => item(gap, collections));
  const more = gaps.length > SHOWN && `The ${SHOWN} asked most of ${gaps.length}.`;
  const partly = !complete && "Only the newest 400 questions were looked at.";
  const note = [more, partly].filter(Boolean).join(" ");
  fill(
    place,
    gaps.length ? el("ul", { class: "said" }, items) : none,
    note && el("p", { class: "muted small" }, note),
  );
}

/**
 * @param {Gap} gap
 * @param {string[]} collections
 */
function item(gap, collections) {
  const line = el("li", { "data-testid": "gap" });
  const kind = `gap.${gap.gap_id}`;
  const open = () => {
    const { form, text } = answerForm(gap, collections, close, saved);
    text.value = loadKept(kind);
    text.addEventListener("input", () => keep(kind, text.value.trim()));
    const nearest = el("section", { class: "quotes", "aria-label": NEAREST });
    fill(line, about, el("div", { class: "answering" }, form, nearest));
    text.focus();
    const use = (/** @type {QuoteView} */ quote) => {
      text.value = withQuote(text.value, quote);
      keep(kind, text.value);
      text.focus();
    };
    drawNearest(nearest, gap, use).catch((error) => {
      fill(nearest, el("p", { class: "muted small", role: "status" }, messageOf(error)));
    });
  };
  const props = { type: "button", class: "small" };
  const button = el("button", { ...props, onclick: open, "data-testid": "answer-gap" });
  const about = aboutGap(gap);
  const discard = () => {
    keep(kind, "");
    close();
  };
  const drop = el("button", { ...props, onclick: discard, "data-testid": "discard" }, "Discard it");
  /** What was written and not added is kept, and says so. */
  const buttons = () => {
    const kept = loadKept(kind) !== "";
    fill(button, kept ? "Go on writing…" : "Write the answer…");
    return el("div", { class: "row" }, button, kept && [drop, unsavedBadge()]);
  };
  const close = () => {
    fill(line, about, buttons());
    button.focus();
  };
  const saved = (/** @type {DocumentView} */ added) => {
    keep(kind, "");
    const told = el("p", { class: "notice ok", role: "status", tabindex: "-1" }, [
      "Added as a document: ",
      el("a", { href: `/documents#doc/${added.document_id}` }, added.source),
      ". It is read now. When the question is asked again and answered from it, it leaves this list.",
    ]);
    fill(line, about, told, buttons());
    told.focus();
  };
  fill(line, about, buttons());
  return line;
}

/** @param {Gap} gap */
function aboutGap(gap) {
  const others = gap.wordings.length > 0 && `Also: ${gap.wordings.join(" · ")}`;
  return [
    el("strong", { dir: "auto" }, gap.question),
    el("p", { class: "muted small" }, gapWords(gap)),
    others && el("p", { class: "muted small", dir: "auto" }, others),
    gap.written.map((one) =>
      el("p", { class: "muted small", dir: "auto", "data-testid": "gap-written" }, [
        "Written since: ",
        el("a", { href: `/documents#doc/${one.document_id}` }, one.title),
        `, ${age(one.changed_at)}. When the question is asked again and answered, it leaves this list.`,
      ]),
    ),
  ];
}

/**
 * What the reader would quote for this question, however unsure it is.
 * @param {HTMLElement} place
 * @param {Gap} gap
 * @param {(quote: QuoteView) => void} onUse
 */
async function drawNearest(place, gap, onUse) {
  const head = el("h3", {}, NEAREST);
  fill(place, head, el("p", { class: "muted small", role: "status" }, "Searching the documents…"));
  /** @type {QuotesView} */
  const { quotes } = await request("GET", `/v1/gaps/${encodeURIComponent(gap.gap_id)}/quotes`);
  const items = quotes.map((quote, index) => {
    const found = quotePlace(quote);
    const to = { href: `/documents#doc/${found?.documentId}`, target: "_blank" };
    return quoteItem(quote, `nearest-${gap.gap_id}-${index}`, {
      where: el("a", to, found?.where),
      label: "Use this quote",
      props: { onclick: () => onUse(quote) },
    });
  });
  const hint = quotes.length
    ? "What the documents say now. It may not answer: read it before you use it."
    : "The documents say nothing that could be quoted.";
  const told = el("p", { class: "muted small", role: "status" }, hint);
  fill(place, head, told, items.length > 0 && el("ol", { class: "plain" }, items));
}

/**
 * What was written already, with the words of a quote below it.
 * @param {string} written
 * @param {QuoteView} quote
 */
export function withQuote(written, quote) {
  const before = written.trim() ? `${written.trimEnd()}\n\n` : "";
  return before + quoteText(quote);
}

/**
 * How often, by how many, and what became of it.
 * @param {Gap} gap
 */
export function gapWords(gap, now = Date.now()) {
  const { asked, askers, abstained, refused, expired } = gap;
  const became = [
    abstained && `${abstained} not found`,
    refused && `${refused} rejected`,
    expired && `${expired} not decided in time`,
  ].filter(Boolean);
  const people = plural(askers, "person", "people");
  return `${plural(asked, "time")} by ${people}, last ${age(gap.last_at, now)}: ${became.join(", ")}`;
}

/**
 * An expert's answer as a Markdown file: its heading is the question. A file of the same name is
 * replaced, so the name holds the gap's id: no other document has it.
 * @param {string} gapId
 * @param {string} question
 * @param {string} text
 */
export function documentOf(gapId, question, text) {
  const heading = question.replace(/\s+/g, " ").trim();
  const words = heading
    .replace(/[^\p{L}\p{N}]+/gu, "-")
    .slice(0, 60)
    .replace(/^-+|-+$/g, "");
  const name = `${words || "answer"}-${gapId.slice(0, 8)}.md`;
  return { name, text: `# ${heading}\n\n${text.trim()}\n` };
}

/**
 * @param {Gap} gap
 * @param {string[]} collections
 * @param {() => void} close
 * @param {(added: DocumentView) => void} saved
 */
function answerForm(gap, collections, close, saved) {
  const title = el("input", { required: true, maxlength: 300, value: gap.question });
  const text = el("textarea", {
    required: true,
    rows: "5",
    dir: "auto",
    "data-testid": "gap-text",
  });
  const known = gap.collections.filter((name) => collections.includes(name));
  const options = (known.length ? known : collections).map(
    (name) => /** @type {[string, string]} */ ([name, name]),
  );
  const target = choices(options);
  const told = el("p", { class: "small", role: "status" });
  const save = el(
    "button",
    { type: "submit", class: "primary small", "data-testid": "gap-save" },
    "Add as a document",
  );
  const form = el(
    "form",
    {},
    field("Heading", title),
    field("Answer", text, "Whole sentences: answers quote them word for word."),
    field("Collection", target),
    el(
      "div",
      { class: "row" },
      save,
      el("button", { type: "button", class: "small", onclick: close }, "Close"),
    ),
    told,
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    save.disabled = true;
    try {
      saved(await send(documentOf(gap.gap_id, title.value, text.value), target.value));
    } catch (error) {
      fill(told, messageOf(error));
      save.disabled = false;
    }
  });
  return { form, text };
}

/**
 * @param {{name: string, text: string}} made
 * @param {string} collection
 * @returns {Promise<DocumentView>}
 */
async function send({ name, text }, collection) {
  const body = new FormData();
  body.append("file", new File([text], name, { type: "text/markdown" }));
  body.append("collection", collection);
  return /** @type {DocumentView} */ (await upload("POST", "/v1/documents", body, () => {}));
}
