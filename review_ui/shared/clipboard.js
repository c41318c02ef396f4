// @ts-check
// Copies text, and says whether that worked.

import { announce, el } from "./dom.js";

const SHOWN_MS = 2000;

/**
 * A button that copies what `text` returns, and says so for a moment.
 * @param {string} label
 * @param {() => string} text
 */
export function copyButton(label, text) {
  const words = el("span", {}, label);
  const onclick = async () => {
    words.textContent = (await toClipboard(text())) ? "Copied" : "Could not copy";
    announce(words.textContent);
    setTimeout(() => {
      words.textContent = label;
    }, SHOWN_MS);
  };
  return el("button", { type: "button", class: "quiet small copy", onclick }, words);
}

/**
 * `navigator.clipboard` exists only on HTTPS and localhost, hence the older way as well.
 * @param {string} text
 */
async function toClipboard(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const field = el("textarea", { class: "visually-hidden", readonly: true });
    field.value = text;
    const focused = document.activeElement;
    document.body.append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    if (focused instanceof HTMLElement) focused.focus();
    return done;
  }
}
