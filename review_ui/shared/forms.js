// @ts-check
// Parts of forms: labelled fields, choices, and buttons that ask once more before they act.

import { messageOf } from "./api.js";
import { el, fill } from "./dom.js";

/** @import { Child, Props } from "./dom.js" */

let lastId = 0;

/**
 * A control with its label above it, and a hint below where there is one.
 * @param {string} label
 * @param {HTMLElement} control
 * @param {string} [hint]
 */
export function field(label, control, hint) {
  lastId += 1;
  control.id ||= `field-${lastId}`;
  if (hint) control.setAttribute("aria-describedby", `${control.id}-hint`);
  const below = hint && el("span", { id: `${control.id}-hint`, class: "muted small" }, hint);
  return el("p", { class: "field" }, el("label", { for: control.id }, label), control, below);
}

/**
 * A box or a circle to tick, with words beside it and a second line where there is one.
 * @param {"checkbox" | "radio"} type
 * @param {Child} label
 * @param {Props} props
 * @param {string} [meaning]
 */
export function choice(type, label, props, meaning) {
  const input = el("input", { type, ...props });
  const second = meaning && el("span", { class: "muted small" }, meaning);
  return el("label", { class: "choice" }, input, el("span", {}, label, second && [" ", second]));
}

/**
 * A list to choose from.
 * @param {[value: string, label: string][]} options
 * @param {Props} [props]
 * @param {string} [chosen]
 */
export function choices(options, props = {}, chosen = options[0]?.[0] ?? "") {
  const list = options.map(([value, label]) =>
    el("option", { value, selected: value === chosen }, label),
  );
  return el("select", props, list);
}

/**
 * A button that asks once more, in its own place, before it acts.
 * @param {{label: string, question: string, sure: string, act: () => unknown, testid?: string, tone?: string}} what
 */
export function confirming({ label, question, sure, act, testid, tone = "danger" }) {
  const box = el("span", { class: "row confirming" });
  const first = el(
    "button",
    { type: "button", class: `${tone} small`, "data-testid": testid },
    label,
  );
  const yes = el("button", { type: "button", class: `${tone} small` }, sure);
  if (testid) yes.dataset.testid = `${testid}-sure`;
  const no = el("button", { type: "button", class: "small" }, "Keep");
  const back = () => {
    fill(box, first);
    first.focus();
  };
  first.addEventListener("click", () => {
    fill(box, el("span", { role: "alert" }, question), yes, no);
    no.focus(); // the second click of a double click must not count
  });
  no.addEventListener("click", back);
  yes.addEventListener("click", () => {
    back();
    act();
  });
  fill(box, first);
  return box;
}

/**
 * Runs what a button is for, with the button out of use meanwhile; a failure is told in `box`. A
 * button out of use loses the focus, so it gets it back unless it went elsewhere.
 * @param {Element} box
 * @param {() => Promise<void>} act
 * @param {HTMLButtonElement | null} [button]
 */
export async function attempt(box, act, button = null) {
  fill(box);
  const hadFocus = button !== null && document.activeElement === button;
  if (button) button.disabled = true;
  try {
    await act();
  } catch (error) {
    tell(box, "bad", messageOf(error));
  } finally {
    if (button) button.disabled = false;
    if (hadFocus && document.activeElement === document.body) button?.focus();
  }
}

/**
 * Says in `box` what happened.
 * @param {Element} box
 * @param {"ok" | "warn" | "bad"} tone
 * @param {Child[]} children
 */
export function tell(box, tone, ...children) {
  const props = {
    class: `notice ${tone}`,
    role: tone === "ok" ? "status" : "alert",
    "data-testid": tone === "bad" ? "error" : "told",
  };
  fill(box, el("div", props, children.length > 1 ? children : el("p", {}, children)));
}

/**
 * The button that sent a form.
 * @param {SubmitEvent} event
 */
export function sender(event) {
  return event.submitter instanceof HTMLButtonElement ? event.submitter : null;
}

/** Says of what was written that it is kept in this tab only. */
export function unsavedBadge() {
  return el("span", { class: "badge warn" }, "Not saved");
}

/**
 * A button to take something back, which says how long that is possible, and goes then.
 * @param {number} until in milliseconds
 * @param {() => void} onclick
 */
export function undoButton(until, onclick) {
  const left = () => Math.ceil((until - Date.now()) / 1000);
  const words = () => `Undo (${left()} s)`;
  const props = { type: "button", class: "small", "data-testid": "undo", onclick };
  const node = el("button", props, words());
  const clock = setInterval(() => {
    if (left() > 0 && node.isConnected) {
      node.textContent = words();
      return;
    }
    clearInterval(clock);
    node.remove();
  }, 500);
  return node;
}
