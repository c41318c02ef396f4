"""What travels over HTTP: requests and responses, described for OpenAPI."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


def _storable(text: str) -> str:
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("it holds NUL or half a character")
    return text


Text = Annotated[str, AfterValidator(_storable)]
"""Text that every database stores."""
MAX_INT = 2**31 - 1
"""The largest number that an integer column holds."""


class Body(BaseModel):
    """A request body: unknown fields are refused, so that a typo is not silently ignored."""

    model_config = ConfigDict(extra="forbid")


class AskBody(Body):
    """A question for the service."""

    question: str = Field(description="The question, plain text.")
    collections: list[str] | None = Field(
        default=None, description="Collections to search; null searches all in scope."
    )
    answer_schema: dict[str, Any] | None = Field(
        default=None,
        description="A JSON schema (2020-12, no patterns, no references outside itself) that the "
        "answer object must satisfy; otherwise a reviewer decides.",
    )
    previous_answer_id: Text | None = Field(
        default=None,
        max_length=64,
        description="The caller's own answer that this question follows, in a conversation.",
    )


class CitationView(BaseModel):
    """Where a statement comes from; offsets are code points in the passage's text."""

    number: int
    passage_id: str
    document_id: str
    title: str
    page: int | None
    quote: str
    start: int
    end: int
    removed: bool = False
    redacted: bool = Field(
        default=False, description="The quote holds personal data, so it is left out."
    )


class SentenceView(BaseModel):
    """One sentence and the numbers of its citations."""

    text: str
    citations: list[int]


class AnswerBody(BaseModel):
    """The answer object that was judged; ``short`` is its core where one is known."""

    text: str
    short: str | None
    sentences: list[SentenceView]
    citations: list[CitationView]


class SearchedView(BaseModel):
    """What was searched; of a follow-up, ``question`` is the form that stands alone."""

    question: str = ""
    previous_answer_id: str | None = None
    collections: list[str]
    passages: int
    titles: list[str]


class GateView(BaseModel):
    """What stood behind a release: the mode, and the promise of the certificate if there was one.

    ``provisional`` means that the certificate comes from public data, not from this
    collection's own labels.
    """

    mode: Literal["off", "provisional", "certified", "review_everything", "retrieval_only"]
    certified: bool
    provisional: bool
    alpha: float | None
    delta: float | None


class AnswerView(BaseModel):
    """An answer as its asker may see it. ``answer`` is null unless it was released."""

    answer_id: str
    status: Literal["released", "held", "blocked", "abstained", "rejected"]
    question: str
    created_at: str
    released_at: str | None
    released_by: Literal["policy", "reviewer"] | None
    edited: bool
    message: str
    answer: AnswerBody | None
    disclaimer: str = Field(default="", description="To be shown below a released answer.")
    searched: SearchedView
    timings_ms: dict[str, float]
    gate: GateView | None


class AnswersView(BaseModel):
    """The caller's newest answers, newest first."""

    answers: list[AnswerView]


class ErrorView(BaseModel):
    """The one form of every error."""

    code: str
    message: str
    retryable: bool
    request_id: str


class SignInBody(Body):
    """A name and a password."""

    username: Text = Field(max_length=80)
    password: str = Field(max_length=1000)


class SessionView(BaseModel):
    """Who is signed in; send ``csrf_token`` as ``X-CSRF-Token`` with every change."""

    name: str
    roles: list[str]
    csrf_token: str
    expires_at: str


class CollectionView(BaseModel):
    """A collection within the caller's scope."""

    name: str
    documents: int


class CollectionsView(BaseModel):
    """The collections within the caller's scope."""

    collections: list[CollectionView]


class PassageView(BaseModel):
    """A passage with its document's name."""

    passage_id: str
    document_id: str
    title: str
    collection: str
    page: int | None
    text: str
    start: int
    end: int
    source: str


class DocumentView(BaseModel):
    """A document and where it stands."""

    document_id: str
    collection: str
    title: str
    source: str
    media_type: str
    state: Literal["pending", "ready", "failed"]
    error_code: str | None
    error_message: str | None
    passages: int
    updated_at: str
    valid_until: str | None = Field(description="Its last valid day, if it has one.")


class DocumentsView(BaseModel):
    """A page of documents, and how many there are in all."""

    documents: list[DocumentView]
    total: int


class IndexVersionView(BaseModel):
    """An index version and where it stands."""

    version_id: str
    state: Literal["building", "verified", "live", "retired", "failed"]
    passages: int
    embedder: str
    created_at: str
    promoted_at: str | None


class IndexView(BaseModel):
    """All index versions, newest first, and which one is live."""

    live: str | None
    versions: list[IndexVersionView]


class TaskView(BaseModel):
    """A review task in a list."""

    task_id: str
    answer_id: str
    state: Literal["open", "claimed", "decided", "expired"]
    question: str
    searched_for: str
    asker: str
    reasons: list[str]
    created_at: str
    expires_at: str
    claimed_by: str | None
    queue: str
    four_eyes: bool
    approved_by: list[str] = Field(
        description="With four eyes: who approved the answer that is proposed now."
    )
    approvals_needed: int
    provisional: bool = Field(
        description="Whether the gate looked at it under the certificate from public data; true "
        "says nothing about whether it was released."
    )


class TasksView(BaseModel):
    """Review tasks, and how many wait."""

    tasks: list[TaskView]
    open: int


class EvidenceView(BaseModel):
    """A passage given to the generator; a removed one has lost its text."""

    passage_id: str
    document_id: str
    title: str
    page: int | None
    text: str
    removed: bool
    cited: bool


class FindingView(BaseModel):
    """What one check said."""

    check: str
    outcome: Literal["pass", "fail", "could_not_run"]
    message: str
    label: str
    excerpt: str


class VerdictView(BaseModel):
    """What the policy decided, and which policy."""

    action: Literal["release", "review", "block"]
    reasons: list[str]
    message: str
    policy: str
    policy_sha256: str
    queue: str = ""
    four_eyes: bool = False
    deadline_hours: float | None = None
    redact: list[str] = Field(default=[], description="Kinds of personal data to be masked.")
    disclaimers: list[str] = []


class ProposalView(BaseModel):
    """The answer that a first reviewer approved, where a second one must approve it too."""

    reviewer: str
    edited: bool
    answer: AnswerBody
    approved_at: str


class SecondTryView(BaseModel):
    """A first draft did not fit a schema, so a second one was asked for."""

    shown: Literal["first", "second"] = Field(description="Which of the two `draft` is.")
    message: str = Field(description="Why, what became of it, and which is shown, for people.")


class DecisionView(BaseModel):
    """The decision on a task."""

    kind: Literal["approve", "edit", "reject"]
    reviewer: str
    reason: str
    text: str
    decided_at: str


class TaskDetailView(TaskView):
    """Everything a decision needs; send ``content_sha256`` and ``fence`` back with it."""

    draft: AnswerBody
    second_try: SecondTryView | None
    proposal: ProposalView | None
    evidence: list[EvidenceView]
    findings: list[FindingView]
    verdict: VerdictView
    lineage: dict[str, str]
    content_sha256: str
    decision: DecisionView | None
    fence: int
    lease_until: str | None


class DecisionBody(Body):
    """A reviewer's decision on exactly what they saw."""

    kind: Literal["approve", "edit", "reject"]
    content_sha256: str = Field(description="As in the task; proves what was seen.")
    fence: int = Field(
        ge=0, le=MAX_INT, description="As in the newest claim; proves who holds the task."
    )
    reason: Text = Field(default="", max_length=4000, description="Required to reject.")
    text: Text = Field(default="", description="The whole new answer, for edit.")


class GateModeBody(Body):
    """A switch of the release mode."""

    mode: Literal["off", "provisional", "certified", "review_everything", "retrieval_only"]
    reason: Text = Field(min_length=1, max_length=4000, description="Why; kept in the audit log.")
    collection: Text = Field(default="", max_length=400, description="Empty: the whole service.")


class GateModeView(BaseModel):
    """A switch as it stands; collection "" is the whole service."""

    collection: str
    mode: str
    reason: str
    changed_by: str
    changed_at: str


class CertificateView(BaseModel):
    """A certificate of one collection and risk class, and its running test.

    State ``void``: what it was made for no longer runs here. ``e_value`` null: the promise is
    broken.
    """

    id: str
    collection: str
    risk_class: str
    state: Literal["live", "void", "superseded", "revoked", "violated"]
    reason: str
    index_version: str
    created_at: str
    ended_at: str | None
    certificate: dict[str, Any]
    reviewer_error: str = Field(description='In words; "" where it is not known.')
    audits: int
    e_value: float | None
    limit: float


class LabelCountView(BaseModel):
    """How many labels of one kind there are."""

    collection: str
    risk_class: str
    source: Literal["audit", "review"]
    wrong: bool
    count: int


class AlarmView(BaseModel):
    """A monitor that saw answers change; collection "" is the whole service."""

    collection: str
    monitor: str
    detail: str
    raised_at: str


class GateStatusView(BaseModel):
    """The gate: the mode of the service, every switch, certificates, labels and alarms."""

    mode: str
    modes: list[GateModeView]
    provisional: dict[str, Any] | None
    certificates: list[CertificateView]
    labels: list[LabelCountView]
    alarms: list[AlarmView]


class GoldView(BaseModel):
    """Wrong gold items that were decided, and how many of them were called right."""

    missed: int
    n: int


class SecondReviewsView(BaseModel):
    """Blind second reviews; ``missed`` of those ``called_wrong`` were right to the first."""

    n: int
    agreed: int
    called_wrong: int
    missed: int


class ReviewerView(BaseModel):
    """How one reviewer did on gold items."""

    reviewer: str
    wrong_items: int
    missed: int
    right_items: int
    false_alarms: int


class OpinionView(BaseModel):
    """What one of two reviewers decided."""

    reviewer: str
    kind: Literal["approve", "edit", "reject"]
    reason: str


class DisagreementView(BaseModel):
    """An answer that two reviewers judged differently; the first decision is in force."""

    answer_id: str
    question: str
    first: OpinionView
    second: OpinionView
    decided_at: str | None


class ReviewersView(BaseModel):
    """Reviewer error. ``miss_bound`` null: not measured; it holds with 1 - ``gold_delta``."""

    gold: GoldView | None
    miss_bound: float | None
    gold_delta: float
    second: SecondReviewsView | None
    agreement: float | None
    reviewers: list[ReviewerView]
    disagreements: list[DisagreementView]


class PolicyNameView(BaseModel):
    """A policy, and what is wrong with its file ("": nothing; else an older one is in force)."""

    name: str
    version: int
    sha256: str
    problem: str


class PolicyView(PolicyNameView):
    """The policy in force, and the one in the shadow."""

    shadow: PolicyNameView | None


class DryRunBody(Body):
    """A policy to try on recorded answers."""

    policy: Text = Field(max_length=500_000, description="The policy file's text, YAML.")
    since_days: float | None = Field(
        default=None, gt=0, le=36_500, description="Only answers of the last days; null: all."
    )


class ChangedView(BaseModel):
    """An answer that the policy would have treated in another way."""

    answer_id: str
    question: str
    created_at: str
    was: str
    becomes: str
    reasons: list[str]


class DryRunView(BaseModel):
    """What a policy would have done; ``change`` is how many more have each outcome."""

    policy: str
    policy_sha256: str
    answers: int
    unchanged: int
    change: dict[str, int]
    summary: str
    changed: list[ChangedView]
