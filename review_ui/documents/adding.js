// @ts-check
// Adding documents: files chosen or dropped, each with its progress until it is ready or failed.

import { isLeaving, messageOf, request, upload as sendFile } from "../shared/api.js";
import { el, fill, visible } from "../shared/dom.js";
import { choices, field, tell } from "../shared/forms.js";
import { clashes, documentNamed, nameBeside } from "./clashes.js";
import { pathOf } from "./detail.js";
import { isDocument, leftOutWords } from "./dropped.js";
import { nameFirst, sizeWords, uploadWords } from "./words.js";

/** @import { DocumentView } from "../shared/wire.d.ts" */
/** @typedef {{collections: string[], chosen: string, changed: () => Promise<void>}} Context */
/** @typedef {{file: File, name?: string, collection: string, isNew: boolean, days: [from: string, until: string]}} Upload */
/** @typedef {ReturnType<typeof uploadLine>} Line */

const NEW = "+/new";
const POLL_MS = 1500;
/** Side by side no more: a browser has about six connections to a site. */
const AT_ONCE = 2;

/** @type {(() => Promise<void>)[]} */
const waiting = [];
let running = 0;

/**
 * What was given since the page was loaded: it goes on, and is there again, when another view was
 * shown meanwhile. What was not sent is lost with the page, which is asked about first.
 * @type {{list: HTMLElement, all: HTMLElement, add: ReturnType<typeof adder>} | null}
 */
let given = null;

/** @param {Context} context */
function givenSoFar(context) {
  if (given) return given;
  const list = el("ul", { class: "uploads", "data-testid": "uploads" });
  const all = el("div", { role: "status" });
  given = { list, all, add: adder(context, clashes(all)) };
  const isUnsent = () =>
    waiting.length || running || list.querySelector("[data-testid=clash-skip]");
  window.addEventListener("beforeunload", (event) => {
    if (isUnsent() && !isLeaving()) event.preventDefault();
  });
  return given;
}

/**
 * The view that adds documents, and what takes files that were dropped on the page.
 * @param {Context} context
 */
export function addingView(context) {
  const { list, all, add } = givenSoFar(context);
  const left = el("p", { class: "muted small", role: "status", "data-testid": "left-out" });
  const from = el("input", { type: "date" });
  const until = el("input", { type: "date" });
  const target = targetField(context, () => take(unnamed.splice(0)));
  /** Files that were chosen before it was clear where they go.
   * @type {File[]} */
  const unnamed = [];
  /** @param {Iterable<File>} chosen */
  const take = (chosen) => {
    const every = [...chosen];
    const files = every.filter(({ name }) => isDocument(name));
    fill(left, leftOutWords(every.flatMap(({ name }) => (isDocument(name) ? [] : [name]))));
    if (!target.name() && files.length) {
      unnamed.push(...files);
      target.wantName(unnamed.length);
      return;
    }
    for (const file of files) {
      const line = uploadLine(file.name, target.name());
      list.append(line.node);
      add(
        { file, collection: target.name(), isNew: target.isNew(), days: [from.value, until.value] },
        line,
      );
    }
  };
  const hint =
    "Word, PDF, Excel, PowerPoint, OpenDocument, RTF, HTML, Markdown, reStructuredText, AsciiDoc, LaTeX, plain text, CSV, e-mail, EPUB, ZIP or tar; the content decides.";
  const drop = el(
    "div",
    { class: "drop" },
    el("p", {}, "Drop files or folders here, or choose them:"),
    field("Files", chooser("files", take)),
    "webkitdirectory" in HTMLInputElement.prototype &&
      field("A whole folder", chooser("folder", take)),
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
    left,
    all,
    list,
  ];
  return { nodes, take, drop };
}

/**
 * @param {"files" | "folder"} kind
 * @param {(files: Iterable<File>) => void} take
 */
function chooser(kind, take) {
  const props = { type: "file", multiple: true, "data-testid": kind };
  const input = el("input", { ...props, webkitdirectory: kind === "folder" });
  input.addEventListener("change", () => {
    take(input.files ?? []);
    input.value = "";
  });
  return input;
}

/**
 * What sends a file; under a name that is taken it waits for a word of the person, and others go on
 * meanwhile. Of files of one name each waits for the one before, whose document it then finds.
 * @param {Context} context
 * @param {ReturnType<typeof clashes>} asking
 * @returns {(upload: Upload, line: Line) => void}
 */
function adder(context, asking) {
  /** @type {Map<string, Promise<void>>} */
  const turns = new Map();
  return (upload, line) => {
    const name = `${upload.collection}\n${upload.file.name}`;
    const turn = (turns.get(name) ?? Promise.resolve()).then(() =>
      addOne(upload, line, context, asking),
    );
    turns.set(name, turn);
  };
}

/**
 * @param {Upload} upload
 * @param {Line} line
 * @param {Context} context
 * @param {ReturnType<typeof clashes>} asking
 */
async function addOne(upload, line, context, asking) {
  const { file, collection } = upload;
  const found = await enqueue(async () => {
    const there = await looked(collection, file.name, line);
    if (there === null) await send(upload, line, context);
    return there;
  });
  if (!found) return;
  const choice = await asking.ask(line.words, found);
  fill(line.words, "Waiting…");
  if (choice === "skip") return end(line, "", "left out", "The document stays as it is.");
  await enqueue(async () => {
    if (choice === "replace") return send(upload, line, context, found);
    // One of a folder keeps its place; this one stands beside it.
    const isTaken = found.source === file.name;
    const name = isTaken ? await nameBeside(collection, file.name) : file.name;
    return send({ ...upload, name }, line, context);
  });
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
 * The document that is there under this name, null for none; undefined when that cannot be known.
 * @param {string} collection
 * @param {string} name
 * @param {Line} line
 */
async function looked(collection, name, line) {
  try {
    return await documentNamed(collection, name);
  } catch (error) {
    end(line, "bad", "failed", messageOf(error));
    return undefined;
  }
}

/**
 * @param {Upload} upload
 * @param {boolean} replaces a document keeps its collection, and without others its days
 */
function formOf({ file, name = file.name, collection, isNew, days: [from, until] }, replaces) {
  const form = new FormData();
  form.append("file", file, name);
  if (!replaces) form.append("collection", collection);
  if (!replaces && isNew) form.append("create", "true");
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
  const shown = el("span", {}, name);
  const title = el("span", { class: "entry-title", dir: "auto" }, shown, where);
  const node = el("li", { class: "block upload", "data-testid": "upload" }, title, bar, words);
  return { node, name: shown, words, bar };
}

/**
 * What the job comes to, once it has had its turn.
 * @template Result
 * @param {() => Promise<Result>} job
 * @returns {Promise<Result>}
 */
function enqueue(job) {
  return new Promise((done, failed) => {
    waiting.push(() => job().then(done, failed));
    next();
  });
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
 * @param {Upload} upload
 * @param {Line} line
 * @param {Context} context
 * @param {DocumentView | null} [replaced] the document that it replaces
 */
async function send(upload, line, context, replaced = null) {
  line.name.textContent = visible(upload.name ?? upload.file.name);
  const [method, path] = replaced
    ? /** @type {const} */ (["PUT", pathOf(replaced.document_id)])
    : /** @type {const} */ (["POST", "/v1/documents"]);
  const form = formOf(upload, replaced !== null);
  try {
    const added = /** @type {DocumentView} */ (
      await sendFile(method, path, form, (sent, size) => {
        line.bar.value = size ? sent / size : 1;
        fill(line.words, uploadWords({ sent, size }));
      })
    );
    // Exactly this content was read before, so there is nothing to read.
    if (replaced && added.state === "ready")
      return end(
        line,
        "ok",
        "unchanged",
        "It is there with exactly this content.",
        openLink(added),
      );
    line.bar.removeAttribute("value"); // how long reading takes, nobody knows
    fill(line.words, "Being read…");
    await context.changed();
    follow(added.document_id, line, context, replaced ? "replaced" : "ready");
  } catch (error) {
    end(line, "bad", "failed", messageOf(error));
  }
}

/**
 * @param {string} documentId
 * @param {Line} line
 * @param {Context} context
 * @param {string} done what it is called once it is read
 */
async function follow(documentId, line, context, done) {
  try {
    /** @type {DocumentView} */
    const now = await request("GET", pathOf(documentId));
    if (now.state === "pending") {
      setTimeout(() => follow(documentId, line, context, done), POLL_MS);
      return;
    }
    const isReady = now.state === "ready";
    end(line, isReady ? "ok" : "bad", isReady ? done : "failed", sizeWords(now), openLink(now));
    await context.changed();
  } catch (error) {
    end(line, "bad", "failed", messageOf(error));
  }
}

/** @param {Pick<DocumentView, "document_id">} document */
function openLink({ document_id }) {
  return el("a", { href: `#doc/${document_id}` }, "Open it");
}

/**
 * @param {Line} line
 * @param {"" | "ok" | "bad"} tone
 * @param {string} state
 * @param {string} words
 * @param {Node} [more]
 */
function end(line, tone, state, words, more) {
  line.bar.remove();
  fill(line.words, el("span", { class: `badge ${tone}` }, state), " ", words, " ", more);
  line.node.dataset.state = state;
}
