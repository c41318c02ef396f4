// @ts-check
// Adding documents: files chosen or dropped, each with its progress until it is ready or failed.

import { messageOf, request, upload } from "../shared/api.js";
import { el, fill } from "../shared/dom.js";
import { choices, field, tell } from "../shared/forms.js";
import { pathOf } from "./detail.js";
import { nameFirst, sizeWords, uploadWords } from "./words.js";

/** @import { DocumentView } from "../shared/wire.d.ts" */
/** @typedef {{collections: string[], chosen: string, changed: () => Promise<void>}} Context */

const NEW = "+/new";
const POLL_MS = 1500;
/** Side by side no more: a browser has about six connections to a site. */
const AT_ONCE = 2;

/** @type {(() => Promise<void>)[]} */
const waiting = [];
let running = 0;

/**
 * The view that adds documents, and what takes files that were dropped on the page.
 * @param {Context} context
 */
export function addingView(context) {
  const list = el("ul", { class: "uploads", "data-testid": "uploads" });
  const files = el("input", {
    type: "file",
    multiple: true,
    "aria-label": "Files to add",
    "data-testid": "files",
  });
  const from = el("input", { type: "date" });
  const until = el("input", { type: "date" });
  const target = targetField(context, () => take(unnamed.splice(0)));
  /** Files that were chosen before it was clear where they go.
   * @type {File[]} */
  const unnamed = [];
  /** @param {Iterable<File>} chosen */
  const take = (chosen) => {
    if (!target.name()) {
      unnamed.push(...chosen);
      target.wantName(unnamed.length);
      return;
    }
    for (const file of chosen) {
      const line = uploadLine(file.name, target.name());
      list.append(line.node);
      const form = formOf(file, target.name(), from.value, until.value);
      if (target.isNew()) form.append("create", "true");
      enqueue(() => send(form, line, context));
    }
  };
  files.addEventListener("change", () => {
    take(files.files ?? []);
    files.value = "";
  });
  const hint =
    "Word, PDF, Excel, PowerPoint, OpenDocument, RTF, HTML, Markdown, reStructuredText, AsciiDoc, LaTeX, plain text, CSV, e-mail, EPUB, ZIP or tar; the content decides.";
  const drop = el(
    "div",
    { class: "drop" },
    el("p", {}, "Drop files here, or choose them:"),
    files,
    el("p", { class: "muted small" }, hint),
  );
  const days = el(
    "div",
    { class: "pair" },
    field("First valid day", from, "Answers from them are held before. Empty: at once."),
    field("Last valid day", until, "Answers from them are held afterwards. Empty: for ever."),
  );
  const nodes = [
    el("h2", {}, "Add documents"),
    el("section", { class: "block" }, el("div", { class: "group" }, target.node, days)),
    drop,
    list,
  ];
  return { nodes, take, drop };
}

/**
 * Where the files go; `named()` is called when a collection was chosen or got its name.
 * @param {Context} context
 * @param {() => void} named
 */
function targetField({ collections, chosen }, named) {
  /** @type {[string, string][]} */
  const options = [
    ...collections.map((name) => /** @type {[string, string]} */ ([name, name])),
    [NEW, "a new collection…"],
  ];
  // Among several there is no guess: what goes to the wrong one answers the wrong people.
  const only = collections.length > 1 ? "" : (collections[0] ?? NEW);
  if (!chosen && !only) options.unshift(["", "choose a collection…"]);
  const select = choices(options, { "data-testid": "target" }, chosen || only);
  const name = el("input", {
    maxlength: 80,
    "aria-label": "Name of the new collection",
    placeholder: "Name of the new collection",
    autocomplete: "off",
    "data-testid": "new-collection",
  });
  const problem = el("div", { class: "told", "data-testid": "no-name" });
  const isNew = () => select.value === NEW;
  const nameNow = () => (isNew() ? name.value.trim() : select.value);
  const changed = () => {
    name.hidden = !isNew();
    if (!nameNow()) return;
    fill(problem);
    named();
  };
  const wantName = (/** @type {number} */ waiting) => {
    tell(problem, "warn", nameFirst(waiting, isNew()));
    (isNew() ? name : select).focus();
  };
  name.hidden = !isNew();
  select.addEventListener("change", changed);
  name.addEventListener("change", changed);
  const node = el("div", { class: "field" }, field("Collection", select), name, problem);
  return { node, isNew, name: nameNow, wantName };
}

/**
 * @param {File} file
 * @param {string} collection
 * @param {string} from
 * @param {string} until
 */
function formOf(file, collection, from, until) {
  const form = new FormData();
  form.append("file", file);
  form.append("collection", collection);
  if (from) form.append("valid_from", from);
  if (until) form.append("valid_until", until);
  return form;
}

/**
 * @param {string} name
 * @param {string} collection
 */
function uploadLine(name, collection) {
  const words = el("span", { class: "muted small", role: "status" }, "Waiting…");
  const bar = el("progress", { max: 1, value: 0, "aria-label": `${name}: sent` });
  const where = el("span", { class: "muted small" }, ` to ${collection}`);
  const title = el("span", { class: "entry-title", dir: "auto" }, name, where);
  const node = el("li", { class: "block upload", "data-testid": "upload" }, title, bar, words);
  return { node, words, bar };
}

/** @param {() => Promise<void>} job */
function enqueue(job) {
  waiting.push(job);
  next();
}

function next() {
  const job = running < AT_ONCE ? waiting.shift() : undefined;
  if (!job) return;
  running += 1;
  job().finally(() => {
    running -= 1;
    next();
  });
}

/**
 * @param {FormData} form
 * @param {ReturnType<typeof uploadLine>} line
 * @param {Context} context
 */
async function send(form, line, context) {
  try {
    const added = /** @type {DocumentView} */ (
      await upload("POST", "/v1/documents", form, (sent, size) => {
        line.bar.value = size ? sent / size : 1;
        fill(line.words, uploadWords({ sent, size }));
      })
    );
    line.bar.removeAttribute("value"); // how long reading takes, nobody knows
    fill(line.words, "Being read…");
    await context.changed();
    follow(added.document_id, line, context);
  } catch (error) {
    end(line, "bad", messageOf(error));
  }
}

/**
 * @param {string} documentId
 * @param {ReturnType<typeof uploadLine>} line
 * @param {Context} context
 */
async function follow(documentId, line, context) {
  try {
    /** @type {DocumentView} */
    const now = await request("GET", pathOf(documentId));
    if (now.state === "pending") {
      setTimeout(() => follow(documentId, line, context), POLL_MS);
      return;
    }
    const open = el("a", { href: `#doc/${documentId}` }, "Open it");
    end(line, now.state === "ready" ? "ok" : "bad", sizeWords(now), open);
    await context.changed();
  } catch (error) {
    end(line, "bad", messageOf(error));
  }
}

/**
 * @param {ReturnType<typeof uploadLine>} line
 * @param {"ok" | "bad"} tone
 * @param {string} words
 * @param {Node} [more]
 */
function end(line, tone, words, more) {
  line.bar.remove();
  const badge = el("span", { class: `badge ${tone}` }, tone === "ok" ? "ready" : "failed");
  fill(line.words, badge, " ", words, " ", more);
  line.node.dataset.state = tone === "ok" ? "ready" : "failed";
}
