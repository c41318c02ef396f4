import assert from "node:assert/strict";
import { test } from "node:test";
import { auditAlarms, checkWords } from "../../review_ui/operations/audit.js";
import { layout, niceMost, SIZE } from "../../review_ui/operations/chart.js";
import { unboundWords } from "../../review_ui/operations/gate.js";
import { costOf, seconds, tilesOf } from "../../review_ui/operations/lately.js";
import { changedWords, shadowWords } from "../../review_ui/operations/policy.js";
import { countsOf } from "../../review_ui/shared/progress.js";

/** @import { AuditCheckView } from "../../review_ui/shared/wire.d.ts" */

const COST = {
  cpu_s: 120,
  tokens_read: 900,
  tokens_written: 100,
  reviewer_minutes: 6.2,
  total: 4.5,
  per_released: 0.75,
};
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
  const backlog = { waiting: 2, overdue: 1, oldest_at: "2026-05-01T10:00:00Z", escalated: 1 };
  const figures = {
    days: [],
    stages: [],
    timed: 8,
    cost: COST,
    answers: 8,
    released: 6,
    waiting: 1,
    backlog,
  };
  const [answers, released, waiting] = tilesOf(figures, now);
  assert.equal(answers?.value, "8");
  assert.match(released?.value ?? "", /^75/);
  assert.equal(released?.about, "6 of 8; 1 still held");
  assert.match(
    waiting?.about ?? "",
    /^the oldest came 2 h.*, 1 past the deadline, 1 escalated by age$/,
  );
  const none = { ...figures, answers: 0, released: 0, waiting: 0 };
  assert.equal(tilesOf(none, now)[1]?.value, "–");
  assert.match(seconds(999.6), /^1000/);
  assert.match(seconds(1240), /^1\.2\u00A0s/);
});

test("what a released answer costs, or its CPU time where no prices are set", () => {
  assert.deepEqual(costOf({ released: 6, cost: COST }), {
    value: "0.75",
    about: "all took 6 min of reviewers, 120 s of CPU and 1,000 tokens",
  });
  const free = { ...COST, total: null, per_released: null, tokens_read: 0, tokens_written: 0 };
  const { value, about } = costOf({ released: 60, cost: free });
  assert.match(value, /^2\u00A0s$/);
  assert.match(about, /no prices are set; all took 6 min of reviewers and 120 s of CPU$/);
  assert.equal(costOf({ released: 0, cost: free }).value, "–");
});

/** @type {AuditCheckView} */
const CHECK = {
  check_id: "1",
  state: "sound",
  asked_by: "olga",
  asked_at: "2026-05-01T10:00:00Z",
  started_at: "2026-05-01T10:00:01Z",
  finished_at: "2026-05-01T10:01:00Z",
  links: 1,
  rows: 7,
  checkpoint: 1,
  problem_count: 0,
  problems: [],
};

test("a check of the audit chain is told, and a broken one is an alarm until it fits again", () => {
  assert.match(checkWords(undefined), /yet/);
  assert.match(checkWords(CHECK), /fits: 7 rows and 1 link, signed up to link 1.*olga/);
  const broken = /** @type {AuditCheckView} */ ({ ...CHECK, state: "broken", problem_count: 1 });
  assert.match(checkWords(broken), /^1 row or link does not fit/);
  const running = /** @type {AuditCheckView} */ ({ ...CHECK, state: "running", finished_at: null });
  assert.equal(auditAlarms([running, broken]).length, 1);
  assert.deepEqual(
    [auditAlarms([CHECK, broken]), auditAlarms([]), auditAlarms(null)],
    [[], [], []],
  );
});

test("the policy before and the shadow are told in words", () => {
  const policy = { name: "ours", version: 2, sha256: "a".repeat(64), first_used_at: null };
  const before = { ...policy, version: 1, first_used_at: "2026-05-01T10:00:00Z" };
  const changes = [{ where: "version", before: "1", after: "2" }];
  const words = changedWords({ ...policy, before, changes, shadow: null });
  assert.equal(words, "1 difference from ours, version 1 (aaaaaaaaaaaa), which judged before it.");
  assert.equal(changedWords({ ...policy, before: null, changes: [], shadow: null }), "");
  const shadow = { answers: 8, agree: 6, milder: 0, stricter: 1, error: 1 };
  assert.match(
    shadowWords(shadow),
    /^The shadow policy agreed with 75.% .*stricter with 1.*failed at 1\./,
  );
});

test("labels are counted by what they say, and none are not counted", () => {
  assert.equal(countsOf({ labels: 8, wrong: 3 }), "8 labels: 5 right, 3 wrong.");
  assert.equal(countsOf({ labels: 1, wrong: 0 }), "1 label: 1 right, 0 wrong.");
  assert.equal(countsOf({ labels: 0, wrong: 0 }), "");
});

test("before the bound is dropped it is said where", () => {
  assert.match(unboundWords(""), /in the whole service: no reviewer sees it first/);
  assert.match(unboundWords("main"), /at once in main: no reviewer/);
});
