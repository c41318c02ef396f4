// @ts-check
// The list of conversations: find, open, name, export and delete one.

import { request } from "../shared/api.js";
import { announce, byId, el, fill, refill, showingMore } from "../shared/dom.js";
import { age } from "../shared/format.js";
import { attempt, confirming } from "../shared/forms.js";
import { TOUCHED } from "../shared/touch.js";
import { conversationText, fileName } from "./export.js";
import { countNews, mountNews } from "./news.js";

/** @import { ConversationBody, ConversationsView, ConversationView } from "../shared/wire.d.ts" */
/** @typedef {{current: () => string | null, deleted: () => void}} Context */

const PAGE = 30;
const MOST = 100;
const TYPING_MS = 250;
/** How often the list is asked for while an answer is waited for, or is news. */
const NEWS_MS = 30_000;

/** @type {ConversationView[]} */
let shown = [];
/** @type {string | null} */
let next = null;
/** Whether something in the list may change by itself. */
let awaited = false;

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
  const more = byId("more-conversations");
  const load = () => loadConversations(context, true);
  more.addEventListener("click", () => showingMore(more, byId("conversations"), load));
  byId("sidebar-open").addEventListener("click", () => toggle(true));
  byId("sidebar-close").addEventListener("click", () => toggle(false));
  byId("sidebar").addEventListener("keydown", (event) => event.key === "Escape" && toggle(false));
  mountNews();
  setInterval(() => awaited && loadConversations(context), NEWS_MS);
  document.addEventListener(
    "visibilitychange",
    () => document.hidden || loadConversations(context),
  );
}

/**
 * On a narrow screen the list lies over the chat.
 * @param {boolean} open
 */
export function toggle(open) {
  const was = document.body.classList.contains("sidebar-open");
  document.body.classList.toggle("sidebar-open", open);
  byId("sidebar-open").setAttribute("aria-expanded", String(open));
  // On a phone the field would bring its keyboard up, over the list.
  if (open) byId(matchMedia(TOUCHED).matches ? "sidebar-close" : "find").focus();
  else if (was) byId("sidebar-open").focus();
}

/**
 * @param {Context} context
 * @param {boolean} [more]
 */
export async function loadConversations(context, more = false) {
  const size = more ? PAGE : Math.min(MOST, Math.max(PAGE, shown.length));
  const params = new URLSearchParams({ limit: String(size) });
  const [find, after] = [wanted(), next];
  if (find) params.set("find", find);
  if (more && after) params.set("cursor", after);
  await attempt(byId("sidebar-told"), async () => {
    /** @type {ConversationsView} */
    const found = await request("GET", `/v1/conversations?${params}`);
    // What was typed meanwhile is asked for by itself; a second press asks for the same page.
    if (find !== wanted() || (more && after !== next)) return;
    shown = more ? [...shown, ...found.conversations] : found.conversations;
    next = found.next_cursor;
    awaited = found.waiting > 0 || found.unseen > 0;
    countNews(found.unseen, found.unseen - (await seen(context)));
    // What comes late must not take away what somebody is about to confirm or to name.
    const open = "[data-testid=delete-conversation-sure], form";
    if (byId("conversations").querySelector(open) === null) drawConversations(context);
  });
}

/** What is looked for. */
function wanted() {
  return byId("find", HTMLInputElement).value.trim();
}

/**
 * What the open conversation has of news is on the screen: the service is told, so that it is news
 * nowhere else. Returns how many they were.
 * @param {Context} context
 */
async function seen(context) {
  const open = shown.find((one) => one.conversation_id === context.current());
  if (!open?.unseen || document.hidden) return 0;
  const { unseen } = open;
  try {
    await request("PUT", `${pathOf(open.conversation_id)}/seen`);
  } catch {
    return 0; // it stays news, and the next look tries again
  }
  open.unseen = 0;
  return unseen;
}

/**
 * Another conversation is open now.
 * @param {Context} context
 */
export async function opened(context) {
  drawConversations(context);
  const open = shown.find((one) => one.conversation_id === context.current());
  if (open?.unseen) await loadConversations(context);
}

/** @param {Context} context */
export function drawConversations(context) {
  refill(
    byId("conversations"),
    shown.map((one) => entry(one, context)),
  );
  byId("more-conversations").hidden = next === null;
  drawLast();
  const none = wanted() ? "Nothing was found." : "None yet.";
  fill(byId("no-conversations"), shown.length === 0 && none);
}

/** On the empty page of a narrow screen, where the list is hidden: the way back to the newest. */
function drawLast() {
  const found = wanted() ? [] : shown;
  const last = found.find(({ unseen }) => unseen > 0) ?? found[0];
  const props = { href: `#${last?.conversation_id}`, dir: "auto", "data-testid": "last" };
  const link = last && el("a", props, last.title || "Erased");
  fill(byId("last"), link && ["Go on with: ", link, " ", badgesOf(last)]);
}

/** @param {ConversationView} one */
function badgesOf({ unseen, waiting }) {
  const fresh = el("span", { class: "badge ok", "data-testid": "unseen" }, `${unseen} new`);
  return [
    unseen > 0 && fresh,
    unseen > 0 && waiting > 0 && " ",
    waiting > 0 && el("span", { class: "badge accent" }, "Being checked"),
  ];
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
  const foot = el("span", { class: "muted small row" }, age(one.updated_at), badgesOf(one));
  const link = el("a", props, title, foot);
  return el("li", {}, link, current && actions(one, context));
}

/**
 * @param {ConversationView} one
 * @param {Context} context
 */
function actions(one, context) {
  const box = el("div", { class: "row conversation-actions" });
  const rename = button("Rename", "rename", () => {
    fill(box, nameForm(one, context));
    box.querySelector("input")?.select();
  });
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
  const cancel = button("Cancel", "cancel-rename", () => {
    drawConversations(context);
    standAtRename();
  });
  const form = el(
    "form",
    { class: "row" },
    title,
    el("button", { class: "small" }, "Save"),
    cancel,
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(byId("sidebar-told"), async () => {
      await request("PUT", pathOf(one.conversation_id), { body: { title: title.value } });
      form.remove();
      await loadConversations(context);
      standAtRename();
    });
  });
  return form;
}

/** The form has the place of the button that opened it, and takes the focus with it. */
function standAtRename() {
  const button = byId("conversations").querySelector("[data-testid=rename]");
  if (button instanceof HTMLElement) button.focus();
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
