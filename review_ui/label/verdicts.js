// @ts-check
// The three judgements of the labelling page: their keys, and the decisions they are.

/** @import { DecisionKind } from "../shared/wire.d.ts" */
/** @typedef {"right" | "wrong" | "unsure"} Verdict */
/** @typedef {Pick<KeyboardEvent, "key" | "ctrlKey" | "metaKey" | "altKey" | "repeat">} Press */

/** @type {Record<Verdict, {kind: DecisionKind, reason: string}>} */
export const DECISIONS = {
  right: { kind: "approve", reason: "" },
  wrong: { kind: "reject", reason: "Judged wrong while labelling." },
  // Nobody vouches for it, so it may not go out: to the certificate it is wrong.
  unsure: { kind: "reject", reason: "Could not be judged while labelling." },
};

/** What is said of an answer that was judged so.
 * @type {Record<Verdict, string>} */
export const CALLED = { right: "Right", wrong: "Wrong", unsure: "Cannot say" };

/** @type {Map<string, Verdict>} */
const KEYS = new Map([
  ["1", "right"],
  ["2", "wrong"],
  ["3", "unsure"],
]);

/**
 * What a key press says, or null. A key that is held down says nothing: it would judge what was
 * not read.
 * @param {Press} press
 * @param {boolean} typing
 * @returns {Verdict | null}
 */
export function verdictOf({ key, ctrlKey, metaKey, altKey, repeat }, typing) {
  if (ctrlKey || metaKey || altKey || repeat || typing) return null;
  return KEYS.get(key) ?? null;
}
