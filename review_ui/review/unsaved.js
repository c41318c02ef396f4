// @ts-check
// Edits that are not saved yet, as they are kept in this tab.

import { keep, loadKept } from "../shared/kept.js";

/** @import { State } from "./state.js" */
/** @typedef {Pick<State, "edits" | "sources">} Unsaved */

const KIND = "edits";

/**
 * What was written before the page was loaded anew.
 * @returns {Unsaved}
 */
export function loadUnsaved(storage = sessionStorage) {
  const text = loadKept(KIND, storage);
  return text ? JSON.parse(text) : { edits: {}, sources: {} };
}

/** @param {Unsaved} unsaved */
export function keepUnsaved({ edits, sources }, storage = sessionStorage) {
  const ids = Object.keys(edits);
  const cited = ids.flatMap((id) => (sources[id] ? [[id, sources[id]]] : []));
  const text = ids.length ? JSON.stringify({ edits, sources: Object.fromEntries(cited) }) : "";
  keep(KIND, text, storage);
}
