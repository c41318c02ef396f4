// @ts-check
// Documents, uploads, jobs and index versions in words.

import { moment, plural, words } from "../shared/format.js";

/** @import { ChangedDocumentView, DocumentView, IndexChangesView, IndexVersionView, JobItemView, JobView } from "../shared/wire.d.ts" */
/** @typedef {"" | "ok" | "warn" | "bad"} Tone */

/** @type {Record<DocumentView["state"], {words: string, tone: Tone}>} */
const STATES = {
  ready: { words: "ready", tone: "ok" },
  pending: { words: "being read", tone: "warn" },
  failed: { words: "failed", tone: "bad" },
};

/** @type {Record<string, string>} */
const KINDS = {
  "application/pdf": "PDF",
  "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "Word",
  "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "Excel",
  "application/vnd.openxmlformats-officedocument.presentationml.presentation": "PowerPoint",
  "application/msword": "Word",
  "application/vnd.ms-excel": "Excel",
  "application/vnd.ms-powerpoint": "PowerPoint",
  "application/vnd.oasis.opendocument.text": "OpenDocument",
  "application/epub+zip": "EPUB",
  "application/rtf": "RTF",
  "application/jsonl": "JSON lines",
  "application/zip": "ZIP",
  "message/rfc822": "E-mail",
  "application/mbox": "E-mails",
  "application/vnd.ms-outlook": "Outlook",
  "multipart/related": "Saved page",
  "application/gzip": "Archive",
  "application/x-tex": "LaTeX",
  "application/x-ipynb+json": "Notebook",
  "application/xml": "XML",
  "text/asciidoc": "AsciiDoc",
  "text/x-rst": "reStructuredText",
  "text/vtt": "Subtitles",
  "text/html": "HTML",
  "text/markdown": "Markdown",
  "text/csv": "CSV",
  "text/plain": "Plain text",
};

/**
 * The state of a document, and the tone of its badge; outside of its valid days that is what counts.
 * @param {Pick<DocumentView, "state" | "valid_from" | "valid_until">} document
 * @param {string} today ISO 8601
 */
export function stateOf({ state, valid_from, valid_until }, today) {
  /** @type {Tone} */
  const tone = "warn";
  if (state === "ready" && valid_until !== null && valid_until < today) {
    return { words: "no longer valid", tone };
  }
  if (state === "ready" && valid_from !== null && valid_from > today) {
    return { words: "not valid yet", tone };
  }
  return STATES[state];
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
 * What answers until a new file is read.
 * @param {Pick<DocumentView, "passages">} document
 */
export function replaceHint({ passages }) {
  if (passages) return "Until it is read, the old content answers.";
  return "Nothing of this document answers yet; the new file does once it is read.";
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
    ["Kind", kindOf(document.media_type)],
    ["Size", document.state === "failed" ? null : sizeWords(document)],
    ["Owner", document.owner],
    ["First valid day", document.valid_from],
    ["Last valid day", document.valid_until ?? "none"],
    ["Language", document.language],
    ["Changed", moment(document.updated_at)],
    ...Object.entries(document.about).map(aboutFact),
  ];
  return facts.filter(/** @returns {fact is [string, string]} */ (fact) => Boolean(fact[1]));
}

/**
 * What people call a media type.
 * @param {string} type
 */
export function kindOf(type) {
  return KINDS[type] ?? type;
}

/**
 * A free one of its metadata, under the name it has there.
 * @param {[string, string | string[]]} entry
 * @returns {[string, string]}
 */
function aboutFact([name, value]) {
  return [words(name), Array.isArray(value) ? value.join(", ") : value];
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
 * Whether an earlier version was live, so that one can go back to it.
 * @param {Pick<IndexVersionView, "state">[]} versions newest first
 */
export function mayGoBack(versions) {
  const at = versions.findIndex(({ state }) => state === "live");
  return at >= 0 && versions.slice(at).some(({ state }) => state === "retired");
}

/**
 * A version in a list: several are often built within one minute, and then their size tells.
 * @param {Pick<IndexVersionView, "created_at" | "passages" | "state">} version
 */
export function versionWords({ created_at, passages, state }) {
  return `${moment(created_at)}, ${plural(passages, "passage")}, ${state}`;
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
 * What is said to files that came before the new collection had a name.
 * @param {number} files
 */
export function nameFirst(files, isNew = true) {
  const wait = files === 1 ? "1 file waits" : `${files} files wait`;
  if (!isNew) return `Choose the collection: ${wait} for it.`;
  return `Give the new collection a name, then press Enter: ${wait} for it.`;
}

/**
 * What is said of a file under the name of a document that is there.
 * @param {Pick<DocumentView, "source" | "updated_at" | "passages" | "pages" | "state" | "error_message">} found
 */
export function clashWords(found) {
  const { source } = found;
  const where = fileOf(source) === source ? "" : ` (${source})`;
  const when = moment(found.updated_at);
  return `A document of this name is there${where}: ${sizeWords(found)}, from ${when}.`;
}

/**
 * "fees.md" as "fees (2).md".
 * @param {string} name
 * @param {number} number
 */
export function freeName(name, number) {
  const dot = name.lastIndexOf(".");
  const [stem, ending] = dot > 0 ? [name.slice(0, dot), name.slice(dot)] : [name, ""];
  return `${stem} (${number})${ending}`;
}

/**
 * What an upload says while it goes.
 * @param {{sent: number, size: number}} progress
 */
export function uploadWords({ sent, size }) {
  if (size === 0 || sent >= size) return "Storing…";
  return `${Math.floor((sent / size) * 100)}\u00A0% sent`;
}

/** @type {Record<JobView["state"], {words: string, tone: Tone}>} */
const JOB_STATES = {
  running: { words: "being read", tone: "warn" },
  done: { words: "done", tone: "ok" },
  failed: { words: "some failed", tone: "bad" },
  cancelled: { words: "cancelled", tone: "" },
};

/** @type {Record<JobItemView["state"], {words: string, tone: Tone}>} */
const FILES = {
  pending: { words: "waits", tone: "warn" },
  ready: { words: "ready", tone: "ok" },
  unchanged: { words: "unchanged", tone: "ok" },
  failed: { words: "failed", tone: "bad" },
  cancelled: { words: "cancelled", tone: "" },
  replaced: { words: "replaced", tone: "" },
};

/** What the files of a job can be narrowed to, with names.
 * @type {[value: string, label: string][]} */
export const ITEM_STATES = [
  ["", "all files"],
  ...Object.entries(FILES).map(
    ([state, { words }]) => /** @type {[string, string]} */ ([state, words]),
  ),
];

/** @param {Pick<JobView, "state" | "waits" | "failed" | "items">} job */
export function jobState({ state, waits, failed, items }) {
  if (waits) return { words: "waits", tone: /** @type {Tone} */ ("warn") };
  return state === "failed" && failed === items
    ? { words: "failed", tone: /** @type {Tone} */ ("bad") }
    : JOB_STATES[state];
}

/**
 * A job by its files: "fees.md" or "fees.md and 3 more".
 * @param {Pick<JobView, "first" | "items">} job
 */
export function jobName({ first, items }) {
  if (first === null) return "Nothing yet";
  return items > 1 ? `${fileOf(first)} and ${items - 1} more` : fileOf(first);
}

/** @param {Pick<JobView, "pending" | "items">} job */
export function progressOf({ pending, items }) {
  return { done: items - pending, total: items };
}

/**
 * "3 of 5 files; 2 ready, 1 failed; 40 passages stored", without what there is none of.
 * @param {JobView} job
 */
export function progressWords(job) {
  const { done, total } = progressOf(job);
  const states = /** @type {const} */ (["ready", "unchanged", "failed", "cancelled", "replaced"]);
  const counts = states.filter((state) => job[state]).map((state) => `${job[state]} ${state}`);
  const files = job.pending ? `${done} of ${plural(total, "file")}` : plural(total, "file");
  const stored = job.passages ? `${plural(job.passages, "passage")} stored` : "";
  return [files, counts.join(", "), stored].filter(Boolean).join("; ");
}

/**
 * What the button says that tries a job again: some of its files may fail for good.
 * @param {Pick<JobView, "retryable" | "failed" | "cancelled">} job
 */
export function retryWords({ retryable, failed, cancelled }) {
  const all = failed + cancelled;
  return retryable < all ? `Try ${retryable} of ${all} again` : "Try again what failed";
}

/**
 * @param {Pick<JobItemView, "source" | "state" | "error_code">} item
 */
export function itemWords({ source, state, error_code }) {
  const later = state === "pending" && error_code;
  return { name: fileOf(source), ...FILES[state], ...(later && { words: "tried again soon" }) };
}
