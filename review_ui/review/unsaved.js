// @ts-check
// Edits that are not saved yet, as they are kept in this tab.

import { keep, loadKept } from "../shared/kept.js";

/** @import { State } from "./state.js" */
/** @typedef {Pick<State, "edits" | "sources">} Unsaved */

const KIND = "edits";

/**
 * What this reviewer wrote before the page was loaded anew.
 * @param {string} me
 * @returns {Unsaved}
 */
export function loadUnsaved(me, storage = sessionStorage) {
  const text = loadKept(KIND, me, storage);
  return text ? JSON.parse(text) : { edits: {}, sources: {} };
}

/**
 * @param {string} me
 * @param {Unsaved} unsaved
 */
export function keepUnsaved(me, { edits, sources }, storage = sessionStorage) {
  const ids = Object.keys(edits);
  const cited = ids.flatMap((id) => (sources[id] ? [[id, sources[id]]] : []));
  const text = ids.length ? JSON.stringify({ edits, sources: Object.fromEntries(cited) }) : "";
  keep(KIND, me, text, storage);
}
