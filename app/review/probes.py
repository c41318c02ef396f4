"""Probes measure reviewers: gold items and blind second reviews, unmarked among review tasks.

A **gold item** is an answer that is known to be wrong or right. A **blind second review** shows a
decided answer once more, to somebody who does not know of the first decision. Both look like any
review task. A probe belongs to no record, so that no decision on it can release, withdraw or label
anything: it says how often reviewers are mistaken, and nothing else.

Each reviewer sees one of the two, the first task or the probe: else the pair would give it away.
"""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Literal

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.corpus.passages import current_passages
from app.db import Database, iso, now
from app.errors import Conflict, Invalid, NotFound
from app.gate.sampling import drawn, fraction
from app.gate.tables import LabelRow
from app.records.audit import append_audit
from app.records.recording import content_hash
from app.records.tables import RecordRow
from app.review.tables import ApprovalRow, DecisionRow, GoldItemRow, ProbeRow, ReviewTaskRow
from app.settings import Settings
from guardrails.contract import canonical_sha256

Kind = Literal["gold", "second"]
UNDECIDED = ("open", "claimed")
CONTENT = ("question", "searched", "principal", "draft", "evidence", "findings", "verdict")
"""What a gold item keeps of a record; principal "" takes on a name when it is shown."""
SHOWN = (*CONTENT, "lineage")
"""What a probe keeps of a record: all that a reviewer sees."""
SECOND_TRY = "second_try"
"""Beside these, as in ``inputs`` of the record; written gold items have none."""


def record_of(probe: ProbeRow) -> RecordRow:
    """What reviewers see, in the form of a record; it is in no session and never stored."""
    shown = {name: probe.content[name] for name in SHOWN}
    shown["inputs"] = {SECOND_TRY: probe.content.get(SECOND_TRY)}
    return RecordRow(answer_id=probe.answer_id, content_sha256=probe.content_sha256, **shown)


def _kept(record: RecordRow, names: Sequence[str]) -> dict[str, Any]:
    """Fields of a record for a probe; without its second try a probe would stand out."""
    second_try = (record.inputs or {}).get(SECOND_TRY)
    return {name: getattr(record, name) for name in names} | {SECOND_TRY: second_try}


# Gold items


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
        label = session.get(LabelRow, answer_id)
        if task is None or task.state != "decided" or label is None:
            raise Invalid("A gold item needs an answer with a decision that is a label.")
        if label.wrong is not wrong:
            raise Invalid("The reviewer decided otherwise; only what you confirm can be gold.")
        content = _kept(record, CONTENT)
        known = [*_deciders(session, task), record.principal]
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


def gold_items(database: Database) -> list[dict[str, Any]]:
    """Every gold item with what was said of it, oldest first; for operators only."""
    with database.reading() as session:
        rows = session.scalars(select(GoldItemRow).order_by(GoldItemRow.added_at, GoldItemRow.id))
        probes = session.scalars(select(ProbeRow).where(ProbeRow.kind == "gold"))
        shown = {probe.gold_item: probe for probe in probes if probe.state != "expired"}
        return [_gold_wire(row, shown.get(row.id)) for row in rows]


def _gold_wire(row: GoldItemRow, probe: ProbeRow | None) -> dict[str, Any]:
    decided = probe is not None and probe.state == "decided"
    return {
        "gold_item": row.id,
        "collection": row.collection,
        "question": row.content["question"],
        "wrong": row.wrong,
        "state": "waiting" if probe is None else probe.state,
        "reviewer": probe.claimed_by if probe is not None and decided else None,
        "called_wrong": probe.called_wrong if probe is not None else None,
        "added_by": row.added_by,
        "added_at": iso(row.added_at),
    }


# Opening probes


def mix_in_gold(
    session: Session, task: ReviewTaskRow, record: RecordRow, settings: Settings
) -> None:
    """Open a gold item of the same collection beside a new task, if one is drawn.

    Each item is decided once only: two decisions on one item would not be independent. The audit
    link of the new task must be written before: its lock keeps others from taking the same item.
    """
    collection = (record.gate or {}).get("collection", "")
    if not drawn(settings.audit_seed, f"gold:{task.id}", settings.gold_share):
        return
    used = select(ProbeRow.gold_item).where(
        ProbeRow.gold_item.is_not(None), ProbeRow.state != "expired"
    )
    items = session.scalars(
        select(GoldItemRow).where(GoldItemRow.collection == collection, GoldItemRow.id.not_in(used))
    )
    for item in sorted(items, key=lambda row: fraction(settings.audit_seed, row.id)):
        if _sources_stand(session, item.content["evidence"]):
            _open_gold(session, item, record, settings)
            return


def _open_gold(session: Session, item: GoldItemRow, beside: RecordRow, settings: Settings) -> None:
    """Lineage, policy and, where there is none, the asker are those of the answer beside it: a
    gold item must look as if it were of the same hour."""
    content = dict(item.content)
    content["principal"] = content["principal"] or beside.principal
    content["lineage"] = beside.lineage
    policy = {name: beside.verdict[name] for name in ("policy", "policy_sha256")}
    content["verdict"] = content["verdict"] | policy
    known_by = [*item.known_by, content["principal"]]
    probe = _probe("gold", item.collection, content, item.wrong, known_by, settings)
    probe.gold_item, probe.first_task = item.id, item.task_id
    _open(session, probe)


def ask_again(
    session: Session, task: ReviewTaskRow, record: RecordRow, settings: Settings, *, wrong: bool
) -> None:
    """Open a blind second review of a task that was just decided, if it is drawn.

    Four eyes have seen a task already that asks for them, and without a draft there is nothing
    to call right. ``wrong`` is what the first reviewer said.
    """
    name, drafted = f"second:{task.id}", (record.draft or {}).get("sentences")
    if task.four_eyes or not drafted:
        return
    if not drawn(settings.audit_seed, name, settings.second_review_share):
        return
    content = _kept(record, SHOWN)
    known_by = [*_deciders(session, task), record.principal]
    collection = (record.gate or {}).get("collection", "")
    probe = _probe("second", collection, content, wrong, known_by, settings)
    probe.first_task = task.id
    _open(session, probe)


def _probe(
    kind: Kind,
    collection: str,
    content: dict[str, Any],
    wrong: bool,
    known_by: Iterable[str],
    settings: Settings,
) -> ProbeRow:
    probe_id = secrets.token_hex(16)
    # Two tasks that come in the same moment, or one that comes back, would be a mark.
    wait = fraction(settings.audit_seed, f"wait:{probe_id}") * settings.probe_delay_minutes
    begins = now() + timedelta(minutes=wait)
    hours = content["verdict"].get("deadline_hours")
    time_left = timedelta(days=settings.review_days) if hours is None else timedelta(hours=hours)
    parts = (content[name] for name in ("question", "draft", "evidence", "lineage"))
    return ProbeRow(
        id=probe_id,
        answer_id=secrets.token_hex(16),
        kind=kind,
        state="open",
        fence=0,
        created_at=begins,
        expires_at=begins + time_left,
        queue=content["verdict"].get("queue", ""),
        four_eyes=False,
        collection=collection,
        known_by=sorted(set(known_by)),
        content=content,
        content_sha256=content_hash(*parts),
        expected_wrong=wrong,
    )


def _open(session: Session, probe: ProbeRow) -> None:
    session.add(probe)
    event = {"task_id": probe.id, "kind": probe.kind, "first_task": probe.first_task}
    append_audit(session, "probe", {**event, "gold_item": probe.gold_item})


def _deciders(session: Session, task: ReviewTaskRow) -> list[str]:
    decided = session.scalars(select(DecisionRow.reviewer).where(DecisionRow.task_id == task.id))
    approved = session.scalars(select(ApprovalRow.reviewer).where(ApprovalRow.task_id == task.id))
    return [*decided, *approved]


def _sources_stand(session: Session, evidence: Sequence[Mapping[str, Any]]) -> bool:
    seen = {passage["id"]: passage["text"] for passage in evidence}
    return current_passages(session, seen) == seen


# What reviewers see of them, and what they say


def hidden_tasks(session: Session, reviewer: str) -> set[str]:
    """Ids of the probes and first tasks that this reviewer must not see."""
    hidden = set()
    columns = (ProbeRow.id, ProbeRow.first_task, ProbeRow.known_by, ProbeRow.created_at)
    moment = now()
    for row in session.execute(select(*columns, ProbeRow.state, ProbeRow.claimed_by)):
        undecided = row.state in UNDECIDED
        own = row.state == "decided" and row.claimed_by == reviewer
        knows = reviewer in row.known_by
        if not own and (knows or not undecided or row.created_at > moment):
            hidden.add(row.id)
        if (own or undecided) and not knows and row.first_task:
            hidden.add(row.first_task)
    return hidden


def waiting(session: Session) -> int:
    """How many probes stand in the queue."""
    query = select(func.count()).select_from(ProbeRow)
    begun = ProbeRow.state.in_(UNDECIDED), ProbeRow.created_at <= now()
    return session.scalar(query.where(*begun)) or 0


def measure(
    session: Session, probe: ProbeRow, decision: Mapping[str, Any], *, called_wrong: bool
) -> None:
    """Keep a decision on a probe, in its transaction; it changes nothing else.

    When a source changed in between, the reviewer judged something else: no measurement.
    """
    same = _sources_stand(session, probe.content["evidence"])
    probe.decision, probe.called_wrong = dict(decision), called_wrong if same else None
    said = {"kind": decision["kind"], "reviewer": decision["reviewer"], "measured": same}
    append_audit(session, "probe_decided", {"task_id": probe.id, **said})
