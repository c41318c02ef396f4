// @ts-check
// What the review page knows, and every way in which that changes. Nothing here touches the page.

import { namedIn } from "../shared/format.js";
import { countWords } from "./words.js";

/** @import { DecisionKind, TaskDetailView, TasksView, TaskView } from "../shared/wire.d.ts" */

/** @typedef {"open" | "snoozed" | "decided" | "all"} Filter */
/** @typedef {"" | "approve" | "edit" | "reject" | "comment" | "escalate" | "hand"} Mode */
/**
 * What narrows the list; an empty text narrows nothing.
 * @typedef {{queue: string, cause: string, who: "" | "mine" | "nobody", risk: "" | "0.2" | "0.5", text: string}} Narrow
 */
/** @typedef {Pick<TaskDetailView, "state" | "claimed_by" | "fence" | "lease_until" | "reading_until">} Claim */
/**
 * `until`: the action is offered no longer than that, in milliseconds.
 * @typedef {{label: string, choose: string} | {label: string, reload: true} | {label: string, signOut: true} | {label: string, undo: string, until: number}} NoticeAction
 */
/**
 * What stands above the task; `kind` is that of a decision just made on another task.
 * @typedef {{tone: "ok" | "warn" | "bad", text: string, actions: NoticeAction[], kind?: DecisionKind}} Notice
 */
/** @import { Added } from "./evidence.js" */
/** @typedef {{code?: string, message: string}} Problem */

/**
 * @typedef State
 * @property {string} me the signed-in reviewer
 * @property {Filter} filter
 * @property {Narrow} narrow
 * @property {TaskView[]} tasks the list, as the service ordered it
 * @property {number | string} open how many tasks wait
 * @property {boolean} complete whether the list holds every task that is open
 * @property {boolean} more whether the list goes on
 * @property {string | null} selected
 * @property {number} place where the selected task stands in the list, or stood when it left
 * @property {TaskDetailView | null} task the selected task, as it was when it was loaded
 * @property {Claim | null} claim who holds it, as of the newest claim
 * @property {Mode} mode what the reviewer is doing to it
 * @property {boolean} busy a change is on its way
 * @property {boolean} warned that the task changed elsewhere
 * @property {Notice | null} notice
 * @property {Readonly<Record<string, string>>} edits unsaved answers, by task
 * @property {Readonly<Record<string, Added[]>>} sources what unsaved answers cite besides, by task
 * @property {string} unsupported why the service did not take an edit without a reason
 * @property {{taskId: string, until: number} | null} last the newest decision that can be taken back
 * @property {boolean} advance go to the next task after a decision
 */

/** @type {Record<DecisionKind, string>} */
const DONE = {
  approve: "Approved. The asker can read the answer now.",
  edit: "Saved. The asker can read your version now.",
  reject: "Rejected. The asker sees that the answer was not released.",
};
const TAKEN_BACK = "Your decision was taken back. The asker sees that the answer is being checked.";
const FIRST_APPROVAL = "Your approval is saved. A second reviewer must approve this answer too.";
/** Tasks that are listed first, which index.html asks for early: more than a screen holds. */
export const FIRST_ROWS = 25;
/** @type {Readonly<Narrow>} */
export const EVERYTHING = { queue: "", cause: "", who: "", risk: "", text: "" };
/** The option of a list of queues for the queue without a name. */
export const NO_QUEUE = "-";
/** @type {Readonly<Claim>} */
const UNHELD = {
  state: "open",
  claimed_by: null,
  fence: 0,
  lease_until: null,
  reading_until: null,
};
const VOID =
  "The task has changed since you opened it, so your decision does not count. " +
  "Please read the new version first.";
/** @type {Record<string, string>} */
const CONFLICTS = {
  already_decided: "Someone else has already decided this task. Your decision was not saved.",
  claim_lost: "Another reviewer holds this task, or your claim has ended. Nothing was saved.",
  approval_void: VOID,
};

/**
 * @param {string} me
 * @returns {State}
 */
export function begin(me, advance = true) {
  return {
    me,
    filter: "open",
    narrow: EVERYTHING,
    tasks: [],
    open: 0,
    complete: false,
    more: false,
    selected: null,
    place: 0,
    task: null,
    claim: null,
    mode: "",
    busy: false,
    warned: false,
    notice: null,
    edits: {},
    sources: {},
    unsupported: "",
    last: null,
    advance,
  };
}

// --- what can be read off

/** @param {Pick<TaskView, "state"> | null} task */
export function isUndecided(task) {
  return task?.state === "open" || task?.state === "claimed";
}

/** @param {Pick<TaskDetailView, "snoozed_until"> | null} task */
export function isPutOff(task, now = Date.now()) {
  return Date.parse(task?.snoozed_until ?? "") > now;
}

/** True while this reviewer holds the shown task; an ended claim holds nothing. */
export function isMine(/** @type {State} */ { claim, me }, now = Date.now()) {
  if (claim?.state !== "claimed" || claim.claimed_by !== me) return false;
  return claim.lease_until === null || Date.parse(claim.lease_until) > now;
}

/** Whether the task waits for this reviewer; who has approved already waits for somebody else. */
export function waitsForMe(/** @type {State} */ { task, me }) {
  return task !== null && isUndecided(task) && !task.approved_by.includes(me);
}

/** Whether a decision can be made here: not while somebody else is reviewing. */
export function mayDecide(/** @type {State} */ state) {
  return waitsForMe(state) && !otherHolder(state);
}

/** An empty draft, or one whose sources changed, cannot be approved. */
export function mayApprove(/** @type {State} */ state) {
  const text = (state.task?.proposal?.answer ?? state.task?.draft)?.text ?? "";
  return mayDecide(state) && text.trim() !== "" && !state.task?.stale;
}

/**
 * The task `by` places further; when the selected one has left the list, counted from its gap.
 * @param {State} state
 * @param {1 | -1} by
 * @returns {string | null}
 */
export function neighbour({ tasks, selected, place }, by) {
  if (!tasks.length) return null;
  const at = tasks.findIndex((task) => task.task_id === selected);
  const gap = selected === null ? 0 : place + (by > 0 ? 0 : -1);
  const wanted = at < 0 ? gap : at + by;
  return tasks[Math.min(Math.max(wanted, 0), tasks.length - 1)]?.task_id ?? null;
}

/**
 * The task that an address names; null where it names none.
 * @param {string} hash
 */
export function taskOf(hash) {
  return namedIn(hash) || null;
}

/** Whether an edit was begun and not saved. */
export function hasEdits(/** @type {State} */ { edits }) {
  return Object.keys(edits).length > 0;
}

/** The unsaved answer of the shown task; null where there is none. */
export function unsavedText(/** @type {State} */ { task, edits }) {
  return (task && edits[task.task_id]) ?? null;
}

// --- the list

/**
 * @param {State} state
 * @param {Filter} filter
 * @returns {State}
 */
export function filtered(state, filter) {
  return { ...state, filter };
}

/**
 * @param {State} state
 * @param {Partial<Narrow>} change
 * @returns {State}
 */
export function narrowed(state, change) {
  return { ...state, narrow: { ...state.narrow, ...change } };
}

/** Whether the list holds fewer than the filter has. */
export function isNarrow(/** @type {Pick<State, "narrow">} */ { narrow }) {
  return Object.values(narrow).some((value) => value.trim() !== "");
}

/**
 * The address of the list that is wanted.
 * @param {Pick<State, "filter" | "narrow" | "me">} state
 * @param {number} limit
 */
export function listPath({ filter, narrow, me }, limit) {
  const wanted = new URLSearchParams({ state: filter, limit: String(limit) });
  if (narrow.queue) wanted.set("queue", narrow.queue === NO_QUEUE ? "" : narrow.queue);
  if (narrow.cause) wanted.set("cause", narrow.cause);
  if (narrow.who) wanted.set("assigned_to", narrow.who === "mine" ? me : "");
  if (narrow.risk) wanted.set("min_risk", narrow.risk);
  if (narrow.text.trim()) wanted.set("text", narrow.text.trim());
  return `/v1/reviews?${wanted}`;
}

/**
 * What the pages of a list say, the first one first. A task may have moved from one to the next
 * while they came; it stands once.
 * @param {TasksView[]} pages
 */
export function listOf(...pages) {
  const [first, last] = [pages[0], pages.at(-1)];
  const all = new Map(pages.flatMap(({ tasks }) => tasks.map((task) => [task.task_id, task])));
  const more = Boolean(last?.next_cursor);
  return { tasks: [...all.values()], open: first ? countWords(first) : 0, complete: !more, more };
}

/**
 * A list has come; one that was asked for under another filter is too late.
 * @param {State} state
 * @param {{filter: Filter, narrow?: Narrow, tasks: TaskView[], open: number | string, complete: boolean, more?: boolean}} list
 * @returns {State}
 */
export function listed(state, { filter, narrow, tasks, open, complete: all, more = false }) {
  if (filter !== state.filter || (narrow && narrow !== state.narrow)) return state;
  // What a narrow list does not hold may stand in the whole one.
  const complete = all && !isNarrow(state);
  return heldAsListed(warnedOfChange(placed({ ...state, tasks, open, complete, more })));
}

/**
 * Who else holds the shown task, or no longer does, is taken over from the list. A list that was
 * asked for before this reviewer's own claim knows nothing of it, so that one stays.
 * @param {State} state
 * @returns {State}
 */
function heldAsListed(state) {
  const { task: shown, tasks, busy, me } = state;
  const row = tasks.find((task) => task.task_id === shown?.task_id);
  if (busy || !row || !isUndecided(shown) || !isUndecided(row)) return state;
  const holder = row.claimed_by;
  if (holder === me || (holder ?? "") === otherHolder(state)) return state;
  return { ...state, claim: { ...UNHELD, state: row.state, claimed_by: holder } };
}

/**
 * The list with who holds this task, as it was just loaded: a list is read more rarely.
 * @param {TaskView[]} tasks
 * @param {TaskView} task
 */
function withHolder(tasks, { task_id, state, claimed_by }) {
  const old = tasks.find((one) => one.task_id === task_id);
  const same = old?.state === state && old.claimed_by === claimed_by;
  if (!old || same || !isUndecided({ state })) return tasks;
  return tasks.map((one) => (one === old ? { ...old, state, claimed_by } : one));
}

/**
 * @param {State} state
 * @returns {State}
 */
function placed(state) {
  const at = state.tasks.findIndex((task) => task.task_id === state.selected);
  return at < 0 ? state : { ...state, place: at };
}

/**
 * Says so when the shown task changed elsewhere; what is on screen never just changes.
 * @param {State} state
 * @returns {State}
 */
function warnedOfChange(state) {
  if (!isUndecided(state.task) || state.busy || state.warned) return state;
  const text = changeElsewhere(state);
  if (!text) return state;
  return { ...state, warned: true, notice: warning(text) };
}

/** @param {State} state */
function changeElsewhere({ task: shown, claim, tasks, filter, complete, me }) {
  const now = tasks.find((task) => task.task_id === shown?.task_id);
  if (!now && isPutOff(shown)) return ""; // it stands under another filter
  if (now ? !isUndecided(now) : filter === "open" && complete) {
    return "This task is no longer in this list: it was decided or put off elsewhere, or it has expired.";
  }
  const holder = now?.claimed_by;
  if (!holder || holder === me || holder === claim?.claimed_by) return "";
  return `${holder} has started to review this task.`;
}

// --- the selected task

/**
 * Another task is selected (null: none), or the same one is to be loaded afresh.
 * @param {State} state
 * @param {string | null} taskId
 * @returns {State}
 */
export function chosen(state, taskId) {
  return placed({ ...unloaded(state), selected: taskId, notice: null });
}

/**
 * @param {State} state
 * @returns {State}
 */
function unloaded(state) {
  return { ...state, task: null, claim: null, mode: "", warned: false, unsupported: "" };
}

/**
 * A task has come; one that is no longer selected is too late.
 * @param {State} state
 * @param {TaskDetailView} task
 * @returns {State}
 */
export function loaded(state, task) {
  if (state.selected !== task.task_id) return state;
  const tasks = withHolder(state.tasks, task);
  const notice = state.notice ?? ownDecision(state.me, task);
  return { ...unloaded(state), tasks, task, claim: claimOf(task), notice };
}

/**
 * Who looks once more at what they just decided can still take it back.
 * @param {string} me
 * @param {TaskDetailView} task
 * @returns {Notice | null}
 */
function ownDecision(me, task) {
  const open = Date.parse(task.undo_until ?? "") > Date.now();
  if (!open || task.decision?.reviewer !== me) return null;
  return { tone: "ok", text: "You have just decided this.", actions: undoOf(task) };
}

/**
 * The selected task could not be loaded.
 * @param {State} state
 * @param {string} taskId
 * @param {string} message
 * @returns {State}
 */
export function notLoaded(state, taskId, message) {
  if (state.selected !== taskId) return state;
  const again = { label: "Try again", reload: /** @type {const} */ (true) };
  return { ...state, notice: { tone: "bad", text: message, actions: [again] } };
}

/**
 * @param {State} state
 * @param {Mode} mode
 * @returns {State}
 */
export function modeSet(state, mode) {
  const possible = ["comment", "escalate", "hand"].includes(mode) ? waitsForMe : mayDecide;
  if (state.busy || (mode && !possible(state))) return state;
  if (mode === "approve" && !mayApprove(state)) return { ...state, notice: notApprovable(state) };
  // What went well before has been read by now, and would cover the draft.
  const notice = state.notice?.tone === "ok" ? null : state.notice;
  return { ...state, mode, notice, unsupported: "" };
}

/**
 * A key asked for an approval that no button offers.
 * @param {State} state
 * @returns {Notice}
 */
function notApprovable({ task }) {
  const why = task?.stale ? "Its sources changed" : "There is no draft";
  return warning(`${why}, so there is nothing to approve. Edit (e) or reject (r).`, []);
}

/**
 * One more passage that the unsaved answer of the shown task cites.
 * @param {State} state
 * @param {Added} source
 * @returns {State}
 */
export function cited(state, source) {
  if (!state.task) return state;
  const id = state.task.task_id;
  const before = addedTo(state);
  if (before.some((one) => one.number === source.number)) return state;
  return { ...state, sources: { ...state.sources, [id]: [...before, source] } };
}

/** What the unsaved answer of the shown task cites besides its evidence. */
export function addedTo(/** @type {Pick<State, "task" | "sources">} */ { task, sources }) {
  return (task && sources[task.task_id]) ?? [];
}

/**
 * The unsaved answer of the shown task; null when it is the draft as it stands.
 * @param {State} state
 * @param {string | null} text
 * @returns {State}
 */
export function edited(state, text) {
  if (!state.task) return state;
  const { [state.task.task_id]: _, ...others } = state.edits;
  return { ...state, edits: text === null ? others : { ...others, [state.task.task_id]: text } };
}

/**
 * The unsaved answer of a task is given up, with what it cites besides.
 * @param {State} state
 * @param {string} taskId
 * @returns {State}
 */
export function discarded(state, taskId) {
  const { [taskId]: _text, ...edits } = state.edits;
  const { [taskId]: _added, ...sources } = state.sources;
  const asks = state.notice?.actions.some((action) => "signOut" in action);
  return { ...state, edits, sources, notice: asks ? null : state.notice };
}

/**
 * All unsaved answers are given up.
 * @param {State} state
 * @returns {State}
 */
export function allDiscarded(state) {
  return { ...state, edits: {}, sources: {}, notice: null };
}

/**
 * Signing out would lose what is not saved: it is asked for first.
 * @param {State} state
 * @returns {State}
 */
export function leavingAsked(state) {
  const ids = Object.keys(state.edits);
  const one = ids.length === 1;
  const words = one ? "An edit is not saved." : `${ids.length} edits are not saved.`;
  const label = `Sign out and lose ${one ? "it" : "them"}`;
  const [other] = ids.filter((id) => id !== state.selected);
  const show = other ? [{ label: one ? "Show it" : "Show the other", choose: other }] : [];
  return { ...state, notice: warning(words, [{ label, signOut: true }, ...show]) };
}

/**
 * @param {State} state
 * @param {boolean} advance
 * @returns {State}
 */
export function advanceSet(state, advance) {
  return { ...state, advance };
}

// --- claim and decision

/**
 * A change is on its way: nothing else can be started.
 * @param {State} state
 * @returns {State}
 */
export function started(state) {
  return { ...state, busy: true, notice: null };
}

/**
 * @param {State} state
 * @returns {State}
 */
export function ended(state) {
  return { ...state, busy: false };
}

/**
 * The shown task is claimed or its claim renewed. A decision may only bind to what was read, so
 * new content is shown first.
 * @param {State} state
 * @param {TaskDetailView} task
 * @returns {State}
 */
export function claimed(state, task) {
  if (state.task?.task_id !== task.task_id) return state;
  const tasks = withHolder(state.tasks, task);
  if (state.task.content_sha256 === task.content_sha256) {
    return { ...state, tasks, claim: claimOf(task) };
  }
  return { ...loaded(state, task), notice: warning(VOID, []) };
}

/**
 * The shown task was changed besides deciding it: what was read stays as it was.
 * @param {State} state
 * @param {TaskDetailView} task
 * @param {string} said
 * @returns {State}
 */
export function handled(state, task, said) {
  if (state.selected !== task.task_id) return state;
  const notice = { tone: /** @type {const} */ ("ok"), text: said, actions: [] };
  const tasks = withHolder(state.tasks, task);
  return { ...state, tasks, task, claim: claimOf(task), mode: "", notice };
}

/** Who holds the shown task instead of this reviewer; "" when nobody does. */
export function otherHolder(/** @type {State} */ state) {
  const { claim, me } = state;
  const held = claim?.state === "claimed" && claim.claimed_by !== me;
  return held ? (claim.claimed_by ?? "") : "";
}

/**
 * A decision was saved: on to the next task, or, without one, the task as it stands now.
 * @param {State} state
 * @param {TaskDetailView} task
 * @param {DecisionKind} kind
 * @returns {State}
 */
export function decided(state, task, kind) {
  const until = Date.parse(task.undo_until ?? "");
  const last = until ? { taskId: task.task_id, until } : state.last;
  const saved = { ...discarded(state, task.task_id), last };
  if (state.selected !== task.task_id) return saved;
  const said = task.decision ? DONE[kind] : FIRST_APPROVAL;
  const next = nextWaiting(state);
  const undo = undoOf(task);
  if (!state.advance || !next?.follows) {
    const actions = [...undo, ...(next ? [{ label: next.label, choose: next.taskId }] : [])];
    return { ...loaded(saved, task), notice: { tone: "ok", text: said, actions } };
  }
  const actions = [...undo, { label: "Show it", choose: task.task_id }];
  const text = `${said} “${task.question}”`;
  return {
    ...chosen(saved, next.taskId),
    notice: { tone: "ok", text, actions, kind },
  };
}

/**
 * The way back from a decision, as long as there is one.
 * @param {TaskDetailView} task
 * @returns {NoticeAction[]}
 */
function undoOf({ task_id, undo_until }) {
  return undo_until ? [{ label: "Undo", undo: task_id, until: Date.parse(undo_until) }] : [];
}

/**
 * A decision was taken back: its task is shown again, held by who decided.
 * @param {State} state
 * @param {TaskDetailView} task
 * @returns {State}
 */
export function undone(state, task) {
  const shown = loaded(chosen(state, task.task_id), task);
  return { ...shown, last: null, notice: { tone: "ok", text: TAKEN_BACK, actions: [] } };
}

/**
 * A decision could not be taken back; `again`: the task where another try may help.
 * @param {State} state
 * @param {string} message
 * @param {string | null} again
 * @returns {State}
 */
export function notUndone(state, message, again) {
  const until = again !== null && state.last?.taskId === again ? state.last.until : 0;
  const actions = again !== null && until > 0 ? [{ label: "Undo", undo: again, until }] : [];
  return { ...state, notice: failure(message, actions) };
}

/**
 * The key for it was pressed, and there is nothing to take back.
 * @param {State} state
 * @returns {State}
 */
export function nothingUndone(state) {
  return { ...state, notice: warning("No decision of yours can be taken back now.", []) };
}

/** The task whose decision can be taken back now; null where there is none. */
export function undoable(/** @type {State} */ { last, busy }, now = Date.now()) {
  return last && !busy && last.until > now ? last.taskId : null;
}

/**
 * The next task that waits below the selected one, else the first that was passed over.
 * @param {State} state
 */
function nextWaiting({ tasks, selected, place, me }) {
  const waits = (/** @type {TaskView} */ task) =>
    task.task_id !== selected && task.state === "open" && !task.approved_by.includes(me);
  const after = tasks.slice(place).find(waits);
  if (after) return { taskId: after.task_id, label: "Next task", follows: true };
  const before = tasks.slice(0, place).filter(waits);
  if (!before[0]) return null;
  const label = before.length === 1 ? "The 1 left above" : `The ${before.length} left above`;
  return { taskId: before[0].task_id, label, follows: false };
}

/**
 * The service refused a change to `task`, or could not be reached.
 * @param {State} state
 * @param {TaskDetailView} task
 * @param {Problem} problem
 * @returns {State}
 */
export function refused(state, task, { code = "", message }) {
  if (code === "edit_not_supported" && state.task === task) {
    return { ...state, unsupported: message };
  }
  const known = CONFLICTS[code];
  const text = known ?? message;
  if (state.task !== task) return { ...state, notice: failure(`“${task.question}”: ${text}`) };
  return {
    ...state,
    claim: code === "claim_lost" ? UNHELD : state.claim,
    // The next refresh of the list finds the same change; it must not replace this explanation.
    warned: state.warned || known !== undefined,
    notice: failure(text, known ? [latest()] : []),
  };
}

/**
 * @param {TaskDetailView} task
 * @returns {Claim}
 */
function claimOf({ state, claimed_by, fence, lease_until, reading_until }) {
  return { state, claimed_by, fence, lease_until, reading_until };
}

/** @returns {NoticeAction} */
function latest() {
  return { label: "Show the latest version", reload: true };
}

/**
 * @param {string} text
 * @returns {Notice}
 */
function warning(text, actions = [latest()]) {
  return { tone: "warn", text, actions };
}

/**
 * @param {string} text
 * @param {NoticeAction[]} actions
 * @returns {Notice}
 */
function failure(text, actions = []) {
  return { tone: "bad", text, actions };
}
