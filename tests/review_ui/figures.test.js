import assert from "node:assert/strict";
import { test } from "node:test";
import { layout, niceMost, SIZE } from "../../review_ui/operations/chart.js";
import { seconds, tilesOf } from "../../review_ui/operations/lately.js";

const NONE = { released: 0, held: 0, abstained: 0, blocked: 0 };

test("the highest tick is even, reaches every bar, and is never zero", () => {
  assert.deepEqual(
    [0, 1, 2, 3, 5, 11, 21, 41, 1001].map(niceMost),
    [2, 2, 2, 4, 10, 20, 40, 100, 2000],
  );
});

test("bars stand on each other inside the drawing, and nothing is drawn for nothing", () => {
  const days = [
    { ...NONE, day: "2026-05-01", released: 3, held: 1 },
    { ...NONE, day: "2026-05-02" },
  ];
  const { bars, ticks, labels } = layout(days);
  assert.deepEqual(
    bars.map(({ outcome }) => outcome),
    ["released", "held"],
  );
  const [released, held] = bars;
  assert.ok(released && held);
  assert.equal(held.y + held.height, released.y);
  assert.equal(released.height, 3 * held.height);
  assert.equal(held.y, SIZE.top); // four of four: the whole height
  assert.deepEqual(
    ticks.map(({ text }) => text),
    ["0", "2", "4"],
  );
  assert.deepEqual(
    labels.map(({ text }) => text),
    ["05-01", "05-02"],
  );
  assert.ok(layout([]).bars.length === 0);
  const month = Array.from({ length: 30 }, (_, day) => ({ ...NONE, day: `2026-05-${day + 1}` }));
  assert.ok(layout(month).labels.length <= 7);
  assert.ok(layout(month, 360).labels.length <= 3);
  assert.ok(layout(days, 360).bars.every(({ x, width }) => x + width <= 360));
});

test("tiles say the share, what waits and since when", () => {
  const now = Date.parse("2026-05-01T12:00:00Z");
  const backlog = { waiting: 2, overdue: 1, oldest_at: "2026-05-01T10:00:00Z" };
  const figures = {
    days: [],
    stages: [],
    complete: true,
    answers: 8,
    released: 6,
    waiting: 1,
    backlog,
  };
  const [answers, released, waiting] = tilesOf(figures, now);
  assert.equal(answers?.value, "8");
  assert.match(released?.value ?? "", /^75/);
  assert.equal(released?.about, "6 of 8; 1 still held");
  assert.match(waiting?.about ?? "", /^the oldest since 2 h.*, 1 past the deadline$/);
  const none = { ...figures, answers: 0, released: 0, waiting: 0 };
  assert.equal(tilesOf(none, now)[1]?.value, "–");
  assert.match(seconds(999.6), /^1000/);
  assert.match(seconds(1240), /^1\.2\u00A0s/);
});
