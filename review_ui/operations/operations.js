// @ts-check
// The operations page: the last days, the gate's mode and its switch, certificates, alarms, labels.

import { request, requireSession } from "../shared/api.js";
import { byId, el, fill, setText } from "../shared/dom.js";
import { moment } from "../shared/format.js";
import { explainNoAccess, mountHeader, showPageError } from "../shared/header.js";
import { auditAlarms, auditChecks, drawAudit, mountAudit } from "./audit.js";
import { drawGaps } from "./gaps.js";
import {
  certificateCells,
  isLoose,
  knownCollections,
  MODES,
  place,
  provisionalWords,
} from "./gate.js";
import { drawProgress } from "./labels.js";
import { drawFeedback, drawPlans, refreshFigures } from "./lately.js";
import { drawPolicy } from "./policy.js";
import { drawReviewers } from "./reviewers.js";
import { drawPlaces, mountSwitch } from "./switch.js";
import { drawTable } from "./tables.js";

/** @import { AuditCheckView, CollectionsView, GateStatusView, PolicyView } from "../shared/wire.d.ts" */

const REFRESH_MS = 5_000;
const FIGURES_MS = 30_000;
const CERTIFICATE_HEADS = [
  "Collection",
  "Risk class",
  "State",
  "Promise",
  "Threshold",
  "Audits",
  "Running test",
  "Reviewer error",
];

/** @type {string[]} */
let readable = [];
/** What the tables show; drawn anew only when it changes, so that they keep their place. */
let shown = "";
/** The labels and modes that the progress was drawn for. */
let counted = "";

async function main() {
  const session = await requireSession();
  mountHeader(session);
  if (!session.roles.includes("operator")) {
    return explainNoAccess("This account is not an operator.");
  }
  /** @type {CollectionsView} */
  const { collections } = await request("GET", "/v1/collections");
  readable = collections.map(({ name }) => name);
  mountSwitch(refresh);
  mountLately();
  mountAudit(refresh);
  await Promise.all([refresh(), figures()]);
  await Promise.all([drawPlans(readable), drawFeedback()]);
  setInterval(() => document.hidden || figures().catch(showPageError), FIGURES_MS);
  setInterval(() => document.hidden || refresh().catch(showPageError), REFRESH_MS);
}

function mountLately() {
  const options = readable.map((name) => el("option", { value: name }, name));
  fill(byId("of"), el("option", { value: "" }, "every collection"), options);
  for (const id of ["of", "days"]) {
    byId(id).addEventListener("change", () => figures().catch(showPageError));
  }
}

function figures() {
  const of = byId("of", HTMLSelectElement);
  const days = byId("days", HTMLSelectElement);
  const asked = [of.value, days.value];
  // What arrives after another choice is not drawn over it.
  const wanted = () => of.value === asked[0] && days.value === asked[1];
  return Promise.all([
    refreshFigures(of.value, days.value, wanted),
    drawReviewers(of.value, days.value, wanted),
    drawGaps(of.value, days.value, readable, wanted),
    drawPolicy(),
  ]);
}

async function refresh() {
  const [gate, policy, checks] = await Promise.all([
    /** @type {Promise<GateStatusView>} */ (request("GET", "/v1/gate")),
    /** @type {Promise<PolicyView>} */ (request("GET", "/v1/policy")),
    auditChecks(),
  ]);
  fill(byId("page-error"));
  setText(byId("mode"), gate.mode);
  setText(byId("mode-meaning"), MODES[gate.mode]?.meaning);
  byId("mode-meaning").className = isLoose(gate.mode) ? "notice bad" : "muted";
  drawPlaces(knownCollections(readable, gate));
  const text = JSON.stringify([gate, policy, checks]);
  if (text !== shown) {
    drawTables(gate);
    drawAlarms(gate, policy, checks);
    drawAudit(checks);
  }
  shown = text;
  const labels = JSON.stringify([gate.labels, readable]);
  if (labels !== counted) await drawProgress(readable);
  counted = labels;
}

/**
 * @param {GateStatusView} gate
 * @param {PolicyView} policy
 * @param {AuditCheckView[] | null} checks
 */
function drawAlarms(gate, policy, checks) {
  const drift = gate.alarms.map((row) => [
    place(row),
    row.monitor,
    row.detail,
    moment(row.raised_at),
  ]);
  const files = [policy.problem, policy.shadow?.problem].filter(Boolean);
  const broken = files.map((problem) => ["the whole service", "policy", String(problem), "now"]);
  const rows = [...auditAlarms(checks), ...broken, ...drift];
  drawTable("alarms", ["Where", "What", "Detail", "Since"], rows, "There are no open alarms.");
}

/** @param {GateStatusView} gate */
function drawTables(gate) {
  drawTable(
    "certificates",
    CERTIFICATE_HEADS,
    gate.certificates.map(certificateCells),
    "No collection has a certificate of its own yet.",
    el("p", { class: gate.provisional ? "muted" : "notice warn" }, provisionalWords(gate)),
  );
  drawTable(
    "switches",
    ["Where", "Mode", "Reason", "By", "When"],
    gate.modes.map((row) => [
      place(row),
      row.mode,
      row.reason,
      row.changed_by,
      moment(row.changed_at),
    ]),
    "The mode has not been changed here.",
  );
  drawTable(
    "labels",
    ["Collection", "Risk class", "From", "Judged", "Labels"],
    gate.labels.map((row) => [
      row.collection,
      row.risk_class,
      row.source,
      row.wrong ? "wrong" : "right",
      row.count,
    ]),
    "There are no labels yet. They come from reviewers’ decisions.",
  );
}

main().catch(showPageError);
