// @ts-check
// Which key does what on the review page.

/** @typedef {"next" | "previous" | "approve" | "edit" | "reject" | "cancel" | "save"} Command */
/** @typedef {Pick<KeyboardEvent, "key" | "ctrlKey" | "metaKey" | "altKey">} Press */

/** @type {Map<string, Command>} */
const LETTERS = new Map([
  ["j", "next"],
  ["k", "previous"],
  ["a", "approve"],
  ["e", "edit"],
  ["r", "reject"],
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
  return LETTERS.get(key) ?? null;
}
