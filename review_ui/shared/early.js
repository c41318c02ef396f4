// @ts-check
// What a page shows first is asked for before the page's other modules are read.

/** @type {Map<string, Promise<Response>>} */
const asked = new Map();

/** Asks for each address that the page names in `<meta name="early">`. */
function askEarly() {
  const named = document.querySelector('meta[name="early"]')?.getAttribute("content") ?? "";
  for (const path of named.split(" ").filter(Boolean)) {
    const response = fetch(path, { cache: "no-store", headers: { Accept: "application/json" } });
    response.catch(() => {}); // whoever takes it hears of it
    asked.set(path, response);
  }
}

/**
 * The response to what was asked for early, once; undefined for everything else.
 * @param {string} path
 */
export function takeEarly(path) {
  const response = asked.get(path);
  asked.delete(path);
  return response;
}

if (typeof document !== "undefined") askEarly();
