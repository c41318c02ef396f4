// @ts-check
// Questions without an answer, and a form to answer one for all: it becomes a document.

import { messageOf, request, upload } from "../shared/api.js";
import { byId, el, fill } from "../shared/dom.js";
import { age, plural } from "../shared/format.js";
import { choices, field } from "../shared/forms.js";

/** @import { Gap, GapsView } from "../shared/wire.d.ts" */

const SHOWN = 20;

/**
 * Draws the gaps of a collection. A form that is being written in is left alone.
 * @param {string} collection "" for all in scope
 * @param {string} days
 * @param {string[]} collections where an answer can go
 * @param {() => boolean} wanted whether what comes is still to be drawn
 */
export async function drawGaps(collection, days, collections, wanted) {
  const place = byId("gaps");
  if (place.querySelector("form")) return;
  const params = new URLSearchParams({ days });
  if (collection) params.set("collection", collection);
  /** @type {GapsView} */
  const { gaps, complete } = await request("GET", `/v1/gaps?${params}`);
  if (!wanted()) return;
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
  const open = () => {
    const form = answerForm(gap, collections, () => fill(line, ...about, button));
    fill(line, ...about, form);
    form.querySelector("textarea")?.focus();
  };
  const button = el(
    "button",
    { type: "button", class: "small", onclick: open, "data-testid": "answer-gap" },
    "Write the answer…",
  );
  const others = gap.wordings.length > 0 && `Also: ${gap.wordings.join(" · ")}`;
  const about = [
    el("strong", { dir: "auto" }, gap.question),
    el("p", { class: "muted small" }, gapWords(gap)),
    others && el("p", { class: "muted small", dir: "auto" }, others),
  ];
  fill(line, ...about, button);
  return line;
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
 * An expert's answer as a Markdown file: its heading is the question.
 * @param {string} question
 * @param {string} text
 */
export function documentOf(question, text) {
  const heading = question.replace(/\s+/g, " ").trim();
  const name = heading.replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-+|-+$/g, "");
  return { name: `${name.slice(0, 60) || "answer"}.md`, text: `# ${heading}\n\n${text.trim()}\n` };
}

/**
 * @param {Gap} gap
 * @param {string[]} collections
 * @param {() => void} close
 */
function answerForm(gap, collections, close) {
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
      await send(title.value, text.value, target.value);
      fill(told, "Added. Once it is read, this question is answered from it.");
      text.value = "";
    } catch (error) {
      fill(told, messageOf(error));
    } finally {
      save.disabled = false;
    }
  });
  return form;
}

/**
 * @param {string} question
 * @param {string} answer
 * @param {string} collection
 */
async function send(question, answer, collection) {
  const { name, text } = documentOf(question, answer);
  const body = new FormData();
  body.append("file", new File([text], name, { type: "text/markdown" }));
  body.append("collection", collection);
  await upload("POST", "/v1/documents", body, () => {});
}
