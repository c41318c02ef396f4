"""What goes out of an answer: the values that askers and reviewers see, also as JSON."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import Field

from guardrails.contract import AnswerObject

View = TypeVar("View")
SMALL_TALK, OTHER_LANGUAGE = "small_talk", "other_language"
"""Why there is no answer although nothing need be missing in the documents."""
ERASED: Final = "erased"
Reason = Literal["", "small_talk", "other_language", "erased"]


def view_of(view: type[View], stored: Mapping[str, Any]) -> View:
    """The fields of ``view`` from stored JSON, which may know more, and of older rows less."""
    names = [one.name for one in fields(view)]  # type: ignore[arg-type]
    return view(**{name: stored[name] for name in names if name in stored})


@dataclass(frozen=True)
class CitationView:
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
    redacted: Annotated[
        bool, Field(description="The quote holds personal data, so it is left out.")
    ] = False
    last_page: Annotated[
        int | None, Field(description="Where the quote ends, if that is another page.")
    ] = None


@dataclass(frozen=True)
class SentenceView:
    """One sentence and the numbers of its citations."""

    text: str
    citations: list[int]


@dataclass(frozen=True)
class AnswerBody:
    """The answer object that was judged; ``short`` is its core where one is known."""

    text: str
    short: str | None
    sentences: list[SentenceView]
    citations: list[CitationView]

    @classmethod
    def of(cls, stored: AnswerObject) -> "AnswerBody":
        """From the stored answer object."""
        sentences = [view_of(SentenceView, one) for one in stored["sentences"]]
        citations = [view_of(CitationView, one) for one in stored["citations"]]
        return cls(stored["text"], stored["short"], sentences, citations)


@dataclass(frozen=True, kw_only=True)
class SearchedView:
    """What was searched; of a follow-up, ``question`` is the form that stands alone. ``read_as`` is
    the question without slips of typing, "" where there was none."""

    question: str = ""
    read_as: str = ""
    previous_answer_id: str | None = None
    collections: list[str]
    passages: int
    titles: list[str]


@dataclass(frozen=True)
class ChoiceView:
    """Something that a question may be about, and the full question to ask about it."""

    label: str
    question: str


@dataclass(frozen=True)
class GateView:
    """What stood behind a release: the mode, and the promise of the certificate if there was one.

    ``provisional`` means that the certificate is the shipped one: nothing was measured on these
    documents, so there is no promise, and ``alpha`` and ``delta`` are null. ``weighed``: some wrong
    answers count less than others, and ``alpha`` bounds what they count together.
    """

    mode: Literal["off", "provisional", "certified", "review_everything", "retrieval_only"]
    certified: bool
    provisional: bool
    alpha: float | None
    delta: float | None
    weighed: bool = False


@dataclass(frozen=True)
class FeedbackView:
    """What its asker said of an answer."""

    useful: bool
    reason: str


@dataclass(frozen=True, kw_only=True)
class AnswerView:
    """An answer as its asker may see it. ``answer`` is null unless it was released.

    ``message`` says what became of the question; of a released answer, whether a source of it was
    changed or removed since.
    """

    answer_id: str
    status: Literal["released", "held", "blocked", "abstained", "rejected", "withdrawn"]
    question: str
    created_at: str
    released_at: str | None
    released_by: Literal["policy", "reviewer"] | None
    edited: bool
    message: str
    answer: AnswerBody | None
    disclaimer: Annotated[str, Field(description="To be shown below a released answer.")] = ""
    searched: SearchedView
    timings_ms: dict[str, float]
    gate: GateView | None
    reason: Annotated[
        Reason,
        Field(
            description="Why there is no answer: `small_talk` (the message replies to a greeting, "
            "thanks, a farewell or “Are you a bot?”), `other_language` (the question is in another "
            "language than the documents), `erased` (its words were erased; the status is then "
            "`rejected`), or nothing of the kind."
        ),
    ] = ""
    choices: Annotated[
        list[ChoiceView],
        Field(description="What the question may be about, where it leaves that open."),
    ] = field(default_factory=list)
    feedback: FeedbackView | None = None
