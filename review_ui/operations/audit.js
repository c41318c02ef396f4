// @ts-check
// Checks of the database against its audit chain: asked for here, done beside the service.

import { ApiError, request } from "../shared/api.js";
import { byId, el, refill } from "../shared/dom.js";
import { age, moment, plural } from "../shared/format.js";
import { table } from "./tables.js";

/** @import { AuditCheckView, AuditChecksView } from "../shared/wire.d.ts" */

/** @param {() => Promise<void>} refresh */
export function mountAudit(refresh) {
  byId("check-audit").addEventListener("click", async () => {
    await request("POST", "/v1/audit/checks");
    await refresh();
  });
}

/**
 * The newest checks; null for an account with a scope, whom they do not concern.
 * @returns {Promise<AuditCheckView[] | null>}
 */
export async function auditChecks() {
  try {
    /** @type {AuditChecksView} */
    const { checks } = await request("GET", "/v1/audit/checks");
    return checks;
  } catch (error) {
    if (error instanceof ApiError && error.code === "forbidden") return null;
    throw error;
  }
}

/** @param {AuditCheckView[] | null} checks */
export function drawAudit(checks) {
  byId("audit-block").hidden = checks === null;
  const [newest] = checks ?? [];
  const waits = newest?.state === "waiting" || newest?.state === "running";
  byId("check-audit", HTMLButtonElement).disabled = waits;
  const rows = (newest?.problems ?? []).map((one) => [one.where, one.key, one.message]);
  const tone = newest?.state === "broken" || newest?.state === "failed" ? "notice bad" : "";
  refill(
    byId("audit"),
    el("p", { class: tone, "data-testid": "audit-result" }, checkWords(newest)),
    rows.length > 0 && table("audit-title", ["Where", "Row", "What"], rows),
  );
}

/** @param {AuditCheckView | undefined} check */
export function checkWords(check, now = Date.now()) {
  if (!check) return "Nobody has compared the database with its audit chain here yet.";
  const when = check.finished_at && `${moment(check.finished_at)} (${age(check.finished_at, now)})`;
  const compared = `${plural(check.rows, "row")} and ${plural(check.links, "link")}`;
  const signed = check.checkpoint === null ? "" : `, signed up to link ${check.checkpoint}`;
  switch (check.state) {
    case "waiting":
      return "A check is waiting to begin.";
    case "running":
      return "A check is running; it takes minutes where there are many answers.";
    case "sound":
      return `Everything fits: ${compared}${signed}. Checked ${when}, asked for by ${check.asked_by}.`;
    case "broken":
      return (
        `${plural(check.problem_count, "row or link does", "rows or links do")} not fit the audit ` +
        `chain. Checked ${when}. Keep a copy of the database, and see countersign audit verify.`
      );
    case "failed":
      return `The check could not be done, tried ${when}. The log says why.`;
  }
}

/**
 * What stands among the alarms, as a row: where, what, detail, when.
 * @param {AuditCheckView[] | null} checks
 */
export function auditAlarms(checks) {
  const finished = checks?.find((one) => one.finished_at !== null && one.state !== "failed");
  if (finished?.state !== "broken" || !finished.finished_at) return [];
  const detail = "The database is not as the audit chain says.";
  return [["the whole service", "audit", detail, moment(finished.finished_at)]];
}
