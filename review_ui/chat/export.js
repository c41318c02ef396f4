// @ts-check
// A conversation as a text to keep: questions, answers with their sources, and what became of them.

import { moment } from "../shared/format.js";
import { copyText, releaseWords } from "./answer.js";

/** @import { AnswerView, ConversationBody } from "../shared/wire.d.ts" */

/**
 * @param {Pick<ConversationBody, "title" | "answers">} conversation
 */
export function conversationText({ title, answers }) {
  const parts = answers.map(exchangeText);
  return `${[`# ${oneLine(title)}`, ...parts].join("\n\n")}\n`;
}

/** @param {AnswerView} answer */
function exchangeText(answer) {
  const asked = `## ${oneLine(answer.question) || "Erased"}\n\n${moment(answer.created_at)}`;
  if (answer.status !== "released" || !answer.answer) return `${asked}\n\n${answer.message}`;
  return `${asked}\n\n${copyText(answer)}\n\n${releaseWords(answer)}`;
}

/** @param {string} text */
function oneLine(text) {
  return text.replace(/\s+/g, " ").trim();
}

/**
 * A name that every file system takes.
 * @param {string} title
 */
export function fileName(title) {
  const words = title.normalize("NFKC").match(/[\p{L}\p{N}]+/gu) ?? [];
  return `${words.slice(0, 8).join("-").slice(0, 80) || "conversation"}.md`;
}
