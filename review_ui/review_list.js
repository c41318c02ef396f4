// The list of review tasks, changed in place so that focus and selection stay.

import { byId, el, fill, setText } from "./dom.js";
import { age } from "./format.js";
import { approvalWords, certificateWords, stateWords } from "./review_detail.js";

const EMPTY = {
  open: "Nothing waits for review.",
  decided: "No decisions yet.",
  all: "There are no review tasks yet.",
};

const items = new Map();

/** Shows `tasks`; `onChoose(taskId)` is called for a chosen one. */
export function drawList(tasks, { selected, filter, myName, onChoose }) {
  const list = byId("tasks");
  dropGone(tasks);
  tasks.forEach((task, index) => {
    const item = items.get(task.task_id) ?? newItem(task, onChoose);
    items.set(task.task_id, item);
    update(item, task, task.task_id === selected, myName);
    // Moving a focused element would take its focus away, so only misplaced ones move.
    if (list.children[index] !== item.node) list.insertBefore(item.node, list.children[index] ?? null);
  });
  list.setAttribute("aria-busy", "false");
  byId("list-empty").hidden = tasks.length > 0;
  setText(byId("list-empty"), EMPTY[filter]);
}

export function focusTask(taskId) {
  const item = items.get(taskId);
  item?.button.focus();
  item?.button.scrollIntoView({ block: "nearest" });
}

function dropGone(tasks) {
  const present = new Set(tasks.map((task) => task.task_id));
  for (const [taskId, item] of items) {
    if (present.has(taskId)) continue;
    if (item.node.contains(document.activeElement)) byId("detail").focus();
    item.node.remove();
    items.delete(taskId);
  }
}

function newItem(task, onChoose) {
  const question = el("span", { class: "task-question", dir: "auto" }, task.question);
  const reasons = el("span", { class: "task-reasons" });
  const meta = el("span", { class: "task-meta" });
  const state = el("span", { class: "badge" });
  const props = { type: "button", class: "task", "data-testid": "task", "data-task-id": task.task_id };
  const foot = el("span", { class: "task-foot" }, meta, state);
  const button = el("button", { ...props, onclick: () => onChoose(task.task_id) }, question, reasons, foot);
  return { node: el("li", {}, button), button, reasons, meta, state };
}

function update(item, task, isSelected, myName) {
  if (isSelected) item.button.setAttribute("aria-current", "true");
  else item.button.removeAttribute("aria-current");
  item.button.dataset.state = task.state;
  setText(item.reasons, task.reasons.join(" · "));
  const notes = [task.queue, approvalWords(task), certificateWords(task)].filter(Boolean).map((note) => ` · ${note}`);
  setText(item.meta, `${task.asker}, ${age(task.created_at)}${notes.join("")}`);
  setText(item.state, stateWords(task, myName));
  item.state.className = `badge ${task.state}`;
}

/** Marks the chosen filter and shows how many tasks are open, also in the page's title. */
export function drawCounts(filter, open) {
  for (const button of byId("filters").children) {
    button.setAttribute("aria-pressed", String(button.dataset.filter === filter));
  }
  setText(byId("open-count"), open);
  document.title = `${open ? `(${open}) ` : ""}Review – Countersign`;
}

/** Shows a notice above the task; `actions` are `[label, callback]` pairs. */
export function drawNotice(tone, text, actions = []) {
  const buttons = actions.map(([label, onclick]) => el("button", { type: "button", onclick }, label));
  const props = { class: `notice bar ${tone}`, role: tone === "bad" ? "alert" : "status" };
  if (tone === "bad") props["data-testid"] = "error";
  fill(byId("task-notice"), text && el("div", props, el("p", {}, text), buttons));
}
