// Builds elements out of text nodes, so that text never becomes markup.

// Controls, zero-width and direction-changing characters, and tag characters can make a text read
// differently from what it says. Joiners (U+200C, U+200D) stay: several scripts need them.
const INVISIBLE =
  /[\u0000-\u0008\u000B-\u001F\u007F-\u009F\u00AD\u200B\u200E\u200F\u202A-\u202E\u2060-\u206F\uFEFF\uFFF9-\uFFFB\u{E0000}-\u{E0FFF}]/gu;

/** The text without characters that cannot be seen. */
export function visible(text) {
  return String(text ?? "").replace(INVISIBLE, "");
}

/** True when the text holds characters that `visible` removes. */
export function hasInvisible(text) {
  return visible(text) !== String(text ?? "").replaceAll("\r\n", "\n");
}

/** An element; `props` are attributes, or listeners when they start with "on". */
export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) setProp(node, name, value);
  node.append(...nodes(children));
  return node;
}

/** Replaces everything inside `parent`; empty children (null, false) are skipped. */
export function fill(parent, ...children) {
  parent.replaceChildren(...nodes(children));
}

export function byId(id) {
  return document.getElementById(id);
}

/** Changes a text only when it differs, so that screen readers are not disturbed. */
export function setText(node, text) {
  const shown = visible(text);
  if (node.textContent !== shown) node.textContent = shown;
}

/** Says something to screen readers through the page's polite live region. */
export function announce(text) {
  setText(byId("announce"), text);
}

function setProp(node, name, value) {
  if (value === null || value === undefined || value === false) return;
  if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
  else node.setAttribute(name, value === true ? "" : String(value));
}

function nodes(children) {
  return children
    .flat(Infinity)
    .filter((child) => child !== null && child !== undefined && child !== false)
    .map((child) => (child instanceof Node ? child : document.createTextNode(visible(child))));
}
