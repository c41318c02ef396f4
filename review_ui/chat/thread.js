// @ts-check
// Which answer the next question follows: kept in this tab, so that a reload keeps the conversation.

const KEY = "countersign.thread";

/**
 * The kept answer id; null begins a conversation. Another person's thread is not continued.
 * @param {string} name who is signed in
 * @returns {string | null}
 */
export function loadThread(name, storage = sessionStorage) {
  const [whose, answerId] = (storage.getItem(KEY) ?? "").split("\n");
  return whose === name && answerId ? answerId : null;
}

/**
 * @param {string} name
 * @param {string | null} answerId
 */
export function saveThread(name, answerId, storage = sessionStorage) {
  if (answerId === null) storage.removeItem(KEY);
  else storage.setItem(KEY, `${name}\n${answerId}`);
}
