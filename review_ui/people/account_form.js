// @ts-check
// The form of an account: its name where it is new, roles, and what it may read.

import { el } from "../shared/dom.js";
import { choice, field } from "../shared/forms.js";
import { ROLES } from "./words.js";

/** @import { Account } from "../shared/wire.d.ts" */
/** @typedef {{name: string, roles: string[], scope: string[] | null, authority: string, trained_on: string | null}} Filled */

/**
 * A form over `account`, or an empty one; `send` gets what was filled in.
 * @param {Account | null} account
 * @param {string[]} collections names to choose from
 * @param {(filled: Filled, button: HTMLButtonElement | null) => void} send
 */
export function accountForm(account, collections, send) {
  const name = el("input", {
    required: true,
    maxlength: 80,
    autocomplete: "off",
    "data-testid": "name",
  });
  const button = el(
    "button",
    { type: "submit", class: "primary", "data-testid": "save-account" },
    account ? "Save" : "Add the account",
  );
  const reach = scopeGroup(account ? account.scope : null, collections);
  const form = el(
    "form",
    {},
    !account && field("Name", name, "1 to 80 characters, no slash; it cannot be changed later."),
    roleGroup(account?.roles ?? ["asker"]),
    reach.node,
    account && standingGroup(account),
    button,
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    reach.take();
    send({ name: account?.name ?? name.value, ...readForm(form) }, button);
  });
  return form;
}

/**
 * By what right somebody reviews, and when they were trained: exports of answers show both.
 * @param {Account} account
 */
function standingGroup({ authority, trained_on }) {
  const right = el("input", { name: "authority", maxlength: 200, value: authority });
  const day = el("input", { name: "trained_on", type: "date", value: trained_on ?? "" });
  return el(
    "fieldset",
    { class: "group" },
    el("legend", {}, "As a reviewer"),
    field("Authority", right, "By what right they decide, such as a role or a licence."),
    field("Last trained on", day),
  );
}

/** @param {string[]} roles */
function roleGroup(roles) {
  const boxes = ROLES.map(([role, meaning]) => {
    const props = { name: "role", value: role, checked: roles.includes(role) };
    return choice("checkbox", role, props, meaning);
  });
  return el("fieldset", { class: "group" }, el("legend", {}, "Roles"), boxes);
}

/**
 * `take()` adds the collection that was typed and not added yet.
 * @param {string[] | null} scope
 * @param {string[]} collections
 */
function scopeGroup(scope, collections) {
  const names = [...new Set([...collections, ...(scope ?? [])])].sort();
  const list = el("div", { class: "group indented", id: "scope-list" });
  const boxes = names.map((name) => scopeBox(name, scope?.includes(name) ?? false));
  const other = el("input", {
    "aria-label": "Another collection",
    maxlength: 80,
    placeholder: "Another collection",
  });
  const add = el("button", { type: "button", class: "small" }, "Add");
  const take = () => {
    const name = other.value.trim();
    if (name) list.insertBefore(scopeBox(name, true), row);
    other.value = "";
  };
  add.addEventListener("click", take);
  // Enter would send the whole form, and without this collection.
  other.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    take();
  });
  const row = el("div", { class: "row other" }, other, add);
  list.append(...boxes, row);
  const show = () => {
    list.hidden = !some.querySelector("input")?.checked;
  };
  const all = choice("radio", "Every collection", {
    name: "reach",
    value: "all",
    checked: scope === null,
    onchange: show,
  });
  const some = choice("radio", "Only these", {
    name: "reach",
    value: "some",
    checked: scope !== null,
    onchange: show,
  });
  show();
  const legend = el("legend", {}, "May see");
  return { node: el("fieldset", { class: "group" }, legend, all, some, list), take };
}

/**
 * @param {string} name
 * @param {boolean} checked
 */
function scopeBox(name, checked) {
  return choice("checkbox", name, { name: "scope", value: name, checked });
}

/**
 * @param {HTMLFormElement} form
 * @returns {Omit<Filled, "name">}
 */
function readForm(form) {
  const data = new FormData(form);
  const scope = data.get("reach") === "all" ? null : data.getAll("scope").map(String);
  const authority = String(data.get("authority") ?? "");
  const trained_on = String(data.get("trained_on") ?? "") || null;
  return { roles: data.getAll("role").map(String), scope, authority, trained_on };
}
