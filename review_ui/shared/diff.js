// @ts-check
// What changed between two texts, word by word.

/** @typedef {{kind: "same" | "gone" | "new", text: string}} Change */

/** Larger pairs of texts would keep the page busy; then the whole middle counts as changed. */
const MOST_CELLS = 1_000_000;

/**
 * The changes that make `before` into `after`; joined without "gone" they are `after`.
 * @param {string} before
 * @param {string} after
 * @returns {Change[]}
 */
export function wordDiff(before, after) {
  const old = before.match(/\s+|\S+/g) ?? [];
  const now = after.match(/\s+|\S+/g) ?? [];
  let start = 0;
  while (start < old.length && start < now.length && old[start] === now[start]) start++;
  let end = 0;
  const room = Math.min(old.length, now.length) - start;
  while (end < room && old.at(-1 - end) === now.at(-1 - end)) end++;
  const middle = changesOf(old.slice(start, old.length - end), now.slice(start, now.length - end));
  return merged([
    { kind: "same", text: now.slice(0, start).join("") },
    ...middle,
    { kind: "same", text: now.slice(now.length - end).join("") },
  ]);
}

/**
 * Longest common subsequence; `lengths[i][j]` is that of old from i and now from j.
 * @param {string[]} old
 * @param {string[]} now
 * @returns {Change[]}
 */
function changesOf(old, now) {
  if (old.length * now.length > MOST_CELLS) {
    return [
      { kind: "gone", text: old.join("") },
      { kind: "new", text: now.join("") },
    ];
  }
  const lengths = commonLengths(old, now);
  /** @type {Change[]} */
  const changes = [];
  let i = 0;
  let j = 0;
  while (i < old.length || j < now.length) {
    if (i < old.length && j < now.length && old[i] === now[j]) {
      changes.push({ kind: "same", text: now[j++] ?? "" });
      i++;
    } else if (
      j === now.length ||
      (i < old.length && at(lengths, i + 1, j) >= at(lengths, i, j + 1))
    ) {
      changes.push({ kind: "gone", text: old[i++] ?? "" });
    } else {
      changes.push({ kind: "new", text: now[j++] ?? "" });
    }
  }
  return changes;
}

/**
 * @param {string[]} old
 * @param {string[]} now
 */
function commonLengths(old, now) {
  const lengths = Array.from({ length: old.length + 1 }, () => new Uint32Array(now.length + 1));
  for (let i = old.length - 1; i >= 0; i--) {
    const row = lengths[i] ?? new Uint32Array();
    for (let j = now.length - 1; j >= 0; j--) {
      const longest = Math.max(at(lengths, i + 1, j), at(lengths, i, j + 1));
      row[j] = old[i] === now[j] ? at(lengths, i + 1, j + 1) + 1 : longest;
    }
  }
  return lengths;
}

/**
 * @param {Uint32Array[]} lengths
 * @param {number} i
 * @param {number} j
 */
function at(lengths, i, j) {
  return lengths[i]?.[j] ?? 0;
}

/**
 * @param {Change[]} changes
 * @returns {Change[]}
 */
function merged(changes) {
  /** @type {Change[]} */
  const joined = [];
  for (const { kind, text } of changes) {
    const last = joined.at(-1);
    if (last?.kind === kind) last.text += text;
    else if (text) joined.push({ kind, text });
  }
  return joined;
}
