// Talks to the service: one error form, the CSRF token, sign-in, and the streamed question.

import { readEvents } from "./sse.js";

const IN_PROGRESS_PATIENCE_MS = 60_000;
const DRAFT_KEY = "countersign.draft";

let csrfToken = "";

/** A request that failed; `message` is for people, `code` is stable. */
export class ApiError extends Error {
  constructor({ code, message, retryable = false, requestId = "", status = 0, retryAfter = 0 }) {
    super(message);
    Object.assign(this, { code, retryable, requestId, status, retryAfter });
  }
}

/** Sends a request and returns its JSON (null when there is no body). Throws `ApiError`. */
export async function request(method, path, { body, headers, signal } = {}) {
  const response = await send(method, path, { body, headers, signal });
  return response.status === 204 ? null : parseJson(await response.text(), response.status);
}

/** The signed-in principal, or null. */
export async function loadSession() {
  try {
    const response = await exchange("GET", "/v1/session", {});
    const session = await response.json();
    csrfToken = session.csrf_token;
    return session;
  } catch (error) {
    if (error.status === 401) return null;
    throw error;
  }
}

/** The signed-in principal; goes to the sign-in page when there is none. */
export async function requireSession() {
  return (await loadSession()) ?? leaveForLogin();
}

export async function signIn(username, password) {
  const response = await exchange("POST", "/v1/session", { body: { username, password } });
  return response.json();
}

export async function signOut() {
  await request("DELETE", "/v1/session");
  unsentQuestion.clear();
  location.assign("/login");
}

/**
 * Asks and returns the answer. `key` makes a repetition safe: the same key never asks twice.
 * `previous` is the id of the answer that the question follows, or null.
 * `onStage` receives each stage's name, `onSentence` each sentence of a released answer. Throws `ApiError`, or `AbortError` when cancelled.
 */
export async function ask({ question, collections, previous, key, signal, onStage, onSentence }) {
  const body = { question };
  if (collections.length) body.collections = collections;
  if (previous) body.previous_answer_id = previous;
  const headers = { Accept: "text/event-stream", "Idempotency-Key": key };
  const response = await whenFree(() => send("POST", "/v1/ask", { body, headers, signal }), signal);
  if (!response.headers.get("Content-Type")?.startsWith("text/event-stream")) {
    return parseJson(await response.text(), response.status);
  }
  try {
    return await lastAnswer(response.body, onStage, onSentence);
  } catch (error) {
    throw asApiError(error);
  }
}

/** Where to go after signing in: a path on this site, otherwise `fallback`. */
export function safeNext(next, fallback = "/") {
  // Browsers drop tabs and line breaks and read "\" as "/", so "/\t/host" would leave the site.
  if (!next || !/^\/(?!\/)[\u0021-\u005B\u005D-\uFFFF]*$/.test(next)) return fallback;
  return /^\/login([/?#]|$)/.test(next) ? fallback : next;
}

/** A question typed but not answered yet: survives a forced sign-in in this tab. */
export const unsentQuestion = {
  load: () => sessionStorage.getItem(DRAFT_KEY) ?? "",
  save: (text) => sessionStorage.setItem(DRAFT_KEY, text),
  clear: () => sessionStorage.removeItem(DRAFT_KEY),
};

/** A random UUID; `crypto.randomUUID` exists only on HTTPS and localhost. */
export function randomKey() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function send(method, path, options) {
  try {
    return await exchange(method, path, options);
  } catch (error) {
    if (error.status === 401) return leaveForLogin();
    if (error.code !== "csrf_failed") throw error;
    // Another tab signed in again; the refused request has not run, so it may be repeated once.
    if (!(await loadSession())) return leaveForLogin();
    return exchange(method, path, options);
  }
}

async function exchange(method, path, { body, headers = {}, signal }) {
  const init = { method, signal, cache: "no-store", headers: { Accept: "application/json" } };
  if (body !== undefined) {
    init.body = JSON.stringify(body);
    init.headers["Content-Type"] = "application/json";
  }
  if (method !== "GET" && csrfToken) init.headers["X-CSRF-Token"] = csrfToken;
  Object.assign(init.headers, headers);
  let response;
  try {
    response = await fetch(path, init);
  } catch (error) {
    throw asApiError(error);
  }
  if (!response.ok) throw await errorOf(response);
  return response;
}

async function errorOf(response) {
  const wire = await response.json().catch(() => ({}));
  return new ApiError({
    code: wire.code ?? "unknown",
    message: wire.message ?? `The service answered with status ${response.status}.`,
    retryable: wire.retryable ?? response.status >= 500,
    requestId: wire.request_id,
    status: response.status,
    retryAfter: Number(response.headers.get("Retry-After")) || 0,
  });
}

function asApiError(error) {
  if (error instanceof ApiError || error.name === "AbortError") return error;
  const message = "The connection to the service was lost.";
  return new ApiError({ code: "connection_lost", message, retryable: true });
}

function parseJson(text, status) {
  try {
    return JSON.parse(text);
  } catch {
    const message = "The service sent something this page cannot read.";
    throw new ApiError({ code: "unreadable", message, retryable: true, status });
  }
}

/** Repeats while an earlier request with the same key is still running. */
async function whenFree(attempt, signal) {
  const giveUp = Date.now() + IN_PROGRESS_PATIENCE_MS;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (error.code !== "request_in_progress" || Date.now() > giveUp) throw error;
      await pause((error.retryAfter || 2) * 1000, signal);
    }
  }
}

function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}

async function lastAnswer(body, onStage, onSentence) {
  for await (const { event, data } of readEvents(body)) {
    const value = parseJson(data, 200);
    if (event === "stage") onStage(value.stage);
    if (event === "sentence") onSentence(value);
    if (event === "answer") return value;
    if (event === "error") throw new ApiError({ ...value, requestId: value.request_id });
  }
  const message = "The connection ended before the answer arrived.";
  throw new ApiError({ code: "connection_lost", message, retryable: true });
}

/** Never settles: the page is being left, so nothing may happen on it any more. */
function leaveForLogin() {
  const next = location.pathname + location.search + location.hash;
  location.replace(`/login?next=${encodeURIComponent(next)}`);
  return new Promise(() => {});
}
