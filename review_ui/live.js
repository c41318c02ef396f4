// Keeps held answers up to date: streams for the newest ones, polling for the rest.

import { request } from "./api.js";
import { isFinal } from "./answer.js";

// A browser opens about six connections to one site; streams must leave room for questions.
const MAX_STREAMS = 2;
const POLL_MS = 15_000;

const watched = new Map();
let timer = null;

/** Calls `onAnswer` whenever the answer changes, until its status is final. */
export function watchAnswer(answerId, onAnswer) {
  watched.set(answerId, { onAnswer, source: null });
  timer ??= setInterval(poll, POLL_MS);
  balance();
}

// Hidden tabs poll, so that several open tabs do not use up the connections.
document.addEventListener("visibilitychange", () => {
  balance();
  if (!document.hidden) poll();
});

function balance() {
  const newest = [...watched.keys()].slice(-MAX_STREAMS);
  for (const [answerId, watch] of watched) {
    if (!document.hidden && newest.includes(answerId)) watch.source ??= openStream(answerId, watch);
    else closeStream(watch);
  }
}

function openStream(answerId, watch) {
  const source = new EventSource(`/v1/answers/${encodeURIComponent(answerId)}/events`);
  source.addEventListener("answer", (event) => deliver(answerId, JSON.parse(event.data)));
  // EventSource reconnects by itself unless the server refused; then the next poll tries anew.
  source.addEventListener("error", () => {
    if (source.readyState === EventSource.CLOSED) closeStream(watch);
  });
  return source;
}

function closeStream(watch) {
  watch.source?.close();
  watch.source = null;
}

function deliver(answerId, answer) {
  const watch = watched.get(answerId);
  if (!watch) return;
  if (isFinal(answer)) stop(answerId);
  watch.onAnswer(answer);
}

function stop(answerId) {
  closeStream(watched.get(answerId));
  watched.delete(answerId);
  balance();
}

async function poll() {
  for (const [answerId, watch] of [...watched]) {
    if (watch.source?.readyState === EventSource.OPEN) continue;
    try {
      deliver(answerId, await request("GET", `/v1/answers/${encodeURIComponent(answerId)}`));
    } catch (error) {
      if (error.status === 404) stop(answerId);
    }
  }
  balance();
}
