// @ts-check
// Keys that belong to an input method: Enter takes the word that it offers, Escape drops it.

if (typeof window !== "undefined") {
  // Before any listener of a page, so that none can take the word for a question to send.
  const keep = (/** @type {KeyboardEvent} */ event) =>
    isComposing(event) && event.stopImmediatePropagation();
  window.addEventListener("keydown", keep, { capture: true });
}

/**
 * Whether a key was pressed within a composition. Safari ends the composition first, and then sends
 * the key that ended it as 229.
 * @param {Pick<KeyboardEvent, "isComposing" | "keyCode">} event
 */
export function isComposing(event) {
  return event.isComposing || event.keyCode === 229;
}
