// @ts-check
// What the gate's state means, in words.

import { percent } from "../shared/format.js";

/** @import { Certificate, CertificateView, GateStatusView, Mode } from "../shared/wire.d.ts" */

/** @type {Record<Mode, {label: string, meaning: string}>} */
export const MODES = {
  review_everything: {
    label: "A reviewer checks every draft",
    meaning: "A reviewer checks every draft before its asker sees it.",
  },
  retrieval_only: {
    label: "No answers, only the closest documents",
    meaning: "Nothing is drafted. Askers see which documents are closest to their question.",
  },
  certified: {
    label: "Release under a collection’s own certificate",
    meaning: "Answers go out only under a certificate of their own collection.",
  },
  provisional: {
    label: "Also release under the provisional certificate",
    meaning:
      "Answers go out under the certificate of their collection. Where there is none, they go out " +
      "under the provisional certificate, which was not measured on these documents.",
  },
  off: {
    label: "Release what the policy passes, with no error bound",
    meaning: "NO ERROR BOUND: only the policy decides what is released.",
  },
};

/** Every mode with its label; the safest stands first, as a hasty click must not open anything. */
export function modeChoices() {
  return Object.entries(MODES).map(([mode, { label }]) => ({ mode, label: `${label} (${mode})` }));
}

/**
 * True for the mode without any error bound.
 * @param {Mode} mode
 */
export function isLoose(mode) {
  return mode === "off";
}

/** What is typed before the bound is dropped. */
export const SURE = "off";

/**
 * What is asked before the mode without any error bound.
 * @param {string} collection "" is the whole service
 */
export function unboundWords(collection) {
  const where = collection ? `in ${collection}` : "in the whole service";
  return (
    `From then on every draft that the policy passes goes out at once ${where}: no reviewer sees ` +
    "it first, and nothing is promised about how many are wrong."
  );
}

/**
 * Where something holds; "" is the whole service.
 * @param {{collection: string}} row
 */
export function place({ collection }) {
  return collection || "the whole service";
}

/**
 * The collections that can be chosen: those with documents, and those switched before.
 * @param {string[]} readable
 * @param {Pick<GateStatusView, "modes">} gate
 */
export function knownCollections(readable, { modes }) {
  const names = new Set([...readable, ...modes.map((row) => row.collection)]);
  names.delete("");
  return [...names].sort((one, other) => one.localeCompare(other));
}

/** How a collection gets a certificate of its own. */
const WAY =
  "For a certificate of its own hold every draft (mode review_everything), label answers at " +
  "/label, then run countersign gate certify; countersign gate plan says how many labels it takes.";

/**
 * The certificate from public data makes no promise here, so no share is named.
 * @param {Pick<GateStatusView, "provisional" | "certificates">} gate
 */
export function provisionalWords({ provisional, certificates }) {
  if (!provisional) {
    return (
      "There is no provisional certificate for the models in use: unless the mode is off, every " +
      `answer waits for a reviewer until its collection has a certificate of its own. ${WAY}`
    );
  }
  const own = certificates.some(
    ({ state, certificate }) => state === "live" && !certificate.provisional,
  );
  const measured = own
    ? "Where a collection has no certificate of its own, nothing has been measured on its documents."
    : "Nothing has been measured on your documents.";
  return (
    `${measured} The provisional certificate was made from public data; in the mode provisional ` +
    `it releases answers with an estimated risk up to ${provisional.threshold}. ${WAY}`
  );
}

/**
 * @param {CertificateView} row
 * @returns {(string | number)[]}
 */
export function certificateCells(row) {
  const { certificate } = row;
  const state = certificate.provisional ? `provisional, ${row.state}` : row.state;
  return [
    row.collection,
    row.risk_class,
    row.reason ? `${state}: ${row.reason}` : state,
    promise(certificate),
    certificate.threshold,
    row.audits,
    row.e_value === null ? "broken" : `${row.e_value} of ${row.limit}`,
    row.reviewer_error,
  ];
}

/** @param {Certificate} certificate */
function promise({ provisional, alpha, weighed }) {
  if (provisional) return "none: not measured on these documents";
  return `at most ${percent(alpha)} wrong${weighed ? ", weighed by harm" : ""}`;
}
