// @ts-check
// What can be done with a task besides deciding it: assign, put off, escalate, comment.

import { messageOf, request } from "../shared/api.js";
import { wordDiff } from "../shared/diff.js";
import { el, fill } from "../shared/dom.js";
import { moment } from "../shared/format.js";
import { choices, field as labelled } from "../shared/forms.js";
import { keepNote, noteOf } from "./notes.js";
import { isPutOff, isUndecided } from "./state.js";

/** @import { Child } from "../shared/dom.js" */
/** @import { NoteView, ColleaguesView, TaskDetailView } from "../shared/wire.d.ts" */
/** @import { Mode, State } from "./state.js" */
/** @typedef {{method: "POST" | "PUT", path: string, body?: unknown, said: string}} Handling */
/** @import { SourceChange } from "../shared/wire.d.ts" */
/**
 * @typedef Hands
 * @property {(handling: Handling) => void} handle
 * @property {(mode: Mode) => void} setMode
 */

const HOUR_MS = 3_600_000;
const SNOOZES = [
  { hours: 1, label: "1 hour" },
  { hours: 4, label: "4 hours" },
  { hours: 24, label: "1 day" },
];

/**
 * The buttons above a task; none once it is decided.
 * @param {State} state
 * @param {Hands} hands
 * @returns {Child}
 */
export function handling(state, hands) {
  const { task, me } = state;
  if (!task || !isUndecided(task)) return null;
  const mine = task.assigned_to === me;
  const assign = (/** @type {string | null} */ to, /** @type {string} */ said) =>
    hands.handle({ method: "PUT", path: "assignment", body: { to }, said });
  return el(
    "div",
    { class: "row handling", role: "group", "aria-label": "More for this task" },
    mine
      ? button("Give back", "unassign", () => assign(null, "The task is nobody’s."))
      : button("Assign to me", "assign", () => assign(me, "The task is yours.")),
    button("Hand over…", "hand-over", () => hands.setMode("hand")),
    snoozing(task, hands),
    draftAgain(task, hands),
    button("Escalate…", "escalate", () => hands.setMode("escalate")),
    button("Comment…", "comment", () => hands.setMode("comment")),
  );
}

/**
 * @param {TaskDetailView} task
 * @param {Hands} hands
 */
function snoozing(task, hands) {
  const put = (/** @type {string | null} */ until, /** @type {string} */ said) =>
    hands.handle({ method: "PUT", path: "snooze", body: { until }, said });
  if (isPutOff(task)) {
    return button("List it again", "unsnooze", () => put(null, "The task is listed again."));
  }
  const left = Date.parse(task.expires_at) - Date.now();
  const possible = SNOOZES.filter(({ hours }) => hours * HOUR_MS < left);
  if (task.urgency === "urgent" || !possible.length) return null;
  const field = el(
    "select",
    { class: "small", "aria-label": "Put off for", "data-testid": "snooze" },
    possible.map(({ hours, label }) => el("option", { value: hours }, label)),
  );
  // Not with the choice: who goes through it by keys would put the task off at its first step.
  const chosen = () => new Date(Date.now() + Number(field.value) * HOUR_MS).toISOString();
  const label = "Put off for";
  const act = button(label, "put-off", () =>
    put(chosen(), "The task is put off. It stands under Later."),
  );
  return el("span", { class: "row put-off" }, act, field);
}

/**
 * @param {TaskDetailView} task
 * @param {Hands} hands
 */
function draftAgain({ content_sha256 }, hands) {
  const said = "This is the new draft. Please read it.";
  return button("Draft again", "draft-again", () =>
    hands.handle({ method: "POST", path: "draft", body: { content_sha256 }, said }),
  );
}

/**
 * A form of one text, for a comment or for the reason of an escalation.
 * @param {"comment" | "escalate"} mode
 * @param {TaskDetailView} task
 * @param {Hands} hands
 */
export function noteForm(mode, { task_id }, hands) {
  const escalates = mode === "escalate";
  const field = el("textarea", {
    id: "note-text",
    rows: "2",
    dir: "auto",
    "data-testid": "note-text",
    "data-focus": true,
  });
  field.value = noteOf(task_id, mode);
  field.addEventListener("input", () => keepNote(task_id, mode, field.value));
  const onsubmit = (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const text = field.value.trim();
    if (!text) return field.focus();
    const body = escalates ? { reason: text } : { text };
    const path = escalates ? "escalate" : "comments";
    const said = escalates ? "The task stands first now." : "Your comment is saved.";
    hands.handle({ method: "POST", path, body, said });
  };
  const label = escalates ? "Why somebody else must look at this now" : "Comment for reviewers";
  return el(
    "form",
    { onsubmit },
    el("label", { for: "note-text" }, label),
    field,
    el(
      "div",
      { class: "row" },
      el(
        "button",
        { class: "primary", "data-testid": "note-save" },
        escalates ? "Escalate" : "Save",
      ),
      el("button", { type: "button", onclick: () => hands.setMode("") }, "Cancel"),
    ),
  );
}

/**
 * Which colleague gets the task; those who may see it are asked for when it is opened.
 * @param {TaskDetailView} task
 * @param {string} me
 * @param {Hands} hands
 */
export function handForm({ task_id, assigned_to }, me, hands) {
  const field = choices([["", "Loading…"]], { "data-testid": "hand-to", "data-focus": true });
  const problem = el("p", { class: "flag bad", role: "alert" });
  const others = async () => {
    /** @type {ColleaguesView} */
    const { names } = await request("GET", `/v1/reviews/${encodeURIComponent(task_id)}/reviewers`);
    const found = names.filter((name) => name !== me && name !== assigned_to);
    fill(
      field,
      found.map((name) => el("option", { value: name }, name)),
    );
    if (!found.length) fill(problem, "No other reviewer may see this task.");
  };
  others().catch((error) => fill(problem, messageOf(error)));
  const onsubmit = (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const to = field.value;
    if (!to) return field.focus();
    const said = `${to} has the task now.`;
    hands.handle({ method: "PUT", path: "assignment", body: { to }, said });
  };
  const save = el("button", { class: "primary", "data-testid": "hand-save" }, "Hand over");
  const cancel = el("button", { type: "button", onclick: () => hands.setMode("") }, "Cancel");
  const label = labelled("Hand this task to", field);
  return el("form", { onsubmit }, label, problem, el("div", { class: "row" }, save, cancel));
}

/**
 * What was done with the task so far.
 * @param {NoteView[]} notes
 */
export function notesOf(notes) {
  if (!notes.length) return null;
  const items = notes.map((note) =>
    el(
      "li",
      { "data-testid": "note", "data-kind": note.kind },
      el("p", { class: "muted small" }, `${noteWords(note)}, ${moment(note.written_at)}`),
      note.text && el("p", { dir: "auto" }, note.text),
    ),
  );
  return el(
    "section",
    { class: "block" },
    el("h3", {}, "Notes"),
    el("ul", { class: "plain notes" }, items),
  );
}

/** @param {NoteView} note */
function noteWords(note) {
  if (note.kind !== "escalated_by_age") return `${note.written_by} ${doneWords(note)}`;
  return `Escalated by age: undecided since ${moment(note.about)}`;
}

/** @param {NoteView} note */
function doneWords({ kind, about }) {
  if (kind === "assigned") return about ? `assigned it to ${about}` : "gave it back";
  if (kind === "snoozed") return about ? `put it off until ${moment(about)}` : "listed it again";
  if (kind === "taken_over") return `took it over from ${about}`;
  if (kind === "drafted_again") return "asked for a new draft";
  if (kind === "draft_taken") return "took the draft from the background";
  if (kind === "undone") return "took back the decision";
  return kind === "escalated" ? "escalated it" : "wrote";
}

/**
 * @param {string} label
 * @param {string} testId
 * @param {() => void} onclick
 */
function button(label, testId, onclick) {
  return el("button", { type: "button", class: "small", "data-testid": testId, onclick }, label);
}

/**
 * What became of the sources of a stale task.
 * @param {SourceChange[]} changes
 */
export function changesOf(changes) {
  if (!changes.length) return null;
  const items = changes.map((one) =>
    el(
      "li",
      { "data-testid": "changed-source" },
      el("p", { class: "source-title", dir: "auto" }, one.title),
      one.removed || !one.now
        ? el(
            "p",
            {},
            one.removed ? "Its document was removed." : "It is not in the document any more.",
          )
        : el("p", { class: "passage", dir: "auto" }, marked(one.before, one.now)),
    ),
  );
  const said =
    "A source of this draft has changed, so it cannot be approved. Draft again, edit, or reject.";
  return el(
    "section",
    { class: "notice warn", "data-testid": "stale" },
    el("p", {}, el("strong", {}, said)),
    el("details", {}, el("summary", {}, "What changed"), el("ul", { class: "plain" }, items)),
  );
}

/**
 * @param {string} before
 * @param {string} now
 */
function marked(before, now) {
  return wordDiff(before, now).map(({ kind, text }) =>
    kind === "same" ? text : el(kind === "new" ? "ins" : "del", {}, text),
  );
}
