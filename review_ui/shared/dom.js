// @ts-check
// Builds elements out of text nodes, so that text never becomes markup.

/** What a frame takes from when it is drawn until it is on the screen. */
const FRAME_MS = 16;

/** @typedef {Node | string | number | boolean | null | undefined | Child[]} Child */
/** @typedef {Record<string, unknown>} Props */

// Controls, zero-width and direction-changing characters, and tag characters can make a text read
// differently from what it says. Joiners (U+200C, U+200D) stay: several scripts need them.
const INVISIBLE =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it finds
  // biome-ignore lint/suspicious/noMisleadingCharacterClass: each is looked for by itself
  /[\u0000-\u0008\u000B-\u001F\u007F-\u009F\u00AD\u034F\u061C\u115F\u1160\u17B4\u17B5\u180B-\u180F\u200B\u200E\u200F\u202A-\u202E\u2060-\u206F\u3164\uFEFF\uFFA0\uFFF9-\uFFFB\u{E0000}-\u{E0FFF}]/gu;

/**
 * The text without characters that cannot be seen.
 * @param {unknown} text
 */
export function visible(text) {
  return String(text ?? "").replace(INVISIBLE, "");
}

/**
 * True when the text holds characters that `visible` removes.
 * @param {string | null | undefined} text
 */
export function hasInvisible(text) {
  return visible(text) !== String(text ?? "").replaceAll("\r\n", "\n");
}

/**
 * An element; `props` are attributes, or listeners when they start with "on".
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Props} [props]
 * @param {Child[]} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) setProp(node, name, value);
  node.append(...nodes(children));
  return node;
}

/**
 * Replaces everything inside `parent`; empty children (null, false) are skipped.
 * @param {ParentNode} parent
 * @param {Child[]} children
 */
export function fill(parent, ...children) {
  parent.replaceChildren(...nodes(children));
}

/**
 * As `fill`, for what is drawn again and again: what is the same stays, and so do folds that are
 * open and the focus.
 * @param {ParentNode & Node} parent
 * @param {Child[]} children
 */
export function refill(parent, ...children) {
  const next = el("div", {}, ...children);
  const open = [...parent.querySelectorAll("details")].map((one) => one.open);
  for (const [at, one] of next.querySelectorAll("details").entries())
    one.open = open[at] ?? one.open;
  const [before, after] = [[...parent.childNodes], [...next.childNodes]];
  const isSame = before.length === after.length;
  if (isSame && before.every((node, at) => node.isEqualNode(after[at] ?? null))) return;
  const focused = reachable(parent).indexOf(/** @type {Element} */ (document.activeElement));
  parent.replaceChildren(...after);
  const again = reachable(parent)[focused];
  if (again instanceof HTMLElement) again.focus({ preventScroll: true });
}

/** @param {ParentNode} parent */
function reachable(parent) {
  return [...parent.querySelectorAll("a, button, input, select, summary, textarea, [tabindex]")];
}

/**
 * The element with this id, of the given kind; a page without it is broken.
 * @template {HTMLElement} [Kind=HTMLElement]
 * @param {string} id
 * @param {abstract new (...args: never[]) => Kind} [kind]
 * @returns {Kind}
 */
export function byId(id, kind) {
  const node = document.getElementById(id);
  if (!(node instanceof (kind ?? HTMLElement))) throw new Error(`No such element: #${id}`);
  return /** @type {Kind} */ (node);
}

/**
 * Changes a text only when it differs, so that screen readers are not disturbed.
 * @param {Element} node
 * @param {unknown} text
 */
export function setText(node, text) {
  const shown = visible(text);
  if (node.textContent !== shown) node.textContent = shown;
}

/**
 * Comes when the browser has painted what was drawn; at once where nobody sees the page.
 * @returns {Promise<void>}
 */
export function painted() {
  if (document.hidden) return Promise.resolve();
  return new Promise((done) => requestAnimationFrame(() => setTimeout(done, FRAME_MS)));
}

/**
 * Loads what a button to show more is for. With the last of it the button goes, and takes the focus
 * with it: who pressed it by keys goes on at the first of what came.
 * @param {Element} button
 * @param {Element} list
 * @param {() => unknown} load
 * @param {number} [at] where in the list it comes: at its end, unless said otherwise
 */
export async function showingMore(button, list, load, at = list.children.length) {
  const hadFocus = document.activeElement === button;
  await load();
  const isHere = [button, document.body, null].includes(document.activeElement);
  const isGone = button.getClientRects().length === 0;
  const came = list.children[at];
  if (!hadFocus || !isHere || !isGone || !(came instanceof HTMLElement)) return;
  const inside = came.querySelector("a, button");
  const target = inside instanceof HTMLElement ? inside : came;
  if (target === came) came.tabIndex = -1;
  target.focus({ preventScroll: true });
}

/**
 * Back from what an entry of a list leads to: the focus, which went with it, is at the entry again.
 * @param {string} hash what the address named until now; "" for nothing
 */
export function standAt(hash) {
  const standing = document.activeElement;
  if (!hash || (standing && standing !== document.body)) return;
  const links = [...document.querySelectorAll(".pane-list a")];
  const entry = links.find((link) => link.getAttribute("href") === hash);
  if (entry instanceof HTMLElement) entry.focus();
}

/**
 * Says something to screen readers through the page's polite live region.
 * @param {string} text
 */
export function announce(text) {
  setText(byId("announce"), text);
}

/**
 * @param {Element} node
 * @param {string} name
 * @param {unknown} value
 */
function setProp(node, name, value) {
  if (value === null || value === undefined || value === false) return;
  if (typeof value === "function") {
    node.addEventListener(name.slice(2), /** @type {EventListener} */ (value));
  } else node.setAttribute(name, value === true ? "" : String(value));
}

/**
 * @param {Child[]} children
 * @returns {Node[]}
 */
function nodes(children) {
  /** @type {Node[]} */
  const found = [];
  for (const child of children) {
    if (Array.isArray(child)) found.push(...nodes(child));
    else if (child instanceof Node) found.push(child);
    else if (child || child === 0 || child === "") {
      found.push(document.createTextNode(visible(child)));
    }
  }
  return found;
}
