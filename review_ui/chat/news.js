// @ts-check
// Tells of answers that changed since their asker saw them: in the title of the page, and where they
// ask for it by a notification of the browser or a sound.

import { byId, el, fill, setText } from "../shared/dom.js";

const TITLE = document.title;
const NOTIFY = "countersign.notify";
const SOUND = "countersign.sound";
const BLOCKED = "This browser blocks notifications of this site. Its settings can allow them.";
const TOLD = "An answer that you waited for has come, or has changed.";
/** Two notes, each of so many Hz from that second on. */
const NOTES = /** @type {const} */ ([
  [660, 0],
  [880, 0.15],
]);

/** What the page does when an answer that waited has changed. */
export const NEWS = "countersign-news";

/** How many answers are news; null: not asked yet, and what was there before is no surprise.
 * @type {number | null} */
let known = null;
/** A browser lets sound out after a click only, so it is made then.
 * @type {AudioContext | null} */
let audio = null;

/** An answer that was shown before has changed: it was released, refused, corrected or withdrawn. */
export function tellOfNews() {
  document.dispatchEvent(new Event(NEWS));
}

/**
 * Shows how many answers are news; where there are more than before, says so as it was wanted.
 * @param {number} found
 * @param {number} unseen of these, without what is on the screen now
 */
export function countNews(found, unseen) {
  document.title = titleOf(unseen, TITLE);
  setText(byId("sidebar-open"), `Conversations${unseen ? ` (${unseen} new)` : ""}`);
  if (known !== null && found > known) {
    if (isOn(SOUND)) chime();
    if (isOn(NOTIFY) && document.hidden) notify();
  }
  known = unseen;
}

/**
 * @param {number} count
 * @param {string} title
 */
export function titleOf(count, title) {
  return count ? `(${count}) ${title}` : title;
}

/** The two boxes to tick; they are off until somebody ticks them, and are remembered here. */
export function mountNews() {
  const told = el("p", { class: "muted small", role: "status" });
  const boxes = [box("tell-sound", SOUND, "Play a sound", () => Promise.resolve(chime()))];
  if ("Notification" in window) {
    const ask = () => allowed(told);
    boxes.unshift(box("tell-me", NOTIFY, "Show a notification of the browser", ask));
  }
  const legend = el("legend", {}, "When an answer comes");
  fill(byId("telling"), el("fieldset", { class: "group" }, legend, boxes, told));
}

/**
 * @param {string} id
 * @param {string} key
 * @param {string} label
 * @param {() => unknown} turnOn may say false: it stays off
 */
function box(id, key, label, turnOn) {
  const input = el("input", { type: "checkbox", "data-testid": id });
  input.checked = isOn(key);
  input.addEventListener("change", async () => {
    if (input.checked && (await turnOn()) === false) input.checked = false;
    localStorage.setItem(key, input.checked ? "on" : "off");
  });
  return el("label", { class: "choice" }, input, el("span", {}, label));
}

/** @param {Element} told */
async function allowed(told) {
  const answer = await Notification.requestPermission();
  setText(told, answer === "granted" ? "" : BLOCKED);
  return answer === "granted";
}

/** @param {string} key */
function isOn(key) {
  return localStorage.getItem(key) === "on";
}

/** Without the question: a notification may show on a locked screen. */
function notify() {
  try {
    const shown = new Notification("Countersign", { body: TOLD, tag: "countersign" });
    shown.addEventListener("click", () => {
      window.focus();
      shown.close();
    });
  } catch {
    // Phones have no such notifications: the title says it all the same.
  }
}

function chime() {
  audio ??= new AudioContext();
  for (const [hertz, after] of NOTES) {
    const [note, volume] = [audio.createOscillator(), audio.createGain()];
    const start = audio.currentTime + after;
    note.frequency.value = hertz;
    volume.gain.setValueAtTime(0.1, start);
    volume.gain.exponentialRampToValueAtTime(0.001, start + 0.3);
    note.connect(volume).connect(audio.destination);
    note.start(start);
    note.stop(start + 0.3);
  }
}
