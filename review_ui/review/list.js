// @ts-check
// The list of review tasks, changed in place so that focus and selection stay.

import { byId, el, fill, setText } from "../shared/dom.js";
import { age } from "../shared/format.js";
import { isNarrow } from "./state.js";
import { askerWords, listedWords, listNotes, stateTone, stateWords } from "./words.js";

/** @import { TaskView } from "../shared/wire.d.ts" */
/** @import { Filter, State } from "./state.js" */
/** @typedef {{node: HTMLElement, button: HTMLElement, reasons: HTMLElement, meta: HTMLElement, unsaved: HTMLElement, state: HTMLElement}} Item */

/** @type {Record<Filter, string>} */
const EMPTY = {
  open: "There is nothing to review.",
  snoozed: "Nothing is put off.",
  decided: "There are no decisions yet.",
  all: "There are no review tasks yet.",
};

/** @type {Map<string, Item>} */
const items = new Map();
/** @type {string | null} */
let marked = null;

/** Where the list and a task are not shown side by side. */
const ONE_PANE = matchMedia("(max-width: 860px)");
/** Whether "Back" leads from the shown task to the list. */
let listIsBelow = false;

/**
 * The address names the selected task, so that it can be linked to and "Back" works. Where one pane
 * is shown at a time, "Back" leads to the list, not through the tasks that were decided.
 * @param {string | null} taskId
 */
export function choose(taskId) {
  const hash = `#${encodeURIComponent(taskId ?? "")}`;
  const isOnTask = location.hash.length > 1;
  if (!ONE_PANE.matches || !isOnTask) {
    listIsBelow = ONE_PANE.matches && taskId !== null;
    location.hash = hash;
  } else if (taskId === null && listIsBelow) {
    history.back();
  } else location.replace(hash);
}

/**
 * The address names the task that is shown already in the place of another.
 * @param {string} taskId
 */
export function nameShown(taskId) {
  const hash = `#${encodeURIComponent(taskId)}`;
  if (ONE_PANE.matches) history.replaceState(null, "", hash);
  else history.pushState(null, "", hash);
}

/**
 * Shows the list.
 * @param {State} state
 */
export function drawList(state) {
  const { tasks, selected, filter, me, open } = state;
  const list = byId("tasks");
  dropGone(tasks);
  for (const [index, task] of tasks.entries()) {
    const item = items.get(task.task_id) ?? newItem(task);
    items.set(task.task_id, item);
    update(item, task, me);
    item.state.hidden = filter === "open" && task.state === "open";
    // Moving a focused element would take its focus away, so only misplaced ones move.
    const there = list.children[index] ?? null;
    if (there !== item.node) list.insertBefore(item.node, there);
  }
  markSelected(selected);
  list.setAttribute("aria-busy", "false");
  byId("list-empty").hidden = tasks.length > 0;
  setText(byId("list-empty"), isNarrow(state) ? "No task fits these filters." : EMPTY[filter]);
  byId("more-row").hidden = !state.more;
  setText(byId("listed"), listedWords(tasks.length));
  drawCounts(filter, open);
}

/**
 * Marks the selected task, and no longer the one before.
 * @param {string | null} selected
 */
export function markSelected(selected) {
  if (marked !== null) items.get(marked)?.button.removeAttribute("aria-current");
  if (selected !== null) items.get(selected)?.button.setAttribute("aria-current", "true");
  marked = selected;
}

/**
 * Marks the tasks with an edit that is not saved; where others than the selected one have one, also
 * those that are not listed, a button leads there.
 * @param {State} state
 */
export function markUnsaved({ edits, selected }) {
  for (const [taskId, item] of items) item.unsaved.hidden = edits[taskId] === undefined;
  const [first, ...more] = Object.keys(edits).filter((taskId) => taskId !== selected);
  const words = more.length ? `${more.length + 1} edits are not saved` : "An edit is not saved";
  const props = { type: "button", class: "small", "data-testid": "show-unsaved" };
  const button = first && el("button", { ...props, onclick: () => choose(first) }, words);
  fill(byId("unsaved"), button);
}

/** @param {string} taskId */
export function focusTask(taskId) {
  const item = items.get(taskId);
  item?.button.focus();
  item?.button.scrollIntoView({ block: "nearest" });
}

/**
 * Brings a task's place in the list into view, and leaves the focus where it is.
 * @param {string} taskId
 */
export function showInList(taskId) {
  items.get(taskId)?.button.scrollIntoView({ block: "nearest" });
}

/** @param {TaskView[]} tasks */
function dropGone(tasks) {
  const present = new Set(tasks.map((task) => task.task_id));
  for (const [taskId, item] of items) {
    if (present.has(taskId)) continue;
    if (item.node.contains(document.activeElement)) byId("detail").focus();
    item.node.remove();
    items.delete(taskId);
  }
}

/**
 * @param {TaskView} task
 * @returns {Item}
 */
function newItem(task) {
  const question = el("span", { class: "task-question", dir: "auto" }, task.question || "Erased");
  const reasons = el("span", { class: "task-reasons" });
  const meta = el("span", { class: "task-meta" });
  const state = el("span", { class: "badge" });
  const unsaved = el("span", { class: "badge warn", hidden: true }, "Not saved");
  const foot = el("span", { class: "task-foot" }, meta, unsaved, state);
  const props = {
    type: "button",
    class: "task",
    "data-testid": "task",
    "data-task-id": task.task_id,
    onclick: () => choose(task.task_id),
  };
  const button = el("button", props, question, reasons, foot);
  return { node: el("li", {}, button), button, reasons, meta, unsaved, state };
}

/**
 * @param {Item} item
 * @param {TaskView} task
 * @param {string} me
 */
function update(item, task, me) {
  item.button.dataset.state = task.state;
  item.button.dataset.urgency = task.urgency;
  setText(item.reasons, task.reasons.join(" "));
  setText(
    item.meta,
    [`${askerWords(task.asker)}, ${age(task.created_at)}`, ...listNotes(task)].join(" · "),
  );
  setText(item.state, stateWords(task, me));
  item.state.className = `badge ${stateTone(task)}`;
}

/**
 * Marks the chosen filter and shows how many tasks are open, also in the page's title.
 * @param {Filter} filter
 * @param {number | string} open
 */
function drawCounts(filter, open) {
  for (const button of byId("filters").querySelectorAll("button")) {
    button.setAttribute("aria-pressed", String(button.dataset.filter === filter));
  }
  setText(byId("open-count"), open);
  document.title = `${open ? `(${open}) ` : ""}Review – Countersign`;
}
