// @ts-check
// Reasons and comments that were begun and not sent, by task and form, as they are kept in this tab.

import { keep, loadKept } from "../shared/kept.js";

/** @import { Mode } from "./state.js" */

const KIND = "notes";

/** @returns {Record<string, string>} */
function loadNotes(storage = sessionStorage) {
  const text = loadKept(KIND, storage);
  return text ? JSON.parse(text) : {};
}

/**
 * @param {string} taskId
 * @param {Mode} mode
 */
export function noteOf(taskId, mode, storage = sessionStorage) {
  return loadNotes(storage)[`${mode} ${taskId}`] ?? "";
}

/**
 * @param {string} taskId
 * @param {Mode} mode
 * @param {string} text "" drops it
 */
export function keepNote(taskId, mode, text, storage = sessionStorage) {
  const { [`${mode} ${taskId}`]: _, ...others } = loadNotes(storage);
  const notes = text.trim() ? { ...others, [`${mode} ${taskId}`]: text } : others;
  keep(KIND, Object.keys(notes).length ? JSON.stringify(notes) : "", storage);
}

/**
 * A task was decided: nothing more is said about it.
 * @param {string} taskId
 */
export function dropNotes(taskId, storage = sessionStorage) {
  for (const key of Object.keys(loadNotes(storage))) {
    const [mode, id] = key.split(" ");
    if (id === taskId) keepNote(taskId, /** @type {Mode} */ (mode), "", storage);
  }
}
