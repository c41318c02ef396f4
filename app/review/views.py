"""Review tasks as reviewers see them: the values of the desk, also as JSON."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field

from app.records.views import AnswerBody

TaskState = Literal["open", "claimed", "decided", "expired"]
DecisionKind = Literal["approve", "edit", "reject"]


@dataclass(frozen=True, kw_only=True)
class TaskView:
    """A review task in a list."""

    task_id: str
    answer_id: str
    state: TaskState
    question: str
    searched_for: str
    asker: str
    reasons: list[str]
    created_at: str
    expires_at: str
    claimed_by: str | None
    queue: str
    four_eyes: bool
    approved_by: Annotated[
        list[str],
        Field(description="With four eyes: who approved the answer that is proposed now."),
    ]
    approvals_needed: int
    urgency: Annotated[
        Literal["urgent", "high", "normal"],
        Field(description="As the policy says, or `urgent` once it was escalated."),
    ]
    escalated_at: Annotated[
        str | None,
        Field(description="When it escalated by age, since nobody had taken it; null: it did not."),
    ]
    cause: Annotated[
        str,
        Field(
            description="The check that held it; `gate` where no check failed, and `empty` where "
            "there is no draft."
        ),
    ]
    risk: Annotated[
        float | None,
        Field(description="The probability that the draft is wrong; null where no rule held it."),
    ]
    assigned_to: str | None
    snoozed_until: str | None
    stale: Annotated[
        bool, Field(description="A source that the draft cites was changed or removed.")
    ]
    provisional: Annotated[
        bool,
        Field(
            description="Whether the gate looked at it under the shipped certificate, so that "
            "nothing was measured on these documents; it does not say whether it was released."
        ),
    ]


@dataclass(frozen=True)
class TasksView:
    """Review tasks, and how many wait."""

    tasks: list[TaskView]
    open: Annotated[int, Field(description="How many wait, counted up to 1,000; with `text` 200.")]
    next_cursor: Annotated[
        str | None, Field(description="Send it as `cursor` for the next page; null: no more.")
    ] = None
    open_more: Annotated[bool, Field(description="More wait than were counted.")] = False


@dataclass(frozen=True)
class EvidenceView:
    """A passage given to the generator; a removed one has lost its text."""

    passage_id: str
    document_id: str
    title: str
    page: int | None
    text: str
    removed: bool
    cited: bool
    number: Annotated[int, Field(description="What `[n]` in an edit cites it by.")]
    last_page: int | None = None
    headings: Annotated[
        list[str], Field(description="The path of headings it stands under, outermost first.")
    ] = field(default_factory=list)


@dataclass(frozen=True)
class FindingView:
    """What one check said."""

    check: str
    outcome: Literal["pass", "fail", "could_not_run"]
    message: str
    label: str
    excerpt: str


@dataclass(frozen=True)
class VerdictView:
    """What the policy decided, and which policy."""

    action: Literal["release", "review", "block"]
    reasons: list[str]
    message: str
    policy: str
    policy_sha256: str
    queue: str = ""
    four_eyes: bool = False
    deadline_hours: float | None = None
    redact: Annotated[list[str], Field(description="Kinds of personal data to be masked.")] = field(
        default_factory=list
    )
    disclaimers: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class ProposalView:
    """The answer that a first reviewer approved, where a second one must approve it too."""

    reviewer: str
    edited: bool
    answer: AnswerBody
    approved_at: str


@dataclass(frozen=True)
class SecondTryView:
    """A first draft did not fit a schema, so a second one was asked for."""

    shown: Annotated[Literal["first", "second"], Field(description="Which of the two `draft` is.")]
    message: Annotated[
        str, Field(description="Why, what became of it, and which is shown, for people.")
    ]


@dataclass(frozen=True)
class BackgroundDraftView:
    """What a slower drafter wrote after the asker was told to wait, beside the task's draft."""

    model: str
    made_at: str
    draft: AnswerBody
    findings: Annotated[list[FindingView], Field(description="The checks that did not pass.")]
    content_sha256: Annotated[str, Field(description="Send it to take this draft.")]


@dataclass(frozen=True)
class DecisionView:
    """The decision on a task."""

    kind: DecisionKind
    reviewer: str
    reason: str
    text: str
    decided_at: str
    override_reason: Annotated[
        str, Field(description="Why an edit was released although checks failed.")
    ] = ""
    problems: Annotated[list[FindingView], Field(description="The checks that an edit failed.")] = (
        field(default_factory=list)
    )


@dataclass(frozen=True)
class ColleaguesView:
    """Who may be given a task."""

    names: list[str]


NoteKind = Literal[
    "comment",
    "assigned",
    "snoozed",
    "escalated",
    "escalated_by_age",
    "taken_over",
    "drafted_again",
    "draft_taken",
    "undone",
]


@dataclass(frozen=True)
class NoteView:
    """What a reviewer did to a task besides deciding it; ``about`` is whom or when it concerns."""

    kind: NoteKind
    written_by: Annotated[str, Field(description="Empty: the service.")]
    about: str
    text: str
    written_at: str


@dataclass(frozen=True)
class SourceChange:
    """A cited passage that stands no more: both texts of a document that was replaced."""

    passage_id: str
    title: str
    removed: Annotated[bool, Field(description="Its document was deleted: no text is shown.")]
    before: str
    now: Annotated[str, Field(description="The passage of the new revision that is most like it.")]


@dataclass(frozen=True, kw_only=True)
class TaskDetailView(TaskView):
    """Everything a decision needs; send ``content_sha256`` and ``fence`` back with it."""

    why: Annotated[str, Field(description="Why it waits, in one line for people.")]
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
    undo_until: Annotated[
        str | None, Field(description="Until when the decision can be taken back.")
    ]
    notes: list[NoteView]
    changed_sources: list[SourceChange]
    redrafts: Annotated[int, Field(description="How many new drafts were made for it.")]
    background_draft: BackgroundDraftView | None
    reading_seconds: Annotated[
        float, Field(description="Least seconds between claim and decision; 0: none.")
    ] = 0.0
    reading_until: Annotated[
        str | None, Field(description="From when its holder can decide, where that is asked.")
    ] = None


@dataclass(frozen=True)
class EditView:
    """A released edit as a row to learn from.

    ``evidence`` are the texts that the generator was given; ``[n]`` in the answer is
    ``evidence[n-1]``.
    """

    question: str
    titles: list[str]
    evidence: list[str]
    answer: str
    task_id: str
    decided_at: str
