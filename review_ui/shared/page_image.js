// @ts-check
// The page of a PDF as an image, folded beside a citation and drawn when it is opened.

import { request } from "./api.js";
import { el, fill } from "./dom.js";

/** @import { DocumentView } from "./wire.d.ts" */

/** @type {Map<string, Promise<boolean>>} */
const printed = new Map();

/**
 * A place for the page; it stays empty where the document has no pages that can be drawn.
 * @param {{document_id: string, page: number | null, title: string}} place
 */
export function pageImage({ document_id: id, page, title }) {
  const box = el("div", { class: "page-image" });
  if (page === null) return box;
  isPrinted(id).then((is) => is && fill(box, folded(id, page, title)));
  return box;
}

/** @param {string} id */
function isPrinted(id) {
  const found = printed.get(id) ?? load(id);
  printed.set(id, found);
  return found;
}

/** @param {string} id */
async function load(id) {
  try {
    /** @type {DocumentView} */
    const { media_type, state } = await request("GET", pathOf(id));
    return media_type === "application/pdf" && state === "ready";
  } catch {
    return false; // it is an extra: the text stands without it
  }
}

/** @param {string} id */
function pathOf(id) {
  return `/v1/documents/${encodeURIComponent(id)}`;
}

/**
 * @param {string} id
 * @param {number} page
 * @param {string} title
 */
function folded(id, page, title) {
  const shown = el("div", { class: "page-shown" });
  const details = el("details", {}, el("summary", {}, `Page ${page} as it looks`), shown);
  const draw = () => {
    const wait = el("p", { class: "muted small", role: "status" }, "Drawing the page…");
    const image = el("img", { alt: `Page ${page} of ${title}`, "data-testid": "page-image" });
    image.addEventListener("load", () => wait.remove());
    image.addEventListener("error", () =>
      fill(shown, el("p", { class: "flag warn", role: "status" }, "This page cannot be shown.")),
    );
    image.src = `${pathOf(id)}/pages/${page}/image`;
    fill(shown, wait, image);
  };
  details.addEventListener("toggle", draw, { once: true });
  return details;
}
