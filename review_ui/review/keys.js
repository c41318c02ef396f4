// @ts-check
// Which key does what on the review page.

/** @typedef {"next" | "previous" | "approve" | "edit" | "reject" | "escalate" | "undo" | "search" | "cancel" | "save" | "1" | "2" | "3"} Command */
/** @typedef {Pick<KeyboardEvent, "key" | "ctrlKey" | "metaKey" | "altKey">} Press */

/** @type {Map<string, Command>} */
const LETTERS = new Map([
  ["j", "next"],
  ["k", "previous"],
  ["a", "approve"],
  ["e", "edit"],
  ["r", "reject"],
  ["x", "escalate"],
  ["u", "undo"],
  ["/", "search"],
]);

/** The digits that use a quote, while nothing is being done: a form may have digits of its own. */
/** @type {Map<string, Command>} */
const QUOTES = new Map([
  ["1", "1"],
  ["2", "2"],
  ["3", "3"],
]);

/**
 * What a key press asks for, or null. `typing`: a text field has the focus; `shortcuts`: letters
 * are shortcuts at all; `mode`: what the reviewer is doing ("" for nothing).
 * @param {Press} press
 * @param {{typing: boolean, shortcuts: boolean, mode: string}} context
 * @returns {Command | null}
 */
export function commandOf({ key, ctrlKey, metaKey, altKey }, { typing, shortcuts, mode }) {
  if (altKey) return null;
  if (ctrlKey || metaKey) return key === "Enter" && mode ? "save" : null;
  if (key === "Escape") return mode ? "cancel" : null;
  if (!shortcuts || typing) return null;
  return LETTERS.get(key) ?? (mode ? null : QUOTES.get(key)) ?? null;
}
