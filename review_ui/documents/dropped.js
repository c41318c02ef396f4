// @ts-check
// The files that were dropped or chosen, also out of folders, without those that are no documents.

/** What systems and programs leave beside documents. */
const LEFT_BEHIND = new Set(["thumbs.db", "desktop.ini"]);

/**
 * Whether a file is somebody's document: no hidden file, no lock of Office, no list of a folder.
 * @param {string} name
 */
export function isDocument(name) {
  return !name.startsWith(".") && !name.startsWith("~$") && !LEFT_BEHIND.has(name.toLowerCase());
}

/**
 * What was left out, in words; "" for nothing.
 * @param {string[]} names
 */
export function leftOutWords(names) {
  if (!names.length) return "";
  const shown = names.slice(0, 3).join(", ");
  const more = names.length > 3 ? ` and ${names.length - 3} more` : "";
  return `Left out, as no documents: ${shown}${more}.`;
}

/**
 * All files of what was dropped. It is looked at in one go, before anything is waited for: browsers
 * empty it then.
 * @param {DataTransfer | null} dropped
 * @returns {Promise<File[]>}
 */
export async function droppedFiles(dropped) {
  const items = [...(dropped?.items ?? [])].filter(({ kind }) => kind === "file");
  const found = items.map((item) => {
    const entry = item.webkitGetAsEntry();
    return entry?.isDirectory ? entry : item.getAsFile();
  });
  const files = found.map((one) => (one instanceof File ? [one] : one ? filesOf(one) : []));
  return (await Promise.all(files)).flat();
}

/**
 * @param {FileSystemEntry} entry
 * @returns {Promise<File[]>}
 */
async function filesOf(entry) {
  if (entry instanceof FileSystemFileEntry) {
    return [await new Promise((done, failed) => entry.file(done, failed))];
  }
  if (!(entry instanceof FileSystemDirectoryEntry) || entry.name.startsWith(".")) return [];
  const reader = entry.createReader();
  /** @type {FileSystemEntry[]} */
  const within = [];
  for (;;) {
    /** @type {FileSystemEntry[]} */
    const some = await new Promise((done, failed) => reader.readEntries(done, failed));
    if (!some.length) break; // they come a hundred at a time
    within.push(...some);
  }
  return (await Promise.all(within.map(filesOf))).flat();
}
