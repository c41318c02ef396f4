// @ts-check
// A file under the name of a document that is there already: whether it replaces it is asked first.

import { request } from "../shared/api.js";
import { el, fill } from "../shared/dom.js";
import { clashWords, fileOf, freeName } from "./words.js";

/** @import { DocumentsView, DocumentView } from "../shared/wire.d.ts" */
/** @typedef {"replace" | "both" | "skip"} Choice */

/** @type {[Choice, string, string][]} */
const CHOICES = [
  ["replace", "Replace it", "Replace all"],
  ["both", "Keep both", "Keep both of all"],
  ["skip", "Leave it out", "Leave all out"],
];

/**
 * The document that an upload under this name would replace, or else one of this name in a folder.
 * @param {string} collection
 * @param {string} name
 */
export async function documentNamed(collection, name) {
  const params = new URLSearchParams({ collection, find: name.slice(0, 200), limit: "500" });
  /** @type {DocumentsView} */
  const { documents } = await request("GET", `/v1/documents?${params}`);
  const same = documents.find(({ source }) => source === name);
  return same ?? documents.find(({ source }) => fileOf(source) === name) ?? null;
}

/**
 * A name beside `name` that no document of the collection has: "fees (2).md".
 * @param {string} collection
 * @param {string} name
 */
export async function nameBeside(collection, name) {
  for (let number = 2; ; number += 1) {
    const free = freeName(name, number);
    if (!(await documentNamed(collection, free))) return free;
  }
}

/**
 * What asks, for each line or, where several wait, for all of them in `all`.
 * @param {HTMLElement} all
 */
export function clashes(all) {
  /** @type {Map<HTMLElement, (choice: Choice) => void>} */
  const waiting = new Map();
  const drawAll = () => {
    const words = `${waiting.size} of these files have the name of a document that is there.`;
    const decide = (/** @type {Choice} */ choice) => {
      for (const settle of [...waiting.values()]) settle(choice);
    };
    const buttons = CHOICES.map(([choice, , label]) => button(choice, label, decide));
    const props = { class: "notice warn", "data-testid": "clashes" };
    const row = el("div", { class: "row" }, buttons);
    fill(all, waiting.size > 1 && el("div", props, el("p", {}, words), row));
  };
  return {
    /**
     * @param {HTMLElement} words where it is asked
     * @param {DocumentView} found
     * @returns {Promise<Choice>}
     */
    ask(words, found) {
      return new Promise((done) => {
        const settle = (/** @type {Choice} */ choice) => {
          waiting.delete(words);
          drawAll();
          done(choice);
        };
        waiting.set(words, settle);
        const buttons = CHOICES.map(([choice, label]) => button(choice, label, settle));
        const open = el("a", { href: `#doc/${found.document_id}` }, "Open it");
        fill(words, el("span", { class: "flag warn" }, clashWords(found)), " ", open);
        words.append(el("span", { class: "row" }, buttons));
        drawAll();
      });
    },
  };
}

/**
 * @param {Choice} choice
 * @param {string} label
 * @param {(choice: Choice) => void} act
 */
function button(choice, label, act) {
  const props = { type: "button", class: "small", "data-testid": `clash-${choice}` };
  return el("button", { ...props, onclick: () => act(choice) }, label);
}
