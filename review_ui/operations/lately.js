// @ts-check
// The last days: volumes, what was released, the backlog, times, labels to come, what askers said.

import { request } from "../shared/api.js";
import { byId, el, refill } from "../shared/dom.js";
import { age, listed, moment, percent, plural } from "../shared/format.js";
import { drawDays } from "./chart.js";

/** @import { AllFeedbackView, FiguresView, GivenView, LabelPlan, StageView } from "../shared/wire.d.ts" */

/** @type {Record<string, string>} */
const STAGES = {
  total: "All stages",
  screening: "Screening the question",
  searching: "Searching",
  drafting: "Drafting",
  judging: "Checking",
  gate: "The gate",
};

/**
 * @param {string} collection "" for all in scope
 * @param {string} days
 * @param {() => boolean} wanted whether what comes is still to be drawn
 */
export async function refreshFigures(collection, days, wanted) {
  const params = new URLSearchParams({ days });
  if (collection) params.set("collection", collection);
  /** @type {FiguresView} */
  const figures = await request("GET", `/v1/gate/figures?${params}`);
  if (!wanted()) return;
  drawDays("volumes", figures.days);
  refill(byId("tiles"), tilesOf(figures).map(tile));
  refill(byId("latency"), latencyTable(figures.stages, timedWords(figures)));
}

/**
 * @param {FiguresView} figures
 * @returns {{name: string, value: string, about: string}[]}
 */
export function tilesOf(figures, now = Date.now()) {
  const { answers, released, waiting, backlog } = figures;
  const share = answers ? percent(released / answers) : "–";
  const still = waiting ? `; ${waiting} still held` : "";
  const oldest = backlog.oldest_at
    ? `the oldest came ${age(backlog.oldest_at, now)}`
    : "nothing waits";
  const late = backlog.overdue ? `, ${backlog.overdue} past the deadline` : "";
  const aged = backlog.escalated ? `, ${backlog.escalated} escalated by age` : "";
  return [
    { name: "Answers", value: String(answers), about: "asked in this time" },
    { name: "Released", value: share, about: `${released} of ${answers}${still}` },
    { name: "Waiting now", value: String(backlog.waiting), about: oldest + late + aged },
    { name: "A released answer costs", ...costOf(figures) },
  ];
}

/**
 * The price of a released answer, or its CPU time where no prices are set; beside it what all took.
 * @param {Pick<FiguresView, "released" | "cost">} figures
 */
export function costOf({ released, cost }) {
  const { cpu_s, tokens_read, tokens_written, reviewer_minutes, per_released } = cost;
  const tokens = tokens_read + tokens_written;
  const parts = [
    `${Math.round(reviewer_minutes)} min of reviewers`,
    `${Math.round(cpu_s)} s of CPU`,
    tokens > 0 && `${rounded(tokens)} tokens`,
  ].filter(Boolean);
  const spent = `all took ${listed(parts.map(String))}`;
  if (per_released !== null) return { value: rounded(per_released), about: spent };
  const value = released ? seconds((cpu_s / released) * 1000) : "–";
  return { value, about: `of CPU; no prices are set; ${spent}` };
}

/** @param {number} value */
function rounded(value) {
  return new Intl.NumberFormat("en", { maximumSignificantDigits: 3 }).format(value);
}

/** @param {Pick<FiguresView, "answers" | "timed">} figures */
function timedWords({ answers, timed }) {
  return timed < answers && `Of the newest ${rounded(timed)} of ${answers} answers.`;
}

/** @param {{name: string, value: string, about: string}} one */
function tile({ name, value, about }) {
  const props = { class: "tile", "data-testid": "tile" };
  return el(
    "div",
    props,
    el("dt", {}, name),
    el("dd", { class: "figure" }, value),
    el("dd", { class: "muted small" }, about),
  );
}

/**
 * @param {StageView[]} stages
 * @param {string | false} note
 */
function latencyTable(stages, note) {
  if (!stages.length) return el("p", { class: "muted" }, "There are no answers in this time.");
  const heads = ["Stage", "Half within", "95 % within", "99 % within"].map((text) =>
    el("th", { scope: "col" }, text),
  );
  const rows = stages.map(({ stage, p50, p95, p99 }) => {
    const cells = [p50, p95, p99].map((time) => el("td", {}, seconds(time)));
    return el("tr", {}, el("td", {}, STAGES[stage] ?? stage), cells);
  });
  const whole = el(
    "table",
    { class: "figures" },
    el("thead", {}, el("tr", {}, heads)),
    el("tbody", {}, rows),
  );
  const props = {
    class: "scrolls",
    tabindex: "0",
    role: "group",
    "aria-labelledby": "latency-title",
  };
  return [el("div", props, whole), note && el("p", { class: "muted small" }, note)];
}

/**
 * "40 ms", "1.2 s".
 * @param {number} milliseconds
 */
export function seconds(milliseconds) {
  if (milliseconds < 1000) return `${Math.round(milliseconds)}\u00A0ms`;
  return `${Math.round(milliseconds / 100) / 10}\u00A0s`;
}

/**
 * What to do next for the certificate of each collection.
 * @param {string[]} collections
 */
export async function drawPlans(collections) {
  /** @type {LabelPlan[]} */
  const plans = [];
  for (const name of collections) {
    plans.push(await request("GET", `/v1/gate/plan?collection=${encodeURIComponent(name)}`));
  }
  const items = plans.map(({ collection, message }) =>
    el("li", {}, el("strong", { dir: "auto" }, collection), ": ", message),
  );
  const none = el("p", { class: "muted" }, "There are no collections yet.");
  refill(byId("plans"), items.length ? el("ul", { class: "said" }, items) : none);
}

export async function drawFeedback() {
  /** @type {AllFeedbackView} */
  const { feedback } = await request("GET", "/v1/feedback?limit=20");
  const none = el("p", { class: "muted" }, "Nobody has said anything yet.");
  const useful = feedback.filter((one) => one.useful).length;
  const sum = `Of the newest ${plural(feedback.length, "word")}, ${useful} say useful.`;
  refill(
    byId("feedback"),
    feedback.length ? [el("p", {}, sum), el("ul", { class: "said" }, feedback.map(said))] : none,
  );
}

/** @param {GivenView} one */
function said({ question, useful, reason, given_at }) {
  const badge = el(
    "span",
    { class: `badge ${useful ? "ok" : "warn"}` },
    useful ? "useful" : "not useful",
  );
  const when = el("span", { class: "muted small" }, moment(given_at));
  const head = el(
    "p",
    { class: "row" },
    badge,
    el("span", { dir: "auto" }, question || "Erased"),
    when,
  );
  return el(
    "li",
    { "data-testid": "said" },
    head,
    reason && el("p", { dir: "auto" }, `“${reason}”`),
  );
}
