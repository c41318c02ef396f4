// The review page: the list, the selected task, its claim, and the decision.

import { request, requireSession } from "./api.js";
import { announce, byId, el, fill } from "./dom.js";
import { mountHeader, showPageError } from "./header.js";
import { drawActions, forgetEdit, hasUnsavedEdits, setBusy } from "./review_actions.js";
import { taskView } from "./review_detail.js";
import { drawCounts, drawList, drawNotice, focusTask } from "./review_list.js";

const REFRESH_MS = 5_000;
const RENEW_MS = 120_000;
const LIST_LIMIT = 100;
const SHORTCUTS_KEY = "countersign.shortcuts";

const DONE = {
  approve: "Approved. The asker can read the answer now.",
  edit: "Saved. The asker can read your version now.",
  reject: "Rejected. The asker was told that the answer is not released.",
};
const FIRST_APPROVAL = "Your approval is saved. A second reviewer must approve this answer too.";
const CONFLICTS = {
  already_decided: "Somebody else has already decided this draft. Nothing you did here was saved.",
  claim_lost: "Another reviewer holds this draft, or your claim ran out. Nothing was saved.",
  approval_void:
    "What you saw has changed since you opened it, so your decision does not count. " +
    "Read the new version first.",
};

const page = {
  me: "",
  filter: "open",
  tasks: [],
  selected: null,
  task: null,
  mode: "",
  busy: false,
  warned: false,
};

// A decision waits for a renewal under way, because the renewal changes the fence.
let renewing = Promise.resolve();

async function main() {
  const session = await requireSession();
  mountHeader(session);
  if (!session.roles.includes("reviewer")) return explainNoReviews();
  page.me = session.name;
  mountControls();
  await refresh();
  setInterval(() => document.hidden || refresh().catch(showPageError), REFRESH_MS);
  setInterval(renewClaim, RENEW_MS);
  await followHash();
}

function explainNoReviews() {
  const link = el("a", { href: "/" }, "Go to the chat");
  const box = el("div", {
    class: "notice warn",
    "data-testid": "error",
  }, el("p", {}, "This account is not a reviewer."), link);
  fill(byId("page-error"), box);
  byId("panes").classList.add("without-detail");
}

function mountControls() {
  byId("filters").addEventListener("click", (event) => {
    const filter = event.target.closest("button")?.dataset.filter;
    if (filter) changeFilter(filter).catch(showPageError);
  });
  byId("back").addEventListener("click", () => choose(""));
  const shortcuts = byId("shortcuts");
  shortcuts.checked = localStorage.getItem(SHORTCUTS_KEY) !== "off";
  shortcuts.addEventListener("change", () => {
    localStorage.setItem(SHORTCUTS_KEY, shortcuts.checked ? "on" : "off");
  });
  document.addEventListener("keydown", onKey);
  window.addEventListener("hashchange", followHash);
  window.addEventListener("beforeunload", (event) => hasUnsavedEdits() && event.preventDefault());
  document.addEventListener("visibilitychange", () => document.hidden || refresh().catch(showPageError));
  drawTask();
}

// --- the list

async function refresh() {
  const filter = page.filter;
  const { tasks, open } = await request("GET", `/v1/reviews?state=${filter}&limit=${LIST_LIMIT}`);
  if (filter !== page.filter) return;
  fill(byId("page-error"));
  page.tasks = tasks;
  drawCounts(filter, open);
  redrawList();
  warnIfChanged();
}

function redrawList() {
  drawList(page.tasks, { selected: page.selected, filter: page.filter, myName: page.me, onChoose: choose });
}

async function changeFilter(filter) {
  page.filter = filter;
  await refresh();
}

/** Says so when the shown task changed elsewhere; what is on screen never just changes. */
function warnIfChanged() {
  if (!isUndecided(page.task) || page.busy || page.warned) return;
  const text = changeElsewhere(page.task);
  if (!text) return;
  page.warned = true;
  drawNotice("warn", text, [["Show the latest", () => reload()]]);
}

function changeElsewhere(shown) {
  const listed = page.tasks.find((task) => task.task_id === shown.task_id);
  const complete = page.filter === "open" && page.tasks.length < LIST_LIMIT;
  if (listed ? !isUndecided(listed) : complete) {
    return "This draft is no longer open: it was decided elsewhere or has expired.";
  }
  const holder = listed?.claimed_by;
  if (!holder || holder === page.me || holder === shown.claimed_by) return "";
  return `${holder} has started to review this draft.`;
}

function isUndecided(task) {
  return task?.state === "open" || task?.state === "claimed";
}

// --- the selected task

function choose(taskId) {
  location.hash = encodeURIComponent(taskId);
}

async function followHash() {
  const previous = page.selected;
  const taskId = decodeURIComponent(location.hash.slice(1));
  page.selected = taskId || null;
  byId("panes").classList.toggle("has-detail", Boolean(taskId));
  redrawList();
  if (!taskId && previous) focusTask(previous);
  await reload();
  const listHidden = byId("back").offsetParent !== null;
  if (taskId && listHidden) byId("task-title")?.focus();
}

/** Loads the selected task afresh; an answer that arrives after another choice is ignored. */
async function reload() {
  const taskId = page.selected;
  showTask(null);
  if (!taskId) return;
  try {
    const task = await request("GET", pathOf(taskId));
    if (page.selected !== taskId) return;
    showTask(task);
    announce(`Loaded: ${task.question}`);
  } catch (error) {
    if (page.selected !== taskId) return;
    const gone = "This task does not exist any more, or you may not see it.";
    drawNotice("bad", error.status === 404 ? gone : error.message, [["Try again", () => reload()]]);
  }
}

function showTask(task) {
  page.task = task;
  page.mode = "";
  page.warned = false;
  drawNotice("", "");
  drawTask();
  byId("detail").scrollTo({ top: 0 });
}

function drawTask() {
  const hint = page.selected ? "Loading…" : "Choose a task to see the draft beside its sources.";
  const body = page.task ? taskView(page.task) : el("p", { class: "muted placeholder" }, hint);
  fill(byId("task"), body);
  if (page.task) byId("task").setAttribute("data-testid", "task-detail");
  else byId("task").removeAttribute("data-testid");
  drawBar();
}

function drawBar() {
  // Whoever has approved the answer waits for somebody else.
  const task = page.task?.approved_by.includes(page.me) ? null : page.task;
  drawActions(task, page.mode, isMine(page.task), { start, decide, setMode });
}

function drawBarKeepingFocus() {
  const focused = byId("actions").contains(document.activeElement) && document.activeElement.dataset.testid;
  drawBar();
  if (focused) byId("actions").querySelector(`[data-testid="${focused}"], button`)?.focus();
}

function setMode(mode) {
  if (page.busy) return;
  page.mode = mode;
  drawBar();
  const target = byId("actions").querySelector("[data-focus]") ?? byId("actions").querySelector("button");
  target?.focus();
  // While writing, the sentences and their sources are what one needs to see.
  if (mode === "edit") byId("draft")?.scrollIntoView({ block: "start" });
}

function pathOf(taskId) {
  return `/v1/reviews/${encodeURIComponent(taskId)}`;
}

// --- claim and decision

function isMine(task) {
  return task?.state === "claimed" && task.claimed_by === page.me;
}

async function start() {
  await attempt(async () => {
    if (!(await claim())) announce("You are reviewing this draft.");
  });
  await refresh().catch(showPageError);
}

/**
 * Claims the shown task, or renews the claim. Returns true, after showing the new content, when it
 * is not what was on screen: a decision may only bind to what the reviewer has read.
 */
async function claim() {
  const shown = page.task;
  const claimed = await request("POST", `${pathOf(shown.task_id)}/claim`);
  if (page.task !== shown) return true;
  if (claimed.content_sha256 !== shown.content_sha256) {
    showTask(claimed);
    drawNotice("warn", CONFLICTS.approval_void);
    return true;
  }
  const { state, claimed_by, fence, lease_until } = claimed;
  Object.assign(shown, { state, claimed_by, fence, lease_until });
  return false;
}

async function decide(decision) {
  await attempt(async () => {
    await renewing;
    const shown = page.task;
    if (!isMine(shown) && (await claim())) return;
    const body = { ...decision, content_sha256: shown.content_sha256, fence: shown.fence };
    const decided = await request("POST", `${pathOf(shown.task_id)}/decision`, { body });
    forgetEdit(shown.task_id);
    if (page.task !== shown) return;
    showTask(decided);
    const done = decided.decision ? DONE[decision.kind] : FIRST_APPROVAL;
    drawNotice("ok", done, nextAction());
    byId("detail").focus();
  });
  await refresh().catch(showPageError);
}

function nextAction() {
  const waiting = page.tasks.some((task) => task.task_id !== page.selected && task.state === "open");
  return waiting ? [["Next task", () => step(1)]] : [];
}

/** Runs one change at a time, and explains a failure above the task. */
async function attempt(change) {
  if (page.busy) return;
  const { task } = page;
  page.busy = true;
  setBusy(true);
  drawNotice("", "");
  try {
    await change();
  } catch (error) {
    explain(error, task);
  } finally {
    page.busy = false;
    setBusy(false);
    if (page.mode === "") drawBarKeepingFocus();
  }
}

function explain(error, task) {
  const message = CONFLICTS[error.code];
  if (page.task !== task) return drawNotice("bad", `“${task.question}”: ${message ?? error.message}`);
  if (message) drawNotice("bad", message, [["Show the latest", () => reload()]]);
  else drawNotice("bad", error.message);
  // The next refresh of the list finds the same change; it must not replace this explanation.
  page.warned ||= Boolean(message);
  if (error.code === "claim_lost") Object.assign(task, { state: "open", claimed_by: null });
  if (page.mode === "") drawBarKeepingFocus();
  byId("task-notice").scrollIntoView({ block: "nearest" });
}

function renewClaim() {
  if (isMine(page.task) && !page.busy) renewing = renewOnce(page.task);
}

async function renewOnce(task) {
  try {
    await claim();
  } catch (error) {
    // A lost connection is tried again at the next turn; the lease outlasts one miss.
    if (page.task === task && error.status === 409) explain(error, task);
  }
}

// --- keyboard

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape" && page.mode) return setMode("");
  if (!byId("shortcuts").checked || event.target.closest("input, textarea, select")) return;
  const deciding = page.task && !byId("actions").hidden && !page.busy;
  const action = {
    j: () => step(1),
    k: () => step(-1),
    a: () => deciding && setMode("approve"),
    e: () => deciding && setMode("edit"),
    r: () => deciding && setMode("reject"),
  }[event.key];
  if (!action) return;
  event.preventDefault();
  action();
}

/** Selects the next or previous task of the list; the first one when none is selected. */
function step(by) {
  if (!page.tasks.length) return;
  const at = page.tasks.findIndex((task) => task.task_id === page.selected);
  const index = at < 0 ? 0 : Math.min(Math.max(at + by, 0), page.tasks.length - 1);
  choose(page.tasks[index].task_id);
  focusTask(page.tasks[index].task_id);
}

main().catch(showPageError);
