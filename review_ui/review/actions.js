// @ts-check
// The action bar under a task: start, approve, edit, reject.

import { wordDiff } from "../shared/diff.js";
import { byId, el, fill, visible } from "../shared/dom.js";
import { placeOf } from "../shared/format.js";
import { unsavedBadge } from "../shared/forms.js";
import { writtenText } from "../shared/quotes.js";
import { evidenceFinder, numberFor, sourcesOf } from "./evidence.js";
import { handForm, handling, noteForm } from "./handle.js";
import { keepNote, noteOf } from "./notes.js";
import { addedTo, isMine, mayApprove, otherHolder, unsavedText, waitsForMe } from "./state.js";
import { editProblem } from "./words.js";

/** @import { DecisionKind, PassageView, TaskDetailView } from "../shared/wire.d.ts" */
/** @import { Added, Source } from "./evidence.js" */
/** @import { Handling } from "./handle.js" */
/** @import { Mode, State } from "./state.js" */
/** @typedef {{kind: DecisionKind, reason?: string, text?: string, sources?: Record<string, string>, override_reason?: string}} Decision */
/**
 * @typedef Act
 * @property {() => void} start
 * @property {(decision: Decision) => void} decide
 * @property {(mode: Mode) => void} setMode
 * @property {(handling: Handling) => void} handle
 * @property {(source: Added) => void} cite remembers a passage that an unsaved answer cites
 * @property {(text: string | null) => void} keep remembers an unsaved answer
 * @property {() => void} discard gives up the unsaved answer
 */

/** The usual reasons; the key of each is its place, from 1. */
const REASONS = [
  "The sources do not support it.",
  "It does not answer the question.",
  "It is out of date.",
  "We do not answer this here.",
];

/**
 * Draws the bar for what the reviewer is doing; `approve` is the keyboard's confirmation.
 * @param {State} state
 * @param {Act} act
 */
export function drawActions(state, act) {
  const bar = byId("actions");
  const unsaved = unsavedText(state);
  bar.hidden = !waitsForMe(state) && unsaved === null;
  const { task, mode } = state;
  if (bar.hidden || !task) return fill(bar);
  if (!waitsForMe(state)) return fill(bar, lateEdit(unsaved ?? "", act));
  if (mode) return fill(bar, askedLine(task), formOf(mode, task, state, act));
  const holder = otherHolder(state);
  const kept = "Your edit is kept in this tab.";
  return fill(
    bar,
    unsaved !== null && unsavedRow(kept, act),
    holder ? takeOver(holder, act) : mainButtons(state, act),
  );
}

/**
 * @param {Exclude<Mode, "">} mode
 * @param {TaskDetailView} task
 * @param {State} state
 * @param {Act} act
 */
function formOf(mode, task, state, act) {
  if (mode === "edit") return editForm(task, state, act);
  if (mode === "reject") return rejectForm(task, act);
  if (mode === "approve") return approveConfirm(act, unsavedText(state) !== null);
  if (mode === "hand") return handForm(task, state.me, act);
  return noteForm(mode, task, act);
}

/**
 * What is decided about, where one pane is shown at a time: the draft has scrolled it away there.
 * @param {TaskDetailView} task
 */
function askedLine({ question }) {
  return el("p", { class: "asked", dir: "auto", "data-testid": "asked" }, question);
}

/**
 * An edit of a task that can be decided no more: its words are there to be copied.
 * @param {string} text
 * @param {Act} act
 */
function lateEdit(text, act) {
  return [
    unsavedRow("This task waits for you no more, so your edit cannot be saved.", act),
    el("blockquote", { class: "passage late-edit", dir: "auto", tabindex: "0" }, text),
  ];
}

/**
 * @param {string} words
 * @param {Act} act
 */
function unsavedRow(words, act) {
  return el(
    "div",
    { class: "row", "data-testid": "unsaved" },
    unsavedBadge(),
    el("span", {}, words),
    el("span", { class: "spacer" }),
    button("Discard it", { class: "small", "data-testid": "discard" }, act.discard),
  );
}

/**
 * Draws what can be done besides deciding, below the task.
 * @param {State} state
 * @param {Act} act
 */
export function drawHandling(state, act) {
  fill(byId("handling"), handling(state, act));
}

/**
 * Shows the bar as out of use while a request runs; a disabled button would lose the focus.
 * @param {boolean} busy
 */
export function setBusy(busy) {
  const bar = byId("actions");
  bar.setAttribute("aria-busy", String(busy));
  for (const field of bar.querySelectorAll("textarea")) field.readOnly = busy;
  for (const button of bar.querySelectorAll("button")) {
    button.setAttribute("aria-disabled", String(busy));
  }
}

/** Saves the open form, as its button would. */
export function submitForm() {
  const bar = byId("actions");
  const form = bar.querySelector("form");
  if (form) form.requestSubmit();
  else bar.querySelector("button")?.click();
}

/**
 * All that can be decided while somebody else is reviewing.
 * @param {string} holder
 * @param {Act} act
 */
function takeOver(holder, act) {
  const words = `${holder} is reviewing this.`;
  const path = "claim?take_over=true";
  const said = `You have taken over from ${holder}.`;
  return el(
    "div",
    { class: "row" },
    el("span", { "data-testid": "held-by" }, words),
    el("span", { class: "spacer" }),
    button(`Take over from ${holder}`, { "data-testid": "take-over" }, () =>
      act.handle({ method: "POST", path, said }),
    ),
  );
}

/**
 * @param {State} state
 * @param {Act} act
 */
function mainButtons(state, act) {
  const [mine, approvable] = [isMine(state), mayApprove(state)];
  const unsaved = unsavedText(state) !== null;
  const first = approvable || state.task?.draft.text.trim() ? "Edit…" : "Write an answer…";
  const edit = unsaved ? "Go on editing…" : first;
  return el(
    "div",
    { class: "row" },
    approvable && !unsaved && approveButton(act),
    button(edit, editProps(state), () => act.setMode("edit")),
    // It would lose the edit, so it is asked for.
    approvable &&
      unsaved &&
      button("Approve the draft…", { "data-testid": "approve" }, () => act.setMode("approve")),
    button("Reject…", { class: "danger", "data-testid": "reject" }, () => act.setMode("reject")),
    el("span", { class: "spacer" }),
    mine
      ? readingClock(state.claim?.reading_until) ||
          el("span", { class: "badge accent", "data-testid": "claimed-by-me" }, "You are reviewing")
      : button(
          ["Start", el("span", { class: "wide-only" }, " review")],
          { "data-testid": "claim" },
          act.start,
        ),
  );
}

/**
 * It comes first where there is nothing else to go on with.
 * @param {State} state
 */
function editProps(state) {
  const unsaved = unsavedText(state) !== null;
  const isFirst = unsaved || !mayApprove(state);
  return { class: isFirst && "primary", "data-testid": "edit", "data-focus": unsaved };
}

/**
 * Counts down to when a risky task may be decided; nothing once that is over.
 * @param {string | null | undefined} until
 */
function readingClock(until) {
  const left = () => Math.ceil((Date.parse(until ?? "") - Date.now()) / 1000);
  if (!(left() > 0)) return null;
  const words = () => (left() > 0 ? `Read it first: ${left()} s` : "You are reviewing");
  const props = { class: "badge accent", role: "timer", "data-testid": "claimed-by-me" };
  const node = el("span", props, words());
  const clock = setInterval(() => {
    node.textContent = words();
    if (left() <= 0 || !node.isConnected) clearInterval(clock);
  }, 500);
  return node;
}

/** @param {Act} act */
function approveButton(act) {
  const props = { class: "primary", "data-testid": "approve" };
  // The second click of a double click would approve the next task unseen.
  const onclick = (/** @type {MouseEvent} */ event) => {
    if (event.detail < 2) act.decide({ kind: "approve" });
  };
  const label = ["Approve", el("span", { class: "wide-only" }, " and release")];
  return el("button", { type: "button", ...props, onclick }, label);
}

/**
 * @param {Act} act
 * @param {boolean} unsaved
 */
function approveConfirm(act, unsaved) {
  const lost = unsaved ? " Your edit, which is not saved, is lost." : "";
  const props = { class: "primary", "data-testid": "approve-confirm", "data-focus": true };
  return el(
    "div",
    { class: "row", role: "group", "aria-label": "Confirm the approval" },
    button("Yes, approve and release", props, () => act.decide({ kind: "approve" })),
    cancelButton(act),
    el("span", {}, `Release ${unsaved ? "the draft" : "this answer"} as it is?${lost}`),
  );
}

/**
 * @param {TaskDetailView} task
 * @param {State} state
 * @param {Act} act
 */
function editForm(task, state, act) {
  const original = visible(writtenText(task.proposal?.answer ?? task.draft));
  const field = textArea("edit-text", "5", "edit-help edit-problem");
  field.value = state.edits[task.task_id] ?? original;
  const problem = el("p", { id: "edit-problem", class: "flag bad", role: "alert" });
  const changes = changesLine();
  const help = el("p", { id: "edit-help", class: "muted small" });
  const added = [...addedTo(state)];
  const badge = unsavedBadge();
  badge.hidden = field.value === original;
  const written = () => {
    fill(problem);
    fill(changes, changesFrom(original, field.value));
    badge.hidden = field.value === original;
    act.keep(field.value === original ? null : field.value);
  };
  field.addEventListener("input", written);
  fill(changes, changesFrom(original, field.value));
  fill(help, sourcesLine(sourcesOf(task, added)));
  const cite = (/** @type {PassageView} */ passage) => {
    const number = numberFor(task, added, passage.passage_id);
    const { passage_id, title, page } = passage;
    if (!sourcesOf(task, added).some((item) => item.number === number)) {
      added.push({ number, passage_id, title, page });
      act.cite({ number, passage_id, title, page });
    }
    const at = field.selectionEnd;
    field.setRangeText(` [${number}]`, at, at, "end");
    fill(help, sourcesLine(sourcesOf(task, added)));
    written();
    field.focus();
  };
  const reason = state.unsupported ? overrideField() : null;
  const save = () => {
    const text = field.value.trim();
    const wrong = editProblem(text, sourcesOf(task, added));
    fill(problem, wrong);
    if (wrong) field.focus();
    else
      act.decide({
        kind: "edit",
        text,
        sources: usedSources(text, added),
        override_reason: reason?.value.trim() ?? "",
      });
  };
  return form(
    save,
    el("label", { for: "edit-text" }, original ? "New answer" : "Answer"),
    field,
    changes,
    help,
    evidenceFinder(task, cite),
    problem,
    reason && overridePart(state.unsupported, reason),
    row(
      el("button", { class: "primary", "data-testid": "edit-save" }, "Save and release"),
      act,
      badge,
    ),
  );
}

/** What an edit changes, below it. */
function changesLine() {
  return el("p", {
    class: "changes small",
    dir: "auto",
    role: "group",
    "aria-label": "What changes",
    tabindex: "0", // a long one scrolls
    "data-testid": "changes",
  });
}

/** The reason for releasing a text that fails checks. */
function overrideField() {
  const field = textArea("override-reason", "2", "override-why");
  field.removeAttribute("dir");
  return field;
}

/**
 * @param {string} message
 * @param {HTMLElement} field
 */
function overridePart(message, field) {
  return el(
    "div",
    { class: "notice warn", "data-testid": "unsupported" },
    el(
      "p",
      { id: "override-why", role: "alert", dir: "auto", tabindex: "0" },
      `The checks say: ${message}`,
    ),
    el("label", { for: "override-reason" }, "Change the text, or say why it is to go out as it is"),
    field,
  );
}

/**
 * @param {string} text
 * @param {Added[]} added
 */
function usedSources(text, added) {
  const used = added.filter(({ number }) => text.includes(`[${number}]`));
  return Object.fromEntries(used.map(({ number, passage_id }) => [number, passage_id]));
}

/**
 * Nothing until something changed: the text itself says it all.
 * @param {string} before
 * @param {string} after
 */
function changesFrom(before, after) {
  if (!before || before === after) return [];
  return wordDiff(before, visible(after)).map(({ kind, text }) => {
    if (kind === "same") return text;
    return el(kind === "new" ? "ins" : "del", {}, text);
  });
}

/**
 * @param {TaskDetailView} task
 * @param {Act} act
 */
function rejectForm({ task_id }, act) {
  const field = textArea("reject-reason", "2", "reject-problem");
  field.value = noteOf(task_id, "reject");
  field.addEventListener("input", () => keepNote(task_id, "reject", field.value));
  const problem = el("p", { id: "reject-problem", class: "flag bad", role: "alert" });
  const reject = (/** @type {string} */ reason) => act.decide({ kind: "reject", reason });
  // A digit chooses a reason, as long as no other is being written.
  field.addEventListener("keydown", (event) => {
    const reason = REASONS[Number(event.key) - 1];
    // With another key it is the browser's: on some systems Cmd+1 or Alt+1 goes to its first tab.
    const isOurs = !(field.value || event.ctrlKey || event.metaKey || event.altKey);
    if (!reason || !isOurs) return;
    event.preventDefault();
    reject(reason);
  });
  const save = () => {
    const reason = field.value.trim();
    fill(problem, !reason && "Please give a reason. It is kept in the record.");
    if (reason) reject(reason);
    else field.focus();
  };
  const usual = REASONS.map((reason, index) => {
    const label = [el("kbd", {}, index + 1), " ", reason];
    return button(label, { class: "small" }, () => reject(reason));
  });
  return form(
    save,
    el("div", { class: "row", role: "group", "aria-label": "Reject with a usual reason" }, usual),
    el(
      "label",
      { for: "reject-reason" },
      "Or write why you reject this answer (the asker does not see it)",
    ),
    field,
    problem,
    row(el("button", { class: "danger", "data-testid": "reject-confirm" }, "Reject"), act),
  );
}

/**
 * @param {string} id
 * @param {string} rows
 * @param {string} describedBy
 */
function textArea(id, rows, describedBy) {
  return el("textarea", {
    id,
    rows,
    dir: "auto",
    "data-testid": id,
    "data-focus": true,
    "aria-describedby": describedBy,
  });
}

/**
 * @param {() => void} save
 * @param {import("../shared/dom.js").Child[]} children
 */
function form(save, ...children) {
  const onsubmit = (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    save();
  };
  return el("form", { onsubmit }, children);
}

/**
 * @param {HTMLElement} main
 * @param {Act} act
 * @param {import("../shared/dom.js").Child} [sign]
 */
function row(main, act, sign) {
  const hint = el(
    "span",
    { class: "muted small wide-only" },
    el("kbd", {}, "Ctrl+Enter"),
    " saves",
  );
  return el("div", { class: "row" }, main, cancelButton(act), sign, hint);
}

/**
 * @param {import("../shared/dom.js").Child} label
 * @param {Record<string, unknown>} props
 * @param {() => void} onclick
 */
function button(label, props, onclick) {
  return el("button", { type: "button", ...props, onclick }, label);
}

/** @param {Act} act */
function cancelButton(act) {
  return button("Cancel", {}, () => act.setMode(""));
}

/** @param {Source[]} sources */
function sourcesLine(sources) {
  if (!sources.length) return "This draft has no sources.";
  const named = sources.map((item) => `[${item.number}] ${placeOf(item)}`).join(" · ");
  return `Put the number of a source after what it supports: ${named}`;
}
