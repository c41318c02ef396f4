// @ts-check
// How far a certificate is: the labels in words, and the betting curve.

import { el } from "./dom.js";
import { plural } from "./format.js";

/** @import { LabelProgressView } from "./wire.d.ts" */

const WIDTH = 320;
const HEIGHT = 80;
const KEY = "The curve: evidence so far. The dashed line: what a certificate takes.";
const SVG = "http://www.w3.org/2000/svg";

/**
 * @param {LabelProgressView} progress
 * @returns {HTMLElement}
 */
export function progressView(progress) {
  const counts = countsOf(progress);
  return el(
    "div",
    { class: "progress" },
    el("p", {}, counts && `${counts} `, progress.message),
    progress.curve.length > 1 && [curveOf(progress.curve), el("p", { class: "muted small" }, KEY)],
  );
}

/**
 * "8 labels: 5 right, 3 wrong."; "" where there are none.
 * @param {Pick<LabelProgressView, "labels" | "wrong">} progress
 */
export function countsOf({ labels, wrong }) {
  return labels ? `${plural(labels, "label")}: ${labels - wrong} right, ${wrong} wrong.` : "";
}

/**
 * The evidence after each label; the upper line is where a threshold is certified.
 * @param {number[]} curve
 */
function curveOf(curve) {
  const svg = document.createElementNS(SVG, "svg");
  const now = curve[curve.length - 1] ?? 0;
  const percent = Math.round(100 * Math.max(0, Math.min(1, now)));
  set(svg, { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, width: WIDTH, height: HEIGHT, role: "img" });
  set(svg, { "aria-label": `Evidence for a first threshold: ${percent} % of what is needed.` });
  for (const [level, dash] of /** @type {[number, string][]} */ ([
    [1, "4 3"],
    [0, ""],
  ])) {
    const line = document.createElementNS(SVG, "line");
    const y = height(level);
    set(line, { x1: 0, x2: WIDTH, y1: y, y2: y, stroke: "currentColor", opacity: 0.5 });
    if (dash) set(line, { "stroke-dasharray": dash });
    svg.append(line);
  }
  const path = document.createElementNS(SVG, "polyline");
  set(path, { points: pointsOf(curve), fill: "none", stroke: "currentColor", "stroke-width": 2 });
  svg.append(path);
  return svg;
}

/**
 * The curve as points of a drawing; what is off it is drawn at its edge.
 * @param {number[]} curve
 */
export function pointsOf(curve) {
  const step = WIDTH / Math.max(1, curve.length - 1);
  return curve.map((share, n) => `${(n * step).toFixed(1)},${height(share)}`).join(" ");
}

/** @param {number} share */
function height(share) {
  const shown = Math.max(-0.5, Math.min(1.25, share));
  return Number((((1.25 - shown) / 1.75) * HEIGHT).toFixed(1));
}

/**
 * @param {Element} node
 * @param {Record<string, string | number>} values
 */
function set(node, values) {
  for (const [name, value] of Object.entries(values)) node.setAttribute(name, String(value));
}
