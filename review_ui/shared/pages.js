// @ts-check
// The pages of the service, and who may use each of them.

/** @typedef {{role: string, path: string, name: string}} PageLink */

/** @type {readonly PageLink[]} */
const PAGES = [
  { role: "asker", path: "/", name: "Chat" },
  { role: "reviewer", path: "/review", name: "Review" },
  { role: "reviewer", path: "/label", name: "Label" },
  { role: "operator", path: "/operations", name: "Operations" },
  { role: "operator", path: "/documents", name: "Documents" },
  { role: "admin", path: "/people", name: "People" },
];

/**
 * The pages that somebody with these roles works on, in their order.
 * @param {readonly string[]} roles
 * @returns {PageLink[]}
 */
export function pagesFor(roles) {
  return PAGES.filter(({ role }) => roles.includes(role));
}

/**
 * The first page that somebody with these roles can use.
 * @param {readonly string[]} roles
 */
export function firstPage(roles) {
  return pagesFor(roles)[0]?.path ?? "/account";
}
