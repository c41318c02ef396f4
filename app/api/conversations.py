"""What the chat works with beside asking: conversations, suggestions, feedback, usual waits."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from app.access.principals import Principal
from app.answering.reading import own_view
from app.answering.suggestions import SuggestionsView
from app.api.requests import Body, Guarded, May, ServicesDep, Text, Words, page_limit
from app.records import conversations as own
from app.records.conversations import LONGEST_TITLE, ConversationsView
from app.records.feedback import GivenView, give, given
from app.records.views import AnswerView
from app.review.minutes import WaitView, usual_wait

LONGEST_REASON = 2000


class ConversationBody(BaseModel):
    """A conversation's answers, oldest first; ``more``: there are older ones."""

    conversation_id: str
    title: str
    answers: list[AnswerView]
    more: bool


class TitleBody(Body):
    """A title for a conversation; empty: its first question that is no small talk."""

    title: Words = Field(max_length=LONGEST_TITLE)


class FeedbackBody(Body):
    """Whether an answer was useful, and why."""

    useful: bool
    reason: Words = Field(default="", max_length=LONGEST_REASON)


class AllFeedbackView(BaseModel):
    """What askers said, newest first."""

    feedback: list[GivenView]


router = APIRouter(prefix="/v1", tags=["conversations"], route_class=Guarded)
Owner = Annotated[Principal, Depends(May("answers.own"))]
Operator = Annotated[Principal, Depends(May("gate.read"))]


@router.get("/conversations", response_model=ConversationsView, summary="One's conversations")
def conversations(
    services: ServicesDep,
    principal: Owner,
    find: Annotated[Text, Query(max_length=200, description="Part of a title or question.")] = "",
    limit: int = 30,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> Any:
    """Newest first; every answer of the caller's is in one."""
    with services.database.reading() as session:
        size = page_limit(limit, 100)
        return own.conversations(session, principal.name, find, size, cursor)


@router.get(
    "/conversations/{conversation_id}", response_model=ConversationBody, summary="One conversation"
)
def conversation(
    conversation_id: str,
    services: ServicesDep,
    principal: Owner,
    limit: int = 50,
    before: Annotated[Text | None, Query(max_length=64, description="An answer's id.")] = None,
) -> Any:
    """Its newest answers, or those ``before`` one of them, oldest first."""
    with services.database.reading() as session:
        title, records, more = own.turns(
            session, principal.name, conversation_id, page_limit(limit, 100), before
        )
        return ConversationBody(
            conversation_id=conversation_id,
            title=title,
            answers=[own_view(session, principal, record) for record in records],
            more=more,
        )


@router.put("/conversations/{conversation_id}", status_code=204, summary="Name a conversation")
def rename(conversation_id: str, body: TitleBody, services: ServicesDep, principal: Owner) -> None:
    """Only for the caller's own list."""
    with services.database.transaction() as session:
        own.rename(session, principal.name, conversation_id, body.title)


@router.put(
    "/conversations/{conversation_id}/seen", status_code=204, summary="Note that it was seen"
)
def see(conversation_id: str, services: ServicesDep, principal: Owner) -> None:
    """Its answers, as they are now, count as ``unseen`` no more."""
    with services.database.transaction() as session:
        own.see(session, principal.name, conversation_id)


@router.delete("/conversations/{conversation_id}", status_code=204, summary="Take off the list")
def hide(conversation_id: str, services: ServicesDep, principal: Owner) -> None:
    """The records of its answers stay until they are erased; the caller no longer sees it here."""
    with services.database.transaction() as session:
        own.hide(session, principal.name, conversation_id)


@router.get("/suggestions", response_model=SuggestionsView, summary="Questions to begin with")
def suggested(services: ServicesDep, principal: Owner) -> Any:
    """Questions that were answered and released, else headings' that would be; from what the caller
    may read."""
    return services.suggestions.view(principal)


@router.get("/waiting", response_model=WaitView, summary="How long held answers wait")
def waiting(services: ServicesDep, _principal: Owner) -> Any:
    """The median of the newest decisions."""
    with services.database.reading() as session:
        return usual_wait(session)


@router.put("/answers/{answer_id}/feedback", status_code=204, summary="Say what an answer is worth")
def feedback(answer_id: str, body: FeedbackBody, services: ServicesDep, principal: Owner) -> None:
    """In place of what was said of it before; operators see it."""
    with services.database.transaction() as session:
        give(session, principal.name, answer_id, body.useful, body.reason)


@router.get("/feedback", response_model=AllFeedbackView, summary="What askers said")
def all_feedback(services: ServicesDep, principal: Operator, limit: int = 50) -> Any:
    """Newest first, on answers from collections in scope; without who asked."""
    with services.database.reading() as session:
        size = page_limit(limit, 200)
        return AllFeedbackView(feedback=list(given(session, principal.may_read_all, size)))
