// What the service sends, for the type checker only: no page loads this file.
// A test compares every interface with the schema of the same name in /v1/openapi.json.

export type AnswerStatus = "released" | "held" | "blocked" | "abstained" | "rejected" | "withdrawn";
export type TaskState = "open" | "claimed" | "decided" | "expired";
export type DecisionKind = "approve" | "edit" | "reject";
export type Urgency = "urgent" | "high" | "normal";
export type Mode = "off" | "provisional" | "certified" | "review_everything" | "retrieval_only";

export interface ErrorView {
  code: string;
  message: string;
  retryable: boolean;
  request_id: string;
}

export interface SessionView {
  name: string;
  roles: string[];
  csrf_token: string;
  expires_at: string;
}

export interface Account {
  name: string;
  roles: string[];
  scope: string[] | null;
  disabled: boolean;
  created_at: string;
  sessions: number;
  keys: number;
  authority: string;
  trained_on: string | null;
}

export interface ReviewerView {
  reviewer: string;
  authority: string;
  trained_on: string | null;
  decisions: number;
  approved: number;
  edited: number;
  rejected: number;
  timed: number;
  median_seconds: number | null;
  wrong_items: number;
  missed: number;
  right_items: number;
  false_alarms: number;
  gold_kappa: number | null;
  pairs: number;
  kappa: number | null;
  warnings: ("misses_wrong" | "approves_nearly_all" | "very_fast" | "agrees_little")[];
}

export interface Gap {
  gap_id: string;
  question: string;
  wordings: string[];
  asked: number;
  askers: number;
  abstained: number;
  refused: number;
  expired: number;
  collections: string[];
  first_at: string;
  last_at: string;
  written: WrittenView[];
}

export interface WrittenView {
  document_id: string;
  title: string;
  changed_at: string;
}

export interface GapsView {
  gaps: Gap[];
  questions: number;
  complete: boolean;
}

export interface EarlierAnswer {
  answer_id: string;
  question: string;
  answer: AnswerBody;
  edited: boolean;
  released_at: string;
  similarity: number;
}

export interface EarlierAnswers {
  answers: EarlierAnswer[];
}

export interface QuoteView {
  answer: AnswerBody;
  headings: string[];
}

export interface ColleaguesView {
  names: string[];
}

export interface QuotesView {
  quotes: QuoteView[];
}

export interface PracticePassage {
  title: string;
  page: number | null;
  text: string;
  cited: boolean;
}

export interface PracticeItem {
  item_id: string;
  question: string;
  draft: AnswerBody;
  evidence: PracticePassage[];
}

export interface PracticeView {
  items: PracticeItem[];
  practised: number;
  right: number;
}

export interface Truth {
  wrong: boolean;
  right: boolean;
}

export interface ReviewersView {
  reviewers: ReviewerView[];
}

export interface AccountsView {
  users: Account[];
}

export interface PasswordView {
  name: string;
  password: string;
}

export interface SignInEntry {
  session_id: string;
  started_at: string | null;
  expires_at: string;
}

export interface SignInsView {
  sessions: SignInEntry[];
}

export interface EndedView {
  ended: number;
}

export interface KeyEntry {
  key_id: string;
  principal: string;
  created_at: string;
  expires_at: string | null;
  revoked_at: string | null;
  last_used_at: string | null;
}

export interface WidgetKeyEntry {
  key_id: string;
  principal: string;
  key: string;
  origins: string[];
  questions_per_minute: number;
  created_at: string;
  revoked_at: string | null;
}

export interface WidgetKeysView {
  keys: WidgetKeyEntry[];
}

export interface NewWidgetKey {
  key_id: string;
  key: string;
  secret: string;
  origins: string[];
}

export interface KeysView {
  keys: KeyEntry[];
}

export interface NewKey {
  key_id: string;
  key: string;
}

/** Offsets count code points of the passage's text. */
export interface CitationView {
  number: number;
  passage_id: string;
  document_id: string;
  title: string;
  page: number | null;
  quote: string;
  start: number;
  end: number;
  removed: boolean;
  redacted: boolean;
  last_page?: number | null;
}

export interface SentenceView {
  text: string;
  citations: number[];
}

export interface AnswerBody {
  text: string;
  short: string | null;
  sentences: SentenceView[];
  citations: CitationView[];
}

export interface SearchedView {
  question: string;
  read_as: string;
  collections: string[];
  passages: number;
  titles: string[];
}

export interface ChoiceView {
  label: string;
  question: string;
}

export interface GateView {
  mode: Mode;
  certified: boolean;
  provisional: boolean;
  alpha: number | null;
  weighed: boolean;
}

export interface FeedbackView {
  useful: boolean;
  reason: string;
}

export interface AnswerView {
  answer_id: string;
  status: AnswerStatus;
  question: string;
  created_at: string;
  released_at: string | null;
  released_by: "policy" | "reviewer" | null;
  edited: boolean;
  message: string;
  answer: AnswerBody | null;
  disclaimer: string;
  searched: SearchedView;
  gate: GateView | null;
  reason: "" | "small_talk" | "other_language" | "erased";
  choices: ChoiceView[];
  feedback: FeedbackView | null;
}

export interface ConversationView {
  conversation_id: string;
  title: string;
  answers: number;
  waiting: number;
  unseen: number;
  updated_at: string;
}

export interface ConversationsView {
  conversations: ConversationView[];
  next_cursor: string | null;
  waiting: number;
  unseen: number;
}

export interface ConversationBody {
  conversation_id: string;
  title: string;
  answers: AnswerView[];
  more: boolean;
}

export interface SuggestionsView {
  questions: string[];
  documents: boolean;
  complete: boolean;
}

export interface WaitView {
  usual_seconds: number | null;
}

export interface GivenView {
  answer_id: string;
  question: string;
  useful: boolean;
  reason: string;
  given_at: string;
}

export interface AllFeedbackView {
  feedback: GivenView[];
}

export interface AnswersView {
  answers: AnswerView[];
}

export interface CollectionView {
  name: string;
  documents: number;
}

export interface CollectionsView {
  collections: CollectionView[];
}

export interface DocumentView {
  document_id: string;
  collection: string;
  title: string;
  source: string;
  media_type: string;
  state: "pending" | "ready" | "failed";
  error_message: string | null;
  retryable: boolean;
  passages: number;
  updated_at: string;
  valid_until: string | null;
  pages: number | null;
  owner: string | null;
  valid_from: string | null;
  language: string | null;
  about: Record<string, string | string[]>;
  superseded_by: string | null;
  near_copies: string[];
}

export interface DocumentsView {
  documents: DocumentView[];
  total: number;
}

export interface JobView {
  job_id: string;
  state: "running" | "done" | "failed" | "cancelled";
  waits: boolean;
  collection: string;
  by: string;
  created_at: string;
  first: string | null;
  items: number;
  pending: number;
  ready: number;
  unchanged: number;
  failed: number;
  cancelled: number;
  replaced: number;
  retryable: number;
  passages: number;
}

export interface JobItemView {
  source: string;
  document_id: string | null;
  state: "pending" | "ready" | "unchanged" | "failed" | "cancelled" | "replaced";
  error_code: string | null;
  error_message: string | null;
  left_out: string[];
}

export interface JobDetails {
  job: JobView;
  items: JobItemView[];
}

export interface JobsView {
  jobs: JobView[];
  total: number;
}

/** Offsets count code points of the document. */
export interface PlacedPassage {
  passage_id: string;
  text: string;
  start: number;
  end: number;
  page: number | null;
  last_page: number | null;
  headings: string[];
  suspect: string | null;
}

export interface DocumentText {
  passages: PlacedPassage[];
  first: number;
  total: number;
}

export interface SuspectView {
  passage_id: string;
  collection: string;
  document_id: string;
  title: string;
  page: number | null;
  reason: string;
  text: string;
}

export interface SuspectsView {
  suspects: SuspectView[];
}

export interface IndexVersionView {
  version_id: string;
  state: "building" | "verified" | "live" | "retired" | "failed";
  passages: number;
  embedder: string;
  created_at: string;
  promoted_at: string | null;
}

export interface IndexView {
  live: string | null;
  problem: string;
  versions: IndexVersionView[];
}

export interface ChangedDocumentView {
  collection: string;
  document_id: string | null;
  title: string | null;
  change: "added" | "removed" | "changed";
  passages_added: number;
  passages_removed: number;
}

export interface IndexChangesView {
  passages_added: number;
  passages_removed: number;
  passages_kept: number;
  documents: ChangedDocumentView[];
  more: number;
}

export interface PassageView {
  passage_id: string;
  document_id: string;
  start: number;
  title: string;
  collection: string;
  page: number | null;
  text: string;
  last_page: number | null;
  headings: string[];
}

export interface SectionView {
  passage_id: string;
  document_id: string;
  title: string;
  collection: string;
  page: number | null;
  last_page: number | null;
  headings: string[];
}

export interface SectionsView {
  sections: SectionView[];
}

export interface TaskView {
  task_id: string;
  answer_id: string;
  state: TaskState;
  question: string;
  searched_for: string;
  asker: string;
  reasons: string[];
  created_at: string;
  expires_at: string;
  claimed_by: string | null;
  queue: string;
  four_eyes: boolean;
  approved_by: string[];
  approvals_needed: number;
  provisional: boolean;
  urgency: Urgency;
  escalated_at: string | null;
  cause: string;
  risk: number | null;
  assigned_to: string | null;
  snoozed_until: string | null;
  stale: boolean;
}

export interface TasksView {
  tasks: TaskView[];
  open: number;
  open_more: boolean;
  next_cursor: string | null;
}

export interface QueueCount {
  queue: string;
  open: number;
  urgent: number;
}

export interface CountsView {
  queues: QueueCount[];
  causes: Record<string, number>;
  mine: number;
  snoozed: number;
}

export interface NoteView {
  kind:
    | "comment"
    | "assigned"
    | "snoozed"
    | "escalated"
    | "escalated_by_age"
    | "taken_over"
    | "drafted_again"
    | "draft_taken"
    | "undone";
  written_by: string;
  about: string;
  text: string;
  written_at: string;
}

export interface EvidenceView {
  passage_id: string;
  title: string;
  page: number | null;
  text: string;
  removed: boolean;
  cited: boolean;
  number: number;
  last_page: number | null;
  headings: string[];
}

export interface FindingView {
  check: string;
  outcome: "pass" | "fail" | "could_not_run";
  message: string;
  label: string;
  excerpt: string;
}

export interface VerdictView {
  reasons: string[];
  policy: string;
  policy_sha256: string;
  redact: string[];
  disclaimers: string[];
}

export interface ProposalView {
  reviewer: string;
  edited: boolean;
  answer: AnswerBody;
  approved_at: string;
}

export interface SecondTryView {
  shown: "first" | "second";
  message: string;
}

export interface DecisionView {
  kind: DecisionKind;
  reviewer: string;
  reason: string;
  text: string;
  decided_at: string;
  override_reason: string;
  problems: FindingView[];
}

export interface BackgroundDraftView {
  model: string;
  made_at: string;
  draft: AnswerBody;
  findings: FindingView[];
  content_sha256: string;
}

export interface SourceChange {
  passage_id: string;
  title: string;
  removed: boolean;
  before: string;
  now: string;
}

export interface TaskDetailView extends TaskView {
  why: string;
  draft: AnswerBody;
  second_try: SecondTryView | null;
  proposal: ProposalView | null;
  evidence: EvidenceView[];
  findings: FindingView[];
  verdict: VerdictView;
  lineage: Record<string, string>;
  content_sha256: string;
  decision: DecisionView | null;
  fence: number;
  lease_until: string | null;
  undo_until: string | null;
  notes: NoteView[];
  changed_sources: SourceChange[];
  redrafts: number;
  background_draft: BackgroundDraftView | null;
  reading_seconds: number;
  reading_until: string | null;
}

export interface ChangedDocument {
  document_id: string;
  title: string;
  removed: boolean;
}

export interface ChangedAnswer {
  answer_id: string;
  question: string;
  asker: string;
  text: string;
  released_at: string;
  released_by: string;
  documents: ChangedDocument[];
  task_id: string | null;
}

export interface ChangedAnswers {
  answers: ChangedAnswer[];
  next_cursor: string | null;
}

export interface GateModeView {
  collection: string;
  mode: string;
  reason: string;
  changed_by: string;
  changed_at: string;
}

/** What a certificate's file states, as far as pages show it; the service sends it as it is. */
export interface Certificate {
  alpha: number;
  threshold: number;
  provisional: boolean;
  weighed?: boolean;
}

export interface CertificateView {
  collection: string;
  risk_class: string;
  state: "live" | "void" | "superseded" | "revoked" | "violated";
  reason: string;
  certificate: Certificate;
  reviewer_error: string;
  audits: number;
  e_value: number | null;
  limit: number;
}

export interface LabelCountView {
  collection: string;
  risk_class: string;
  source: "audit" | "review";
  wrong: boolean;
  count: number;
}

export interface AlarmView {
  collection: string;
  monitor: string;
  detail: string;
  raised_at: string;
}

export interface GateStatusView {
  mode: Mode;
  modes: GateModeView[];
  provisional: Certificate | null;
  certificates: CertificateView[];
  labels: LabelCountView[];
  alarms: AlarmView[];
}

export interface LabelProgressView {
  collection: string;
  risk_class: string;
  labels: number;
  wrong: number;
  more_labels: number | null;
  certified: boolean;
  message: string;
  curve: number[];
}

export interface NextLabelView {
  task_id: string | null;
  progress: LabelProgressView;
}

export interface DayView {
  day: string;
  released: number;
  held: number;
  abstained: number;
  blocked: number;
}

export interface StageView {
  stage: string;
  p50: number;
  p95: number;
  p99: number;
}

export interface BacklogView {
  waiting: number;
  overdue: number;
  oldest_at: string | null;
  escalated: number;
}

export interface CostView {
  cpu_s: number;
  tokens_read: number;
  tokens_written: number;
  reviewer_minutes: number;
  total: number | null;
  per_released: number | null;
}

export interface FiguresView {
  days: DayView[];
  answers: number;
  released: number;
  waiting: number;
  stages: StageView[];
  timed: number;
  backlog: BacklogView;
  cost: CostView;
}

export interface PolicyNameView {
  name: string;
  version: number;
  sha256: string;
  problem: string;
}

export interface PolicyView extends PolicyNameView {
  shadow: PolicyNameView | null;
}

export interface PolicyBeforeView {
  name: string;
  version: number;
  sha256: string;
  first_used_at: string;
}

export interface PolicyChangeView {
  where: string;
  before: string;
  after: string;
}

export interface ShadowView {
  answers: number;
  agree: number;
  milder: number;
  stricter: number;
  error: number;
}

export interface PolicyReportView {
  name: string;
  version: number;
  sha256: string;
  first_used_at: string | null;
  before: PolicyBeforeView | null;
  changes: PolicyChangeView[];
  shadow: ShadowView | null;
}

export interface AuditProblemView {
  where: string;
  key: string;
  message: string;
}

export interface AuditCheckView {
  check_id: string;
  state: "waiting" | "running" | "sound" | "broken" | "failed";
  asked_by: string;
  asked_at: string;
  started_at: string | null;
  finished_at: string | null;
  links: number;
  rows: number;
  checkpoint: number | null;
  problem_count: number;
  problems: AuditProblemView[];
}

export interface AuditChecksView {
  checks: AuditCheckView[];
}

export interface LabelPlan {
  collection: string;
  labels: number;
  more_labels: number | null;
  days: number | null;
  message: string;
}

/** One sentence of a released answer, as an event of the stream. */
export interface ArrivingSentence extends SentenceView {
  index: number;
  provisional: boolean;
}
