// @ts-check
// A visit: its token, what it asks, and the answers that it follows.

import { ApiError, exchange, randomKey } from "../shared/api.js";
import { readEvents } from "../shared/sse.js";

/** @import { AnswerView } from "../shared/wire.d.ts" */
/** @typedef {{token: string, answers: string[]}} Kept */
/** @typedef {{user?: string, issued?: number, signature?: string}} Who */
/** @typedef {Pick<Storage, "getItem" | "setItem">} Keeper where a tab keeps a visit */

const AGAIN_MS = 5000;
const MOST_KEPT = 20;

/** One visitor of one widget. */
export class Visit {
  /**
   * @param {string} key
   * @param {Who} who
   * @param {Keeper} storage
   */
  constructor(key, who, storage) {
    this.path = `/v1/widget/${encodeURIComponent(key)}`;
    this.who = who;
    this.storage = storage;
    this.place = `countersign.visit.${key}`;
    /** @type {Kept} */
    this.kept = { token: "", answers: [] };
  }

  /**
   * Begins, or goes on with what this tab asked before; returns those answers.
   * @returns {Promise<AnswerView[]>}
   */
  async begin() {
    this.kept = (!this.who.user && readKept(this.storage, this.place)) || this.kept;
    if (this.kept.token) {
      const found = await Promise.allSettled(this.kept.answers.map((id) => this.answer(id)));
      const answers = found.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
      if (answers.length === found.length) return answers;
    }
    await this.renew();
    return [];
  }

  /**
   * @param {string} question
   * @param {string | null} previous
   * @returns {Promise<AnswerView>}
   */
  async ask(question, previous) {
    const body = { question, ...(previous && { previous_answer_id: previous }) };
    const key = randomKey();
    const send = () =>
      this.send("POST", "/questions", { body, headers: { "Idempotency-Key": key } });
    const response = await send().catch(async (error) => {
      if (!(error instanceof ApiError) || error.status !== 401) throw error;
      await this.renew(); // the visit has ended; what was asked in it is no longer ours
      delete body.previous_answer_id;
      return send();
    });
    /** @type {AnswerView} */
    const answer = await response.json();
    this.keep({ ...this.kept, answers: [...this.kept.answers, answer.answer_id] });
    return answer;
  }

  /**
   * @param {string} id
   * @returns {Promise<AnswerView>}
   */
  async answer(id) {
    return (await this.send("GET", `/answers/${encodeURIComponent(id)}`)).json();
  }

  /**
   * Tells of an answer until it is final, also over lost connections.
   * @param {string} id
   * @param {(answer: AnswerView) => boolean} tell false: there is nothing more to wait for
   */
  async follow(id, tell) {
    for (;;) {
      try {
        const path = `/answers/${encodeURIComponent(id)}/events`;
        const { body } = await this.send("GET", path);
        if (!body) return;
        for await (const { event, data } of readEvents(body)) {
          if (event === "error" || !tell(JSON.parse(data))) return;
        }
      } catch (error) {
        if (error instanceof ApiError && error.status >= 400 && !error.retryable) return;
      }
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }

  async renew() {
    const response = await exchange("POST", `${this.path}/visits`, { body: this.who });
    const { token } = await response.json();
    this.keep({ token, answers: [] });
  }

  /** @param {Kept} kept */
  keep(kept) {
    this.kept = { ...kept, answers: kept.answers.slice(-MOST_KEPT) };
    if (!this.who.user) this.storage.setItem(this.place, JSON.stringify(this.kept));
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {{body?: unknown, headers?: Record<string, string>}} [options]
   */
  send(method, path, { body, headers = {} } = {}) {
    const all = { ...headers, Authorization: `Bearer ${this.kept.token}` };
    return exchange(method, this.path + path, { body, headers: all });
  }
}

/**
 * Keeps a visit with the site around the frame, where the browser gives frames of other sites no
 * storage: the site hands over what it kept, and is told of changes.
 * @param {string | null} kept
 * @param {(value: string) => void} tell
 * @returns {Keeper}
 */
export function keptBySite(kept, tell) {
  return { getItem: () => kept, setItem: (_place, value) => tell(value) };
}

/**
 * What a tab kept; null where that is nothing that this page wrote.
 * @param {Keeper} storage
 * @param {string} place
 * @returns {Kept | null}
 */
function readKept(storage, place) {
  try {
    const kept = JSON.parse(storage.getItem(place) ?? "null");
    const fits = typeof kept?.token === "string" && Array.isArray(kept.answers);
    return fits ? { token: kept.token, answers: kept.answers.map(String) } : null;
  } catch {
    return null;
  }
}

/**
 * Who visits, as the site's page says behind the "#".
 * @param {string} hash
 * @returns {Who}
 */
export function whoVisits(hash) {
  const told = new URLSearchParams(hash.replace(/^#/, ""));
  const [user, signature] = [told.get("user"), told.get("signature")];
  if (!user || !signature) return {};
  return { user, issued: Number(told.get("issued")) || 0, signature };
}
