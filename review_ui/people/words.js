// @ts-check
// Accounts, keys and sign-ins in words.

import { age, listed, moment, plural } from "../shared/format.js";

/** @import { Account, KeyEntry } from "../shared/wire.d.ts" */

/** What each role is for; the order is the order of the page. */
export const ROLES = /** @type {const} */ ([
  ["asker", "asks questions"],
  ["reviewer", "checks drafts before their askers see them"],
  ["operator", "keeps documents, the index and the release mode"],
  ["admin", "adds and changes accounts and keys"],
]);

/** How long a new key lasts; "": for ever. */
export const LIFETIMES = /** @type {[string, string][]} */ ([
  ["90", "90 days"],
  ["30", "30 days"],
  ["365", "one year"],
  ["", "no end"],
]);

/**
 * What an account may read.
 * @param {string[] | null} scope
 */
export function scopeWords(scope) {
  if (scope === null) return "every collection";
  return scope.length ? listed(scope) : "no collection";
}

/**
 * What is in force: "1 sign-in, 2 keys".
 * @param {Pick<Account, "sessions" | "keys">} account
 */
export function inForce({ sessions, keys }) {
  return `${plural(sessions, "sign-in")}, ${plural(keys, "key")}`;
}

/**
 * The accounts whose name, roles or collections hold every word of `text`.
 * @template {Pick<Account, "name" | "roles" | "scope" | "disabled">} Row
 * @param {Row[]} accounts
 * @param {string} text
 * @returns {Row[]}
 */
export function matching(accounts, text) {
  const wanted = text.toLowerCase().split(/\s+/).filter(Boolean);
  return accounts.filter((account) => {
    const state = account.disabled ? "disabled" : "";
    const all = [account.name, ...account.roles, ...(account.scope ?? []), state];
    const said = all.join("\n").toLowerCase();
    return wanted.every((word) => said.includes(word));
  });
}

/**
 * Whether a key opens anything, in words, and the tone of its badge.
 * @param {Pick<KeyEntry, "expires_at" | "revoked_at">} key
 * @returns {{words: string, tone: "ok" | "warn" | "", live: boolean}}
 */
export function keyState({ expires_at, revoked_at }, now = Date.now()) {
  if (revoked_at) return { words: "revoked", tone: "", live: false };
  if (expires_at === null) return { words: "no end", tone: "ok", live: true };
  const left = new Date(expires_at).getTime() - now;
  if (left <= 0) return { words: "expired", tone: "", live: false };
  const soon = left < 7 * 86_400_000;
  return { words: `ends ${age(expires_at, now)}`, tone: soon ? "warn" : "ok", live: true };
}

/**
 * @param {Pick<KeyEntry, "created_at" | "last_used_at">} key
 */
export function keyUse({ created_at, last_used_at }, now = Date.now()) {
  const used = last_used_at ? `last used ${age(last_used_at, now)}` : "never used";
  return `made ${moment(created_at)}, ${used}`;
}

/**
 * The keys that still open something first.
 * @param {KeyEntry[]} keys
 */
export function liveFirst(keys, now = Date.now()) {
  /** @param {KeyEntry} key */
  const last = (key) => Number(!keyState(key, now).live);
  return [...keys].sort((one, other) => last(one) - last(other));
}

/**
 * The sites that somebody typed, as origins; a bare name means HTTPS.
 * @param {string} text
 */
export function originsOf(text) {
  const named = text.split(/[\s,]+/).filter(Boolean);
  return named.map((one) => (one.includes("://") ? one : `https:${"//"}${one}`));
}

/**
 * What stands in the page of another site.
 * @param {string} origin
 * @param {string} key
 */
export function snippet(origin, key) {
  return `<script src="${origin}/widget.js" data-key="${key}" defer></script>`;
}
