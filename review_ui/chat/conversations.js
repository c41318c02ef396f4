// @ts-check
// The list of conversations: find, open, name, export and delete one.

import { request } from "../shared/api.js";
import { announce, byId, el, fill } from "../shared/dom.js";
import { age } from "../shared/format.js";
import { attempt, confirming } from "../shared/forms.js";
import { conversationText, fileName } from "./export.js";

/** @import { ConversationBody, ConversationsView, ConversationView } from "../shared/wire.d.ts" */
/** @typedef {{current: () => string | null, deleted: () => void}} Context */

const PAGE = 30;
const TYPING_MS = 250;

/** @type {ConversationView[]} */
let shown = [];
/** @type {string | null} */
let next = null;

/** @param {string} conversationId */
export function pathOf(conversationId) {
  return `/v1/conversations/${encodeURIComponent(conversationId)}`;
}

/** @param {Context} context */
export function mountConversations(context) {
  let timer = 0;
  byId("find").addEventListener("input", () => {
    clearTimeout(timer);
    timer = window.setTimeout(() => loadConversations(context), TYPING_MS);
  });
  byId("more-conversations").addEventListener("click", () => loadConversations(context, true));
  byId("sidebar-open").addEventListener("click", () => toggle(true));
  byId("sidebar-close").addEventListener("click", () => toggle(false));
  byId("sidebar").addEventListener("keydown", (event) => event.key === "Escape" && toggle(false));
}

/**
 * On a narrow screen the list lies over the chat.
 * @param {boolean} open
 */
export function toggle(open) {
  const was = document.body.classList.contains("sidebar-open");
  document.body.classList.toggle("sidebar-open", open);
  byId("sidebar-open").setAttribute("aria-expanded", String(open));
  if (open) byId("find").focus();
  else if (was) byId("sidebar-open").focus();
}

/**
 * @param {Context} context
 * @param {boolean} [more]
 */
export async function loadConversations(context, more = false) {
  const params = new URLSearchParams({ limit: String(PAGE) });
  const find = byId("find", HTMLInputElement).value.trim();
  if (find) params.set("find", find);
  if (more && next) params.set("cursor", next);
  await attempt(byId("sidebar-told"), async () => {
    /** @type {ConversationsView} */
    const found = await request("GET", `/v1/conversations?${params}`);
    shown = more ? [...shown, ...found.conversations] : found.conversations;
    next = found.next_cursor;
    // A search that ends late must not take away what somebody is about to confirm.
    const confirms = byId("conversations").querySelector("[data-testid=delete-conversation-sure]");
    if (confirms === null) drawConversations(context);
  });
}

/** @param {Context} context */
export function drawConversations(context) {
  fill(
    byId("conversations"),
    shown.map((one) => entry(one, context)),
  );
  byId("more-conversations").hidden = next === null;
  drawLast();
  const none = byId("find", HTMLInputElement).value.trim() ? "Nothing was found." : "None yet.";
  fill(byId("no-conversations"), shown.length === 0 && none);
}

/** On the empty page of a narrow screen, where the list is hidden: the way back to the newest. */
function drawLast() {
  const [last] = byId("find", HTMLInputElement).value.trim() ? [] : shown;
  const waits = last && last.waiting > 0 && el("span", { class: "badge accent" }, "Being checked");
  const props = { href: `#${last?.conversation_id}`, dir: "auto", "data-testid": "last" };
  const link = last && el("a", props, last.title || "Erased");
  fill(byId("last"), link && ["Go on with: ", link, " ", waits]);
}

/**
 * @param {ConversationView} one
 * @param {Context} context
 */
function entry(one, context) {
  const current = one.conversation_id === context.current();
  const props = {
    href: `#${one.conversation_id}`,
    class: "conversation",
    "aria-current": current && "true",
    "data-testid": "conversation",
    onclick: () => toggle(false),
  };
  const title = el("span", { class: "conversation-title", dir: "auto" }, one.title || "Erased");
  const waits = one.waiting > 0 && el("span", { class: "badge accent" }, "Being checked");
  const foot = el("span", { class: "muted small row" }, age(one.updated_at), waits);
  const link = el("a", props, title, foot);
  return el("li", {}, link, current && actions(one, context));
}

/**
 * @param {ConversationView} one
 * @param {Context} context
 */
function actions(one, context) {
  const box = el("div", { class: "row conversation-actions" });
  const rename = button("Rename", "rename", () => fill(box, nameForm(one, context)));
  const save = button("Export", "export", () =>
    attempt(byId("sidebar-told"), () => download(one.conversation_id), save),
  );
  const remove = confirming({
    label: "Delete",
    question: "Off your list; records stay until they are erased.",
    sure: "Delete it",
    testid: "delete-conversation",
    act: () =>
      attempt(byId("sidebar-told"), async () => {
        await request("DELETE", pathOf(one.conversation_id));
        context.deleted();
        await loadConversations(context);
        announce("The conversation was deleted.");
      }),
  });
  box.append(rename, save, remove);
  return box;
}

/**
 * @param {string} label
 * @param {string} testid
 * @param {() => void} onclick
 */
function button(label, testid, onclick) {
  const props = { type: "button", class: "small", "data-testid": testid, onclick };
  return el("button", props, label);
}

/**
 * @param {ConversationView} one
 * @param {Context} context
 */
function nameForm(one, context) {
  const props = { maxlength: 200, "aria-label": "Title", "data-testid": "title" };
  const title = el("input", props);
  title.value = one.title;
  const form = el("form", { class: "row" }, title, el("button", { class: "small" }, "Save"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(byId("sidebar-told"), async () => {
      await request("PUT", pathOf(one.conversation_id), { body: { title: title.value } });
      await loadConversations(context);
    });
  });
  return form;
}

/** @param {string} conversationId */
async function download(conversationId) {
  /** @type {ConversationBody | null} */
  let page = null;
  /** @type {ConversationBody["answers"]} */
  let answers = [];
  do {
    const before = answers[0] ? `&before=${answers[0].answer_id}` : "";
    /** @type {ConversationBody} */
    const found = await request("GET", `${pathOf(conversationId)}?limit=100${before}`);
    answers = [...found.answers, ...answers];
    page = found;
  } while (page.more);
  const text = conversationText({ ...page, answers });
  const address = URL.createObjectURL(new Blob([text], { type: "text/markdown" }));
  el("a", { href: address, download: fileName(page.title) }).click();
  URL.revokeObjectURL(address);
}
