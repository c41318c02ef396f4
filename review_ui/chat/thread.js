// @ts-check
// Which conversation is open: kept in this tab, so that coming back from another page keeps it.

const KEY = "countersign.thread";

/**
 * The kept conversation; null begins one. Another person's thread is not continued.
 * @param {string} name who is signed in
 * @returns {string | null}
 */
export function loadThread(name, storage = sessionStorage) {
  const [whose, conversationId] = (storage.getItem(KEY) ?? "").split("\n");
  return whose === name && conversationId ? conversationId : null;
}

/**
 * @param {string} name
 * @param {string | null} conversationId
 */
export function saveThread(name, conversationId, storage = sessionStorage) {
  if (conversationId === null) storage.removeItem(KEY);
  else storage.setItem(KEY, `${name}\n${conversationId}`);
}
