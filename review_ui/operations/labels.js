// @ts-check
// How far each collection is on the way to a certificate of its own.

import { request } from "../shared/api.js";
import { byId, el, fill } from "../shared/dom.js";
import { progressView } from "../shared/progress.js";

/** @import { LabelProgressView } from "../shared/wire.d.ts" */

/**
 * Draws the progress of each collection. Asked for only when labels changed: it is computed anew.
 * @param {string[]} collections
 */
export async function drawProgress(collections) {
  const shown = await Promise.all(collections.map(progressOf));
  const none = el("p", { class: "muted" }, "There are no documents yet.");
  fill(byId("progress"), ...(shown.length ? shown : [none]));
}

/** @param {string} collection */
async function progressOf(collection) {
  const query = new URLSearchParams({ collection });
  /** @type {LabelProgressView} */
  const progress = await request("GET", `/v1/labelling/progress?${query}`);
  return el("div", {}, el("h3", { dir: "auto" }, collection), progressView(progress));
}
