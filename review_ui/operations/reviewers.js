// @ts-check
// Each reviewer for who leads them: decisions, time, what gold items and second reviews say.

import { ApiError, request } from "../shared/api.js";
import { byId, el, refill } from "../shared/dom.js";
import { percent } from "../shared/format.js";

/** @import { ReviewersView, ReviewerView } from "../shared/wire.d.ts" */

const HEADS = [
  "Reviewer",
  "Trained",
  "Decisions",
  "Time each",
  "Wrong ones approved",
  "Right ones refused",
  "Kappa, gold",
  "Kappa, colleagues",
];

/** @type {Record<ReviewerView["warnings"][number], string>} */
const WARNINGS = {
  misses_wrong: "approves many answers that are known to be wrong",
  approves_nearly_all: "approves nearly everything",
  very_fast: "decides within seconds",
  agrees_little: "agrees little with colleagues",
};

/**
 * Draws the table. An operator with a scope must choose a collection first.
 * @param {string} collection "" for all
 * @param {string} days
 * @param {() => boolean} wanted whether what comes is still to be drawn
 */
export async function drawReviewers(collection, days, wanted) {
  const params = new URLSearchParams({ days });
  if (collection) params.set("collection", collection);
  try {
    /** @type {ReviewersView} */
    const { reviewers } = await request("GET", `/v1/gate/reviewers?${params}`);
    if (!wanted()) return;
    refill(byId("reviewers"), reviewers.length ? table(reviewers) : nothing("Nobody decided yet."));
  } catch (error) {
    if (!(error instanceof ApiError) || error.code !== "invalid") throw error;
    if (!wanted()) return;
    refill(byId("reviewers"), nothing("Choose a collection above to see its reviewers."));
  }
}

/** @param {string} text */
function nothing(text) {
  return el("p", { class: "muted" }, text);
}

/** @param {ReviewerView[]} reviewers */
function table(reviewers) {
  const head = HEADS.map((name) => el("th", { scope: "col" }, name));
  return el(
    "div",
    { class: "scrolls", tabindex: "0", role: "region", "aria-label": "Figures of reviewers" },
    el(
      "table",
      { "data-testid": "reviewers" },
      el("thead", {}, el("tr", {}, head)),
      el("tbody", {}, reviewers.map(row)),
    ),
  );
}

/** @param {ReviewerView} one */
function row(one) {
  const [name, ...cells] = cellsOf(one);
  const said = warningWords(one.warnings);
  const flag = said && el("p", { class: "flag bad small" }, said);
  return el(
    "tr",
    {},
    el("th", { scope: "row", dir: "auto" }, name, flag),
    cells.map((cell) => el("td", {}, cell)),
  );
}

/**
 * What stands in a row; shares beside what they are of, since few items say little.
 * @param {ReviewerView} one
 */
export function cellsOf(one) {
  const { approved, edited, rejected } = one;
  return [
    one.reviewer,
    [one.authority, one.trained_on].filter(Boolean).join(", ") || "not said",
    `${one.decisions} (${approved} approved, ${edited} edited, ${rejected} rejected)`,
    one.median_seconds === null ? "–" : `${one.median_seconds} s (of ${one.timed})`,
    shareOf(one.missed, one.wrong_items),
    shareOf(one.false_alarms, one.right_items),
    kappaOf(one.gold_kappa),
    one.pairs ? `${kappaOf(one.kappa)} (of ${one.pairs})` : "–",
  ];
}

/**
 * @param {number} some
 * @param {number} all
 */
function shareOf(some, all) {
  return all ? `${percent(some / all)} (${some} of ${all})` : "–";
}

/** @param {number | null} value */
function kappaOf(value) {
  return value === null ? "–" : value.toFixed(2);
}

/** @param {ReviewerView["warnings"]} warnings */
export function warningWords(warnings) {
  const said = warnings.map((name) => WARNINGS[name]).join("; ");
  return said && `${said[0]?.toUpperCase()}${said.slice(1)}. Talk about it.`;
}
