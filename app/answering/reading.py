"""What a question reads of the database: once before the models, and once when it is recorded.

Each function reads in a transaction of its caller. In between, no transaction is open; what may
have changed meanwhile is read again, unless the number of the audit chain stands still.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import and_, select, true
from sqlalchemy.orm import Session

from app.access.principals import Principal
from app.access.standing import as_of_now, ended_credentials
from app.answering.asking_back import Choice
from app.answering.followup import HISTORY_WEIGHTS
from app.corpus.tables import (
    DELETED,
    CollectionRow,
    DocumentRow,
    IndexVersionRow,
    LiveIndexRow,
    PassageRow,
    is_hidden,
)
from app.corpus.versions import index_version
from app.db import Database
from app.errors import NotFound
from app.gate.admission import Gate
from app.gate.modes import Modes
from app.records import recording, release
from app.records.audit import NO_HEAD, lock_head
from app.records.tables import AuditHeadRow, AuditRow, RecordRow, ReleaseRow
from app.records.views import SMALL_TALK, AnswerView
from app.retrieval.live_index import Pointer
from app.review.tables import ReviewTaskRow
from guardrails.contract import Passage

BATCH = 500
"""Values per statement."""
TURNS_PER_QUESTION = 2
"""Turns of a conversation that are read for each question of its history: some are thanks."""
REVIEWS = "reviews"
"""Beside ids of answers: what is followed by whom any review task concerns."""


@dataclass(frozen=True)
class Snapshot:
    """What stood before the models ran; ``stamp`` is the number of the audit chain then.

    ``earlier`` are the questions that this one follows, oldest first, as they stand alone;
    ``offered`` is what was asked back of the last of them.
    """

    collections: tuple[str, ...]
    earlier: tuple[str, ...]
    modes: Modes
    pointer: Pointer | None
    stamp: int
    offered: tuple[Choice, ...] = ()


@dataclass(frozen=True)
class Recheck:
    """What stands when the answer is recorded: modes, the asker's scope, and of the evidence the
    passages that still exist within it."""

    principal: Principal
    modes: Modes
    standing: frozenset[str]


def read_before(
    session: Session, principal: Principal, previous_answer_id: str | None, gate: Gate
) -> Snapshot:
    """Scope, conversation, modes and live index; raises ``NotFound`` for an answer to follow
    that is not the asker's."""
    stamp, pointer = live_index(session)
    names = session.scalars(_USED)
    turns = _turns(session, principal, previous_answer_id)
    offered = turns[-1].searched.get("choices", ()) if turns else ()
    return Snapshot(
        tuple(principal.readable(names)),
        tuple(recording.searched_for(row) for row in turns if row.question),
        gate.modes(session),
        pointer,
        stamp,
        tuple(Choice(**choice) for choice in offered),
    )


def read_again(
    session: Session,
    principal: Principal,
    evidence: Sequence[Passage],
    gate: Gate,
    before: Snapshot,
) -> Recheck:
    """What is true of it now; the audit chain is locked from here on, so that it stays true."""
    same = lock_head(session).number == before.stamp
    present = as_of_now(session, principal)
    found = {p.id: p.collection for p in evidence}
    if not same and found:
        found = standing_passages(session, found)
    standing = {passage for passage, name in found.items() if present.may_read(name)}
    modes = before.modes if same else gate.modes(session)
    return Recheck(present, modes, frozenset(standing))


def standing_passages(session: Session, ids: Iterable[str]) -> dict[str, str]:
    """The collection of each of those passages that exist and whose document is not deleted."""
    rows = session.execute(
        select(PassageRow.id, DocumentRow.collection)
        .join(DocumentRow, DocumentRow.id == PassageRow.document_id)
        .where(PassageRow.id.in_(list(ids)), DocumentRow.state != DELETED)
    )
    return {row[0]: row[1] for row in rows}


def own_view(session: Session, principal: Principal, record: RecordRow) -> AnswerView:
    """One of the principal's own answers, without quotes and titles that are gone, or
    beyond their scope now."""
    released = session.get(ReleaseRow, record.answer_id)
    # A reviewer may have cited others than the draft did.
    edited = [one["passage_id"] for one in released.answer["citations"]] if released else []
    found = {one["id"]: one["title"] for one in record.evidence}
    places = standing_passages(session, {*release.cited_passages(record), *edited, *found})
    readable = {passage for passage, name in places.items() if principal.may_read(name)}
    view = release.answer_view(session, record, readable)
    if readable >= found.keys():
        return view
    # What was asked back was made from all of the passages, and names things in them.
    gone = set(found.values()) - {title for key, title in found.items() if key in readable}
    titles = [title for title in view.searched.titles if title not in gone]
    return replace(view, searched=replace(view.searched, titles=titles), choices=[])


class AnswerNews:
    """What event streams wait for: changes of answers, and credentials that end."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def newest(self) -> int:
        """The number of the newest link of the audit chain."""
        with self._database.reading() as session:
            return session.scalar(select(AuditHeadRow.number)) or 0

    def since(self, number: int) -> tuple[int, set[str]]:
        """The newest number, and the answers that links after ``number`` name; ``REVIEWS`` too,
        where one of them is about a review task."""
        query = select(AuditRow.number, AuditRow.event).where(AuditRow.number > number)
        with self._database.reading() as session:
            links = session.execute(query.order_by(AuditRow.number)).all()
            events = [event for _, event in links]
            answers = {event["answer_id"] for event in events if "answer_id" in event}
            if any("task_id" in event for event in events):
                answers.add(REVIEWS)
            tasks = [e["task_id"] for e in events if "answer_id" not in e and "task_id" in e]
            if tasks:
                of_tasks = select(ReviewTaskRow.answer_id).where(ReviewTaskRow.id.in_(tasks))
                answers |= set(session.scalars(of_tasks))
        return (links[-1][0] if links else number), answers

    def ended(self, credentials: Collection[str]) -> set[str]:
        """Those credentials that hold no more."""
        wanted = sorted(credentials)
        ended: set[str] = set()
        with self._database.reading() as session:
            for first in range(0, len(wanted), BATCH):
                ended |= ended_credentials(session, wanted[first : first + BATCH])
        return ended


def live_index(session: Session) -> tuple[int, Pointer | None]:
    """The number of the audit chain, and the live version with what was deleted since."""
    rows = session.execute(_LIVE).all()
    if not rows:
        raise RuntimeError(NO_HEAD)
    stamp, version, _ = rows[0]
    if version is None:
        return stamp, None
    deleted = tuple(document for _, _, document in rows if document is not None)
    return stamp, Pointer(index_version(version), deleted)


# Each question asks these, and to build a statement costs more than to run it.
_USED = select(CollectionRow.name).where(CollectionRow.documents > 0).order_by(CollectionRow.name)
_DELETED_SINCE = and_(is_hidden(), DocumentRow.number > IndexVersionRow.number)
_LIVE = (
    select(AuditHeadRow.number, IndexVersionRow, DocumentRow.id)
    .select_from(AuditHeadRow)
    .outerjoin(LiveIndexRow, true())
    .outerjoin(IndexVersionRow, IndexVersionRow.id == LiveIndexRow.version_id)
    .outerjoin(DocumentRow, _DELETED_SINCE)
    .where(AuditHeadRow.id == 1)
)


def _turns(session: Session, principal: Principal, answer_id: str | None) -> list[RecordRow]:
    """What was asked before, oldest first, without what was blocked and without small talk."""
    if answer_id is None:
        return []
    looked_at = TURNS_PER_QUESTION * len(HISTORY_WEIGHTS)
    turns = recording.conversation(session, principal.name, answer_id, looked_at)
    if not turns:
        raise NotFound("There is no such answer to follow.")
    asked = [row for row in turns if row.outcome != "blocked" and not _is_small_talk(row)]
    return asked[-len(HISTORY_WEIGHTS) :]


def _is_small_talk(record: RecordRow) -> bool:
    return bool(record.searched.get("reason") == SMALL_TALK)
