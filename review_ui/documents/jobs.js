// @ts-check
// Ingestion jobs: what was given at once, how far it is, and why some of it failed.

import { request } from "../shared/api.js";
import { announce, el, fill, setText, showingMore } from "../shared/dom.js";
import { moment } from "../shared/format.js";
import { attempt, choices, confirming, field, tell } from "../shared/forms.js";
import { follower, jobPath } from "./following.js";
import {
  ITEM_STATES,
  itemWords,
  jobName,
  jobState,
  progressOf,
  progressWords,
  retryWords,
} from "./words.js";

/** @import { JobDetails, JobItemView, JobsView, JobView } from "../shared/wire.d.ts" */
/** @typedef {{nodes: Node[], leave: () => void}} View */

const PAGE = 20;
const FILES = 200;
const NEW_MS = 5000;

/**
 * The list of jobs, newest first; those that run are followed.
 * @returns {Promise<View>}
 */
export async function jobsView() {
  const list = el("ul", { class: "uploads", "data-testid": "jobs-list" });
  const [none, told] = [el("p", { class: "empty-pane" }, "Nothing was added lately."), toldBox()];
  const more = el("button", { type: "button", class: "small" }, "Show more");
  /** @type {Map<string, ReturnType<typeof jobCard>>} */
  const cards = new Map();
  let wanted = PAGE;
  const streams = follower({
    onJob: (job) => cards.get(job.job_id)?.update(job),
    onRefused: (words) => tell(told, "bad", words),
  });
  const load = async () => {
    /** @type {JobsView} */
    const { jobs, total } = await request("GET", `/v1/jobs?limit=${wanted}`);
    for (const job of jobs) {
      const known = cards.get(job.job_id);
      if (known) known.update(job);
      else cards.set(job.job_id, jobCard(job));
    }
    const shown = jobs.map(({ job_id }) => cards.get(job_id)?.node ?? null);
    // Moving what has the focus would lose it.
    if (shown.some((node, at) => node !== list.children[at])) fill(list, shown);
    none.hidden = total > 0;
    more.hidden = jobs.length >= Math.min(total, 100);
    streams.follow(jobs);
  };
  more.addEventListener("click", () => {
    wanted = Math.min(100, wanted + PAGE);
    showingMore(more, list, () => attempt(told, load, more));
  });
  await load();
  const timer = setInterval(() => document.hidden || load().catch(() => {}), NEW_MS);
  const why =
    "Each file added here is a job; so is each folder ingested by command. Jobs stay for 30 days.";
  const head = [el("h2", {}, "Jobs"), el("p", { class: "muted" }, why)];
  return {
    nodes: [...head, told, list, none, el("p", {}, more)],
    leave: () => {
      clearInterval(timer);
      streams.leave();
    },
  };
}

/** @param {JobView} first */
function jobCard(first) {
  const progress = progressBlock(first);
  const title = el(
    "h3",
    { class: "row", dir: "auto" },
    el("a", { href: `#job/${first.job_id}` }, jobName(first)),
    progress.badge,
  );
  const about = `${first.collection} · ${first.by ? `${first.by}, ` : ""}${moment(first.created_at)}`;
  const node = el(
    "li",
    { class: "block", "data-testid": "job" },
    title,
    el("p", { class: "muted small" }, about),
    progress.node,
  );
  /** @param {JobView} job */
  const update = (job) => {
    node.dataset.state = job.state;
    progress.update(job);
  };
  update(first);
  return { node, update };
}

/** @param {JobView} first */
function progressBlock(first) {
  const badge = el("span", {});
  const bar = el("progress", { "aria-label": `${jobName(first)}: read` });
  const words = el("p", { class: "muted small" });
  /** @param {JobView} job */
  const update = (job) => {
    const { done, total } = progressOf(job);
    const state = jobState(job);
    badge.className = `badge ${state.tone}`;
    setText(badge, state.words);
    [bar.max, bar.value, bar.hidden] = [Math.max(total, 1), done, job.state !== "running"];
    setText(words, progressWords(job));
  };
  update(first);
  return { badge, node: el("div", { class: "upload" }, bar, words), update };
}

/**
 * One job with its files: followed while it runs, cancelled, tried again.
 * @param {string} jobId
 * @returns {Promise<View>}
 */
export async function jobDetail(jobId) {
  /** @type {JobDetails} */
  const { job } = await request("GET", `${jobPath(jobId)}?limit=1`);
  const [told, buttons] = [toldBox(), el("div", { class: "row" })];
  const progress = progressBlock(job);
  const files = fileList(job);
  let state = "";
  let shown = job;
  /** @param {JobView} now */
  const draw = (now) => {
    shown = now;
    progress.update(now);
    files.load().catch((error) => tell(told, "bad", error.message));
    if (now.state === state) return;
    if (state) announce(`${jobState(now).words}: ${progressWords(now)}`);
    state = now.state;
    fill(buttons, actionsOf(now, act));
  };
  const streams = follower({ onJob: draw, onRefused: (words) => tell(told, "bad", words) });
  /** @param {string} verb */
  const act = (verb) =>
    attempt(told, async () => {
      /** @type {JobView} */
      const now = await request("POST", `${jobPath(jobId)}/${verb}`);
      draw(now);
      streams.follow([now]);
      if (verb === "retry" && now.state !== "running")
        tell(told, "warn", "None of its files is still there to be tried again: give them again.");
    });
  draw(job);
  streams.follow([job]);
  const timer = setInterval(() => streams.follow([shown]), NEW_MS); // one that was lost
  const title = el(
    "h2",
    { class: "row", dir: "auto", "data-testid": "job-title" },
    jobName(job),
    progress.badge,
  );
  const about = `${job.collection} · ${job.by ? `${job.by}, ` : ""}${moment(job.created_at)}`;
  const head = el(
    "section",
    { class: "block" },
    el("p", { class: "muted" }, about),
    progress.node,
    buttons,
  );
  const back = el("p", {}, el("a", { href: "#jobs" }, "All jobs"));
  const leave = () => {
    clearInterval(timer);
    streams.leave();
  };
  return { nodes: [title, told, head, files.node, back], leave };
}

/**
 * @param {JobView} job
 * @param {(verb: string) => void} act
 */
function actionsOf(job, act) {
  if (job.state === "running") {
    return confirming({
      label: "Cancel",
      question: "What still waits is not read; what is ready stays.",
      sure: "Cancel it",
      testid: "cancel-job",
      act: () => act("cancel"),
    });
  }
  if (!job.retryable) return null;
  const again = el(
    "button",
    { type: "button", class: "small", "data-testid": "retry-job" },
    retryWords(job),
  );
  again.addEventListener("click", () => act("retry"));
  return again;
}

/** @param {JobView} job */
function fileList(job) {
  const list = el("ul", { class: "lines", "data-testid": "job-files" });
  const select = choices(ITEM_STATES, { "data-testid": "file-state" }, job.failed ? "failed" : "");
  const more = el("button", { type: "button", class: "small", hidden: true }, "Show more");
  const told = toldBox();
  let wanted = FILES;
  let [loading, again] = [false, false];
  const load = async () => {
    again = loading; // events may come faster than answers
    if (loading) return;
    loading = true;
    try {
      const items = await itemsOf(job.job_id, select.value, wanted + 1);
      more.hidden = items.length <= wanted;
      drawFiles(list, items.slice(0, wanted));
    } finally {
      loading = false;
    }
    if (again) await load();
  };
  select.addEventListener("change", () => attempt(told, load));
  more.addEventListener("click", () => {
    wanted += FILES;
    showingMore(more, list, () => attempt(told, load, more));
  });
  const node = el("section", { class: "block" }, field("Files", select), told, list, more);
  return { node, load };
}

/**
 * @param {string} jobId
 * @param {string} state
 * @param {number} count
 */
async function itemsOf(jobId, state, count) {
  /** @type {JobItemView[]} */
  const found = [];
  while (found.length < count) {
    const limit = Math.min(500, count - found.length);
    const params = new URLSearchParams({ limit: `${limit}`, offset: `${found.length}` });
    if (state) params.set("state", state);
    /** @type {JobDetails} */
    const { items } = await request("GET", `${jobPath(jobId)}?${params}`);
    found.push(...items);
    if (items.length < limit) break;
  }
  return found;
}

/**
 * Draws only what changed, so that the focus stays where it is.
 * @param {HTMLElement} list
 * @param {JobItemView[]} items
 */
function drawFiles(list, items) {
  for (const [at, item] of items.entries()) {
    const [before, made] = [list.children[at], fileLine(item)];
    if (!before) list.append(made);
    else if (!before.isEqualNode(made)) before.replaceWith(made);
  }
  while (list.children.length > items.length) list.lastElementChild?.remove();
  if (!items.length) fill(list, el("li", { class: "muted" }, "There is no such file."));
}

/** @param {JobItemView} item */
function fileLine(item) {
  const { name, words, tone } = itemWords(item);
  const open = item.document_id && ["ready", "unchanged"].includes(item.state);
  const title = open ? el("a", { href: `#doc/${item.document_id}` }, name) : name;
  const reasons = [item.error_message, ...item.left_out].filter(Boolean);
  return el(
    "li",
    { class: "row", "data-testid": "job-file", "data-state": item.state },
    el("span", { dir: "auto", title: item.source }, title),
    el("span", { class: `badge ${tone}` }, words),
    reasons.map((reason) => el("span", { class: "muted small" }, reason)),
  );
}

function toldBox() {
  return el("div", { class: "told" });
}
