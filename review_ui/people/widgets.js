// @ts-check
// Keys of chat widgets on other sites: their sites, what stands in the page, and their end.

import { request } from "../shared/api.js";
import { copyButton } from "../shared/clipboard.js";
import { el, fill } from "../shared/dom.js";
import { listed, moment, plural } from "../shared/format.js";
import { attempt, confirming, field, sender, tell } from "../shared/forms.js";
import { originsOf, snippet } from "./words.js";

/** @import { Account, NewWidgetKey, WidgetKeyEntry, WidgetKeysView } from "../shared/wire.d.ts" */

/** @param {Account} account */
export async function widgetBlock(account) {
  const [list, told] = [el("div"), el("div", { class: "told" })];
  const draw = async () => {
    const path = `/v1/widget-keys?user=${encodeURIComponent(account.name)}`;
    /** @type {WidgetKeysView} */
    const { keys } = await request("GET", path);
    fill(list, widgetList(keys, end));
  };
  /** @param {WidgetKeyEntry} key */
  const end = (key) =>
    attempt(told, async () => {
      await request("DELETE", `/v1/widget-keys/${encodeURIComponent(key.key_id)}`);
      await draw();
    });
  await draw();
  const about =
    "A chat on other sites: whoever visits them asks, within what this account may read.";
  return el(
    "section",
    { class: "block", "data-testid": "widgets" },
    el("h3", {}, "Widgets on other sites"),
    el("p", { class: "muted small" }, about),
    list,
    !account.disabled && newWidgetForm(account, told, draw),
    told,
  );
}

/**
 * @param {WidgetKeyEntry[]} keys
 * @param {(key: WidgetKeyEntry) => void} end
 */
function widgetList(keys, end) {
  if (!keys.length) return el("p", { class: "muted" }, "None.");
  const items = keys.map((key) => {
    const state = key.revoked_at && el("span", { class: "badge" }, "revoked");
    const head = el("span", { class: "row" }, el("code", { class: "secret" }, key.key), state);
    const pace = `${plural(key.questions_per_minute, "question")} a minute`;
    const words = `${listed(key.origins)}; ${pace}; made ${moment(key.created_at)}`;
    const about = el("span", { class: "about" }, head, el("span", { class: "muted small" }, words));
    const revoke = confirming({
      label: "Revoke",
      question: "The widget stops at once on every site.",
      sure: "Revoke it",
      act: () => end(key),
      testid: "revoke-widget",
    });
    return el("li", { class: "row line", "data-testid": "widget" }, about, !state && revoke);
  });
  return el("ul", { class: "lines" }, items);
}

/**
 * @param {Account} account
 * @param {HTMLElement} told
 * @param {() => Promise<void>} again
 */
function newWidgetForm({ name }, told, again) {
  const props = { placeholder: "www.example.org", "data-testid": "widget-origins" };
  const sites = el("input", { ...props, autocomplete: "off", required: true, spellcheck: "false" });
  const hint = "Separated by spaces. Only pages of these sites can show it.";
  const button = el("button", { type: "submit", "data-testid": "make-widget" }, "Make a key");
  const form = el("form", {}, field("A new widget on", sites, hint), button);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(
      told,
      async () => {
        const body = { user: name, origins: originsOf(sites.value) };
        /** @type {NewWidgetKey} */
        const made = await request("POST", "/v1/widget-keys", { body });
        await again();
        form.reset();
        tellOfKey(told, made);
      },
      sender(event),
    );
  });
  return form;
}

/**
 * @param {HTMLElement} told
 * @param {NewWidgetKey} made
 */
function tellOfKey(told, { key, secret }) {
  const text = snippet(location.origin, key);
  const line = (/** @type {string} */ shown, /** @type {string} */ testid) =>
    el(
      "p",
      { class: "row" },
      el("code", { class: "secret", "data-testid": testid }, shown),
      copyButton("Copy", () => shown),
    );
  tell(
    told,
    "warn",
    el("p", {}, "Put this into the pages of the site:"),
    line(text, "snippet"),
    el("p", {}, "A server that signs its own users needs this secret. It is shown once:"),
    line(secret, "secret"),
  );
}
