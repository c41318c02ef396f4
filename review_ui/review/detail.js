// @ts-check
// Draws one review task: the draft beside its sources first, then what was checked.

import { wordDiff } from "../shared/diff.js";
import { el, fill, hasInvisible } from "../shared/dom.js";
import { moment, placeOf, plural, words } from "../shared/format.js";
import { pageImage } from "../shared/page_image.js";
import {
  blocksOf,
  cutAtQuote,
  drawn,
  nearQuote,
  passageBlock,
  passageText,
  piecesAround,
  strong,
} from "../shared/passage.js";
import { writtenText } from "../shared/quotes.js";
import { namesAbove, rowBelow } from "../shared/rows.js";
import { backgroundDraft } from "./background.js";
import { reasonForm, showForm } from "./changed.js";
import { changesOf, notesOf } from "./handle.js";
import { isUndecided } from "./state.js";
import {
  askedWords,
  KINDS,
  OUTCOMES,
  PROVISIONAL,
  strangeNumbers,
  taskNotes,
  whyWords,
} from "./words.js";

/** @import { Child } from "../shared/dom.js" */
/** @import { Cut } from "../shared/passage.js" */
/** @import { AnswerBody, CitationView, DecisionView, EvidenceView, FindingView, SentenceView, TaskDetailView, VerdictView } from "../shared/wire.d.ts" */
/** @import { Handling } from "./handle.js" */

const WITHDRAWN = "Withdrawn. The asker sees that, and your message.";
// Enough of the passage around a quote to judge it in context, in code points.
const CONTEXT = 260;

/**
 * The whole task as nodes, without the action bar.
 * @param {TaskDetailView} task
 * @param {(handling: Handling) => void} handle
 * @returns {Child[]}
 */
export function taskView(task, handle) {
  const expired = "No one decided in time, so this answer was not released.";
  return [
    headOf(task),
    task.decision && decisionOf(task.decision, task.draft),
    task.decision && task.decision.kind !== "reject" && withdrawal(task),
    task.state === "expired" && el("p", { class: "notice warn" }, expired),
    changesOf(task.changed_sources),
    proposalOf(task),
    draftOf(task),
    isUndecided(task) ? el("section", { id: "quotes", class: "block quotes" }) : null,
    backgroundDraft(task, handle),
    checksOf(task),
    notesOf(task.notes),
    otherEvidence(task.evidence),
    task.decision ? null : el("section", { id: "earlier" }),
    madeWith(task.lineage),
  ];
}

/** @param {TaskDetailView} task */
function headOf(task) {
  const title = el(
    "h2",
    { id: "task-title", tabindex: "-1", dir: "auto" },
    task.question || "Erased",
  );
  const understood = task.searched_for !== task.question && `Searched for: ${task.searched_for}`;
  const reasons = whyWords(task.reasons, task.verdict.reasons);
  const more =
    reasons.length > 1 &&
    el(
      "ul",
      { class: "reasons" },
      reasons.map((one) => el("li", {}, one)),
    );
  const notes = taskNotes(task);
  return el(
    "header",
    { class: "task-head" },
    title,
    el("p", { id: "holder", class: "holder", role: "status" }),
    understood &&
      el("p", { class: "muted", dir: "auto", "data-testid": "searched-for" }, understood),
    el(
      "p",
      { class: "why", dir: "auto", "data-testid": "why" },
      el("strong", {}, "Why it was held: "),
      task.why,
    ),
    more ? folded("All reasons", more) : el("details", { class: "whole-why" }, wholeWhy()),
    el("p", { id: "asked-when", class: "muted small" }, askedWords(task)),
    notes && el("p", { class: "muted small", "data-testid": "task-notes" }, notes),
    task.provisional &&
      el("p", { class: "muted small", "data-testid": "provisional" }, PROVISIONAL),
  );
}

/** Opens the reason where a small screen cuts it off; there is nothing else in this fold. */
function wholeWhy() {
  return el("summary", { "data-testid": "whole-why" }, "The whole reason");
}

/**
 * What a first reviewer approved; a second one decides about this text.
 * @param {TaskDetailView} task
 */
function proposalOf({ proposal, state, draft, evidence }) {
  if (!proposal || !isUndecided({ state })) return null;
  const what = proposal.edited ? "proposes this text" : "approved the draft as it is";
  const when = ` ${what}, ${moment(proposal.approved_at)}`;
  const line = el("p", {}, el("strong", {}, proposal.reviewer), when);
  const text = proposal.edited && changedText(writtenText(draft), proposal.answer.text);
  const props = { class: "notice warn", "data-testid": "proposal" };
  const rows = proposal.edited ? sentenceRows(proposal.answer, evidence) : [];
  return [
    el("section", props, line, text),
    rows.length > 0 &&
      el(
        "section",
        { class: "block", "data-testid": "proposed" },
        el("h3", {}, "Proposed text and sources"),
        el("ol", { class: "sentences" }, rows),
      ),
  ];
}

/**
 * @param {DecisionView} decision
 * @param {AnswerBody} draft
 */
function decisionOf({ kind, reviewer, decided_at, reason, text, override_reason }, draft) {
  const what = el("strong", {}, KINDS[kind] ?? kind);
  const line = el("p", {}, what, ` by ${reviewer}, ${moment(decided_at)}`);
  const why = reason && el("p", { dir: "auto" }, `Reason: ${reason}`);
  const edited = kind === "edit" && text && changedText(writtenText(draft), text);
  const tone = kind === "reject" ? "bad" : "ok";
  const props = { class: `notice ${tone}`, "data-testid": "decision", "data-kind": kind };
  const over = override_reason && `Released although checks failed: ${override_reason}`;
  return el("section", props, line, why, edited, over && el("p", { dir: "auto" }, over));
}

/**
 * The way to take back an answer that is out.
 * @param {TaskDetailView} task
 */
function withdrawal({ answer_id }) {
  const box = el("div", { class: "withdrawal" });
  const path = `/v1/released/${encodeURIComponent(answer_id)}`;
  const done = () =>
    fill(box, el("p", { class: "notice warn", "data-testid": "withdrawn" }, WITHDRAWN));
  const close = () => {
    fill(box, open);
    open.focus();
  };
  const onclick = () => showForm(box, reasonForm("withdrawal", path, { done, close }));
  const props = { type: "button", class: "small danger", "data-testid": "withdraw", onclick };
  const open = el("button", props, "Withdraw this answer…");
  fill(box, open);
  return box;
}

/**
 * A new text, and behind a fold what it changed.
 * @param {string} before
 * @param {string} after
 */
function changedText(before, after) {
  const changes = wordDiff(before, after).map(({ kind, text }) =>
    kind === "same" ? text : el(kind === "new" ? "ins" : "del", {}, text),
  );
  return [
    passageBlock(after),
    before && folded("What changed", el("p", { class: "passage", dir: "auto" }, changes)),
  ];
}

/** @param {TaskDetailView} task */
function draftOf({ draft, evidence, state, second_try: tried }) {
  const rows = sentenceRows(draft, evidence);
  const strange = "The draft holds invisible characters. They are not shown here.";
  const todo = isUndecided({ state }) ? " Write an answer, or reject the question." : "";
  const empty = `There is no draft.${todo}`;
  return el(
    "section",
    { class: "block", id: "draft" },
    el("h3", {}, "Draft and sources"),
    tried && el("p", { class: "muted", dir: "auto", "data-testid": "second-try" }, tried.message),
    hasInvisible(draft.text) && el("p", { class: "notice warn" }, strange),
    rows.length ? el("ol", { class: "sentences" }, rows) : el("p", { class: "muted" }, empty),
  );
}

/**
 * Each sentence beside where it comes from.
 * @param {AnswerBody} answer
 * @param {EvidenceView[]} evidence
 */
function sentenceRows(answer, evidence) {
  const texts = new Map(evidence.map((item) => [item.passage_id, item.text]));
  /** @type {Set<string>} */
  const seen = new Set();
  const names = namesAbove(answer.sentences.map(({ text }) => text));
  return answer.sentences.map((sentence, at) =>
    sentenceRow(sentence, saidOf(sentence, names[at] ?? null, answer), answer, texts, seen),
  );
}

/**
 * The words of a sentence with its markers; a row of a table stands below the names of its columns.
 * @param {SentenceView} sentence
 * @param {string[] | null} names
 * @param {AnswerBody} draft
 */
function saidOf({ text, citations }, names, { short }) {
  const markers = citations.map((n) => el("span", { class: "marker" }, ` [${n}]`));
  const pieces = piecesAround(text, short);
  if (names === null)
    return el("div", { class: "sentence-text", dir: "auto" }, blocksOf(pieces, strong), markers);
  const row = rowBelow(names, pieces, names.length === 0);
  return el("div", { class: "sentence-text" }, drawn([row], strong), el("p", {}, markers));
}

/**
 * @param {SentenceView} sentence
 * @param {HTMLElement} said
 * @param {AnswerBody} draft
 * @param {Map<string, string>} texts
 * @param {Set<string>} seen the passages that stand above already; those shown are added
 */
function sentenceRow(sentence, said, draft, texts, seen) {
  const cited = draft.citations.filter((item) => sentence.citations.includes(item.number));
  const sources = cited.map((item) => texts.get(item.passage_id) ?? item.quote);
  const strange = cited.length > 0 ? strangeNumbers(sentence.text, sources) : [];
  const doubt = strange.length > 0 && `Not in the source: ${strange.join(", ")}`;
  const props = {
    class: cited.length ? "sentence" : "sentence unsupported",
    "data-testid": "sentence",
    "data-cited": String(cited.length > 0),
  };
  const shown = cited.length
    ? cited.map((citation) => sourceOf(citation, texts.get(citation.passage_id), seen))
    : el("p", { class: "flag bad" }, "No source");
  return el(
    "li",
    props,
    el("div", { class: "said" }, said, doubt && el("p", { class: "flag warn" }, doubt)),
    el("div", { class: "shown" }, shown),
  );
}

/**
 * Where a quote stands: with what is around it and the page, once for each passage.
 * @param {CitationView} citation
 * @param {string | undefined} text
 * @param {Set<string>} seen
 */
function sourceOf(citation, text, seen) {
  const where = `[${citation.number}] ${placeOf(citation)}`;
  const title = el("p", { class: "source-title", dir: "auto" }, where);
  if (text === undefined && citation.quote && !citation.removed) {
    const cut = { before: "", quote: citation.quote, after: "" }; // a reviewer found it
    return el("div", { class: "source-block" }, title, passageText(cut, "source-quote"));
  }
  if (text === undefined) {
    const gone = el(
      "p",
      { class: "flag bad" },
      "This passage was removed, or you may not read it.",
    );
    return el("div", { class: "source-block" }, title, gone);
  }
  const cut = cutAtQuote(text, citation);
  const again = seen.has(citation.passage_id);
  seen.add(citation.passage_id);
  const page = !again && pageImage(citation);
  if (cut) {
    const shown = clippedPassage(cut, again ? 0 : CONTEXT);
    return el("div", { class: "source-block" }, title, shown, page);
  }
  const whole = passageBlock(text);
  const wrong = el("p", { class: "flag bad" }, "The quoted words are not in this passage.");
  return el("div", { class: "source-block" }, title, wrong, whole, page);
}

/**
 * @param {Cut} cut
 * @param {number} context code points around the quote
 */
function clippedPassage(cut, context) {
  const near = nearQuote(cut, context);
  if (near.before === cut.before && near.after === cut.after)
    return passageText(cut, "source-quote");
  const box = el("div", {});
  const props = { type: "button", class: "quiet small", "aria-expanded": "false" };
  const button = el("button", props, "Show the whole passage");
  const draw = (/** @type {boolean} */ whole) => {
    fill(box, passageText(whole ? cut : near, "source-quote"));
  };
  button.addEventListener("click", () => {
    const whole = button.ariaExpanded === "false";
    button.ariaExpanded = String(whole);
    button.textContent = whole ? "Show less" : "Show the whole passage";
    draw(whole);
  });
  draw(false);
  return el("div", {}, box, button);
}

/** @param {TaskDetailView} task */
function checksOf({ findings, verdict }) {
  const passed = findings.filter((item) => item.outcome === "pass");
  const others = findings.filter((item) => item.outcome !== "pass");
  others.sort((one, other) => Number(other.outcome === "fail") - Number(one.outcome === "fail"));
  const summary = `${plural(passed.length, "check")} passed`;
  return el(
    "section",
    { class: "block" },
    el("h3", {}, "Checks"),
    others.length > 0 && el("ul", { class: "findings" }, others.map(findingItem)),
    passed.length > 0 && folded(summary, el("ul", { class: "findings" }, passed.map(findingItem))),
    policyLines(verdict),
  );
}

/** @param {FindingView} finding */
function findingItem({ check, outcome, label, message, excerpt }) {
  const { word, tone } = OUTCOMES[outcome];
  const props = {
    class: "finding",
    "data-testid": "finding",
    "data-outcome": outcome,
    "data-check": check,
  };
  const kind = label && el("span", { class: "muted" }, ` (${words(label)})`);
  const quoted = excerpt && el("q", { dir: "auto" }, excerpt);
  const tick =
    outcome !== "pass" &&
    el("input", { type: "checkbox", "aria-label": `Looked at: ${words(check)}` });
  return el(
    "li",
    props,
    el("span", { class: "tick" }, tick, el("span", { class: `badge ${tone}` }, word)),
    el("div", {}, el("strong", {}, words(check)), kind, el("p", {}, message, " ", quoted)),
  );
}

/** @param {VerdictView} verdict */
function policyLines({ policy, policy_sha256: hash, redact, disclaimers }) {
  const short = el("code", { title: hash }, hash.slice(0, 10));
  const masked = `Masked on release: ${redact.map(words).join(", ")}`;
  const added = disclaimers.map((text) =>
    el("p", { dir: "auto" }, `Shown below the answer: ${text}`),
  );
  return [
    redact.length > 0 && el("p", {}, masked),
    added,
    el("p", { class: "muted small" }, `Policy: ${policy}, `, short),
  ];
}

/** @param {EvidenceView[]} evidence */
function otherEvidence(evidence) {
  const others = evidence.filter((item) => !item.cited);
  if (!others.length) return null;
  const items = others.map((item) =>
    el(
      "li",
      {},
      el("p", { class: "source-title", dir: "auto" }, `[${item.number}] ${placeOf(item)}`),
      passageBlock(item.text),
    ),
  );
  const summary = `${plural(others.length, "more passage")} found but not cited`;
  return el("section", { class: "block" }, folded(summary, el("ul", { class: "plain" }, items)));
}

/** @param {TaskDetailView["lineage"]} lineage */
function madeWith(lineage) {
  const rows = Object.entries(lineage).map(([name, value]) => [
    el("dt", {}, words(name)),
    el("dd", {}, el("code", {}, value || "–")),
  ]);
  const list = el("dl", { class: "lineage" }, rows);
  return el("section", { class: "block" }, folded("Models and versions", list));
}

/**
 * @param {string} summary
 * @param {Child[]} content
 */
function folded(summary, ...content) {
  return el("details", {}, el("summary", {}, summary), content);
}
