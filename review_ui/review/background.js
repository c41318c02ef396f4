// @ts-check
// Draws what a slower drafter wrote in the background, beside the draft of the task.

import { el } from "../shared/dom.js";
import { moment, placeOf, words } from "../shared/format.js";

/** @import { AnswerBody, SentenceView, TaskDetailView } from "../shared/wire.d.ts" */
/** @import { Handling } from "./handle.js" */

/**
 * The draft with a button that puts it in the place of the task's own.
 * @param {TaskDetailView} task
 * @param {(handling: Handling) => void} handle
 */
export function backgroundDraft({ background_draft: found, content_sha256, draft }, handle) {
  if (!found) return null;
  const body = { content_sha256, background_sha256: found.content_sha256 };
  const said = "This is the draft from the background. Please read it.";
  const onclick = () => handle({ method: "POST", path: "draft", body, said });
  const made = `Drafted in the background by ${found.model}, ${moment(found.made_at)}.`;
  const doubts = found.findings.map(({ check, message }) => `${words(check)}: ${message}`);
  return el(
    "section",
    { class: "block", "data-testid": "background-draft" },
    el("h3", {}, draft.sentences.length > 0 ? "Another draft" : "A draft to begin with"),
    el("p", { class: "muted small", dir: "auto" }, made),
    el(
      "ol",
      { class: "sentences" },
      found.draft.sentences.map((one) => sentence(one, found.draft)),
    ),
    doubts.map((line) => el("p", { class: "flag warn", dir: "auto" }, line)),
    el(
      "button",
      { type: "button", class: "small", "data-testid": "use-background", onclick },
      "Use this draft",
    ),
  );
}

/**
 * @param {SentenceView} sentence
 * @param {AnswerBody} draft
 */
function sentence({ text, citations }, draft) {
  const cited = draft.citations.filter((one) => citations.includes(one.number));
  return el(
    "li",
    {},
    el("p", { class: "sentence-text", dir: "auto" }, text),
    cited.map((one) =>
      el(
        "p",
        { class: "muted small", dir: "auto" },
        `[${one.number}] ${placeOf(one)}: `,
        el("q", {}, one.quote),
      ),
    ),
  );
}
