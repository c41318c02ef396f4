// The action bar under a task: start, approve, edit, reject.

import { byId, el, fill, visible } from "./dom.js";
import { plural, titleAndPage } from "./format.js";

const unsavedEdits = new Map();

/** True while an edit is written that has not been saved. */
export function hasUnsavedEdits() {
  return unsavedEdits.size > 0;
}

export function forgetEdit(taskId) {
  unsavedEdits.delete(taskId);
}

/**
 * Draws the bar. `mode` is "", "edit", "reject" or "approve" (the keyboard's confirmation).
 * `act` has `start`, `decide(body)` and `setMode(mode)`.
 */
export function drawActions(task, mode, mine, act) {
  const bar = byId("actions");
  bar.hidden = !task || !["open", "claimed"].includes(task.state);
  if (bar.hidden) return fill(bar);
  if (mode === "edit") return fill(bar, editForm(task, act));
  if (mode === "reject") return fill(bar, rejectForm(act));
  if (mode === "approve") return fill(bar, approveConfirm(act));
  return fill(bar, mainButtons(mine, act));
}

/** Shows the bar as out of use while a request runs; a disabled button would lose the focus. */
export function setBusy(busy) {
  byId("actions").setAttribute("aria-busy", String(busy));
  for (const control of byId("actions").querySelectorAll("button, textarea")) {
    if (control.localName === "textarea") control.readOnly = busy;
    else control.setAttribute("aria-disabled", String(busy));
  }
}

function mainButtons(mine, act) {
  const start = mine
    ? el("span", { class: "badge claimed", "data-testid": "claimed-by-me" }, "You are reviewing")
    : el("button", { type: "button", "data-testid": "claim", onclick: act.start }, "Start review");
  return el(
    "div",
    { class: "row" },
    el("button", {
      type: "button",
      class: "primary",
      "data-testid": "approve",
      onclick: () => act.decide({ kind: "approve" }),
    }, "Approve", el("span", { class: "wide-only" }, " and release")),
    el("button", { type: "button", "data-testid": "edit", onclick: () => act.setMode("edit") }, "Edit…"),
    el("button", {
      type: "button",
      class: "danger",
      "data-testid": "reject",
      onclick: () => act.setMode("reject"),
    }, "Reject…"),
    el("span", { class: "spacer" }),
    start,
  );
}

function approveConfirm(act) {
  return el(
    "div",
    { class: "row", role: "group", "aria-label": "Confirm the approval" },
    el("span", {}, "Release this answer as it stands?"),
    el("button", {
      type: "button",
      class: "primary",
      "data-testid": "approve-confirm",
      "data-focus": true,
      onclick: () => act.decide({ kind: "approve" }),
    }, "Yes, approve and release"),
    cancelButton(act),
  );
}

function editForm(task, act) {
  const field = el("textarea", {
    id: "edit-text",
    rows: "5",
    dir: "auto",
    "data-testid": "edit-text",
    "data-focus": true,
    "aria-describedby": "edit-help edit-problem",
  });
  const original = plainDraft(task);
  field.value = unsavedEdits.get(task.task_id) ?? original;
  const problem = el("p", { id: "edit-problem", class: "flag bad", role: "alert" });
  field.addEventListener("input", () => {
    fill(problem);
    if (field.value === original) unsavedEdits.delete(task.task_id);
    else unsavedEdits.set(task.task_id, field.value);
  });
  const save = () => {
    const wrong = problemWith(field.value, task.draft.citations);
    fill(problem, wrong);
    if (wrong) return field.focus();
    return act.decide({ kind: "edit", text: field.value.trim() });
  };
  return el(
    "form",
    { onsubmit: (event) => (event.preventDefault(), save()) },
    el("label", { for: "edit-text" }, "New answer"),
    field,
    el("p", { id: "edit-help", class: "muted small" }, sourcesLine(task.draft.citations)),
    problem,
    el(
      "div",
      { class: "row" },
      el("button", { class: "primary", "data-testid": "edit-save" }, "Save and release"),
      cancelButton(act),
    ),
  );
}

function rejectForm(act) {
  const field = el("textarea", {
    id: "reject-reason",
    rows: "3",
    dir: "auto",
    "data-testid": "reject-reason",
    "data-focus": true,
    "aria-describedby": "reject-problem",
  });
  const problem = el("p", { id: "reject-problem", class: "flag bad", role: "alert" });
  const save = () => {
    const reason = field.value.trim();
    fill(problem, !reason && "Please say why; the reason goes into the record.");
    return reason ? act.decide({ kind: "reject", reason }) : field.focus();
  };
  return el(
    "form",
    { onsubmit: (event) => (event.preventDefault(), save()) },
    el("label", { for: "reject-reason" }, "Why is this answer rejected?"),
    field,
    problem,
    el(
      "div",
      { class: "row" },
      el("button", { class: "danger", "data-testid": "reject-confirm" }, "Reject"),
      cancelButton(act),
    ),
  );
}

function cancelButton(act) {
  return el("button", { type: "button", onclick: () => act.setMode("") }, "Cancel");
}

function plainDraft(task) {
  return visible((task.proposal?.answer ?? task.draft)?.text);
}

function sourcesLine(citations) {
  const sources = citations.map((item) => `[${item.number}] ${titleAndPage(item)}`).join(" · ");
  return sources ? `Put a source's number after what it supports: ${sources}` : "This draft has no sources.";
}

function problemWith(text, citations) {
  if (!text.trim()) return "The answer is empty. To withhold it, reject it instead.";
  const known = new Set(citations.map((item) => item.number));
  const used = [...text.matchAll(/\[(\d+)\]/g)].map((match) => Number(match[1]));
  const unknown = [...new Set(used.filter((number) => !known.has(number)))];
  if (!unknown.length) return "";
  const markers = unknown.map((number) => `[${number}]`).join(", ");
  return `There is no source ${markers}; this draft has ${plural(citations.length, "source")}.`;
}
