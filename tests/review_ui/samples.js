// Whole values of the wire, to be changed where a test needs something else.

/** @import { AnswerView, CitationView, TaskDetailView, TaskView } from "../../review_ui/shared/wire.d.ts" */

/**
 * @param {Partial<CitationView>} [changes]
 * @returns {CitationView}
 */
export function citation(changes) {
  return {
    number: 1,
    document_id: "d1",
    passage_id: "p1",
    title: "Fees",
    page: 2,
    quote: "The fee is £25.",
    start: 0,
    end: 15,
    removed: false,
    redacted: false,
    ...changes,
  };
}

/**
 * @param {Partial<AnswerView>} [changes]
 * @returns {AnswerView}
 */
export function answer(changes) {
  return {
    answer_id: "a1",
    status: "released",
    question: "How much is the fee?",
    created_at: "2026-05-01T12:00:00Z",
    released_at: "2026-05-01T12:00:01Z",
    released_by: "policy",
    edited: false,
    message: "",
    answer: {
      text: "The fee is £25 [1].",
      short: "£25",
      sentences: [{ text: "The fee is £25.", citations: [1] }],
      citations: [citation()],
    },
    disclaimer: "",
    searched: { question: "", read_as: "", collections: ["main"], passages: 3, titles: ["Fees"] },
    reason: "",
    choices: [],
    gate: {
      mode: "provisional",
      certified: false,
      provisional: true,
      alpha: 0.05,
      weighed: false,
    },
    feedback: null,
    ...changes,
  };
}

/**
 * @param {string} id
 * @param {Partial<TaskView>} [changes]
 * @returns {TaskView}
 */
export function task(id, changes) {
  return {
    task_id: id,
    answer_id: `answer-${id}`,
    state: "open",
    question: `Question ${id}?`,
    searched_for: `Question ${id}?`,
    asker: "ann",
    reasons: ["May ask for legal advice."],
    created_at: "2026-05-01T12:00:00Z",
    expires_at: "2026-05-04T12:00:00Z",
    claimed_by: null,
    queue: "",
    four_eyes: false,
    approved_by: [],
    approvals_needed: 1,
    provisional: false,
    urgency: "normal",
    escalated_at: null,
    cause: "screens",
    risk: null,
    assigned_to: null,
    snoozed_until: null,
    stale: false,
    ...changes,
  };
}

/**
 * @param {string} id
 * @param {Partial<TaskDetailView>} [changes]
 * @returns {TaskDetailView}
 */
export function detail(id, changes) {
  return {
    ...task(id),
    draft: { text: "The fee is £25 [1].", short: null, sentences: [], citations: [citation()] },
    second_try: null,
    proposal: null,
    evidence: [],
    findings: [],
    verdict: { reasons: [], policy: "default", policy_sha256: "0", redact: [], disclaimers: [] },
    lineage: {},
    content_sha256: `content-${id}`,
    decision: null,
    fence: 0,
    lease_until: null,
    why: "May ask for legal advice (rule 3 of the policy).",
    undo_until: null,
    notes: [],
    changed_sources: [],
    redrafts: 0,
    background_draft: null,
    reading_seconds: 0,
    reading_until: null,
    ...changes,
  };
}
