// @ts-check
// The policy in force: what differs from the one before, and what the shadow policy would do.

import { request } from "../shared/api.js";
import { byId, el, refill } from "../shared/dom.js";
import { moment, percent, plural } from "../shared/format.js";
import { table } from "./tables.js";

/** @import { PolicyReportView, PolicyView, ShadowView } from "../shared/wire.d.ts" */

const HOW =
  "The policy is a file, which COUNTERSIGN_POLICY_FILE names: a changed one takes over by itself. " +
  "countersign policy check, test and diff say beforehand what would change.";

/** What is drawn; drawn anew only when it changes, so that what was opened stays open. */
let drawn = "";

export async function drawPolicy() {
  /** @type {PolicyReportView} */
  const report = await request("GET", "/v1/policy/report");
  /** @type {PolicyView} */
  const { problem, shadow: tried } = await request("GET", "/v1/policy");
  const text = JSON.stringify([report, problem, tried?.problem]);
  if (text === drawn) return;
  drawn = text;
  const { before, changes, shadow } = report;
  refill(
    byId("policy"),
    problem && problemNotice("policy", problem),
    tried?.problem && problemNotice("shadow policy", tried.problem),
    el("p", { "data-testid": "policy" }, el("strong", {}, named(report)), ` ${sinceWords(report)}`),
    before && el("p", { class: "muted" }, changedWords(report)),
    changes.length > 0 && changesTable(report),
    el("p", { class: "muted" }, shadow ? shadowWords(shadow) : "No policy runs in the shadow."),
    el("p", { class: "muted small" }, HOW),
  );
}

/**
 * What was written and does not count: without this, a change would seem to do nothing.
 * @param {string} which
 * @param {string} problem
 */
function problemNotice(which, problem) {
  const words = `The file of the ${which} cannot be used, so the one before stays in force. ${problem}`;
  const props = {
    class: "notice bad",
    role: "alert",
    dir: "auto",
    "data-testid": "policy-problem",
  };
  return el("p", props, words);
}

/** @param {{name: string, version: number}} policy */
function named({ name, version }) {
  return `${name}, version ${version}`;
}

/** @param {PolicyReportView} report */
function sinceWords({ sha256, first_used_at }) {
  const since = first_used_at ? `first used on ${moment(first_used_at)}` : "not used yet";
  return `(${sha256.slice(0, 12)}), ${since}.`;
}

/** @param {PolicyReportView} report */
export function changedWords({ before, changes }) {
  if (!before) return "";
  const old = `${named(before)} (${before.sha256.slice(0, 12)})`;
  return `${plural(changes.length, "difference")} from ${old}, which judged before it.`;
}

/** @param {PolicyReportView} report */
function changesTable({ changes }) {
  const rows = changes.map(({ where, before, after }) => [where, before || "–", after || "–"]);
  const heads = ["Where", "Before", "Now"];
  return el("details", {}, el("summary", {}, "What differs"), table("policy-title", heads, rows));
}

/** @param {ShadowView} shadow */
export function shadowWords({ answers, agree, milder, stricter, error }) {
  if (!answers) return "The shadow policy has not judged anything yet.";
  const failed = error ? `, and failed at ${error}` : "";
  return (
    `The shadow policy agreed with ${percent(agree / answers)} of the newest ` +
    `${plural(answers, "answer")}; it was stricter with ${stricter}, milder with ${milder}${failed}. ` +
    "countersign policy shadow lists them."
  );
}
