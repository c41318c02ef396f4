// @ts-check
// One account: roles and scope, sign-ins, keys, and what ends its access.

import { request } from "../shared/api.js";
import { copyButton } from "../shared/clipboard.js";
import { el, fill } from "../shared/dom.js";
import { age, moment } from "../shared/format.js";
import { attempt, choices, confirming, field, sender, tell } from "../shared/forms.js";
import { accountForm } from "./account_form.js";
import { widgetBlock } from "./widgets.js";
import { inForce, keyState, keyUse, LIFETIMES, liveFirst, scopeWords } from "./words.js";

/** @import { Account, EndedView, KeyEntry, KeysView, NewKey, PasswordView } from "../shared/wire.d.ts" */
/** @import { SignInEntry, SignInsView } from "../shared/wire.d.ts" */
/** @typedef {{collections: string[], latest: (account: Account) => Account, changed: (account: Account) => void, counted: () => Promise<void>}} Context */

/** @param {string} name */
function pathOf(name) {
  return `/v1/users/${encodeURIComponent(name)}`;
}

/**
 * Everything about an account, loaded and drawn.
 * @param {Account} account
 * @param {Context} context
 */
export async function accountDetail(account, context) {
  const [signIns, keys] = await Promise.all([loadSignIns(account), loadKeys(account)]);
  const told = el("div", { class: "told" });
  return [
    headOf(account),
    told,
    el(
      "section",
      { class: "block" },
      el("h3", {}, "Roles and reach"),
      changeForm(account, context, told),
    ),
    keyBlock(account, keys, context),
    await widgetBlock(account),
    signInBlock(account, signIns, context),
    accessBlock(account, context, told),
  ];
}

/** @param {Account} account */
async function loadSignIns({ name }) {
  /** @type {SignInsView} */
  const { sessions } = await request("GET", `${pathOf(name)}/sessions`);
  return sessions;
}

/** @param {Account} account */
async function loadKeys({ name }) {
  /** @type {KeysView} */
  const { keys } = await request("GET", `/v1/keys?user=${encodeURIComponent(name)}`);
  return keys;
}

/** @param {Account} account */
function headOf(account) {
  const state = account.disabled && el("span", { class: "badge bad" }, "disabled");
  const facts = `Since ${moment(account.created_at)}; sees ${scopeWords(account.scope)}; ${inForce(account)}.`;
  const title = el("h2", { id: "who-title", class: "row", dir: "auto" }, account.name, " ", state);
  return el("div", {}, title, el("p", { class: "muted" }, facts));
}

/**
 * @param {Account} account
 * @param {Context} context
 * @param {HTMLElement} told
 */
function changeForm(account, context, told) {
  return accountForm(
    account,
    context.collections,
    ({ roles, scope, authority, trained_on }, button) =>
      attempt(
        told,
        async () => {
          const body = { roles, scope, disabled: account.disabled, authority, trained_on };
          /** @type {Account} */
          const after = await request("PUT", pathOf(account.name), { body });
          context.changed(after);
          tell(told, "ok", `Saved. It counts from ${account.name}’s next request.`);
        },
        button,
      ),
  );
}

/**
 * @param {Account} account
 * @param {KeyEntry[]} first
 * @param {Context} context
 */
function keyBlock(account, first, { counted }) {
  const [list, told] = [el("div"), el("div", { class: "told" })];
  /** @param {KeyEntry[]} keys */
  const draw = (keys) => fill(list, keyList(keys, end));
  const again = async () => {
    draw(await loadKeys(account));
    await counted();
  };
  /** @param {KeyEntry} key */
  const end = (key) =>
    attempt(told, async () => {
      await request("DELETE", `/v1/keys/${encodeURIComponent(key.key_id)}`);
      await again();
    });
  draw(first);
  const made = !account.disabled && newKeyForm(account, told, again);
  return el(
    "section",
    { class: "block", "data-testid": "keys" },
    el("h3", {}, "API keys"),
    list,
    made,
    told,
  );
}

/**
 * @param {KeyEntry[]} keys
 * @param {(key: KeyEntry) => void} end
 */
function keyList(keys, end) {
  if (!keys.length) return el("p", { class: "muted" }, "None.");
  const items = liveFirst(keys).map((key) => {
    const { words, tone, live } = keyState(key);
    const head = el(
      "span",
      { class: "row" },
      el("code", {}, key.key_id),
      el("span", { class: `badge ${tone}` }, words),
    );
    const what = {
      label: "Revoke",
      question: "Programs that use it are locked out at once.",
      sure: "Revoke it",
      act: () => end(key),
      testid: "revoke-key",
    };
    const about = el(
      "span",
      { class: "about" },
      head,
      el("span", { class: "muted small" }, keyUse(key)),
    );
    return el("li", { class: "row line", "data-testid": "key" }, about, live && confirming(what));
  });
  return el("ul", { class: "lines" }, items);
}

/**
 * @param {Account} account
 * @param {HTMLElement} told
 * @param {() => Promise<void>} again
 */
function newKeyForm({ name }, told, again) {
  const days = choices(LIFETIMES, { "data-testid": "key-days" });
  const button = el("button", { type: "submit", "data-testid": "make-key" }, "Make a key");
  const form = el("form", { class: "inline" }, field("A new key lasts", days), button);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const body = { user: name, days: days.value ? Number(days.value) : null };
    attempt(
      told,
      async () => {
        /** @type {NewKey} */
        const made = await request("POST", "/v1/keys", { body });
        await again();
        showOnce(told, "The key is shown once. Keep it where your program finds it.", made.key);
      },
      sender(event),
    );
  });
  return form;
}

/**
 * @param {Account} account
 * @param {SignInEntry[]} first
 * @param {Context} context
 */
function signInBlock(account, first, { counted }) {
  const [list, told] = [el("div"), el("div", { class: "told" })];
  /** @param {SignInEntry[]} entries */
  const draw = (entries) =>
    fill(list, signInList(entries), entries.length > 0 && confirming(endAll));
  const endAll = {
    label: "End all sign-ins",
    question: "They must sign in again; API keys stay.",
    sure: "End them",
    testid: "end-sessions",
    act: () =>
      attempt(told, async () => {
        /** @type {EndedView} */
        const { ended } = await request("DELETE", `${pathOf(account.name)}/sessions`);
        draw(await loadSignIns(account));
        await counted();
        tell(told, "ok", `Ended: ${ended}.`);
      }),
  };
  draw(first);
  return el(
    "section",
    { class: "block", "data-testid": "sign-ins" },
    el("h3", {}, "Sign-ins"),
    list,
    told,
  );
}

/** @param {SignInEntry[]} entries */
function signInList(entries) {
  if (!entries.length) return el("p", { class: "muted" }, "Not signed in.");
  const items = entries.map(({ started_at, expires_at }) => {
    const since = started_at ? `since ${moment(started_at)}` : "since before that was kept";
    return el(
      "li",
      { class: "row line" },
      since,
      el("span", { class: "muted small" }, `ends ${age(expires_at)}`),
    );
  });
  return el("ul", { class: "lines" }, items);
}

/**
 * @param {Account} account
 * @param {Context} context
 * @param {HTMLElement} told
 */
function accessBlock(account, context, told) {
  /** @param {boolean} disabled */
  const turn = (disabled) =>
    attempt(told, async () => {
      // As they stand by now: what was saved above since this was drawn is not taken back.
      const { roles, scope } = context.latest(account);
      const body = { roles, scope, disabled };
      context.changed(await request("PUT", pathOf(account.name), { body }));
    });
  const enable = el(
    "button",
    { type: "button", "data-testid": "enable", onclick: () => turn(false) },
    "Enable the account",
  );
  const disable = confirming({
    label: "Disable the account",
    question: "Sign-ins and keys end at once.",
    sure: "Disable it",
    act: () => turn(true),
    testid: "disable",
  });
  const box = el("div", { class: "told" });
  const buttons = el(
    "div",
    { class: "row" },
    resetButton(account, box),
    account.disabled ? enable : disable,
  );
  return el("section", { class: "block" }, el("h3", {}, "Access"), buttons, box);
}

/**
 * @param {Account} account
 * @param {HTMLElement} told
 */
function resetButton({ name }, told) {
  return confirming({
    label: "Reset the password",
    question: "The old one stops, and every sign-in ends.",
    sure: "Reset it",
    testid: "reset",
    act: () =>
      attempt(told, async () => {
        /** @type {PasswordView} */
        const { password } = await request("POST", `${pathOf(name)}/password`);
        showOnce(
          told,
          "The new password is shown once. Tell it to them over a safe way.",
          password,
        );
      }),
  });
}

/**
 * @param {HTMLElement} told
 * @param {string} words
 * @param {string} secret
 */
export function showOnce(told, words, secret) {
  const code = el("code", { class: "secret", "data-testid": "secret" }, secret);
  tell(
    told,
    "warn",
    el("p", {}, words),
    el(
      "p",
      { class: "row" },
      code,
      copyButton("Copy", () => secret),
    ),
  );
}
