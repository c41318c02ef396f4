// @ts-check
// The people page: every account, and the chosen one beside the list.

import { request, requireSession } from "../shared/api.js";
import { announce, byId, el, fill, standAt } from "../shared/dom.js";
import { namedIn } from "../shared/format.js";
import { attempt } from "../shared/forms.js";
import { explainNoAccess, mountHeader, showPageError } from "../shared/header.js";
import { accountForm } from "./account_form.js";
import { accountDetail, showOnce } from "./detail.js";
import { inForce, matching, scopeWords } from "./words.js";

/** @import { Account, AccountsView, CollectionsView, PasswordView } from "../shared/wire.d.ts" */

/** @import { Filled } from "./account_form.js" */
/** @typedef {HTMLButtonElement | null} Button */

/** In the address, as in the page's link: not anybody's name, as a slash cannot be in a name. */
const NEW = "+/new";

/** @type {Account[]} */
let accounts = [];
/** @type {string[]} */
let collections = [];
/** What the address named before. */
let before = "";

async function main() {
  const session = await requireSession();
  mountHeader(session);
  if (!session.roles.includes("admin")) {
    return explainNoAccess("This account does not administer accounts.");
  }
  /** @type {CollectionsView} */
  const found = await request("GET", "/v1/collections");
  collections = found.collections.map(({ name }) => name);
  byId("find").addEventListener("input", drawList);
  await load();
  // Only now: a form that is opened while the list still loads must not be drawn twice.
  window.addEventListener("hashchange", () => show().catch(showPageError));
  await show();
}

async function load() {
  /** @type {AccountsView} */
  const { users } = await request("GET", "/v1/users");
  accounts = users;
  drawList();
}

function chosen() {
  return namedIn(location.hash);
}

function drawList() {
  const found = matching(accounts, byId("find", HTMLInputElement).value);
  fill(byId("people"), found.map(entry));
  byId("people").setAttribute("aria-busy", "false");
  byId("none").hidden = found.length > 0;
}

/** @param {Account} account */
function entry(account) {
  const state = account.disabled && el("span", { class: "badge bad" }, "disabled");
  const title = el("span", { class: "entry-title", dir: "auto" }, account.name, state);
  const roles = account.roles.map((role) => el("span", { class: "badge" }, role));
  const about = `${scopeWords(account.scope)} · ${inForce(account)}`;
  const props = {
    href: `#${encodeURIComponent(account.name)}`,
    "aria-current": account.name === chosen() && "true",
    "data-testid": "person",
  };
  const below = el("span", { class: "muted small" }, about);
  return el("li", {}, el("a", props, title, el("span", { class: "row" }, roles), below));
}

/** Draws what the address names; on a narrow screen it takes the place of the list. */
async function show() {
  const name = chosen();
  byId("panes").classList.toggle("with-detail", name !== "");
  drawList();
  const account = accounts.find((one) => one.name === name);
  if (name === NEW) return drawDetail(newAccount());
  if (!account) {
    const words = name
      ? "There is no such account."
      : "Choose a person to see their roles, sign-ins and keys.";
    return drawDetail([el("p", { class: "empty-pane" }, words)]);
  }
  const parts = await accountDetail(account, { collections, latest, changed, counted: load });
  if (chosen() === name) drawDetail(parts);
}

/** @param {Node[]} parts */
function drawDetail(parts) {
  fill(byId("detail"), el("a", { class: "back", href: "#" }, "‹ All people"), parts);
  if (chosen()) byId("detail").focus();
  else standAt(before);
  before = location.hash;
}

/** @param {Account} account */
function latest(account) {
  return accounts.find(({ name }) => name === account.name) ?? account;
}

/** @param {Account} account */
async function changed(account) {
  const known = accounts.find(({ name }) => name === account.name);
  accounts = accounts.map((one) => (one.name === account.name ? account : one));
  drawList();
  announce(`${account.name} was changed.`);
  if (known?.disabled !== account.disabled) await show();
}

function newAccount() {
  const [box, told] = [el("section", { class: "block" }), el("div", { class: "told" })];
  const send = (/** @type {Filled} */ { name, roles, scope }, /** @type {Button} */ button) =>
    attempt(
      told,
      async () => {
        /** @type {PasswordView} */
        const made = await request("POST", "/v1/users", { body: { name, roles, scope } });
        await load();
        draw(); // what the one before may see is no beginning for the next one
        showOnce(told, `${made.name} was added. The password is shown once:`, made.password);
        const again = box.querySelector("button[type=submit]");
        if (again instanceof HTMLElement) again.focus();
      },
      button,
    );
  const draw = () => fill(box, accountForm(null, collections, send), told);
  draw();
  return [el("h2", {}, "Add a person or a program"), box];
}

main().catch(showPageError);
