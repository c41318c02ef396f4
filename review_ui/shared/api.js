// @ts-check
// Talks to the service: one error form, the CSRF token, sign-in, and the streamed question.

import { takeEarly } from "./early.js";
import { dropKept, keepFor } from "./kept.js";
import { readEvents } from "./sse.js";

/** @import { AnswerView, ArrivingSentence, ErrorView, SessionView } from "./wire.d.ts" */
/** @typedef {{body?: unknown, headers?: Record<string, string>, signal?: AbortSignal}} Options */
/** @typedef {{onStage: (stage: string) => void, onSentence: (said: ArrivingSentence) => void}} Listener */
/** @typedef {{question: string, collections: string[], previous?: string | null, key: string}} Asked */

const IN_PROGRESS_PATIENCE_MS = 60_000;

let csrfToken = "";
let leaving = false;

/** A request that failed; `message` is for people, `code` is stable. */
export class ApiError extends Error {
  /**
   * @param {Partial<ErrorView> & {code: string, message: string}} wire
   * @param {{status?: number, retryAfter?: number}} [reply]
   */
  constructor({ code, message, retryable, request_id }, { status = 0, retryAfter = 0 } = {}) {
    super(message);
    this.code = code;
    this.retryable = retryable ?? false;
    this.requestId = request_id ?? "";
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

/**
 * Sends a request and returns its JSON (null when there is no body). Throws `ApiError`.
 * @param {string} method
 * @param {string} path
 * @param {Options} [options]
 */
export async function request(method, path, options = {}) {
  const response = await send(method, path, options);
  return response.status === 204 ? null : parseJson(await response.text(), response.status);
}

/**
 * The signed-in principal, or null.
 * @returns {Promise<SessionView | null>}
 */
export async function loadSession() {
  try {
    const response = await exchange("GET", "/v1/session", {});
    const session = await response.json();
    csrfToken = session.csrf_token;
    keepFor(session.name);
    return session;
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) return null;
    throw error;
  }
}

/** The signed-in principal; goes to the sign-in page when there is none. */
export async function requireSession() {
  return (await loadSession()) ?? leaveForLogin(false);
}

/**
 * @param {string} username
 * @param {string} password
 * @returns {Promise<SessionView>}
 */
export async function signIn(username, password) {
  const response = await exchange("POST", "/v1/session", { body: { username, password } });
  return response.json();
}

export async function signOut() {
  await request("DELETE", "/v1/session");
  dropKept();
  location.assign("/login");
}

/**
 * Sends a form with a file, and tells how much of it is sent. Throws `ApiError`.
 * @param {"POST" | "PUT"} method
 * @param {string} path
 * @param {FormData} form
 * @param {(sent: number, size: number) => void} onProgress
 * @returns {Promise<unknown>}
 */
export async function upload(method, path, form, onProgress) {
  // Another tab may have signed in again. It is asked before: a long file that is refused on its way
  // looks like a lost connection.
  if (!(await loadSession())) return leaveForLogin();
  return sendForm(method, path, form, onProgress);
}

/**
 * @param {"POST" | "PUT"} method
 * @param {string} path
 * @param {FormData} form
 * @param {(sent: number, size: number) => void} onProgress
 * @returns {Promise<unknown>}
 */
function sendForm(method, path, form, onProgress) {
  // Only this older interface tells of progress.
  const sending = new XMLHttpRequest();
  return new Promise((resolve, reject) => {
    sending.open(method, path);
    sending.setRequestHeader("Accept", "application/json");
    if (csrfToken) sending.setRequestHeader("X-CSRF-Token", csrfToken);
    sending.upload.addEventListener("progress", ({ loaded, total }) => onProgress(loaded, total));
    sending.addEventListener("error", () => reject(asApiError(null)));
    sending.addEventListener("load", () => {
      const response = new Response(sending.response || null, { status: sending.status || 500 });
      if (response.ok) response.json().then(resolve, reject);
      else if (response.status === 401) leaveForLogin();
      else errorOf(response).then(reject);
    });
    sending.send(form);
  });
}

/**
 * Asks and returns the answer. `key` makes a repetition safe: the same key never asks twice.
 * `previous` is the id of the answer that the question follows, or null.
 * Throws `ApiError`, or `AbortError` when cancelled.
 * @param {Asked} asked
 * @param {Listener} listener
 * @param {AbortSignal} signal
 * @returns {Promise<AnswerView>}
 */
export async function ask({ question, collections, previous, key }, listener, signal) {
  const body = {
    question,
    ...(collections.length > 0 && { collections }),
    ...(previous && { previous_answer_id: previous }),
  };
  const headers = { Accept: "text/event-stream", "Idempotency-Key": key };
  const response = await whenFree(() => send("POST", "/v1/ask", { body, headers, signal }), signal);
  if (!response.body || !response.headers.get("Content-Type")?.startsWith("text/event-stream")) {
    return parseJson(await response.text(), response.status);
  }
  try {
    return await lastAnswer(response.body, listener);
  } catch (error) {
    throw asApiError(error);
  }
}

/** Whether the page is being left because the sign-in has ended. */
export function isLeaving() {
  return leaving;
}

/** A random key of 32 digits; `crypto.randomUUID` exists only on HTTPS and localhost. */
export function randomKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * @param {string} method
 * @param {string} path
 * @param {Options} options
 */
async function send(method, path, options) {
  try {
    return await exchange(method, path, options);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.status === 401) return leaveForLogin();
    if (error.code !== "csrf_failed") throw error;
    // Another tab signed in again; the refused request has not run, so it may be repeated once.
    if (!(await loadSession())) return leaveForLogin();
    return exchange(method, path, options);
  }
}

/**
 * Sends a request as it is, also when nobody is signed in. Throws `ApiError`.
 * @param {string} method
 * @param {string} path
 * @param {Options} options
 */
export async function exchange(method, path, { body, headers = {}, signal }) {
  const all = new Headers({ Accept: "application/json", ...headers });
  if (body !== undefined) all.set("Content-Type", "application/json");
  if (method !== "GET" && csrfToken) all.set("X-CSRF-Token", csrfToken);
  /** @type {RequestInit} */
  const init = { method, cache: "no-store", headers: all };
  if (signal) init.signal = signal;
  if (body !== undefined) init.body = JSON.stringify(body);
  const early = method === "GET" ? takeEarly(path) : undefined;
  const response = await (early ?? fetch(path, init)).catch((error) => {
    throw asApiError(error);
  });
  if (!response.ok) throw await errorOf(response);
  return response;
}

/** @param {Response} response */
async function errorOf(response) {
  const wire = await response.json().catch(() => ({}));
  const unknown = {
    code: "unknown",
    message: `The service answered with status ${response.status}.`,
    retryable: response.status >= 500,
  };
  const retryAfter = Number(response.headers.get("Retry-After")) || 0;
  return new ApiError({ ...unknown, ...wire }, { status: response.status, retryAfter });
}

/** @param {unknown} error */
function asApiError(error) {
  if (error instanceof ApiError || isAbort(error)) return error;
  const message = "The connection to the service was lost.";
  return new ApiError({ code: "connection_lost", message, retryable: true });
}

/**
 * True for what a cancelled request throws.
 * @param {unknown} error
 */
export function isAbort(error) {
  return error instanceof DOMException && error.name === "AbortError";
}

/**
 * What went wrong, for people.
 * @param {unknown} error
 */
export function messageOf(error) {
  return error instanceof Error ? error.message : String(error);
}

/**
 * @param {string} text
 * @param {number} status
 */
function parseJson(text, status) {
  try {
    return JSON.parse(text);
  } catch {
    const message = "This page cannot read what the service sent.";
    throw new ApiError({ code: "unreadable", message, retryable: true }, { status });
  }
}

/**
 * Repeats while an earlier request with the same key is still running.
 * @param {() => Promise<Response>} attempt
 * @param {AbortSignal} signal
 */
async function whenFree(attempt, signal) {
  const giveUp = Date.now() + IN_PROGRESS_PATIENCE_MS;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      const busy = error instanceof ApiError && error.code === "request_in_progress";
      if (!busy || Date.now() > giveUp) throw error;
      await pause((error.retryAfter || 2) * 1000, signal);
    }
  }
}

/**
 * @param {number} milliseconds
 * @param {AbortSignal} signal
 */
function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}

/**
 * @param {ReadableStream<Uint8Array<ArrayBuffer>>} body
 * @param {Listener} listener
 */
async function lastAnswer(body, { onStage, onSentence }) {
  for await (const { event, data } of readEvents(body)) {
    const value = parseJson(data, 200);
    if (event === "stage") onStage(value.stage);
    if (event === "sentence") onSentence(value);
    if (event === "answer") return value;
    if (event === "error") throw new ApiError(value);
  }
  const message = "The connection ended before the answer arrived.";
  throw new ApiError({ code: "connection_lost", message, retryable: true });
}

/**
 * Never settles: the page is being left, so nothing may happen on it any more. `ended`: somebody
 * was signed in here until now, which the sign-in page says.
 * @returns {Promise<never>}
 */
function leaveForLogin(ended = true) {
  if (!leaving) {
    // Once: several requests end at the same time, and each way there would break off the one before.
    leaving = true;
    const next = location.pathname + location.search + location.hash;
    location.replace(`/login?next=${encodeURIComponent(next)}${ended ? "&ended=1" : ""}`);
  }
  return new Promise(() => {});
}
