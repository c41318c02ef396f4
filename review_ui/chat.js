// The chat page: history, composer, and one running question at a time.

import { ApiError, ask, randomKey, request, requireSession, unsentQuestion } from "./api.js";
import { announce, byId, el, fill, setText } from "./dom.js";
import { Exchange } from "./exchange.js";
import { listed } from "./format.js";
import { mountHeader, showPageError } from "./header.js";
import { mountPanel } from "./panel.js";

const EXAMPLES = [
  "How do I make a claim?",
  "How long is the cancellation period?",
  "What is not covered?",
  "Who do I contact after an accident?",
];
const HISTORY_LIMIT = 20;

let running = null;
/** The answer that the next question follows; null begins a conversation. */
let previous = null;

async function main() {
  const session = await requireSession();
  mountHeader(session);
  mountPanel();
  if (!session.roles.includes("asker")) return explainNoAsking(session);
  mountComposer();
  await Promise.all([loadCollections(), loadHistory()]);
  scrollToEnd("instant");
}

function explainNoAsking(session) {
  byId("composer").hidden = true;
  const link = session.roles.includes("reviewer") && el("a", { href: "/review" }, "Go to the review queue");
  fill(byId("empty"), el("h2", {}, "This account cannot ask questions"), link && el("p", {}, link));
  byId("empty").hidden = false;
}

function mountComposer() {
  const field = byId("question");
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
  const buttons = EXAMPLES.map((text) =>
    el("li", {}, el("button", { type: "button", class: "example", onclick: () => start(text) }, text)),
  );
  fill(byId("examples"), buttons);
  field.disabled = byId("send").disabled = false;
  field.focus();
}

async function loadCollections() {
  const { collections } = await request("GET", "/v1/collections");
  const box = byId("collections");
  box.hidden = collections.length < 2;
  if (box.hidden) return;
  const choices = collections.map(({ name }) => {
    const input = el("input", {
      type: "checkbox",
      name: "collection",
      value: name,
      onchange: describeChoice,
    });
    return el("label", {}, input, " ", name);
  });
  fill(byId("collection-choices"), choices);
  describeChoice();
  closeCollectionsOutside();
}

function closeCollectionsOutside() {
  const box = byId("collections");
  document.addEventListener("click", (event) => box.contains(event.target) || (box.open = false));
  box.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !box.open) return;
    box.open = false;
    box.querySelector("summary").focus();
  });
}

function chosenCollections() {
  const checked = byId("collection-choices").querySelectorAll("input:checked");
  return Array.from(checked, (input) => input.value);
}

function describeChoice() {
  const chosen = chosenCollections();
  setText(byId("collection-summary"), chosen.length ? listed(chosen) : "All collections");
}

async function loadHistory() {
  const { answers } = await request("GET", `/v1/answers?limit=${HISTORY_LIMIT}`);
  // A question asked while the history was loading is already on the page.
  const shown = (id) => document.querySelector(`[data-answer-id="${CSS.escape(id)}"]`);
  const old = answers.filter((answer) => !shown(answer.answer_id));
  const items = old.reverse().map((answer) => {
    const exchange = new Exchange(answer.question, answer.created_at);
    exchange.settle(answer, { quiet: true });
    return exchange.node;
  });
  byId("history").prepend(...items);
  byId("empty").hidden = byId("history").children.length > 0;
  byId("history").setAttribute("aria-busy", "false");
}

function submit() {
  const field = byId("question");
  const question = field.value.trim();
  if (running) return announce("Please wait for the running question, or cancel it.");
  if (!question) return announce("Please write a question.");
  field.value = "";
  start(question);
}

function start(question) {
  if (running) return;
  const exchange = new Exchange(question, new Date().toISOString());
  byId("empty").hidden = true;
  byId("history").append(exchange.node);
  byId("question").focus();
  run(exchange, { question, collections: chosenCollections(), previous, key: randomKey() });
}

function newConversation() {
  follow(null);
  byId("history").append(el("li", { class: "divider" }, "New conversation"));
  announce("The next question starts a new conversation.");
  byId("question").focus();
}

function follow(answerId) {
  previous = answerId;
  byId("new-conversation").hidden = answerId === null;
}

/** Runs a question; a repetition passes the same `asked`, so that it is never asked twice. */
async function run(exchange, asked) {
  if (running) return;
  setRunning(new AbortController());
  unsentQuestion.save(asked.question);
  exchange.progress();
  scrollToEnd();
  try {
    const onStage = (stage) => exchange.progress(stage);
    const onSentence = (sentence) => keepInView(exchange, () => exchange.arrive(sentence));
    const answer = await ask({ ...asked, signal: running.signal, onStage, onSentence });
    follow(answer.answer_id);
    keepInView(exchange, () => exchange.settle(answer));
  } catch (error) {
    keepInView(exchange, () => showFailure(exchange, asked, error));
  } finally {
    setRunning(null);
    unsentQuestion.save(byId("question").value);
  }
}

function showFailure(exchange, asked, error) {
  const again = ["Try again", () => run(exchange, asked)];
  const edit = ["Edit the question", () => editAgain(exchange, asked.question)];
  if (error.name === "AbortError") {
    exchange.fail("You cancelled this question.", [["Ask again", again[1]], edit], { tone: "calm" });
  } else if (error instanceof ApiError) {
    exchange.fail(error.message, error.retryable ? [again, edit] : [edit], error);
  } else {
    throw error;
  }
}

function editAgain(exchange, question) {
  exchange.node.remove();
  byId("empty").hidden = byId("history").children.length > 0;
  byId("question").value = question;
  unsentQuestion.save(question);
  byId("question").focus();
}

function setRunning(controller) {
  running = controller;
  byId("send").disabled = Boolean(controller);
  byId("send").classList.toggle("vanished", Boolean(controller));
  byId("cancel").classList.toggle("vanished", !controller);
  byId("cancel").disabled = !controller;
}

function scrollToEnd(behavior = "auto") {
  const transcript = byId("transcript");
  transcript.scrollTo({ top: transcript.scrollHeight, behavior });
}

/** Scrolls to what `change` shows, unless the reader has scrolled away from it. */
function keepInView(exchange, change) {
  const end = byId("transcript").getBoundingClientRect().bottom;
  const seen = exchange.node.getBoundingClientRect().top < end;
  change();
  if (seen) exchange.node.scrollIntoView({ block: "nearest" });
}

main().catch(showPageError);
