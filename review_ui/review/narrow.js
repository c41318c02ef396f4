// @ts-check
// The controls that narrow the list: search, queue, cause, whose, and risk.

import { byId, el, fill } from "../shared/dom.js";
import { words } from "../shared/format.js";
import { NO_QUEUE } from "./state.js";

/** @import { CountsView } from "../shared/wire.d.ts" */
/** @import { Narrow } from "./state.js" */

const SEARCH_PAUSE_MS = 300;

/**
 * Calls `onChange` with what a reviewer narrows the list by.
 * @param {(change: Partial<Narrow>) => void} onChange
 */
export function mountNarrow(onChange) {
  let pause = 0;
  const search = byId("search", HTMLInputElement);
  search.addEventListener("input", () => {
    clearTimeout(pause);
    pause = window.setTimeout(() => onChange({ text: search.value }), SEARCH_PAUSE_MS);
  });
  /** @type {(keyof Narrow)[]} */
  const names = ["queue", "cause", "who", "risk"];
  for (const name of names) {
    const field = byId(`narrow-${name}`, HTMLSelectElement);
    field.addEventListener("change", () => onChange({ [name]: field.value }));
  }
}

/**
 * Fills the lists of queues and causes with what waits, and keeps what is chosen.
 * @param {CountsView} counts
 */
export function drawCounts({ queues, causes, mine, snoozed }) {
  options("narrow-queue", "All queues", [
    ...queues.map(({ queue, open, urgent }) => ({
      value: queue || NO_QUEUE,
      label: `${queue || "No queue"} (${open}${urgent ? `, ${urgent} urgent` : ""})`,
    })),
  ]);
  const named = Object.entries(causes).map(([value, count]) => ({
    value,
    label: `${causeWords(value)} (${count})`,
  }));
  options("narrow-cause", "Any kind", named);
  options("narrow-who", "Anybody’s", [
    { value: "mine", label: `Mine (${mine})` },
    { value: "nobody", label: "Nobody’s" },
  ]);
  byId("snoozed-count").textContent = snoozed ? String(snoozed) : "";
}

/** @param {string} cause */
export function causeWords(cause) {
  if (cause === "gate") return "The gate";
  return cause === "empty" ? "No draft" : words(cause);
}

/**
 * @param {string} id
 * @param {string} all
 * @param {{value: string, label: string}[]} found
 */
function options(id, all, found) {
  const field = byId(id, HTMLSelectElement);
  if (document.activeElement === field) return; // it is open
  const { value } = field;
  const gone = value && !found.some((one) => one.value === value);
  const rest = gone ? [...found, { value, label: `${value} (0)` }] : found;
  fill(field, el("option", { value: "" }, all), rest.map(option));
  field.value = value;
}

/** @param {{value: string, label: string}} one */
function option({ value, label }) {
  return el("option", { value }, label);
}
