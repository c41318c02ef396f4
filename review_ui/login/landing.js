// @ts-check
// Which page a person comes to after signing in.

/** @type {[role: string, page: string][]} */
const FIRST_PAGES = [
  ["asker", "/"],
  ["reviewer", "/review"],
  ["operator", "/operations"],
];

/**
 * A wanted path on this site, otherwise the first page that the person may use.
 * @param {string[]} roles
 * @param {string | null} next
 */
export function landing(roles, next) {
  const first = FIRST_PAGES.find(([role]) => roles.includes(role));
  return isOwnPath(next) ? next : (first?.[1] ?? "/");
}

/**
 * @param {string | null} next
 * @returns {next is string}
 */
function isOwnPath(next) {
  // Browsers drop tabs and line breaks and read "\" as "/", so "/\t/host" would leave the site.
  if (!next || !/^\/(?!\/)[\u0021-\u005B\u005D-\uFFFF]*$/.test(next)) return false;
  return !/^\/login([/?#]|$)/.test(next);
}
