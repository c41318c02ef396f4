// @ts-check
// Keeps held answers up to date: streams for the newest ones, polling for the rest.

import { ApiError, request } from "../shared/api.js";
import { isFinal } from "./answer.js";

/** @import { AnswerView, ConversationBody } from "../shared/wire.d.ts" */
/** @typedef {{onAnswer: (answer: AnswerView) => void, source: EventSource | null}} Watch */

// A browser opens about six connections to one site; streams must leave room for questions.
const MAX_STREAMS = 2;
const POLL_MS = 15_000;

/** @type {Map<string, Watch>} */
const watched = new Map();
// What is out may be corrected or withdrawn; one request now and then asks for all of the open
// conversation: the newest answers of the person may be of others.
/** @type {Map<string, Watch["onAnswer"]>} */
const shown = new Map();
/** Where the answers of the open conversation are; null: it has none yet.
 * @type {string | null} */
let open = null;
let polling = false;

/**
 * Calls `onAnswer` whenever the answer changes, until its status is final.
 * @param {string} answerId
 * @param {Watch["onAnswer"]} onAnswer
 */
export function watchAnswer(answerId, onAnswer) {
  // A conversation that is opened again shows it anew; the stream of before would stay open for ever.
  const before = watched.get(answerId);
  if (before) closeStream(before);
  watched.delete(answerId); // it is among the newest now
  watched.set(answerId, { onAnswer, source: null });
  if (!polling) beginPolling();
  balance();
}

/**
 * Calls `onAnswer` now and then with the answer as it is, also when it was released.
 * @param {string} answerId
 * @param {Watch["onAnswer"]} onAnswer
 */
export function watchReleased(answerId, onAnswer) {
  shown.set(answerId, onAnswer);
  if (!polling) beginPolling();
}

/**
 * Another conversation is open: nothing of the one before is shown any more.
 * @param {string | null} path
 */
export function watchConversation(path) {
  if (path === open) return;
  open = path;
  shown.clear();
}

async function pollShown() {
  if (document.hidden || !shown.size || open === null) return;
  const limit = Math.min(shown.size, 100);
  /** @type {ConversationBody} */
  const { answers } = await request("GET", `${open}?limit=${limit}`);
  for (const answer of answers) {
    if (!watched.has(answer.answer_id)) shown.get(answer.answer_id)?.(answer);
  }
}

function beginPolling() {
  polling = true;
  setInterval(poll, POLL_MS);
  // A lost connection is tried again at the next turn.
  setInterval(() => pollShown().catch(() => {}), POLL_MS);
  // Hidden tabs poll, so that several open tabs do not use up the connections.
  document.addEventListener("visibilitychange", () => {
    balance();
    if (document.hidden) return;
    poll();
    pollShown().catch(() => {});
  });
}

function balance() {
  const newest = [...watched.keys()].slice(-MAX_STREAMS);
  for (const [answerId, watch] of watched) {
    if (!document.hidden && newest.includes(answerId)) watch.source ??= openStream(answerId, watch);
    else closeStream(watch);
  }
}

/** @param {string} answerId */
function pathOf(answerId) {
  return `/v1/answers/${encodeURIComponent(answerId)}`;
}

/**
 * @param {string} answerId
 * @param {Watch} watch
 */
function openStream(answerId, watch) {
  const source = new EventSource(`${pathOf(answerId)}/events`);
  source.addEventListener("answer", (event) => deliver(answerId, JSON.parse(event.data)));
  // EventSource reconnects by itself unless the server refused; then the next poll tries anew.
  source.addEventListener("error", () => {
    if (source.readyState === EventSource.CLOSED) closeStream(watch);
  });
  return source;
}

/** @param {Watch} watch */
function closeStream(watch) {
  watch.source?.close();
  watch.source = null;
}

/**
 * @param {string} answerId
 * @param {AnswerView} answer
 */
function deliver(answerId, answer) {
  const watch = watched.get(answerId);
  if (!watch) return;
  if (isFinal(answer)) stop(answerId, watch);
  watch.onAnswer(answer);
}

/**
 * @param {string} answerId
 * @param {Watch} watch
 */
function stop(answerId, watch) {
  closeStream(watch);
  watched.delete(answerId);
  balance();
}

async function poll() {
  for (const [answerId, watch] of [...watched]) {
    if (watch.source?.readyState === EventSource.OPEN) continue;
    try {
      deliver(answerId, await request("GET", pathOf(answerId)));
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) stop(answerId, watch);
    }
  }
  balance();
}
