// @ts-check
// Stacked bars by day, as SVG made by hand; `layout` is pure.

import { byId, el, refill } from "../shared/dom.js";

/** @import { DayView } from "../shared/wire.d.ts" */
/** @typedef {"released" | "held" | "abstained" | "blocked"} Outcome */
/** @typedef {{outcome: Outcome, x: number, y: number, width: number, height: number, title: string}} Bar */
/** @typedef {{y: number, text: string}} Tick */
/** @typedef {{x: number, text: string}} Label */

const SVG = "http://www.w3.org/2000/svg";
export const SIZE = { width: 720, height: 220, left: 40, bottom: 24, top: 8 };
/** On a phone the drawing is as wide as its place, so that its words keep their size. */
const NARROW = 360;
const LABEL_WIDTH = 90;

/** @type {[Outcome, string][]} */
export const OUTCOMES = [
  ["released", "released at once"],
  ["held", "held for a reviewer"],
  ["abstained", "no answer"],
  ["blocked", "blocked"],
];

/**
 * Where everything stands, in units of the drawing.
 * @param {DayView[]} days
 * @param {number} [width]
 * @returns {{bars: Bar[], ticks: Tick[], labels: Label[]}}
 */
export function layout(days, width = SIZE.width) {
  const most = niceMost(Math.max(0, ...days.map(total)));
  const height = SIZE.height - SIZE.bottom - SIZE.top;
  const step = (width - SIZE.left) / Math.max(days.length, 1);
  /** @param {number} count */
  const tall = (count) => (count / most) * height;
  const bars = days.flatMap((day, index) => {
    let y = SIZE.top + height;
    return OUTCOMES.flatMap(([outcome, words]) => {
      const count = day[outcome];
      y -= tall(count);
      const x = SIZE.left + index * step + step * 0.15;
      const title = `${day.day}: ${count} ${words}`;
      return count ? [{ outcome, x, y, width: step * 0.7, height: tall(count), title }] : [];
    });
  });
  const ticks = [0, most / 2, most].map((count) => ({
    y: SIZE.top + height - tall(count),
    text: String(count),
  }));
  const every = Math.ceil(days.length / Math.floor((width - SIZE.left) / LABEL_WIDTH));
  const labels = days.flatMap(({ day }, index) =>
    index % every ? [] : [{ x: SIZE.left + (index + 0.5) * step, text: day.slice(5) }],
  );
  return { bars, ticks, labels };
}

/** @param {DayView} day */
function total(day) {
  return OUTCOMES.reduce((sum, [outcome]) => sum + day[outcome], 0);
}

/**
 * The next even number of 2, 4, 10, 20, 40, 100 and so on: half of it is a whole number.
 * @param {number} count
 */
export function niceMost(count) {
  for (let power = 1; ; power *= 10) {
    for (const step of [2, 4, 10]) if (step * power >= count) return step * power;
  }
}

/**
 * Draws the bars, their legend, and the same figures as a table.
 * @param {string} id of the element to fill
 * @param {DayView[]} days
 */
export function drawDays(id, days) {
  const width = window.matchMedia("(max-width: 640px)").matches ? NARROW : SIZE.width;
  const { bars, ticks, labels } = layout(days, width);
  const sums = OUTCOMES.map(([outcome, words]) => {
    const sum = days.reduce((before, day) => before + day[outcome], 0);
    return `${sum} ${words}`;
  });
  const picture = node("svg", {
    viewBox: `0 0 ${width} ${SIZE.height}`,
    class: "chart",
    role: "img",
    "aria-label": `Answers of ${days.length} days: ${sums.join(", ")}.`,
  });
  for (const { y, text } of ticks) {
    picture.append(node("line", { x1: SIZE.left, x2: width, y1: y, y2: y, class: "grid" }));
    picture.append(words(SIZE.left - 6, y + 4, text, "end"));
  }
  for (const { outcome, title, ...place } of bars) {
    const bar = node("rect", { ...place, class: `bar-${outcome}` });
    const said = node("title", {});
    said.textContent = title;
    bar.append(said);
    picture.append(bar);
  }
  for (const { x, text } of labels) picture.append(words(x, SIZE.height - 6, text, "middle"));
  refill(byId(id), picture, legend(sums), table(days));
}

/** @param {string[]} sums */
function legend(sums) {
  const items = OUTCOMES.map(([outcome], index) =>
    el("li", { class: "row" }, el("span", { class: `swatch swatch-${outcome}` }), sums[index]),
  );
  return el("ul", { class: "row legend" }, items);
}

/** @param {DayView[]} days */
function table(days) {
  const heads = ["Day", ...OUTCOMES.map(([, label]) => label)];
  const head = heads.map((text) => el("th", { scope: "col" }, text));
  const rows = days.map((day) => {
    const cells = OUTCOMES.map(([outcome]) => el("td", {}, day[outcome]));
    return el("tr", {}, el("td", {}, day.day), cells);
  });
  const whole = el("table", {}, el("thead", {}, el("tr", {}, head)), el("tbody", {}, rows));
  const props = { class: "scrolls", tabindex: "0", role: "group", "aria-label": "Answers by day" };
  return el("details", {}, el("summary", {}, "As a table"), el("div", props, whole));
}

/**
 * @param {string} name
 * @param {Record<string, string | number>} props
 */
function node(name, props) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(props)) made.setAttribute(key, String(value));
  return made;
}

/**
 * @param {number} x
 * @param {number} y
 * @param {string} text
 * @param {string} anchor
 */
function words(x, y, text, anchor) {
  const made = node("text", { x, y, "text-anchor": anchor });
  made.textContent = text;
  return made;
}
