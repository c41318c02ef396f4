// @ts-check
// The chat page: history, composer, and one running question at a time.

import {
  ApiError,
  ask,
  isAbort,
  randomKey,
  request,
  requireSession,
  unsentQuestion,
} from "../shared/api.js";
import { announce, byId, el, fill, setText } from "../shared/dom.js";
import { listed, plural } from "../shared/format.js";
import { explainNoAccess, mountHeader, showPageError } from "../shared/header.js";
import { Exchange } from "./exchange.js";
import { mountPanel } from "./panel.js";
import { loadThread, saveThread } from "./thread.js";

/** @import { AnswersView, CollectionsView, DocumentsView } from "../shared/wire.d.ts" */
/** @import { Asked } from "../shared/api.js" */
/** @import { Action } from "./exchange.js" */

const HISTORY_LIMIT = 20;
const HISTORY_MOST = 100;
const TITLES_SHOWN = 8;

/** @type {AbortController | null} */
let running = null;
/**
 * The answer that the next question follows; null begins a conversation.
 * @type {string | null}
 */
let previous = null;
let me = "";

async function main() {
  const session = await requireSession();
  mountHeader(session);
  mountPanel();
  if (!session.roles.includes("asker")) {
    byId("composer").hidden = true;
    return explainNoAccess("This account cannot ask questions.");
  }
  me = session.name;
  follow(loadThread(me));
  mountComposer();
  await Promise.all([loadCollections(), loadHistory(HISTORY_LIMIT)]);
  scrollToEnd("instant");
  if (!byId("empty").hidden) await loadTitles();
}

function questionField() {
  return byId("question", HTMLTextAreaElement);
}

function mountComposer() {
  const field = questionField();
  field.value = unsentQuestion.load();
  field.addEventListener("input", () => unsentQuestion.save(field.value));
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    submit();
  });
  byId("composer").addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });
  // Cancel appears where Send was, so the second click of a double click must not count.
  byId("cancel").addEventListener("click", (event) => event.detail > 1 || running?.abort());
  byId("new-conversation").addEventListener("click", newConversation);
  byId("history").addEventListener("click", choose);
  byId("older").addEventListener("click", () => loadHistory(HISTORY_MOST).catch(showPageError));
  field.disabled = byId("send", HTMLButtonElement).disabled = false;
  field.focus();
}

async function loadCollections() {
  /** @type {CollectionsView} */
  const { collections } = await request("GET", "/v1/collections");
  const box = byId("collections");
  box.hidden = collections.length < 2;
  if (box.hidden) return;
  const choices = collections.map(({ name }) => {
    const props = { type: "checkbox", name: "collection", value: name, onchange: describeChoice };
    return el("label", {}, el("input", props), " ", name);
  });
  fill(byId("collection-choices"), choices);
  describeChoice();
  closeCollectionsOutside();
}

function closeCollectionsOutside() {
  const box = byId("collections", HTMLDetailsElement);
  document.addEventListener("click", (event) => {
    if (event.target instanceof Node && !box.contains(event.target)) box.open = false;
  });
  box.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !box.open) return;
    box.open = false;
    box.querySelector("summary")?.focus();
  });
}

function chosenCollections() {
  const inputs = [...byId("collection-choices").querySelectorAll("input")];
  return inputs.filter((input) => input.checked).map((input) => input.value);
}

function describeChoice() {
  const chosen = chosenCollections();
  setText(byId("collection-summary"), chosen.length ? listed(chosen) : "all collections");
}

/** @param {number} limit */
async function loadHistory(limit) {
  /** @type {AnswersView} */
  const { answers } = await request("GET", `/v1/answers?limit=${limit}`);
  // A question asked while the history was loading is already on the page.
  /** @param {string} id */
  const shown = (id) => document.querySelector(`[data-answer-id="${CSS.escape(id)}"]`);
  const old = answers.filter((answer) => !shown(answer.answer_id));
  const items = old.reverse().map((answer) => {
    const exchange = new Exchange(answer.question, answer.created_at);
    exchange.settle(answer, { quiet: true });
    return exchange.node;
  });
  byId("history").prepend(...items);
  byId("older").hidden = answers.length < HISTORY_LIMIT || limit === HISTORY_MOST;
  showEmpty();
  byId("history").setAttribute("aria-busy", "false");
}

function showEmpty() {
  byId("empty").hidden = byId("history").children.length > 0;
}

/** Before the first question: what there is to ask about. */
async function loadTitles() {
  /** @type {DocumentsView} */
  const { documents, total } = await request("GET", `/v1/documents?limit=${TITLES_SHOWN}`);
  const titles = documents.filter((item) => item.state === "ready").map((item) => item.title);
  if (!titles.length) return setText(byId("about"), "There are no documents to search yet.");
  setText(byId("about"), `You can ask about ${plural(total, "document")}:`);
  const more = total > documents.length && el("li", { class: "muted" }, "and others");
  fill(
    byId("titles"),
    titles.map((title) => el("li", { dir: "auto" }, title)),
    more,
  );
}

function submit() {
  const field = questionField();
  const question = field.value.trim();
  if (running) return announce("Please wait for the running question, or cancel it.");
  if (!question) return announce("Please write a question.");
  field.value = "";
  begin(question);
}

/** @param {MouseEvent} event */
function choose({ target }) {
  const button = target instanceof Element && target.closest("button[data-question]");
  if (!(button instanceof HTMLElement)) return;
  if (running) return announce("Please wait for the running question, or cancel it.");
  begin(button.dataset.question ?? "");
}

/** @param {string} question */
function begin(question) {
  const exchange = new Exchange(question, new Date().toISOString());
  byId("history").append(exchange.node);
  showEmpty();
  questionField().focus();
  run(exchange, { question, collections: chosenCollections(), previous, key: randomKey() });
}

function newConversation() {
  follow(null);
  byId("history").append(el("li", { class: "divider" }, "New conversation"));
  announce("The next question starts a new conversation.");
  questionField().focus();
}

/** @param {string | null} answerId */
function follow(answerId) {
  previous = answerId;
  saveThread(me, answerId);
  byId("new-conversation").hidden = answerId === null;
}

/**
 * Runs a question; a repetition passes the same `asked`, so that it is never asked twice.
 * @param {Exchange} exchange
 * @param {Asked} asked
 */
async function run(exchange, asked) {
  if (running) return;
  const controller = new AbortController();
  setRunning(controller);
  unsentQuestion.save(asked.question);
  exchange.progress();
  scrollToEnd();
  const listener = {
    onStage: (/** @type {string} */ stage) => exchange.progress(stage),
    onSentence: (/** @type {Parameters<Exchange["arrive"]>[0]} */ sentence) =>
      keepInView(exchange, () => exchange.arrive(sentence)),
  };
  try {
    const answer = await ask(asked, listener, controller.signal);
    follow(answer.answer_id);
    keepInView(exchange, () => exchange.settle(answer));
  } catch (error) {
    keepInView(exchange, () => showFailure(exchange, asked, error));
  } finally {
    setRunning(null);
    unsentQuestion.save(questionField().value);
  }
}

/**
 * @param {Exchange} exchange
 * @param {Asked} asked
 * @param {unknown} error
 */
function showFailure(exchange, asked, error) {
  const again = () => run(exchange, asked);
  /** @type {Action} */
  const edit = ["Edit the question", () => editAgain(exchange, asked.question)];
  if (isAbort(error)) {
    exchange.fail("You cancelled this question.", [["Ask again", again], edit], { tone: "calm" });
  } else if (error instanceof ApiError) {
    exchange.fail(error.message, error.retryable ? [["Try again", again], edit] : [edit], error);
  } else {
    throw error;
  }
}

/**
 * @param {Exchange} exchange
 * @param {string} question
 */
function editAgain(exchange, question) {
  exchange.node.remove();
  showEmpty();
  questionField().value = question;
  unsentQuestion.save(question);
  questionField().focus();
}

/** @param {AbortController | null} controller */
function setRunning(controller) {
  running = controller;
  const [send, cancel] = [byId("send", HTMLButtonElement), byId("cancel", HTMLButtonElement)];
  send.disabled = Boolean(controller);
  send.classList.toggle("vanished", Boolean(controller));
  cancel.classList.toggle("vanished", !controller);
  cancel.disabled = !controller;
}

/** @param {ScrollBehavior} behavior */
function scrollToEnd(behavior = "auto") {
  const transcript = byId("transcript");
  transcript.scrollTo({ top: transcript.scrollHeight, behavior });
}

/**
 * Scrolls to what `change` shows, unless the reader has scrolled away from it.
 * @param {Exchange} exchange
 * @param {() => void} change
 */
function keepInView(exchange, change) {
  const end = byId("transcript").getBoundingClientRect().bottom;
  const seen = exchange.node.getBoundingClientRect().top < end;
  change();
  if (seen) exchange.node.scrollIntoView({ block: "nearest" });
}

main().catch(showPageError);
