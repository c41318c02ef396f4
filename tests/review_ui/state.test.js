import assert from "node:assert/strict";
import { test } from "node:test";
import { numberFor, sourcesOf } from "../../review_ui/review/evidence.js";
import * as states from "../../review_ui/review/state.js";
import { detail, task } from "./samples.js";

/** @import { TaskView } from "../../review_ui/shared/wire.d.ts" */
/** @import { State } from "../../review_ui/review/state.js" */

const DECIDED = /** @type {const} */ ({ kind: "approve", reviewer: "rita", reason: "", text: "" });
const DECISION = {
  ...DECIDED,
  decided_at: "2026-05-01T13:00:00Z",
  override_reason: "",
  problems: [],
};

/**
 * The page of reviewer rita with these tasks, the given one shown.
 * @param {TaskView[]} tasks
 * @param {string} selected
 */
function page(tasks, selected, changes = {}) {
  const list = { filter: /** @type {const} */ ("open"), tasks, open: tasks.length, complete: true };
  const begun = states.listed(states.begin("rita"), list);
  return states.loaded(states.chosen(begun, selected), detail(selected, changes));
}

/**
 * A list that has come.
 * @param {State} state
 * @param {TaskView[]} tasks
 */
function refreshed(state, tasks) {
  return states.listed(state, { filter: "open", tasks, open: tasks.length, complete: true });
}

/**
 * @param {State} state
 * @param {string} id
 */
function approved(state, id) {
  return states.decided(state, detail(id, { state: "decided", decision: DECISION }), "approve");
}

const ABC = [task("a"), task("b"), task("c")];

test("after a decision comes the next task below, not the first one again", () => {
  const after = approved(page(ABC, "b"), "b");
  assert.equal(after.selected, "c");
  assert.equal(after.task, null);
  assert.equal(after.notice?.kind, "approve");
  assert.match(after.notice?.text ?? "", /^Approved.* “Question b\?”$/);
  const loaded = states.loaded(after, detail("c"));
  assert.equal(loaded.notice, after.notice, "what was decided stays to be read");
  assert.equal(states.modeSet(loaded, "edit").notice, null, "until the next task is worked on");
});

test("tasks that were passed over do not come back by themselves", () => {
  const after = approved(page(ABC, "c"), "c");
  assert.equal(after.selected, "c");
  assert.equal(after.task?.decision, DECISION);
  assert.deepEqual(after.notice?.actions, [{ label: "The 2 left above", choose: "a" }]);
});

test("a task that another reviewer holds, or that I approved, is not offered next", () => {
  const held = task("b", { state: "claimed", claimed_by: "rob" });
  const mine = task("c", { four_eyes: true, approved_by: ["rita"] });
  const after = approved(page([task("a"), held, mine, task("d")], "a"), "a");
  assert.equal(after.selected, "d");
});

test("without going on by itself, the decided task stays and the next one is a click away", () => {
  const after = approved(states.advanceSet(page(ABC, "a"), false), "a");
  assert.equal(after.selected, "a");
  assert.deepEqual(after.notice?.actions, [{ label: "Next task", choose: "b" }]);
});

test("the first of two approvals says that a second one is needed", () => {
  const first = detail("c", { four_eyes: true, approved_by: ["rita"], approvals_needed: 2 });
  const after = states.decided(page(ABC, "c"), first, "approve");
  assert.match(after.notice?.text ?? "", /second reviewer/);
  assert.equal(states.mayDecide(after), false);
});

test("the keyboard moves on from the gap that a decided task left", () => {
  const gone = refreshed(page(ABC, "b"), [task("a"), task("c")]);
  assert.equal(states.neighbour(gone, 1), "c");
  assert.equal(states.neighbour(gone, -1), "a");
  assert.equal(states.neighbour(page(ABC, "c"), 1), "c");
  assert.equal(states.neighbour(page(ABC, "a"), -1), "a");
  const nothing = states.listed(states.begin("rita"), {
    filter: "open",
    tasks: ABC,
    open: 3,
    complete: true,
  });
  assert.equal(states.neighbour(nothing, 1), "a");
  assert.equal(states.neighbour(states.begin("rita"), 1), null);
});

test("a list for another filter, and a task that is no longer selected, come too late", () => {
  const shown = page(ABC, "a");
  const late = { filter: /** @type {const} */ ("decided"), tasks: [], open: 0, complete: true };
  assert.equal(states.listed(shown, late), shown);
  assert.equal(states.loaded(shown, detail("b")), shown);
  assert.equal(states.notLoaded(shown, "b", "gone"), shown);
});

test("a change elsewhere is told once, and nothing on screen is replaced", () => {
  const taken = [task("a", { state: "claimed", claimed_by: "rob" }), task("b")];
  const warned = refreshed(page(ABC, "a"), taken);
  assert.match(warned.notice?.text ?? "", /^rob has started/);
  assert.equal(warned.task?.state, "open");
  const again = refreshed({ ...warned, notice: null }, taken);
  assert.equal(again.notice, null);
});

test("a task that left the open list was decided elsewhere, unless the list is cut", () => {
  assert.match(refreshed(page(ABC, "a"), [task("b")]).notice?.text ?? "", /no longer in this list/);
  const cut = {
    filter: /** @type {const} */ ("open"),
    tasks: [task("b")],
    open: 9,
    complete: false,
  };
  assert.equal(states.listed(page(ABC, "a"), cut).notice, null);
});

test("my own claim is no news, and nothing is said while a change is on its way", () => {
  const mine = [task("a", { state: "claimed", claimed_by: "rita" })];
  assert.equal(refreshed(page(ABC, "a"), mine).notice, null);
  assert.equal(refreshed(states.started(page(ABC, "a")), []).notice, null);
});

test("a claim keeps the task as it was read, and takes the new fence", () => {
  const shown = page(ABC, "a");
  const claim = { state: /** @type {const} */ ("claimed"), claimed_by: "rita", fence: 4 };
  const lease = "2026-05-01T12:05:00Z";
  const after = states.claimed(shown, detail("a", { ...claim, lease_until: lease }));
  assert.equal(after.task, shown.task);
  assert.equal(after.claim?.fence, 4);
  assert.equal(states.isMine(after, Date.parse("2026-05-01T12:04:59Z")), true);
  assert.equal(states.isMine(after, Date.parse("2026-05-01T12:05:01Z")), false);
});

test("content that changed is shown before it can be decided", () => {
  const shown = states.modeSet(page(ABC, "a"), "edit");
  const changed = detail("a", { state: "claimed", claimed_by: "rita", content_sha256: "new" });
  const after = states.claimed(shown, changed);
  assert.equal(after.task, changed);
  assert.equal(after.mode, "");
  assert.match(after.notice?.text ?? "", /does not count/);
});

test("a claim or decision of a task that was left changes nothing that is shown", () => {
  const shown = page(ABC, "b");
  assert.equal(states.claimed(shown, detail("a", { fence: 9 })), shown);
  const after = approved(shown, "a");
  assert.equal(after.task, shown.task);
  assert.equal(after.selected, "b");
});

test("a lost claim is given up, and its explanation is not replaced by the next list", () => {
  const claimed = page(ABC, "a", { state: "claimed", claimed_by: "rita", fence: 3 });
  const lost = claimed.task;
  assert.ok(lost);
  const after = states.refused(claimed, lost, { code: "claim_lost", message: "server words" });
  assert.equal(states.isMine(after), false);
  assert.equal(after.notice?.tone, "bad");
  assert.deepEqual(after.notice?.actions, [{ label: "Show the latest version", reload: true }]);
  const taken = [task("a", { state: "claimed", claimed_by: "rob" })];
  assert.equal(refreshed(after, taken).notice, after.notice);
});

test("a failure about a task that was left names its question", () => {
  const after = states.refused(page(ABC, "b"), detail("a"), { message: "No connection." });
  assert.equal(after.notice?.text, "“Question a?”: No connection.");
  assert.equal(after.task?.task_id, "b");
});

test("an empty draft cannot be approved, only written or rejected", () => {
  const nothing = { text: " ", short: null, sentences: [], citations: [] };
  const empty = page(ABC, "a", { draft: nothing });
  assert.equal(states.mayApprove(empty), false);
  assert.equal(states.mayDecide(empty), true);
  assert.equal(states.modeSet(empty, "approve").mode, "");
  assert.equal(states.modeSet(empty, "edit").mode, "edit");
  const answer = { ...nothing, text: "Written." };
  const proposal = { reviewer: "rob", edited: true, answer, approved_at: "2026-05-01T12:00:00Z" };
  assert.equal(states.mayApprove(page(ABC, "a", { draft: nothing, proposal })), true);
});

test("nothing can be begun on a decided task, without one, or while a change runs", () => {
  const done = page(ABC, "a", { state: "decided", decision: DECISION });
  assert.equal(states.modeSet(done, "edit").mode, "");
  assert.equal(states.modeSet(states.begin("rita"), "reject").mode, "");
  assert.equal(states.modeSet(states.started(page(ABC, "a")), "reject").mode, "");
});

test("a decision that could not be taken back says so, with another try where that may help", () => {
  const until = Date.now() + 9000;
  const begun = { ...states.begin("rita"), last: { taskId: "a", until } };
  const late = states.notUndone(begun, "It is too late.", null);
  assert.deepEqual(late.notice, { tone: "bad", text: "It is too late.", actions: [] });
  const lost = states.notUndone(begun, "The connection was lost.", "a");
  assert.deepEqual(lost.notice?.actions, [{ label: "Undo", undo: "a", until }]);
  assert.equal(states.undoable(lost), "a");
});

test("an unsaved answer outlives another choice, and goes when it is saved or undone", () => {
  const written = states.edited(page(ABC, "a"), "New text");
  const back = states.loaded(states.chosen(states.chosen(written, "b"), "a"), detail("a"));
  assert.equal(back.edits.a, "New text");
  assert.equal(states.hasEdits(back), true);
  assert.equal(states.hasEdits(states.edited(back, null)), false);
  assert.equal(states.hasEdits(approved(back, "a")), false);
});

test("the newest decision can be taken back until its time is over, whatever is shown", () => {
  const undo_until = "2026-05-01T13:00:10Z";
  const decision = detail("a", { state: "decided", decision: DECISION, undo_until });
  const after = states.decided(page(ABC, "a"), decision, "approve");
  const elsewhere = states.modeSet(states.loaded(states.chosen(after, "c"), detail("c")), "edit");
  const until = Date.parse(undo_until);
  assert.equal(states.undoable(elsewhere, until - 1), "a");
  assert.equal(states.undoable(elsewhere, until), null);
  assert.equal(states.undoable(states.started(elsewhere), until - 1), null);
  assert.equal(states.undoable(states.undone(elsewhere, detail("a")), until - 1), null);
  assert.equal(states.undoable(approved(elsewhere, "c"), until - 1), "a");
  assert.match(states.nothingUndone(after).notice?.text ?? "", /taken back/);
});

test("the key for an approval that no button offers says why", () => {
  const empty = page(ABC, "a");
  if (empty.task) empty.task.draft.text = " ";
  assert.match(states.modeSet(empty, "approve").notice?.text ?? "", /no draft/);
  const stale = page(ABC, "a", { stale: true });
  assert.match(states.modeSet(stale, "approve").notice?.text ?? "", /sources changed/);
  assert.equal(states.modeSet(stale, "approve").mode, "");
});

test("pages of a list are one list, with each task once", () => {
  const first = { tasks: [task("a"), task("b")], open: 3, open_more: false, next_cursor: "x" };
  const last = { ...first, tasks: [task("b"), task("c")], next_cursor: null };
  const some = states.listOf(first);
  assert.deepEqual([some.tasks.length, some.complete, some.more], [2, false, true]);
  const all = states.listOf(first, last);
  const ids = all.tasks.map(({ task_id }) => task_id);
  assert.deepEqual([ids, all.open, all.complete, all.more], [["a", "b", "c"], 3, true, false]);
});

test("an address names a task, or none", () => {
  assert.equal(states.taskOf("#a%2Fb"), "a/b");
  assert.equal(states.taskOf(""), null);
  assert.equal(states.taskOf("#%E0%A4%A"), null);
});

test("no transition changes the state it was given", () => {
  const shown = page(ABC, "b");
  const frozen = JSON.stringify(shown);
  states.edited(shown, "x");
  states.modeSet(shown, "edit");
  approved(shown, "b");
  refreshed(shown, []);
  states.claimed(shown, detail("b", { fence: 5 }));
  assert.equal(JSON.stringify(shown), frozen);
});

test("the address of the list says what narrows it, and a narrow list never ends a task", () => {
  const all = states.begin("rita");
  assert.equal(states.listPath(all, 50), "/v1/reviews?state=open&limit=50");
  const change = { queue: states.NO_QUEUE, who: /** @type {const} */ ("mine"), text: " a&b " };
  const narrow = states.narrowed(all, change);
  const path = new URLSearchParams(states.listPath(narrow, 50).split("?")[1]);
  assert.deepEqual(Object.fromEntries(path), {
    state: "open",
    limit: "50",
    queue: "",
    assigned_to: "rita",
    text: "a&b",
  });
  const shown = states.loaded(states.chosen(narrow, "a"), detail("a"));
  const empty = { filter: shown.filter, narrow: shown.narrow, tasks: [], open: 0, complete: true };
  assert.equal(states.listed(shown, empty).notice, null);
  const late = { ...empty, narrow: all.narrow, open: 7 };
  assert.equal(states.listed(shown, late).open, 0);
});

test("a task that somebody else holds can be taken over, until their claim ends", () => {
  const held = detail("a", { state: "claimed", claimed_by: "raj" });
  const shown = states.loaded(states.chosen(states.begin("rita"), "a"), held);
  assert.equal(states.otherHolder(shown), "raj");
  const mine = { ...held, claimed_by: "rita" };
  const taken = states.handled(shown, mine, "Yours.");
  assert.equal(states.otherHolder(taken), "");
  assert.equal(taken.notice?.text, "Yours.");
  const elsewhere = states.handled(states.chosen(shown, "b"), mine, "Yours.");
  assert.equal(elsewhere.selected, "b");
  assert.equal(elsewhere.task, null);
});

test("while somebody else is reviewing, nothing is decided here, by keys neither", () => {
  const held = detail("a", { state: "claimed", claimed_by: "raj" });
  const shown = states.loaded(page(ABC, "a"), held);
  assert.equal(shown.tasks[0]?.claimed_by, "raj", "the list says it as soon as the task does");
  assert.deepEqual([states.mayDecide(shown), states.waitsForMe(shown)], [false, true]);
  for (const mode of /** @type {const} */ (["approve", "edit", "reject"])) {
    assert.equal(states.modeSet(shown, mode), shown);
  }
  assert.equal(states.modeSet(shown, "comment").mode, "comment");
});

test("a claim that came after the task was opened is seen in the list, and its end too", () => {
  const taken = [task("a", { state: "claimed", claimed_by: "rob" }), task("b")];
  const held = refreshed(page(ABC, "a"), taken);
  assert.equal(states.otherHolder(held), "rob");
  assert.equal(states.mayApprove(held), false);
  const ended = refreshed(held, ABC);
  assert.equal(states.otherHolder(ended), "");
  assert.equal(states.mayApprove(ended), true);
  const busy = refreshed(states.started(page(ABC, "a")), taken);
  assert.equal(states.otherHolder(busy), "", "what is on its way will tell");
});

test("a list that knows nothing of my claim yet does not take it from me", () => {
  const lease = "2099-01-01T00:00:00Z";
  const mine = detail("a", { state: "claimed", claimed_by: "rita", fence: 3, lease_until: lease });
  const held = states.claimed(page(ABC, "a"), mine);
  assert.equal(refreshed(held, ABC).claim?.fence, 3);
  const lost = refreshed(held, [task("a", { state: "claimed", claimed_by: "rob" })]);
  assert.equal(states.otherHolder(lost), "rob");
});

test("an edit that the checks refuse asks for a reason, and keeps what was written", () => {
  const shown = states.loaded(states.chosen(states.begin("rita"), "a"), detail("a"));
  const edit = states.edited(states.modeSet(shown, "edit"), "Call us.");
  const task = /** @type {import("../../review_ui/shared/wire.d.ts").TaskDetailView} */ (edit.task);
  const refused = states.refused(edit, task, { code: "edit_not_supported", message: "No source." });
  assert.equal(refused.unsupported, "No source.");
  assert.equal(refused.mode, "edit");
  assert.equal(refused.edits.a, "Call us.");
  assert.equal(states.modeSet(refused, "").unsupported, "");
});

test("a draft whose sources changed cannot be approved", () => {
  const stale = detail("a", { stale: true });
  const shown = states.loaded(states.chosen(states.begin("rita"), "a"), stale);
  assert.equal(states.mayApprove(shown), false);
  assert.equal(states.mayDecide(shown), true);
});

test("a passage that was found has one number, after those of the task", () => {
  const shown = detail("a", {
    evidence: [
      {
        passage_id: "p1",
        title: "Fees",
        page: 2,
        text: "",
        removed: false,
        cited: true,
        number: 1,
        last_page: null,
        headings: [],
      },
      {
        passage_id: "p2",
        title: "Fire",
        page: 1,
        text: "",
        removed: false,
        cited: false,
        number: 2,
        last_page: null,
        headings: [],
      },
    ],
  });
  assert.deepEqual(
    sourcesOf(shown, []).map((one) => one.number),
    [1, 2],
  );
  assert.equal(numberFor(shown, [], "p2"), 2);
  const found = { number: 3, passage_id: "p9", title: "New", page: null };
  const added = [found];
  assert.equal(numberFor(shown, [], "p9"), 3);
  assert.equal(numberFor(shown, added, "p8"), 4);
  assert.equal(numberFor(shown, added, "p9"), 3);
  const state = states.loaded(states.chosen(states.begin("rita"), "a"), shown);
  const twice = states.cited(states.cited(state, found), found);
  assert.deepEqual(states.addedTo(twice), added);
});

test("an unsaved answer is given up only when that is asked for", () => {
  const source = { number: 3, passage_id: "p3", title: "Fees", page: null };
  const written = states.cited(states.edited(page(ABC, "a"), "Mine [3]."), source);
  assert.equal(states.unsavedText(written), "Mine [3].");
  const two = states.edited(states.loaded(states.chosen(written, "b"), detail("b")), "Other");
  const asked = states.leavingAsked(two);
  assert.equal(asked.notice?.text, "2 edits are not saved.");
  assert.deepEqual(
    asked.notice?.actions.map(({ label }) => label),
    ["Sign out and lose them", "Show the other"],
  );
  const one = states.discarded(asked, "b");
  assert.equal(states.unsavedText(one), null);
  assert.deepEqual(Object.keys(one.edits), ["a"]);
  assert.equal(one.notice, null, "what it asked for is done");
  assert.deepEqual(states.discarded(one, "a").sources, {});
  assert.deepEqual(states.allDiscarded(asked).edits, {});
});
