// @ts-check
// Documents, uploads and index versions in words.

import { moment, plural } from "../shared/format.js";

/** @import { ChangedDocumentView, DocumentView, IndexChangesView, IndexVersionView } from "../shared/wire.d.ts" */
/** @typedef {"" | "ok" | "warn" | "bad"} Tone */

/** @type {Record<DocumentView["state"], {words: string, tone: Tone}>} */
const STATES = {
  ready: { words: "ready", tone: "ok" },
  pending: { words: "being read", tone: "warn" },
  failed: { words: "failed", tone: "bad" },
};

/**
 * The state of a document, and the tone of its badge; past its last valid day that is what counts.
 * @param {Pick<DocumentView, "state" | "valid_until">} document
 * @param {string} today ISO 8601
 */
export function stateOf({ state, valid_until }, today) {
  const over = state === "ready" && valid_until !== null && valid_until < today;
  return over ? { words: "no longer valid", tone: /** @type {Tone} */ ("warn") } : STATES[state];
}

/**
 * "12 passages, 3 pages" and where it comes from, for the list.
 * @param {Pick<DocumentView, "passages" | "pages" | "state" | "error_message">} document
 */
export function sizeWords({ passages, pages, state, error_message }) {
  if (state === "failed" && error_message) return error_message;
  const paged = pages === null ? "" : `, ${plural(pages, "page")}`;
  return `${plural(passages, "passage")}${paged}`;
}

/**
 * The name that people know a document by.
 * @param {Pick<DocumentView, "title" | "source">} document
 */
export function nameOf({ title, source }) {
  return title || fileOf(source);
}

/** @param {string} source */
export function fileOf(source) {
  return source.split("/").at(-1) ?? source;
}

/**
 * Facts about a document, those that there are.
 * @param {DocumentView} document
 * @returns {[name: string, value: string][]}
 */
export function factsOf(document) {
  /** @type {[string, string | null][]} */
  const facts = [
    ["Collection", document.collection],
    ["Source", document.source],
    ["Kind", document.media_type],
    ["Size", document.state === "failed" ? null : sizeWords(document)],
    ["Added by", document.owner],
    ["Last valid day", document.valid_until ?? "none"],
    ["Changed", moment(document.updated_at)],
  ];
  return facts.filter(/** @returns {fact is [string, string]} */ (fact) => Boolean(fact[1]));
}

/**
 * The version to compare with: the live one, or of that the next older one that held something.
 * @param {Pick<IndexVersionView, "version_id" | "state">[]} versions newest first
 * @param {string} versionId
 * @param {string | null} live
 */
export function comparedWith(versions, versionId, live) {
  if (live !== null && live !== versionId) return live;
  const at = versions.findIndex((one) => one.version_id === versionId);
  const older = versions
    .slice(at + 1)
    .find(({ state }) => state === "retired" || state === "verified");
  return older?.version_id ?? null;
}

/**
 * @param {Pick<IndexChangesView, "passages_added" | "passages_removed" | "passages_kept">} changes
 */
export function changesWords({ passages_added, passages_removed, passages_kept }) {
  if (!passages_added && !passages_removed) return "Both hold the same passages.";
  return (
    `${plural(passages_added, "passage")} added, ${passages_removed} removed, ` +
    `${passages_kept} the same.`
  );
}

/**
 * @param {ChangedDocumentView} document
 */
export function changeWords({ change, passages_added, passages_removed }) {
  if (change === "added") return `added, ${plural(passages_added, "passage")}`;
  if (change === "removed") return `removed, ${plural(passages_removed, "passage")}`;
  return `changed: +${passages_added} −${passages_removed}`;
}

/**
 * What an upload says while it goes.
 * @param {{sent: number, size: number}} progress
 */
export function uploadWords({ sent, size }) {
  if (size === 0 || sent >= size) return "Storing…";
  return `${Math.floor((sent / size) * 100)}\u00A0% sent`;
}
