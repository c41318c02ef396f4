// @ts-check
// Works on the tasks: moves the state by what the reviewer and the service do, and draws it.

import { ApiError, isLeaving, messageOf, request } from "../shared/api.js";
import { announce, byId, el, fill, painted, setText, showingMore } from "../shared/dom.js";
import { undoButton } from "../shared/forms.js";
import { showPageError } from "../shared/header.js";
import { drawActions, drawHandling, setBusy, submitForm } from "./actions.js";
import { loadChanged, mountChanged } from "./changed.js";
import { taskView } from "./detail.js";
import { asEdit, drawEarlier } from "./earlier.js";
import { commandOf } from "./keys.js";
import {
  choose,
  drawList,
  focusTask,
  markSelected,
  markUnsaved,
  nameShown,
  showInList,
} from "./list.js";
import { drawCounts, mountNarrow } from "./narrow.js";
import { dropNotes, keepNote } from "./notes.js";
import { mountPractice } from "./practice.js";
import { drawQuotes, pressQuote, quoteAsEdit } from "./quotes.js";
import * as states from "./state.js";
import { keepUnsaved, loadUnsaved } from "./unsaved.js";
import { askedWords } from "./words.js";

/** @import { EarlierAnswer, QuoteView, TaskDetailView, TasksView } from "../shared/wire.d.ts" */
/** @import { Decision } from "./actions.js" */
/** @import { Added } from "./evidence.js" */
/** @import { Handling } from "./handle.js" */
/** @import { Command } from "./keys.js" */
/** @import { Filter, Mode, Notice, NoticeAction, State } from "./state.js" */

const REFRESH_MS = 5_000;
// While a stream tells of new tasks and decisions, the list is read anew for claims only.
const REFRESH_STREAMED_MS = 20_000;
const RECOUNT_MS = 20_000;
const RENEW_MS = 120_000;
const LIST_LIMIT = 100;
/** Where letters are letters; a box to tick takes none. */
const TYPED = "input:not([type=checkbox]), textarea, select";
const SHORTCUTS_KEY = "countersign.shortcuts";
const ADVANCE_KEY = "countersign.advance";

let state = states.begin("");
// A decision waits for a renewal under way, because the renewal changes the fence.
/** @type {Promise<void>} */
let renewing = Promise.resolve();
let drawnAsMine = false;
/** @type {EventSource | null} */
let stream = null;
let refreshedAt = 0;
/** How often the list was asked for: an earlier answer that comes later says what no longer holds. */
let listsAsked = 0;
/** How many pages of the list are wanted. */
let pages = 1;

/**
 * Begins with what the page shows already: the first rows, unless they could not be had.
 * @param {State} begun
 * @param {boolean} isListed
 */
export async function openDesk(begun, isListed) {
  state = { ...begun, ...loadUnsaved() };
  mountControls();
  markUnsaved(state);
  if (!isListed) await refresh();
  recount().catch(showPageError);
  loadChanged();
  followQueue(); // and with its first event comes the whole list
  setInterval(refreshIfDue, REFRESH_MS);
  setInterval(() => document.hidden || recount().catch(showPageError), RECOUNT_MS);
  setInterval(renewClaim, RENEW_MS);
  await followHash();
}

function mountControls() {
  byId("filters").addEventListener("click", (event) => {
    const button = event.target instanceof Element ? event.target.closest("button") : null;
    const filter = /** @type {Filter | undefined} */ (button?.dataset.filter);
    if (filter) changeFilter(filter).catch(showPageError);
  });
  mountChanged((taskId) => {
    choose(taskId);
    refresh().catch(showPageError);
  });
  mountNarrow((change) => {
    pages = 1;
    set(states.narrowed(state, change));
    refresh().catch(showPageError);
  });
  byId("back").addEventListener("click", () => choose(null));
  byId("more-tasks").addEventListener("click", () =>
    showingMore(byId("more-tasks"), byId("tasks"), showMore).catch(showPageError),
  );
  mountPractice();
  for (const control of byId("panes").querySelectorAll(":disabled")) {
    control.removeAttribute("disabled");
  }
  mountChoice("shortcuts", SHORTCUTS_KEY, () => {});
  mountChoice("advance", ADVANCE_KEY, (on) => set(states.advanceSet(state, on)));
  document.addEventListener("keydown", onKey);
  window.addEventListener("hashchange", followHash);
  window.addEventListener("beforeunload", (event) => {
    // Who has to sign in anew finds them again.
    if (states.hasEdits(state) && !isLeaving()) event.preventDefault();
  });
  byId("signout").addEventListener("click", askBeforeSignOut, { capture: true });
  document.addEventListener("visibilitychange", () => {
    followQueue();
    if (!document.hidden) refresh().catch(showPageError);
  });
  drawTask();
}

/** @param {Event} event */
function askBeforeSignOut(event) {
  if (!states.hasEdits(state)) return;
  event.stopImmediatePropagation();
  set(states.leavingAsked(state));
}

/** A hidden page has no stream: a browser opens about six connections to one site. */
function followQueue() {
  if (document.hidden || stream?.readyState === EventSource.CLOSED) {
    stream?.close();
    stream = null;
  }
  if (document.hidden || stream) return;
  stream = new EventSource("/v1/reviews/events?keep=true");
  stream.addEventListener("changed", () => refresh().catch(showPageError));
}

function refreshIfDue() {
  drawTimes();
  followQueue();
  const streamed = stream?.readyState === EventSource.OPEN;
  const due = Date.now() - refreshedAt > (streamed ? REFRESH_STREAMED_MS : REFRESH_MS / 2);
  if (due && !document.hidden) refresh().catch(showPageError);
}

/**
 * A box to tick, remembered in this browser.
 * @param {string} id
 * @param {string} key
 * @param {(on: boolean) => void} onChange
 */
function mountChoice(id, key, onChange) {
  const box = byId(id, HTMLInputElement);
  box.checked = localStorage.getItem(key) !== "off";
  onChange(box.checked);
  box.addEventListener("change", () => {
    localStorage.setItem(key, box.checked ? "on" : "off");
    onChange(box.checked);
  });
}

// --- drawing: each part anew when what it shows has changed

/** @param {State} next */
function set(next) {
  const before = state;
  state = next;
  const changed = (/** @type {(keyof State)[]} */ ...names) =>
    names.some((name) => before[name] !== next[name]);
  if (changed("tasks", "filter", "open", "more")) drawList(next);
  else if (changed("selected")) markSelected(next.selected);
  if (changed("edits", "sources")) keepUnsaved(next);
  if (changed("edits", "selected", "tasks")) markUnsaved(next);
  if (changed("selected")) byId("panes").classList.toggle("has-detail", Boolean(next.selected));
  if (changed("task", "selected")) drawTask();
  if (changed("notice")) drawNotice(next.notice);
  // A claim also ends by the clock; a form that is being written in is left alone.
  if (changed("task", "selected", "claim")) drawHolder();
  const claimChanged = changed("claim") || drawnAsMine !== states.isMine(next);
  const redrawn =
    changed("task", "selected", "mode", "unsupported") ||
    ((claimChanged || changed("edits")) && !next.mode);
  if (redrawn) drawBar();
  if (redrawn || changed("busy")) setBusy(next.busy);
}

function drawTask() {
  const { task, selected } = state;
  const hint = selected ? "Loading…" : "Choose a task to see its draft and sources.";
  fill(byId("task"), task ? taskView(task, handle) : el("p", { class: "muted placeholder" }, hint));
  if (task) drawBeside(task).catch(() => {});
  if (task) byId("task").setAttribute("data-testid", "task-detail");
  else byId("task").removeAttribute("data-testid");
  byId("detail").scrollTo({ top: 0 });
}

/** A task stays open for long: what is left to decide it grows less. */
function drawTimes() {
  const node = document.getElementById("asked-when");
  if (node && state.task) setText(node, askedWords(state.task));
}

/** Says beside the title who else is reviewing the shown task. */
function drawHolder() {
  const node = document.getElementById("holder");
  const holder = states.otherHolder(state);
  const badge = el("span", { class: "badge warn", "data-testid": "holder" });
  badge.textContent = `${holder} is reviewing this`;
  if (node) fill(node, holder && badge);
}

/**
 * What a task can be decided without; who moves on quickly asks for nothing.
 * @param {TaskDetailView} task
 */
async function drawBeside(task) {
  const [quotes, earlier] = ["quotes", "earlier"].map((id) => document.getElementById(id));
  await painted();
  await Promise.allSettled([
    quotes?.isConnected && states.mayDecide(state) && drawQuotes(quotes, task, useQuote),
    earlier?.isConnected && drawEarlier(earlier, task, beginWith),
  ]);
}

function drawBar() {
  const bar = byId("actions");
  const focused = document.activeElement;
  const held = focused instanceof HTMLElement && bar.contains(focused) && focused.dataset.testid;
  const act = { start, decide, setMode, keep, discard, handle, cite };
  drawActions(state, act);
  drawHandling(state, act);
  drawnAsMine = states.isMine(state);
  if (!held) return;
  const again = bar.querySelector(`[data-testid="${held}"], button`);
  if (again instanceof HTMLElement) again.focus();
}

/** @param {Notice | null} notice */
function drawNotice(notice) {
  if (!notice) return fill(byId("task-notice"));
  const { tone, text, actions, kind } = notice;
  const buttons = actions.map(noticeButton);
  const testId = tone === "bad" ? "error" : kind && "decision";
  const role = tone === "bad" ? "alert" : "status";
  const props = { class: `notice bar ${tone}`, role, "data-testid": testId, "data-kind": kind };
  fill(byId("task-notice"), el("div", props, el("p", { dir: "auto" }, text), buttons));
}

/** @param {NoticeAction} action */
function noticeButton(action) {
  const props = { type: "button", class: "small", onclick: () => follow(action) };
  if ("until" in action) return undoButton(action.until, () => follow(action));
  return el("button", props, action.label);
}

/** @param {NoticeAction} action */
function follow(action) {
  if ("reload" in action) {
    reload();
  } else if ("undo" in action) {
    takeBack(action.undo);
  } else if ("signOut" in action) {
    set(states.allDiscarded(state));
    byId("signout").click();
  } else {
    choose(action.choose);
    showInList(action.choose);
  }
}

// --- the list

async function refresh() {
  const { filter, narrow } = state;
  refreshedAt = Date.now();
  listsAsked += 1;
  const asked = listsAsked;
  const lists = await listPages(states.listPath(state, LIST_LIMIT));
  if (asked !== listsAsked) return;
  fill(byId("page-error"));
  set(states.listed(state, { filter, narrow, ...states.listOf(...lists) }));
}

/**
 * As many pages of a list as are wanted, or as there are.
 * @param {string} path
 */
async function listPages(path) {
  /** @type {TasksView[]} */
  const lists = [await request("GET", path)];
  for (let cursor = lists[0]?.next_cursor; cursor && lists.length < pages; ) {
    /** @type {TasksView} */
    const next = await request("GET", `${path}&cursor=${encodeURIComponent(cursor)}`);
    lists.push(next);
    cursor = next.next_cursor;
  }
  return lists;
}

async function showMore() {
  pages += 1;
  await refresh();
}

async function recount() {
  drawCounts(await request("GET", "/v1/reviews/counts"));
}

/** @param {Filter} filter */
async function changeFilter(filter) {
  pages = 1;
  set(states.filtered(state, filter));
  await refresh();
}

// --- the selected task

async function followHash() {
  const taskId = states.taskOf(location.hash);
  const previous = state.selected;
  if (taskId === previous) return;
  const coming = comingTask(taskId); // on its way while the choice is drawn
  set(states.chosen(state, taskId));
  if (!taskId && previous) focusTask(previous);
  await load(coming);
}

/**
 * @param {string | null} taskId
 * @returns {Promise<TaskDetailView> | null}
 */
function comingTask(taskId) {
  return taskId ? request("GET", pathOf(taskId)) : null;
}

async function reload() {
  set(states.chosen(state, state.selected));
  await load();
}

/** Loads the selected task; an answer that arrives after another choice is ignored. */
async function load(coming = comingTask(state.selected)) {
  const { selected: taskId } = state;
  if (!taskId || !coming) return;
  try {
    const task = await coming; // first: by then the state may be another one
    set(states.loaded(state, task));
    if (state.selected === taskId) loadedNow();
  } catch (error) {
    const gone = "This task no longer exists, or you may not see it.";
    const isGone = error instanceof ApiError && error.status === 404;
    set(states.notLoaded(state, taskId, isGone ? gone : messageOf(error)));
    if (isGone) set(states.discarded(state, taskId));
  }
}

function loadedNow() {
  announce(`${state.notice?.text ?? ""} Loaded: ${state.task?.question}`);
  const listHidden = byId("back").offsetParent !== null;
  if (listHidden) document.getElementById("task-title")?.focus();
}

/** @param {Mode} mode */
function setMode(mode) {
  const before = state;
  set(states.modeSet(state, mode));
  if (state === before) return;
  const bar = byId("actions");
  const target = bar.querySelector("[data-focus]") ?? bar.querySelector("button");
  if (target instanceof HTMLElement) target.focus();
  // While writing, the sentences and their sources are what one needs to see. Who only confirms
  // keeps the question before them.
  if (mode && mode !== "approve")
    document.getElementById("draft")?.scrollIntoView({ block: "start" });
}

/** @param {string | null} text */
function keep(text) {
  set(states.edited(state, text));
}

/** The edit of the shown task is given up; its draft is as it was. */
function discard() {
  if (!state.task || state.busy) return;
  set(states.discarded(state, state.task.task_id));
  announce("Your edit was discarded.");
}

/** @param {EarlierAnswer} earlier */
function beginWith(earlier) {
  if (!state.task || !states.mayDecide(state)) return;
  const { text, sources } = asEdit(earlier, state.task, states.addedTo(state));
  for (const source of sources) cite(source);
  keep(text);
  setMode("");
  setMode("edit");
}

/**
 * In the place of the draft; what was written already stays before it.
 * @param {QuoteView} quote
 */
function useQuote(quote) {
  const { task, busy } = state;
  if (!task || busy || !states.mayDecide(state)) return;
  const written = state.edits[task.task_id] ?? "";
  const { text, sources } = quoteAsEdit(quote, task, states.addedTo(state), written);
  for (const source of sources) cite(source);
  keep(text);
  setMode("");
  setMode("edit");
}

/** @param {Added} source */
function cite(source) {
  set(states.cited(state, source));
}

/** @param {string} taskId */
function pathOf(taskId) {
  return `/v1/reviews/${encodeURIComponent(taskId)}`;
}

// --- claim and decision

async function start() {
  await attempt(async (task) => {
    if (await claim(task)) announce("You are reviewing this task.");
  });
}

/**
 * Claims the shown task, or renews the claim. Returns whether it is still what is on screen.
 * @param {TaskDetailView} task
 */
async function claim(task) {
  const claimed = await request("POST", `${pathOf(task.task_id)}/claim`);
  set(states.claimed(state, claimed));
  return state.task === task;
}

/** @param {Handling} handling */
async function handle({ method, path, body, said }) {
  await attempt(async (task) => {
    const { mode } = state;
    const changed = await request(method, `${pathOf(task.task_id)}/${path}`, { body });
    keepNote(task.task_id, mode, "");
    set(states.handled(state, changed, said));
  });
  recount().catch(showPageError);
}

/** @param {Decision} decision */
async function decide(decision) {
  await attempt(async (task) => {
    await renewing;
    if (state.task !== task) return;
    // A risky task is claimed before it is decided: its reading time runs from there.
    if (task.reading_seconds > 0 && !states.isMine(state) && !(await claim(task))) return;
    // Who does not hold the task claims it with the decision.
    const fence = states.isMine(state) ? state.claim?.fence : null;
    const body = { ...decision, content_sha256: task.content_sha256, fence };
    const decided = await request("POST", `${pathOf(task.task_id)}/decision`, { body });
    dropNotes(task.task_id);
    await show(states.decided(state, decided, decision.kind));
  });
}

/** @param {string} taskId */
async function takeBack(taskId) {
  if (state.busy) return;
  set(states.started(state));
  try {
    const task = await request("POST", `${pathOf(taskId)}/undo`);
    set(states.undone(state, task));
    nameShown(taskId);
    byId("detail").focus();
  } catch (error) {
    // Above the task: the next list that comes would take an error of the page away at once.
    const again = error instanceof ApiError && error.retryable ? taskId : null;
    set(states.notUndone(state, messageOf(error), again));
  } finally {
    set(states.ended(state));
  }
  await refresh().catch(showPageError);
}

/**
 * After a decision: the next task, or the same one as it stands now.
 * @param {State} next
 */
async function show(next) {
  const moved = next.selected !== state.selected;
  set(next);
  byId("detail").focus();
  if (!moved || !next.selected) return;
  nameShown(next.selected);
  showInList(next.selected);
  await load();
}

/**
 * Runs one change at a time, and explains a failure above the task.
 * @param {(task: TaskDetailView) => Promise<void>} change
 */
async function attempt(change) {
  const { task, busy } = state;
  if (busy || !task) return;
  set(states.started(state));
  try {
    await change(task);
  } catch (error) {
    explain(error, task);
  } finally {
    set(states.ended(state));
  }
  await refresh().catch(showPageError);
}

/**
 * @param {unknown} error
 * @param {TaskDetailView} task
 */
function explain(error, task) {
  const code = error instanceof ApiError ? error.code : "";
  set(states.refused(state, task, { code, message: messageOf(error) }));
  if (state.unsupported) document.getElementById("override-reason")?.focus();
  byId("task-notice").scrollIntoView({ block: "nearest" });
}

function renewClaim() {
  const { task, busy } = state;
  if (task && !busy && states.isMine(state)) renewing = renewOnce(task);
}

/** @param {TaskDetailView} task */
async function renewOnce(task) {
  try {
    await claim(task);
  } catch (error) {
    // A lost connection is tried again at the next turn; the lease outlasts one miss.
    const conflict = error instanceof ApiError && error.status === 409;
    if (state.task === task && conflict) explain(error, task);
  }
}

// --- keyboard

/** @param {KeyboardEvent} event */
function onKey(event) {
  if (byId("practice", HTMLDialogElement).open) return;
  const typing = event.target instanceof Element && event.target.closest(TYPED);
  const shortcuts = byId("shortcuts", HTMLInputElement).checked;
  const context = { typing: Boolean(typing), shortcuts, mode: state.mode };
  const command = commandOf(event, context);
  if (!command) return;
  event.preventDefault();
  obey(command);
}

/** @param {Command} command */
function obey(command) {
  if (command === "next") step(1);
  else if (command === "previous") step(-1);
  else if (command === "cancel") setMode("");
  else if (command === "save") submitForm();
  else if (command === "undo") undoLast();
  else if (command === "search") byId("search").focus();
  else if (command === "1" || command === "2" || command === "3") pressQuote(command);
  else setMode(command);
}

/** The newest decision, also once the line that offers it is gone. */
function undoLast() {
  const taskId = states.undoable(state);
  if (taskId) takeBack(taskId);
  else if (!state.busy) set(states.nothingUndone(state));
}

/** @param {1 | -1} by */
function step(by) {
  const taskId = states.neighbour(state, by);
  if (!taskId) return;
  choose(taskId);
  focusTask(taskId);
}
