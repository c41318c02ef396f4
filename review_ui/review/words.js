// @ts-check
// What a task's facts are called in front of a reviewer.

import { age, moment, plural } from "../shared/format.js";

/** @import { DecisionKind, FindingView, TaskState, TaskView, TasksView, Urgency } from "../shared/wire.d.ts" */

/** @type {Record<FindingView["outcome"], {word: string, tone: string}>} */
export const OUTCOMES = {
  fail: { word: "Failed", tone: "bad" },
  could_not_run: { word: "Could not run", tone: "warn" },
  pass: { word: "Passed", tone: "ok" },
};
/** @type {Record<DecisionKind, string>} */
export const KINDS = { approve: "Approved", edit: "Edited and released", reject: "Rejected" };
/** @type {Record<TaskState, {word: string, tone: string}>} */
const STATES = {
  open: { word: "Open", tone: "" },
  claimed: { word: "In review", tone: "accent" },
  decided: { word: "Decided", tone: "ok" },
  expired: { word: "Expired", tone: "warn" },
};
/** @type {Record<Urgency, string>} */
export const URGENCIES = { urgent: "Urgent", high: "Soon", normal: "" };
export const PROVISIONAL =
  "Provisional certificate: measured on public data, not yet on these documents.";

/**
 * What a task's state means to the person looking at the list.
 * @param {Pick<TaskView, "state" | "claimed_by">} task
 * @param {string} me
 */
export function stateWords({ state, claimed_by }, me) {
  if (state !== "claimed") return STATES[state]?.word ?? state;
  return claimed_by === me ? "You are reviewing" : `${claimed_by} is reviewing`;
}

/**
 * How many tasks wait, which is counted up to a limit: 12, or "1,000+".
 * @param {Pick<TasksView, "open" | "open_more">} counted
 */
export function countWords({ open, open_more }) {
  return open_more ? `${open.toLocaleString("en")}+` : open;
}

/** @param {number} count of tasks in the list */
export function listedWords(count) {
  return `${plural(count, "task")} ${count === 1 ? "is" : "are"} listed.`;
}

/** @param {Pick<TaskView, "state">} task */
export function stateTone({ state }) {
  return STATES[state]?.tone ?? "";
}

/**
 * "1 of 2 approvals", or "" where one reviewer decides.
 * @param {Pick<TaskView, "four_eyes" | "approved_by" | "approvals_needed">} task
 */
export function approvalWords({ four_eyes, approved_by, approvals_needed }) {
  return four_eyes ? `${approved_by.length} of ${approvals_needed} approvals` : "";
}

/**
 * The small print of a task in the list. Held drafts, audits and gold items say it alike: it must
 * not tell them apart.
 * @param {TaskView} task
 */
export function listNotes(task) {
  const certificate = task.provisional ? "provisional certificate" : "";
  const whose = task.assigned_to ? `for ${task.assigned_to}` : "";
  const urgent = task.urgency === "normal" ? "" : URGENCIES[task.urgency];
  const stale = task.stale ? "sources changed" : "";
  const queue = task.queue.toLowerCase() === urgent.toLowerCase() ? "" : task.queue;
  const aged = task.escalated_at ? "escalated by age" : "";
  return [urgent, aged, stale, queue, whose, approvalWords(task), certificate].filter(Boolean);
}

/**
 * The small print above a task: which queue, and who has approved it.
 * @param {TaskView} task
 */
export function taskNotes(task) {
  const approved = task.approved_by.length > 0 ? ` (${task.approved_by.join(", ")})` : "";
  const notes = [
    URGENCIES[task.urgency],
    task.escalated_at && `Escalated by age, ${moment(task.escalated_at)}`,
    task.queue && `Queue: ${task.queue}`,
    task.assigned_to && `Assigned to ${task.assigned_to}`,
    task.snoozed_until && `Put off until ${moment(task.snoozed_until)}`,
    approvalWords(task),
  ].filter(Boolean);
  return notes.length > 0 ? notes.join(" · ") + approved : "";
}

/**
 * Who asked, for people: behind a widget stands a user whom its site has named, or any visitor,
 * whom four characters tell from others.
 * @param {string} name of the principal; that of an account has no slash
 */
export function askerWords(name) {
  const [key, user] = name.split(/\/(.*)/s);
  if (!key || !user) return name;
  return user.startsWith("/") ? `visitor ${user.slice(1, 5)}` : `${user} (widget)`;
}

/**
 * Who asked, when, and how long there is to decide.
 * @param {TaskView} task
 */
export function askedWords({ asker, created_at, expires_at, state }) {
  const asked = `Asked by ${askerWords(asker)}, ${moment(created_at)}`;
  if (state !== "open" && state !== "claimed") return asked;
  const word = Date.parse(expires_at) > Date.now() ? "expires" : "expired";
  return `${asked} · ${word} ${age(expires_at)}`;
}

/**
 * Why a draft waits, each reason once.
 * @param {string[]} reasons
 * @param {string[]} verdict
 */
export function whyWords(reasons, verdict) {
  return [...new Set([...reasons, ...verdict])];
}

/**
 * Numbers of a sentence that none of its sources holds: an aid for the eye, not a check.
 * @param {string} sentence
 * @param {string[]} sources
 */
export function strangeNumbers(sentence, sources) {
  const known = new Set(sources.flatMap(numbersIn));
  return numbersIn(sentence).filter((number) => !known.has(number));
}

/** @param {string} text */
function numbersIn(text) {
  const found = text.match(/\d+(?:[.,]\d+)*/g) ?? [];
  return found.map((number) => number.replace(/,(?=\d{3}\b)/g, ""));
}

/**
 * What is wrong with an edited answer, in words; "" when nothing is.
 * @param {string} text
 * @param {{number: number}[]} citations
 */
export function editProblem(text, citations) {
  if (!text.trim()) return "The answer is empty. To withhold it, reject it.";
  const known = new Set(citations.map((item) => item.number));
  const used = [...text.matchAll(/\[(\d+)\]/g)].map((match) => Number(match[1]));
  const unknown = [...new Set(used.filter((number) => !known.has(number)))];
  if (!unknown.length) return "";
  const markers = unknown.map((number) => `[${number}]`).join(", ");
  if (!known.size) return `There is no source ${markers}: this draft has no sources.`;
  return `There is no source ${markers}. Sources: ${[...known].map((n) => `[${n}]`).join(" ")}.`;
}
