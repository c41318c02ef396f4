// @ts-check
// A visit: its token, what it asks, and the answers that it follows.

import { ApiError, exchange, randomKey } from "../shared/api.js";
import { readEvents } from "../shared/sse.js";

/** @import { AnswersView, AnswerView } from "../shared/wire.d.ts" */
/** @typedef {{user?: string, issued?: number, signature?: string}} Who */
/** @typedef {Pick<Storage, "getItem" | "setItem">} Keeper where a tab keeps a visit */

const AGAIN_MS = 5000;
const TOKEN = /^cw_[\w.~=+-]+$/;
/** Answers of before that are shown. */
const MOST_SHOWN = 20;

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
    this.token = "";
  }

  /**
   * Begins, or goes on with what this tab or this user asked before; returns those answers, oldest
   * first.
   * @returns {Promise<AnswerView[]>}
   */
  async begin() {
    if (!this.who.user) this.token = readKept(this.storage, this.place);
    try {
      if (this.token) return await this.answers();
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 401) throw error;
    }
    await this.renew();
    return this.who.user ? this.answers() : [];
  }

  /** @returns {Promise<AnswerView[]>} */
  async answers() {
    /** @type {AnswersView} */
    const { answers } = await (await this.send("GET", `/answers?limit=${MOST_SHOWN}`)).json();
    return answers.reverse();
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
    return response.json();
  }

  /**
   * Tells of an answer until it is final, also over lost connections. Returns whether it will not
   * come any more: a visit ends before some answers are there.
   * @param {string} id
   * @param {(answer: AnswerView) => boolean} tell false: there is nothing more to wait for
   */
  async follow(id, tell) {
    for (;;) {
      try {
        if (await this.isHeard(id, tell)) return false;
      } catch (error) {
        if (error instanceof ApiError && !error.retryable) return true;
      }
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }

  /**
   * Follows an answer over one connection; returns whether there is nothing more to wait for.
   * @param {string} id
   * @param {(answer: AnswerView) => boolean} tell
   */
  async isHeard(id, tell) {
    const { body } = await this.send("GET", `/answers/${encodeURIComponent(id)}/events`);
    for await (const { event, data } of body ? readEvents(body) : []) {
      if (event === "error") throw new ApiError(JSON.parse(data));
      if (!tell(JSON.parse(data))) return true;
    }
    return false;
  }

  async renew() {
    const response = await exchange("POST", `${this.path}/visits`, { body: this.who });
    this.token = (await response.json()).token;
    // A user is found again by name.
    if (!this.who.user) this.storage.setItem(this.place, this.token);
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {{body?: unknown, headers?: Record<string, string>}} [options]
   */
  send(method, path, { body, headers = {} } = {}) {
    const all = { ...headers, Authorization: `Bearer ${this.token}` };
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
 * The token that a tab kept; "" where that is nothing that this page wrote.
 * @param {Keeper} storage
 * @param {string} place
 */
function readKept(storage, place) {
  const kept = storage.getItem(place) ?? "";
  return TOKEN.test(kept) ? kept : "";
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

/**
 * What a visitor is told while a person checks. Who is nobody that the site knows finds the answer
 * in this tab alone, so they are not told that they may leave.
 * @param {string} message of the service, or of the policy of its owner
 * @param {boolean} known whether the site has said who visits
 */
export function heldWords(message, known) {
  if (known) return message;
  const stays = message.replace(/\s*You can leave this page[^.]*\./, "");
  return `${stays} Please keep this page open: the answer appears here.`;
}

/**
 * What a visitor is told who waited longer than the visit lasts, or whose answer is gone. A site
 * signs its user anew with its page.
 * @param {boolean} known whether the site has said who visits
 */
export function endedWords(known) {
  return known
    ? "This visit has ended. Load this page anew to see the answer."
    : "This visit has ended, so the answer can no longer appear here. Please ask again.";
}
