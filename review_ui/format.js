// Times and counts in words.

const RELATIVE = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "short" });
const STEPS = [
  ["day", 86400],
  ["hour", 3600],
  ["minute", 60],
];

/** "5 min. ago"; below a minute "just now". */
export function age(iso, now = Date.now()) {
  const seconds = (new Date(iso).getTime() - now) / 1000;
  for (const [unit, size] of STEPS) {
    if (Math.abs(seconds) >= size) return RELATIVE.format(Math.trunc(seconds / size), unit);
  }
  return "just now";
}

/** Date and time in the reader's own zone and notation. */
export function moment(iso) {
  const options = { dateStyle: "medium", timeStyle: "short" };
  return new Intl.DateTimeFormat(undefined, options).format(new Date(iso));
}

export function plural(count, one, many = `${one}s`) {
  return `${count} ${count === 1 ? one : many}`;
}

/** "A, B and C". */
export function listed(words) {
  return new Intl.ListFormat("en").format(words);
}

/** "Policy wording, page 3". */
export function titleAndPage({ title, page }) {
  return page === null || page === undefined ? title : `${title}, page ${page}`;
}
