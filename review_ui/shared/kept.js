// @ts-check
// What somebody wrote and did not send yet: kept in this tab, so that neither a reload nor a sign-in
// that has ended loses it, and gone once they sign out.

const PREFIX = "countersign.kept.";

/** Who is signed in. */
let owner = "";

/** @param {string} name */
export function keepFor(name) {
  owner = name;
}

/**
 * What was kept of this kind; "" for nothing. What somebody else wrote here is dropped.
 * @param {string} what
 */
export function loadKept(what, storage = sessionStorage) {
  const [whose, ...lines] = (storage.getItem(PREFIX + what) ?? "").split("\n");
  if (whose === owner) return lines.join("\n");
  storage.removeItem(PREFIX + what);
  return "";
}

/**
 * @param {string} what
 * @param {string} text "" drops what was kept
 */
export function keep(what, text, storage = sessionStorage) {
  try {
    if (text) storage.setItem(PREFIX + what, `${owner}\n${text}`);
    else storage.removeItem(PREFIX + what);
  } catch {
    storage.removeItem(PREFIX + what); // no room: an older text would be taken for this one
  }
}

export function dropKept(storage = sessionStorage) {
  for (const key of Object.keys(storage)) {
    if (key.startsWith(PREFIX)) storage.removeItem(key);
  }
}
