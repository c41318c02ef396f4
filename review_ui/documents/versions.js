// @ts-check
// Index versions: which one is live, what changed between two, promote and go back.

import { request } from "../shared/api.js";
import { el, fill } from "../shared/dom.js";
import { moment, plural } from "../shared/format.js";
import { attempt, choices, confirming, field } from "../shared/forms.js";
import { changesWords, changeWords, comparedWith, mayGoBack, versionWords } from "./words.js";

/** @import { ChangedDocumentView, IndexChangesView, IndexVersionView, IndexView } from "../shared/wire.d.ts" */

const POLL_MS = 2000;
const USABLE = ["verified", "live", "retired"];
/** @type {Record<string, string>} */
const TONES = { live: "ok", verified: "accent", failed: "bad", building: "warn" };

/** @returns {Promise<Node[]>} */
export async function versionsView() {
  const [table, told, compared] = [el("div"), el("div", { class: "told" }), el("div")];
  /** @param {string} path */
  const change = (path) => attempt(told, async () => draw(await request("POST", path)));
  let shown = "";
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  /** @param {IndexView} index */
  const draw = (index) => {
    const now = JSON.stringify(index);
    if (now !== shown) {
      shown = now;
      goBack.hidden = !mayGoBack(index.versions);
      fill(
        table,
        index.problem && el("p", { class: "notice bad" }, index.problem),
        versionTable(index, change),
      );
      fill(compared, compareForm(index));
    }
    if (index.versions.some(({ state }) => state === "building")) lookAgain();
  };
  const back = confirming({
    label: "Go back one version",
    question: "The version before becomes live, in every process.",
    sure: "Go back",
    testid: "rollback",
    tone: "",
    act: () => change("/v1/index/rollback"),
  });
  const goBack = el("div", {}, back);
  const lookAgain = () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      if (table.isConnected) request("GET", "/v1/index").then(draw, lookAgain);
    }, POLL_MS);
  };
  draw(await request("GET", "/v1/index"));
  const why =
    "A version holds everything that was ready when it was built. Answers come from the live one.";
  return [
    el("h2", {}, "Index versions"),
    el("p", { class: "muted" }, why),
    told,
    el("section", { class: "block" }, table, goBack),
    el("section", { class: "block" }, el("h3", {}, "What changed between two"), compared),
  ];
}

/**
 * @param {IndexView} index
 * @param {(path: string) => void} change
 */
function versionTable({ versions }, change) {
  if (!versions.length) return el("p", { class: "muted" }, "There is no version yet.");
  const heads = ["Built", "State", "Passages", "Live since", "Change"].map((text) =>
    el("th", { scope: "col" }, text),
  );
  const rows = versions.map((one) => el("tr", { "data-testid": "version" }, cellsOf(one, change)));
  const whole = el(
    "table",
    { class: "versions" },
    el("thead", {}, el("tr", {}, heads)),
    el("tbody", {}, rows),
  );
  return el(
    "div",
    { class: "scrolls", tabindex: "0", role: "group", "aria-label": "Index versions" },
    whole,
  );
}

/**
 * @param {IndexVersionView} one
 * @param {(path: string) => void} change
 */
function cellsOf(one, change) {
  const may = USABLE.includes(one.state) && one.state !== "live";
  const path = `/v1/index/${encodeURIComponent(one.version_id)}/promote`;
  const make = confirming({
    label: "Make live",
    question: "In every process, at once.",
    sure: "Make it live",
    testid: "promote",
    tone: "",
    act: () => change(path),
  });
  const badge = el("span", { class: `badge ${TONES[one.state] ?? ""}` }, one.state);
  return [
    el("td", { title: one.version_id }, moment(one.created_at)),
    el("td", {}, badge),
    el("td", {}, one.passages),
    el("td", {}, one.promoted_at ? moment(one.promoted_at) : "never"),
    el("td", {}, may && make),
  ];
}

/** @param {IndexView} index */
function compareForm({ versions, live }) {
  const known = versions.filter(({ state }) => USABLE.includes(state));
  if (known.length < 2) return el("p", { class: "muted" }, "There is only one version.");
  /** @type {[string, string][]} */
  const options = known.map((one) => [one.version_id, versionWords(one)]);
  const [first] = known;
  const newer = first ? first.version_id : "";
  const older = comparedWith(known, newer, live) ?? newer;
  const from = choices(options, { "data-testid": "older" }, older);
  const to = choices(options, { "data-testid": "newer" }, newer);
  const [told, result] = [el("div", { class: "told" }), el("div", { "data-testid": "changes" })];
  const compare = () =>
    attempt(told, async () => {
      const path = `/v1/index/${encodeURIComponent(to.value)}/changes?since=${encodeURIComponent(from.value)}`;
      fill(result, changesOf(await request("GET", path)));
    });
  from.addEventListener("change", compare);
  to.addEventListener("change", compare);
  compare();
  return [el("div", { class: "pair" }, field("From", from), field("To", to)), told, result];
}

/** @param {IndexChangesView} changes */
function changesOf(changes) {
  const items = changes.documents.map(changedItem);
  return [
    el("p", {}, changesWords(changes)),
    items.length > 0 && el("ul", { class: "lines" }, items),
    changes.more > 0 &&
      el("p", { class: "muted" }, `And ${plural(changes.more, "document")} more.`),
  ];
}

/** @param {ChangedDocumentView} document */
function changedItem(document) {
  const { document_id, title, collection, change } = document;
  const name = title ?? "a document that was erased";
  const link =
    document_id && change !== "removed" ? el("a", { href: `#doc/${document_id}` }, name) : name;
  const about = el("span", { class: "muted small" }, `${collection} · ${changeWords(document)}`);
  return el("li", { class: "row" }, el("span", { dir: "auto" }, link), about);
}
