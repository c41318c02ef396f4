// @ts-check
// How long a held answer usually waits, asked once for the page.

import { request } from "../shared/api.js";

/** @import { WaitView } from "../shared/wire.d.ts" */

/** @type {Promise<WaitView> | null} */
let asked = null;

/** The sentence for held answers; empty when there is too little to say. */
export async function usualWait() {
  asked ??= request("GET", "/v1/waiting");
  try {
    return waitWords((await asked).usual_seconds);
  } catch {
    asked = null; // it is an extra: the answer is followed without it
    return "";
  }
}

/**
 * @param {number | null} seconds
 */
export function waitWords(seconds) {
  if (seconds === null) return "";
  if (seconds < 90) return "Usually this takes a minute.";
  if (seconds < 90 * 60) return `Usually this takes about ${Math.round(seconds / 60)} minutes.`;
  if (seconds < 36 * 3600) return `Usually this takes about ${Math.round(seconds / 3600)} hours.`;
  return `Usually this takes about ${Math.round(seconds / 86_400)} days.`;
}
