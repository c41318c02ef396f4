// @ts-check
// Passages that seem to give orders: a person admits them, or takes them out.

import { request } from "../shared/api.js";
import { el, fill } from "../shared/dom.js";
import { placeOf } from "../shared/format.js";
import { attempt, confirming } from "../shared/forms.js";
import { passageBlock } from "../shared/passage.js";

/** @import { SuspectsView, SuspectView } from "../shared/wire.d.ts" */

/** @returns {Promise<SuspectView[]>} */
export async function loadSuspects() {
  /** @type {SuspectsView} */
  const { suspects } = await request("GET", "/v1/suspects");
  return suspects;
}

/**
 * @param {() => Promise<void>} changed called when one was admitted or removed
 * @returns {Promise<Node[]>}
 */
export async function suspectsView(changed) {
  const [list, told] = [el("div", { class: "uploads" }), el("div", { class: "told" })];
  /**
   * @param {string} method
   * @param {string} path
   */
  const act = (method, path) =>
    attempt(told, async () => {
      await request(method, path);
      await draw();
      await changed();
    });
  const draw = async () => {
    const suspects = await loadSuspects();
    const none = el("p", { class: "empty-pane" }, "No passage seems to give orders.");
    fill(list, suspects.length ? suspects.map((one) => suspectCard(one, act)) : none);
  };
  await draw();
  const why =
    "These passages read like orders to the service. An answer that rests on one is held. " +
    "Admit what is meant for people; take out what is not.";
  return [el("h2", {}, "Suspect passages"), el("p", { class: "muted" }, why), told, list];
}

/**
 * @param {SuspectView} one
 * @param {(method: string, path: string) => void} act
 */
function suspectCard(one, act) {
  const path = `/v1/suspects/${encodeURIComponent(one.passage_id)}`;
  const admit = el("button", { type: "button", class: "small", "data-testid": "admit" }, "Admit");
  admit.addEventListener("click", () => act("POST", `${path}/admit`));
  const remove = confirming({
    label: "Take it out",
    question: "It comes back if the document is read again.",
    sure: "Take it out",
    testid: "remove-suspect",
    act: () => act("DELETE", path),
  });
  const link = el("a", { href: `#doc/${one.document_id}` }, placeOf(one));
  return el(
    "article",
    { class: "block", "data-testid": "suspect" },
    el("p", {}, link, el("span", { class: "muted small" }, ` in ${one.collection}`)),
    el("p", {}, one.reason),
    passageBlock(one.text),
    el("div", { class: "row" }, admit, remove),
  );
}
