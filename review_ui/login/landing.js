// @ts-check
// Which page a person comes to after signing in.

import { firstPage } from "../shared/pages.js";

/**
 * A wanted path on this site, otherwise the first page that the person may use.
 * @param {string[]} roles
 * @param {string | null} next
 */
export function landing(roles, next) {
  // "/" is what a browser opens on its own accord: it is no wish of somebody who cannot ask.
  return isOwnPath(next) && next !== "/" ? next : firstPage(roles);
}

/**
 * What a provider sent the browser back with; null: it does not come from there.
 * @param {string} search
 * @returns {{state: string, code: string} | null} without a code: the provider refused
 */
export function returned(search) {
  const told = new URLSearchParams(search);
  const [state, code] = [told.get("state"), told.get("code")];
  if (!state || !(code || told.has("error"))) return null;
  return { state, code: code ?? "" };
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
