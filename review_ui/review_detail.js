// Draws one review task: why it was held, the draft beside its sources, and the decision.

import { emphasised } from "./answer.js";
import { el, fill, hasInvisible } from "./dom.js";
import { age, moment, plural, titleAndPage } from "./format.js";
import { clip, cutAtQuote, passageText } from "./passage.js";

// Enough of the passage around a quote to judge it in context, in code points.
const CONTEXT = 260;

const OUTCOMES = { fail: "Failed", could_not_run: "Could not run", pass: "Passed" };
const KINDS = { approve: "Approved", edit: "Edited and released", reject: "Rejected" };
const STATES = { open: "Open", claimed: "In review", decided: "Decided", expired: "Expired" };

/** The whole task as nodes, without the action bar. */
export function taskView(task) {
  return [
    headOf(task),
    task.decision && decisionOf(task.decision),
    task.state === "expired" && el("p", {
      class: "notice warn",
    }, "Nobody decided in time, so this answer was not released."),
    whyHeld(task),
    proposalOf(task),
    draftOf(task),
    otherEvidence(task),
    madeWith(task),
  ];
}

/** What a task's state means to the person looking at the list. */
export function stateWords(task, myName) {
  if (task.state !== "claimed") return STATES[task.state] ?? task.state;
  return task.claimed_by === myName ? "You are reviewing" : `${task.claimed_by} is reviewing`;
}

/** "1 of 2 approvals", or "" where one reviewer decides. */
export function approvalWords({ four_eyes, approved_by, approvals_needed }) {
  return four_eyes ? `${approved_by.length} of ${approvals_needed} approvals` : "";
}

/** Held drafts, audits and gold items say it alike: it must not tell them apart. */
export function certificateWords({ provisional }) {
  return provisional ? "provisional certificate" : "";
}

function headOf(task) {
  const asked = `Asked by ${task.asker}, ${moment(task.created_at)}`;
  const expires = ["open", "claimed"].includes(task.state) && ` · expires ${age(task.expires_at)}`;
  const title = el("h2", { id: "task-title", tabindex: "-1", dir: "auto" }, task.question);
  const notes = [task.queue && `queue ${task.queue}`, approvalWords(task)].filter(Boolean);
  const where = notes.length > 0 && el("p", {
    class: "muted",
    "data-testid": "task-notes",
  }, notes.join(" · "), task.approved_by.length > 0 && ` (${task.approved_by.join(", ")})`);
  const behind = task.provisional && el("p", {
    class: "muted",
    "data-testid": "provisional",
  }, "The gate works under a provisional certificate here: measured on public data, not yet on these documents.");
  const understood =
    task.searched_for !== task.question &&
    el("p", { class: "muted", dir: "auto", "data-testid": "searched-for" }, `Searched for: ${task.searched_for}`);
  return el("header", { class: "task-head" }, title, understood, el("p", { class: "muted" }, asked, expires), where, behind);
}

/** What a first reviewer approved; a second one decides about this text. */
function proposalOf({ proposal, state }) {
  if (!proposal || !["open", "claimed"].includes(state)) return null;
  const what = proposal.edited ? "proposes this text" : "approved the draft as it stands";
  const line = el("p", {}, el("strong", {}, proposal.reviewer), ` ${what}, ${moment(proposal.approved_at)}`);
  const text = proposal.edited && el("blockquote", { class: "passage", dir: "auto" }, proposal.answer.text);
  return el("section", { class: "notice warn", "data-testid": "proposal" }, line, text);
}

function decisionOf(decision) {
  const what = KINDS[decision.kind] ?? decision.kind;
  const line = el("p", {}, el("strong", {}, what), ` by ${decision.reviewer}, ${moment(decision.decided_at)}`);
  const reason = decision.reason && el("p", { dir: "auto" }, `Reason: ${decision.reason}`);
  const text = decision.kind === "edit" && decision.text && el("blockquote", {
    class: "passage",
    dir: "auto",
  }, decision.text);
  const tone = decision.kind === "reject" ? "bad" : "ok";
  const props = { class: `notice ${tone}`, "data-testid": "decision", "data-kind": decision.kind };
  return el("section", props, line, reason, text);
}

function whyHeld({ reasons, verdict, findings }) {
  const having = (outcome) => findings.filter((item) => item.outcome === outcome);
  const worst = [...having("fail"), ...having("could_not_run")];
  const passed = having("pass");
  const all = [...new Set([...reasons, ...verdict.reasons])];
  return el(
    "section",
    { class: "block" },
    el("h3", {}, "Why it was held"),
    el("ul", { class: "reasons" }, all.map((reason) => el("li", {}, reason))),
    worst.length > 0 && el("ul", { class: "findings" }, worst.map(findingItem)),
    passed.length > 0 && folded(`${plural(passed.length, "check")} passed`, el("ul", {
      class: "findings",
    }, passed.map(findingItem))),
    policyLine(verdict),
  );
}

function findingItem(finding) {
  const props = {
    class: "finding",
    "data-testid": "finding",
    "data-outcome": finding.outcome,
    "data-check": finding.check,
  };
  const badge = el("span", { class: `badge ${finding.outcome}` }, OUTCOMES[finding.outcome] ?? finding.outcome);
  const name = el("strong", {}, words(finding.check));
  const label = finding.label && el("span", { class: "muted" }, ` (${words(finding.label)})`);
  const excerpt = finding.excerpt && el("q", { dir: "auto" }, finding.excerpt);
  return el("li", props, badge, el("div", {}, name, label, el("p", {}, finding.message, " ", excerpt)));
}

function policyLine({ policy, policy_sha256: hash, redact, disclaimers }) {
  const short = el("code", { title: hash }, hash.slice(0, 10));
  const masked = redact.length > 0 && el("p", {}, `Masked when released: ${redact.map(words).join(", ")}`);
  const added = disclaimers.map((text) => el("p", { dir: "auto" }, `Shown below the answer: ${text}`));
  return [masked, added, el("p", { class: "muted small" }, `Policy ${policy}, `, short)];
}

function draftOf({ draft, evidence, second_try: tried }) {
  const texts = new Map(evidence.map((item) => [item.passage_id, item.text]));
  const sentences = draft?.sentences ?? [];
  const rows = sentences.map((sentence) => sentenceRow(sentence, draft, texts));
  return el(
    "section",
    { class: "block", id: "draft" },
    el("h3", {}, "Draft, sentence by sentence"),
    tried && el("p", { class: "muted", dir: "auto", "data-testid": "second-try" }, tried.message),
    hasInvisible(draft?.text) && el("p", {
      class: "notice warn",
    }, "The draft holds invisible characters; they are not shown here."),
    rows.length ? el("ol", { class: "sentences" }, rows) : el("p", { class: "muted" }, "The draft has no sentences."),
  );
}

function sentenceRow(sentence, draft, texts) {
  const cited = draft.citations.filter((item) => sentence.citations.includes(item.number));
  const markers = sentence.citations.map((number) => el("span", { class: "marker" }, ` [${number}]`));
  const core = sentence.text.includes(draft.short ?? "\0") ? draft.short : null;
  const text = el("p", { class: "sentence-text", dir: "auto" }, emphasised(sentence.text, core), markers);
  const strange = cited.length > 0 && strangeNumbers(sentence.text, cited, texts);
  const doubt = strange.length > 0 && el("p", {
    class: "flag warn",
  }, `Not in the source: ${strange.join(", ")}`);
  const sources = cited.length
    ? cited.map((citation) => sourceOf(citation, texts.get(citation.passage_id)))
    : el("p", { class: "flag bad" }, "No source");
  const props = {
    class: cited.length ? "sentence" : "sentence unsupported",
    "data-testid": "sentence",
    "data-cited": String(cited.length > 0),
  };
  return el("li", props, el("div", { class: "said" }, text, doubt), el("div", { class: "shown" }, sources));
}

function sourceOf(citation, text) {
  const title = el("p", {
    class: "source-title",
    dir: "auto",
  }, `[${citation.number}] ${titleAndPage(citation)}`);
  if (text === undefined) {
    const gone = el("p", { class: "flag bad" }, "This passage was removed, or you may not read it.");
    return el("div", { class: "source-block" }, title, gone);
  }
  const cut = cutAtQuote(text, citation);
  if (cut) return el("div", { class: "source-block" }, title, clippedPassage(cut));
  const whole = el("blockquote", { class: "passage", dir: "auto" }, text);
  const wrong = el("p", { class: "flag bad" }, "The quoted words are not in this passage.");
  return el("div", { class: "source-block" }, title, wrong, whole);
}

function clippedPassage(cut) {
  const near = { before: clip(cut.before, -CONTEXT), quote: cut.quote, after: clip(cut.after, CONTEXT) };
  if (near.before === cut.before && near.after === cut.after) return passageText(cut, "source-quote");
  const box = el("div", {});
  const button = el("button", {
    type: "button",
    class: "quiet small",
    "aria-expanded": "false",
  }, "Show the whole passage");
  const draw = (whole) => fill(box, passageText(whole ? cut : near, "source-quote"));
  button.addEventListener("click", () => {
    const whole = button.getAttribute("aria-expanded") === "false";
    button.setAttribute("aria-expanded", String(whole));
    button.textContent = whole ? "Show less" : "Show the whole passage";
    draw(whole);
  });
  draw(false);
  return el("div", {}, box, button);
}

/** Numbers of a sentence that none of its passages holds: an aid for the eye, not a check. */
function strangeNumbers(sentence, citations, texts) {
  const known = new Set(citations.flatMap((item) => numbersIn(texts.get(item.passage_id) ?? item.quote)));
  return numbersIn(sentence).filter((number) => !known.has(number));
}

function numbersIn(text) {
  const found = text.match(/\d+(?:[.,]\d+)*/g) ?? [];
  return found.map((number) => number.replace(/,(?=\d{3}\b)/g, ""));
}

function otherEvidence({ evidence }) {
  const others = evidence.filter((item) => !item.cited);
  if (!others.length) return null;
  const items = others.map((item) =>
    el(
      "li",
      {},
      el("p", { class: "source-title", dir: "auto" }, titleAndPage(item)),
      el("blockquote", { class: "passage", dir: "auto" }, item.text),
    ),
  );
  const summary = `Other evidence: ${plural(others.length, "passage")} looked at, not cited`;
  return el("section", { class: "block" }, folded(summary, el("ul", { class: "plain" }, items)));
}

function madeWith({ lineage }) {
  const rows = Object.entries(lineage).map(([name, value]) => [
    el("dt", {}, words(name)),
    el("dd", {}, el("code", {}, value ?? "–")),
  ]);
  return el("section", { class: "block" }, folded("Made with", el("dl", { class: "lineage" }, rows)));
}

function folded(summary, ...content) {
  return el("details", {}, el("summary", {}, summary), content);
}

function words(name) {
  const text = name.replaceAll("_", " ").replace("sha256", "SHA-256");
  return text.charAt(0).toUpperCase() + text.slice(1);
}
