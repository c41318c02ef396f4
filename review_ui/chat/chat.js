// @ts-check
// The chat page: history, composer, and one running question at a time.

import {
  ApiError,
  ask,
  isAbort,
  messageOf,
  randomKey,
  request,
  requireSession,
} from "../shared/api.js";
import { announce, byId, el, fill, setText, showingMore } from "../shared/dom.js";
import { age, listed } from "../shared/format.js";
import { explainNoAccess, mountHeader, showPageError } from "../shared/header.js";
import { keep, loadKept } from "../shared/kept.js";
import { before, questionProblem } from "../shared/question.js";
import { TOUCHED } from "../shared/touch.js";
import { loadConversations, mountConversations, opened, pathOf } from "./conversations.js";
import { Exchange } from "./exchange.js";
import { watchConversation } from "./live.js";
import { NEWS } from "./news.js";
import { mountPanel } from "./panel.js";
import { loadThread, saveThread } from "./thread.js";

/** @import { AnswerView, CollectionsView, ConversationBody } from "../shared/wire.d.ts" */
/** @import { SuggestionsView } from "../shared/wire.d.ts" */
/** @import { Asked } from "../shared/api.js" */
/** @import { Action } from "./exchange.js" */

/** Answers of a conversation that are loaded at once. */
const TURNS = 20;
/** How often it is said anew how long ago something was asked. */
const AGES_MS = 30_000;
/** How often suggestions are asked for while they are being tried, and every how many ms. */
const SUGGESTED_TIMES = 6;
const SUGGESTED_MS = 2500;
/** A question typed but not answered yet. */
const UNSENT = "question";
const ONE_AT_A_TIME = "Please wait for the running question, or cancel it.";
const STOPPED = "That question was stopped because you left it. It stands here again.";
/** So near to its end, in pixels, the transcript is read at its end. */
const NEAR_PX = 8;

/** @type {AbortController | null} */
let running = null;
/**
 * The answer that the next question follows; null begins a conversation.
 * @type {string | null}
 */
let previous = null;
/**
 * The open conversation; null: the next question begins one.
 * @type {string | null}
 */
let conversation = null;
/** Whether it is known what the next question follows: the answers of the conversation are there. */
let isLoaded = true;
let me = "";

const context = {
  current: () => conversation,
  deleted: () => newConversation(),
};

async function main() {
  const session = await requireSession();
  mountHeader(session);
  mountPanel();
  if (!session.roles.includes("asker")) {
    byId("composer").hidden = byId("sidebar").hidden = true;
    return explainNoAccess("This account cannot ask questions.");
  }
  me = session.name;
  const kept = loadThread(me);
  if (!location.hash && kept) history.replaceState(null, "", `#${kept}`);
  mountComposer();
  stayAtEnd();
  mountConversations(context);
  setInterval(growOlder, AGES_MS);
  document.addEventListener(NEWS, () => loadConversations(context));
  window.addEventListener("hashchange", () => openNamed().catch(showPageError));
  await Promise.all([loadCollections(), loadConversations(context), openNamed()]);
}

/** Who waits for a reviewer has the page open for hours: what was asked then was not "just now". */
function growOlder() {
  for (const time of byId("history").querySelectorAll("time")) setText(time, age(time.dateTime));
}

function questionField() {
  return byId("question", HTMLTextAreaElement);
}

function mountComposer() {
  const field = questionField();
  field.value = loadKept(UNSENT);
  field.addEventListener("input", () => {
    keep(UNSENT, field.value);
    note("");
  });
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey) return;
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
  byId("older").addEventListener("click", () => {
    const wanted = conversation;
    if (wanted === null) return;
    showingMore(byId("older"), byId("history"), () => loadTurns(wanted), 0).catch(showPageError);
  });
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

/** Opens the conversation that the address names, or a new one. */
async function openNamed() {
  const wanted = location.hash.slice(1) || null;
  if (wanted === conversation && wanted !== null) return;
  running?.abort();
  fill(byId("page-error")); // it was about what was open before
  fill(byId("history"));
  begin(wanted, null);
  isLoaded = wanted === null;
  byId("older").hidden = true;
  if (wanted !== null) byId("empty").hidden = true;
  try {
    if (wanted !== null) await loadTurns(wanted);
  } finally {
    byId("history").setAttribute("aria-busy", "false");
  }
  showEmpty();
  opened(context);
  scrollToEnd("instant");
  if (!byId("empty").hidden) await loadSuggestions();
}

/**
 * The newest answers of a conversation, or those before the first that is shown.
 * @param {string} wanted
 */
async function loadTurns(wanted) {
  const first = firstShown();
  const before = first ? `&before=${first}` : "";
  try {
    /** @type {ConversationBody} */
    const found = await request("GET", `${pathOf(wanted)}?limit=${TURNS}${before}`);
    // A second press asks for the same ones: they stand there by then.
    if (wanted !== conversation || first !== firstShown()) return;
    byId("history").prepend(...found.answers.map(settled));
    byId("older").hidden = !found.more;
    if (first) return;
    begin(wanted, found.answers.at(-1)?.answer_id ?? null);
    isLoaded = true;
  } catch (error) {
    if (wanted !== conversation) return; // left meanwhile
    if (!(error instanceof ApiError) || error.status !== 404) throw error;
    history.replaceState(null, "", location.pathname); // deleted, or somebody else's
    begin(null, null);
    isLoaded = true;
  }
}

/**
 * What a question follows in the open conversation; one that could not be loaded is loaded first, or
 * the question would begin another one.
 */
async function lastAnswer() {
  if (!isLoaded && conversation !== null) {
    await loadTurns(conversation);
    fill(byId("page-error"));
  }
  return previous;
}

/** The oldest answer that is shown. */
function firstShown() {
  return byId("history").querySelector("[data-answer-id]")?.getAttribute("data-answer-id");
}

/** @param {AnswerView} answer */
function settled(answer) {
  const exchange = new Exchange(answer.question, answer.created_at);
  exchange.settle(answer, { quiet: true });
  return exchange.node;
}

function showEmpty() {
  byId("empty").hidden = byId("history").children.length > 0;
}

/**
 * Before the first question: such as these documents answered before, or would now. What is still
 * being tried is asked for again.
 * @param {number} times
 */
async function loadSuggestions(times = SUGGESTED_TIMES) {
  /** @type {SuggestionsView} */
  const { questions, documents, complete } = await request("GET", "/v1/suggestions");
  if (!complete && times > 1) {
    const again = () => byId("empty").hidden || loadSuggestions(times - 1).catch(showPageError);
    setTimeout(again, SUGGESTED_MS);
  }
  const nothing = documents ? "" : "There are no documents to search yet.";
  setText(byId("about"), questions.length ? "For example:" : nothing);
  const items = questions.map((question) => {
    const props = { type: "button", class: "suggestion", dir: "auto", "data-testid": "suggestion" };
    const button = el("button", props, question);
    button.addEventListener("click", () => put(question));
    return el("li", {}, button);
  });
  fill(byId("suggestions"), items);
}

/**
 * Says what is the matter beside the field, and to screen readers.
 * @param {string} words
 */
function note(words) {
  setText(byId("ask-note"), words);
  if (words) announce(words);
}

function submit() {
  const field = questionField();
  const question = field.value.trim();
  const problem = running ? ONE_AT_A_TIME : questionProblem(question);
  if (problem) return note(problem);
  field.value = "";
  put(question);
}

/** @param {MouseEvent} event */
function choose({ target }) {
  const button = target instanceof Element && target.closest("button[data-question]");
  if (button instanceof HTMLElement) put(button.dataset.question ?? "", button.dataset.previous);
}

/**
 * Asks; what stands in the field stays.
 * @param {string} question
 * @param {string} [follows] the answer that the question follows, if it is not the last one
 */
function put(question, follows) {
  if (running) return note(ONE_AT_A_TIME);
  note("");
  const exchange = new Exchange(question, new Date().toISOString());
  byId("history").append(exchange.node);
  showEmpty();
  if (matchMedia(TOUCHED).matches)
    questionField().blur(); // its keyboard would hide the answer
  else questionField().focus();
  const key = randomKey();
  run(exchange, { question, collections: chosenCollections(), previous: follows, key });
}

function newConversation() {
  history.pushState(null, "", location.pathname);
  openNamed().catch(showPageError);
  announce("The next question starts a new conversation.");
  questionField().focus();
}

/**
 * @param {string | null} id of the conversation
 * @param {string | null} answerId the answer that the next question follows
 */
function begin(id, answerId) {
  conversation = id;
  previous = answerId;
  watchConversation(id && pathOf(id));
  saveThread(me, id);
  byId("new-conversation").hidden = id === null;
}

/**
 * The question was answered: a conversation is called after its first answer.
 * @param {AnswerView} answer
 */
function follow(answer) {
  const id = conversation ?? answer.answer_id;
  begin(id, answer.answer_id);
  history.replaceState(null, "", `#${id}`);
  loadConversations(context);
}

/**
 * Runs a question; a repetition passes the same `asked`, so that it is never asked twice. What it
 * follows is found out once.
 * @param {Exchange} exchange
 * @param {Asked} asked
 */
async function run(exchange, asked) {
  if (running) return;
  const controller = new AbortController();
  setRunning(controller);
  keep(UNSENT, before(asked.question, questionField().value));
  exchange.progress();
  scrollToEnd();
  const listener = {
    onStage: (/** @type {string} */ stage) => exchange.progress(stage),
    onSentence: (/** @type {Parameters<Exchange["arrive"]>[0]} */ sentence) =>
      keepInView(exchange, () => exchange.arrive(sentence)),
  };
  try {
    if (asked.previous === undefined) asked.previous = await lastAnswer();
    const answer = await ask(asked, listener, controller.signal);
    if (exchange.node.isConnected) follow(answer);
    keepInView(exchange, () => exchange.settle(answer));
  } catch (error) {
    if (exchange.node.isConnected) keepInView(exchange, () => showFailure(exchange, asked, error));
    else takeBack(asked.question, error);
  } finally {
    setRunning(null);
    keep(UNSENT, questionField().value);
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
  writeAgain(question);
}

/** @param {string} question */
function writeAgain(question) {
  const field = questionField();
  field.value = before(question, field.value);
  keep(UNSENT, field.value);
  field.focus();
}

/**
 * Who went to another conversation before the answer came has the question still.
 * @param {string} question
 * @param {unknown} error
 */
function takeBack(question, error) {
  writeAgain(question);
  note(isAbort(error) ? STOPPED : messageOf(error));
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
  // Before the first question the beginning counts: there is the way to earlier conversations.
  const top = byId("empty").hidden ? transcript.scrollHeight : 0;
  transcript.scrollTo({ top, behavior });
}

/**
 * What comes late, such as sections to read meanwhile, does not push the newest answer out of the
 * sight of who reads at the end. An answer that is higher than the screen is read from its top.
 */
function stayAtEnd() {
  const [transcript, history] = [byId("transcript"), byId("history")];
  const end = () => transcript.scrollHeight - transcript.clientHeight;
  let [reading, at] = [true, 0];
  transcript.addEventListener("scroll", () => {
    const { scrollTop } = transcript;
    // On its way down the page may be moving by itself, softly: that is no leaving the end.
    if (scrollTop >= end() - NEAR_PX) reading = true;
    else if (scrollTop < at) reading = false;
    at = scrollTop;
  });
  const grown = () => {
    const last = history.lastElementChild;
    if (!reading || !last) return;
    const top = last.getBoundingClientRect().top - transcript.getBoundingClientRect().top;
    transcript.scrollTo({ top: Math.min(end(), transcript.scrollTop + top), behavior: "instant" });
  };
  new ResizeObserver(grown).observe(history);
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
