// @ts-check
// Times, counts and shares in words.

const RELATIVE = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "short" });
/** @type {[Intl.RelativeTimeFormatUnit, number][]} */
const STEPS = [
  ["day", 86400],
  ["hour", 3600],
  ["minute", 60],
];

/**
 * "5 min. ago" or "in 2 hr."; below a minute "just now" or "in a moment".
 * @param {string} iso
 */
export function age(iso, now = Date.now()) {
  const seconds = (new Date(iso).getTime() - now) / 1000;
  for (const [unit, size] of STEPS) {
    if (Math.abs(seconds) >= size) return RELATIVE.format(Math.trunc(seconds / size), unit);
  }
  return seconds > 0 ? "in a moment" : "just now";
}

/**
 * Date and time in the reader's own zone and notation.
 * @param {string} iso
 */
export function moment(iso) {
  /** @type {Intl.DateTimeFormatOptions} */
  const options = { dateStyle: "medium", timeStyle: "short" };
  return new Intl.DateTimeFormat(undefined, options).format(new Date(iso));
}

/**
 * "1 task", "2 tasks".
 * @param {number} count
 * @param {string} one
 */
export function plural(count, one, many = `${one}s`) {
  return `${count} ${count === 1 ? one : many}`;
}

/**
 * "A, B and C".
 * @param {string[]} words
 */
export function listed(words) {
  return new Intl.ListFormat("en-GB").format(words);
}

/**
 * "0.05" as "5 %".
 * @param {number} share
 */
export function percent(share) {
  return `${Math.round(share * 1000) / 10}\u00A0%`;
}

/**
 * "Policy wording › Your cover › Cancellation, pages 3 to 4".
 * @param {{title: string, page: number | null, last_page?: number | null, headings?: string[]}} place
 */
export function placeOf({ title, page, last_page, headings = [] }) {
  const path = [...new Set([title, ...headings])].filter(Boolean).join(" › ");
  if (page === null || page === undefined) return path;
  const over = last_page !== null && last_page !== undefined && last_page !== page;
  return over ? `${path}, pages ${page} to ${last_page}` : `${path}, page ${page}`;
}

/**
 * A name from the service for people: "model_sha256" becomes "Model SHA-256".
 * @param {string} name
 */
export function words(name) {
  const text = name.replaceAll("_", " ").replace("sha256", "SHA-256");
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/**
 * What the fragment of an address names; "" where it was cut in the middle of a character.
 * @param {string} hash
 */
export function namedIn(hash) {
  try {
    return decodeURIComponent(hash.slice(1));
  } catch {
    return "";
  }
}
