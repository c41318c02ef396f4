// The operations page: the gate's mode and its switch, certificates, running tests, alarms, labels.

import { request, requireSession } from "./api.js";
import { byId, el, fill, setText } from "./dom.js";
import { moment } from "./format.js";
import { mountHeader, showPageError } from "./header.js";

const REFRESH_MS = 5_000;
const MEANINGS = {
  off: "NO ERROR BOUND: the policy alone decides what is released.",
  provisional: "Answers go out under a certificate of their collection, else under the provisional one from public data.",
  certified: "Answers go out only under a certificate of their own collection.",
  review_everything: "A reviewer sees every draft before its asker.",
  retrieval_only: "Nothing is drafted; askers are told which documents are closest.",
};

async function main() {
  const session = await requireSession();
  mountHeader(session);
  if (!session.roles.includes("operator")) {
    showPageError(new Error("This account is not an operator."));
    return;
  }
  // The safe choice stands first: a hasty click must not open anything.
  const choices = Object.keys(MEANINGS).reverse();
  choices.sort((a, b) => (b === "review_everything") - (a === "review_everything"));
  fill(byId("new-mode"), choices.map((mode) => el("option", { value: mode }, mode)));
  byId("switch").hidden = false;
  byId("switch").addEventListener("submit", (event) => {
    event.preventDefault();
    switchMode().catch(showPageError);
  });
  await refresh();
  setInterval(() => document.hidden || refresh().catch(showPageError), REFRESH_MS);
}

async function switchMode() {
  const body = {
    mode: byId("new-mode").value,
    reason: byId("reason").value,
    collection: byId("collection").value.trim(),
  };
  const done = await request("POST", "/v1/gate/mode", { body });
  byId("reason").value = "";
  const where = done.collection || "the whole service";
  fill(byId("switched"), el("p", { class: "notice" }, `${where}: ${done.mode}, at once in every process.`));
  await refresh();
}

async function refresh() {
  const gate = await request("GET", "/v1/gate");
  fill(byId("page-error"));
  setText(byId("mode"), gate.mode);
  setText(byId("mode-meaning"), MEANINGS[gate.mode] ?? "");
  byId("mode-meaning").className = gate.mode === "off" ? "notice bad" : "muted";
  fill(byId("alarms"), table(
    ["Collection", "Monitor", "What changed", "Since"],
    gate.alarms.map((row) => [where(row), row.monitor, row.detail, moment(row.raised_at)]),
    "No alarm is open.",
  ));
  fill(byId("certificates"), provisionalNote(gate.provisional), table(
    ["Collection", "Risk class", "State", "Promise", "Threshold", "Audits", "Running test", "Reviewer error"],
    gate.certificates.map(certificateCells),
    "No certificate of a collection is in force yet.",
  ));
  fill(byId("switches"), table(
    ["Collection", "Mode", "Why", "By", "When"],
    gate.modes.map((row) => [where(row), row.mode, row.reason, row.changed_by, moment(row.changed_at)]),
    "The mode was never switched here.",
  ));
  fill(byId("labels"), table(
    ["Collection", "Risk class", "From", "Judged", "Labels"],
    gate.labels.map((row) => [row.collection, row.risk_class, row.source, row.wrong ? "wrong" : "right", row.count]),
    "There are no labels yet: they come from reviewers' decisions.",
  ));
}

function provisionalNote(certificate) {
  if (!certificate) {
    return el("p", { class: "notice warn" }, "No provisional certificate fits the models in use.");
  }
  const bound = `at most ${percent(certificate.alpha)} wrong, risk up to ${certificate.threshold}`;
  return el("p", { class: "muted" }, `Provisional certificate from public data: ${bound}. It says nothing about your documents.`);
}

function certificateCells(row) {
  const stated = row.certificate;
  const state = stated.provisional ? `provisional, ${row.state}` : row.state;
  const running = row.e_value === null ? "broken" : `${row.e_value} of ${row.limit}`;
  const why = row.reason ? `${state}: ${row.reason}` : state;
  return [row.collection, row.risk_class, why, `${percent(stated.alpha)} wrong at most`, stated.threshold, row.audits, running, row.reviewer_error];
}

function table(heads, rows, empty) {
  if (!rows.length) return el("p", { class: "muted" }, empty);
  const head = el("tr", {}, heads.map((text) => el("th", { scope: "col" }, text)));
  const body = rows.map((cells) => el("tr", {}, cells.map((text) => el("td", { dir: "auto" }, String(text)))));
  return el("table", {}, el("thead", {}, head), el("tbody", {}, body));
}

function where(row) {
  return row.collection || "the whole service";
}

function percent(share) {
  return `${Math.round(share * 1000) / 10} %`;
}

main().catch(showPageError);
