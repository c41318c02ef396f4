"""An asker's own conversations: listed, searched, named, hidden."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, or_, select, tuple_
from sqlalchemy.orm import Session

from app.db import insert_or, iso, now
from app.errors import BadRequest, NotFound
from app.records.tables import ConversationRow, RecordRow, SettlementRow

conversation_of: ColumnElement[str] = func.coalesce(RecordRow.conversation, RecordRow.answer_id)
"""Records that the release before wrote during an upgrade stand alone."""
reason = RecordRow.searched["reason"].as_string()
"""Why there is no answer although nothing need be missing in the documents; null for most."""
LONGEST_TITLE = 200
NEWS = ("released", "corrected", "withdrawn", "refused", "expired")
"""What became of an answer that its asker has to be told of."""
NEWS_DAYS = 30
"""Older changes are no news."""
Page = Select[*tuple[Any, ...]]


@dataclass(frozen=True)
class ConversationView:
    """A conversation; ``title`` is its first question that is one unless its asker gave another,
    ``waiting`` how many of its answers a reviewer still has to decide, ``unseen`` how many were
    decided, corrected or withdrawn since their asker last saw it."""

    conversation_id: str
    title: str
    answers: int
    waiting: int
    unseen: int
    updated_at: str


@dataclass(frozen=True)
class ConversationsView:
    """A page of conversations, the newest first; ``next_cursor`` gives the next page. ``waiting``
    and ``unseen`` count the answers of all of the caller's conversations, not of this page."""

    conversations: list[ConversationView]
    next_cursor: str | None
    waiting: int
    unseen: int


def conversations(
    session: Session, principal: str, find: str, limit: int, cursor: str | None
) -> ConversationsView:
    """One page; with ``find``, of those whose title or any question holds it. Raises
    ``BadRequest``."""
    newest = func.max(RecordRow.created_at)
    query: Page = select(conversation_of, newest, func.count()).where(*_own(principal))
    query = query.group_by(conversation_of)
    if find:
        query = query.where(_found(principal, find))
    if cursor is not None:
        query = query.having(tuple_(newest, conversation_of) < tuple_(*_place(cursor)))
    rows = session.execute(
        query.order_by(newest.desc(), conversation_of.desc()).limit(limit + 1)
    ).all()
    page, more = rows[:limit], len(rows) > limit
    ids = [row[0] for row in page]
    titles = _titles(session, principal, ids)
    waiting, unseen = _waiting(session, principal), _unseen(session, principal)
    shown = [
        ConversationView(
            conversation_id=name,
            title=titles.get(name, ""),
            answers=count,
            waiting=waiting.get(name, 0),
            unseen=unseen.get(name, 0),
            updated_at=iso(at) or "",
        )
        for name, at, count in page
    ]
    return ConversationsView(
        conversations=shown,
        next_cursor=_cursor(page[-1][1], page[-1][0]) if more else None,
        waiting=sum(waiting.values()),
        unseen=sum(unseen.values()),
    )


def turns(
    session: Session, principal: str, conversation_id: str, limit: int, before: str | None
) -> tuple[str, list[RecordRow], bool]:
    """Title, the newest ``limit`` records of it, oldest first, and whether there are older ones;
    with ``before``, those older than that answer. Raises ``NotFound``."""
    of = (*_own(principal), conversation_of == conversation_id)
    query = select(RecordRow).where(*of)
    if before is not None:
        moment = session.scalar(select(RecordRow.created_at).where(*of, _is(before)))
        if moment is None:
            raise NotFound("There is no such answer in this conversation.")
        # Several may be of one moment: they are told apart as they are ordered.
        place = tuple_(RecordRow.created_at, RecordRow.answer_id)
        query = query.where(place < tuple_(moment, before))
    order = RecordRow.created_at.desc(), RecordRow.answer_id.desc()
    found = list(session.scalars(query.order_by(*order).limit(limit + 1)))
    if not found:
        raise NotFound("There is no such conversation.")
    title = _titles(session, principal, [conversation_id]).get(conversation_id, "")
    return title, found[:limit][::-1], len(found) > limit


def rename(session: Session, principal: str, conversation_id: str, title: str) -> None:
    """Give a title, or with "" that of its first question again; raises ``NotFound``."""
    _own_row(session, principal, conversation_id).title = title.strip()[:LONGEST_TITLE] or None


def see(session: Session, principal: str, conversation_id: str) -> None:
    """Its answers are no news any more, as they are now; raises ``NotFound``."""
    newest = (
        select(func.max(SettlementRow.number))
        .join(RecordRow, RecordRow.answer_id == SettlementRow.answer_id)
        .where(*_own(principal), conversation_of == conversation_id)
    )
    _own_row(session, principal, conversation_id).seen = session.scalar(newest)


def hide(session: Session, principal: str, conversation_id: str) -> None:
    """Take it off the list; its records stay. Raises ``NotFound``."""
    row = _own_row(session, principal, conversation_id)
    row.hidden_at, row.title = now(), None


def _own(principal: str) -> Sequence[Any]:
    hidden = select(ConversationRow.id).where(
        ConversationRow.principal == principal, ConversationRow.hidden_at.is_not(None)
    )
    return RecordRow.principal == principal, conversation_of.not_in(hidden)


def _is(answer_id: str) -> Any:
    return RecordRow.answer_id == answer_id


def _found(principal: str, find: str) -> Any:
    asked = select(conversation_of).where(
        RecordRow.principal == principal, RecordRow.question.icontains(find, autoescape=True)
    )
    named = select(ConversationRow.id).where(
        ConversationRow.principal == principal,
        ConversationRow.title.icontains(find, autoescape=True),
    )
    return conversation_of.in_(asked.union_all(named))


def _titles(session: Session, principal: str, ids: Sequence[str]) -> dict[str, str]:
    """By conversation. One that begins with small talk, or in a language that no document is in, is
    called by the first question after it that could be answered, if there is one."""
    first = select(RecordRow.answer_id, RecordRow.question, reason).where(
        RecordRow.answer_id.in_(ids)
    )
    named = select(ConversationRow.id, ConversationRow.title).where(
        ConversationRow.id.in_(ids), ConversationRow.title.is_not(None)
    )
    begun = session.execute(first).all()
    found: dict[str, str] = {row[0]: row[1] for row in begun}
    if greeted := [row[0] for row in begun if row[2]]:
        found |= _first_questions(session, principal, greeted)
    return found | {row[0]: row[1] or "" for row in session.execute(named)}


def _unseen(session: Session, principal: str) -> dict[str, int]:
    """By conversation, how many answers are news; those without one are left out."""
    since = now() - timedelta(days=NEWS_DAYS)
    query = (
        select(conversation_of, func.count())
        .join(SettlementRow, SettlementRow.answer_id == RecordRow.answer_id)
        .outerjoin(ConversationRow, ConversationRow.id == conversation_of)
        .where(
            *_own(principal),
            SettlementRow.state.in_(NEWS),
            SettlementRow.settled_at > since,
            SettlementRow.number > func.coalesce(ConversationRow.seen, 0),
        )
        .group_by(conversation_of)
    )
    return {row[0]: row[1] for row in session.execute(query)}


def _waiting(session: Session, principal: str) -> dict[str, int]:
    """By conversation, how many answers are held; those without one are left out."""
    state = SettlementRow.state
    held = or_(
        and_(RecordRow.outcome == "held", state.is_(None)), state.in_(("reopened", "recalled"))
    )
    query = (
        select(conversation_of, func.count())
        .outerjoin(SettlementRow, SettlementRow.answer_id == RecordRow.answer_id)
        .where(*_own(principal), held)
        .group_by(conversation_of)
    )
    return {row[0]: row[1] for row in session.execute(query)}


def _first_questions(session: Session, principal: str, ids: Sequence[str]) -> dict[str, str]:
    """The oldest question of each conversation whose answer gives no reason to pass over it."""
    turn = func.row_number().over(
        partition_by=RecordRow.conversation, order_by=(RecordRow.created_at, RecordRow.answer_id)
    )
    asked = (
        select(RecordRow.conversation, RecordRow.question, turn.label("turn"))
        .where(RecordRow.principal == principal, RecordRow.conversation.in_(ids), reason.is_(None))
        .subquery()
    )
    query = select(asked.c.conversation, asked.c.question).where(asked.c.turn == 1)
    return {row[0]: row[1] for row in session.execute(query)}


def _own_row(session: Session, principal: str, conversation_id: str) -> ConversationRow:
    exists = select(RecordRow.answer_id).where(*_own(principal), conversation_of == conversation_id)
    if session.scalar(exists.limit(1)) is None:
        raise NotFound("There is no such conversation.")
    row = insert_or(session, ConversationRow).values(id=conversation_id, principal=principal)
    session.execute(row.on_conflict_do_nothing())  # another request may make it at this moment
    return session.get_one(ConversationRow, conversation_id, with_for_update=True)


def _cursor(moment: datetime, conversation_id: str) -> str:
    return base64.urlsafe_b64encode(f"{moment.isoformat()} {conversation_id}".encode()).decode()


def _place(cursor: str) -> tuple[datetime, str]:
    try:
        moment, _, name = base64.urlsafe_b64decode(cursor.encode()).decode().partition(" ")
        place = datetime.fromisoformat(moment), name
    except ValueError as error:
        raise BadRequest("The cursor is not one that this list gave.") from error
    if place[0].tzinfo is not None or "\0" in name:
        raise BadRequest("The cursor is not one that this list gave.")
    return place
