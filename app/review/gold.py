"""Gold items: answers that are known to be wrong or right, kept for operators."""

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db import Database, iso, now
from app.errors import Conflict, Invalid, NotFound
from app.gate.labels import label_of
from app.records.audit import append_audit
from app.records.tables import RecordRow, SettlementRow
from app.review.probes import CONTENT, content_of, deciders
from app.review.states import state_at
from app.review.tables import GoldItemRow, ProbeRow, ReviewTaskRow
from guardrails.contract import canonical_sha256


@dataclass(frozen=True)
class GoldItemView:
    """A gold item, and what a reviewer said of it; keep it from reviewers."""

    gold_item: str
    collection: str
    question: str
    wrong: bool
    state: str
    reviewer: str | None
    called_wrong: bool | None
    added_by: str
    added_at: str


def add_gold_answer(database: Database, answer_id: str, *, wrong: bool, by: str) -> str:
    """Make a gold item of a decided answer; returns its id.

    ``wrong`` is the operator's own finding and must confirm the decision. Raises ``NotFound``,
    ``Invalid`` for an answer that nobody decided, was decided otherwise or cannot be shown to one
    reviewer alone, and ``Conflict`` when it is a gold item already.
    """
    with database.transaction() as session:
        task = session.scalar(select(ReviewTaskRow).where(ReviewTaskRow.answer_id == answer_id))
        record = session.get(RecordRow, answer_id)
        if record is None:
            raise NotFound("There is no such answer.")
        settled = session.get(SettlementRow, answer_id)
        if settled is not None and settled.state == "erased":
            raise Invalid("This answer was erased.")
        label = label_of(session, answer_id)
        if task is None or task.state != "decided" or label is None:
            raise Invalid("A gold item needs an answer with a decision that is a label.")
        if label.wrong is not wrong:
            raise Invalid("The reviewer decided otherwise; only what you confirm can be gold.")
        content = content_of(record, CONTENT)
        known = [*deciders(session, task), record.principal]
        item = _add(session, label.collection, content, wrong, by, task.id, known)
        if item is None:
            raise Conflict("This answer is a gold item already.")
        return item.id


def add_gold(
    database: Database, collection: str, content: Mapping[str, Any], *, wrong: bool, by: str
) -> bool:
    """Add a gold item that somebody wrote; False when there is one with this content already.

    ``content`` has the fields ``CONTENT``. Raises ``Invalid`` where four eyes are needed.
    """
    with database.transaction() as session:
        return _add(session, collection, content, wrong, by, None, []) is not None


def _add(
    session: Session,
    collection: str,
    content: Mapping[str, Any],
    wrong: bool,
    by: str,
    task_id: str | None,
    known_by: Iterable[str],
) -> GoldItemRow | None:
    if content["verdict"].get("four_eyes"):
        raise Invalid("The policy wants two reviewers for this answer; it cannot be a gold item.")
    same = canonical_sha256([content["question"], content["draft"], content["evidence"]])
    if session.scalar(select(GoldItemRow.id).where(GoldItemRow.content_sha256 == same)):
        return None
    item = GoldItemRow(
        id=secrets.token_hex(16),
        collection=collection,
        wrong=wrong,
        content=dict(content),
        content_sha256=same,
        task_id=task_id,
        known_by=sorted(set(known_by)),
        added_by=by,
        added_at=now(),
    )
    session.add(item)
    append_audit(session, "gold_added", {"gold_item": item.id, "wrong": wrong, "by": by})
    return item


def gold_items(database: Database) -> list[GoldItemView]:
    """Every gold item with what was said of it, oldest first; for operators only."""
    with database.reading() as session:
        moment = database.time(session)
        rows = session.scalars(select(GoldItemRow).order_by(GoldItemRow.added_at, GoldItemRow.id))
        probes = session.execute(
            select(ReviewTaskRow, ProbeRow)
            .join(ProbeRow, ProbeRow.task_id == ReviewTaskRow.id)
            .where(ReviewTaskRow.kind == "gold")
        )
        shown = {
            probe.gold_item: (task, probe)
            for task, probe in probes
            if state_at(task, moment) != "expired"
        }
        return [_view(row, *shown.get(row.id, (None, None))) for row in rows]


def _view(row: GoldItemRow, task: ReviewTaskRow | None, probe: ProbeRow | None) -> GoldItemView:
    decided = task is not None and task.state == "decided"
    return GoldItemView(
        gold_item=row.id,
        collection=row.collection,
        question=row.content["question"],
        wrong=row.wrong,
        state="waiting" if task is None else task.state,
        reviewer=task.claimed_by if task is not None and decided else None,
        called_wrong=probe.called_wrong if probe is not None else None,
        added_by=row.added_by,
        added_at=cast("str", iso(row.added_at)),
    )
