// @ts-check
// The page header's changing parts, and the page-wide error line.

import "./composing.js";
import { messageOf, signOut } from "./api.js";
import { byId, el, fill } from "./dom.js";
import { pagesFor } from "./pages.js";

/** @import { SessionView } from "./wire.d.ts" */

if (typeof document !== "undefined") {
  document.querySelector(".skip")?.addEventListener("click", skip);
}

/**
 * Goes to where the link leads. Not by the address: that says which conversation, task, document or
 * account is shown, and there is none of that name.
 * @param {Event} event
 */
function skip(event) {
  const link = event.currentTarget;
  if (!(link instanceof HTMLAnchorElement)) return;
  event.preventDefault();
  byId(link.hash.slice(1)).focus();
}

/**
 * Shows who is signed in, and links to the pages this person may use.
 * @param {SessionView} session
 */
export function mountHeader(session) {
  fill(byId("pages"), pagesFor(session.roles).map(pageLink));
  const here = location.pathname === "/account" && "page";
  const props = { href: "/account", title: "Your account", "aria-current": here };
  fill(byId("who"), el("a", props, session.name));
  byId("pages").querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
  const button = byId("signout");
  button.classList.remove("vanished");
  button.addEventListener("click", () => signOut().catch(showPageError));
  // A page kept by the browser for "Back" must not show the last user's answers after sign-out.
  window.addEventListener("pageshow", (event) => event.persisted && location.reload());
}

/** @param {{path: string, name: string}} page */
function pageLink({ path, name }) {
  const here = location.pathname === path && "page";
  return el("a", { href: path, "aria-current": here }, name);
}

/**
 * Says that this account may not use this page, and which pages it may use.
 * @param {string} message
 */
export function explainNoAccess(message) {
  const open = [...byId("pages").querySelectorAll("a")];
  const links = open.map((link) => el("a", { href: link.href }, link.textContent));
  const box = el("div", { class: "notice warn", "data-testid": "error" });
  fill(box, el("p", {}, message), links.length > 0 && el("p", { class: "row" }, "Open:", links));
  fill(byId("page-error"), box);
  // Without what it is for, the frame of the page would look as if something were broken.
  const main = byId("page-error").closest("main");
  if (!main) return;
  main.className = "no-access";
  fill(main, byId("page-error"));
  document.querySelector(".skip")?.remove();
}

/**
 * Shows an error that concerns the whole page; the same one again stays as it is.
 * @param {unknown} error
 */
export function showPageError(error) {
  const message = messageOf(error);
  if (byId("page-error").querySelector("p")?.textContent === message) return;
  const again = el("button", { type: "button", onclick: () => location.reload() }, "Reload page");
  const props = { class: "notice bad", role: "alert", "data-testid": "error" };
  fill(byId("page-error"), el("div", props, el("p", {}, message), again));
}
