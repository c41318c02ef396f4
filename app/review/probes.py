"""Probes measure reviewers: gold items and blind second reviews, unmarked among review tasks.

A **gold item** is an answer that is known to be wrong or right. A **blind second review** shows a
decided answer once more, to somebody who does not know of the first decision. Both are review tasks
like any other, with the facts of the probe beside them. A probe belongs to no record, so that no
decision on it can release, withdraw or label anything: it says how often reviewers are mistaken,
and nothing else.

Each reviewer sees one of the two, the first task or the probe: else the pair would give it away.
"""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, Literal, cast

from sqlalchemy import ColumnElement, and_, exists, not_, or_, select
from sqlalchemy.orm import Session

from app.access.principals import Principal
from app.corpus.passages import current_passages
from app.db import database_time
from app.gate.reviewer_error import ReviewerCheck, miss_bound, report_check
from app.gate.sampling import audit_seed, drawn, fraction, gold_chance
from app.gate.strata import united
from app.records.audit import append_audit
from app.records.recording import content_hash
from app.records.tables import RecordRow
from app.review.priority import escalation_time, task_facts
from app.review.scopes import scope_of
from app.review.states import Moment, another_task, waiting
from app.review.tables import (
    ApprovalRow,
    DecisionRow,
    GoldItemRow,
    ProbeKnownByRow,
    ProbeRow,
    ReviewTaskRow,
)
from app.review.telling import note_task
from app.review.views import DecisionView
from app.settings import Settings

ProbeKind = Literal["gold", "second"]
PROBES = ("gold", "second")
MOST_GOLD = 3
"""By so much the share of gold items may rise."""
LOOKED_AT = 200
"""The newest decisions that say how often reviewers meet something wrong."""
CONTENT = ("question", "searched", "principal", "draft", "evidence", "findings", "verdict")
"""What a gold item keeps of a record; principal "" takes on a name when it is shown."""
SHOWN = (*CONTENT, "lineage")
"""What a probe keeps of a record: all that a reviewer sees."""
SECOND_TRY = "second_try"
"""Beside these, as in ``inputs`` of the record; written gold items have none."""
GATE = "gate"
"""Beside these, what the gate said of the draft, as far as ``GATE_SHOWN``."""
GATE_SHOWN = ("risk", "drivers", "threshold", "mode", "asked")


def probe_of(session: Session, task: ReviewTaskRow) -> ProbeRow | None:
    """The facts of the probe that the task is, or None."""
    return session.get_one(ProbeRow, task.id) if task.kind in PROBES else None


def record_of(task: ReviewTaskRow, probe: ProbeRow) -> RecordRow:
    """What reviewers see, in the form of a record; it is in no session and never stored."""
    shown = {name: probe.content[name] for name in SHOWN}
    shown["inputs"] = {SECOND_TRY: probe.content.get(SECOND_TRY)}
    shown["gate"] = probe.content.get(GATE)
    return RecordRow(answer_id=task.answer_id, content_sha256=probe.content_sha256, **shown)


def content_of(record: RecordRow, names: Sequence[str]) -> dict[str, Any]:
    """Fields of a record for a probe; without second try and gate a probe would stand out."""
    second_try = (record.inputs or {}).get(SECOND_TRY)
    gate = {name: (record.gate or {}).get(name) for name in GATE_SHOWN}
    fields = {name: getattr(record, name) for name in names}
    return {**fields, SECOND_TRY: second_try, GATE: gate}


def deciders(session: Session, task: ReviewTaskRow) -> list[str]:
    """Who decided or approved."""
    decided = session.scalars(select(DecisionRow.reviewer).where(DecisionRow.task_id == task.id))
    approved = session.scalars(select(ApprovalRow.reviewer).where(ApprovalRow.task_id == task.id))
    return [*decided, *approved]


# Opening probes


def mix_in_gold(
    session: Session, task: ReviewTaskRow, record: RecordRow, settings: Settings
) -> None:
    """Open a gold item of the same collection beside a new task, if one is drawn.

    Each item is decided once only: two decisions on one item would not be independent. The audit
    link of the new task must be written before: its lock keeps others from taking the same item.
    """
    collection = (record.gate or {}).get("collection", "")
    wanted: ColumnElement[bool] = GoldItemRow.collection.in_(united(collection))
    if not _gold_drawn(session, task, collection, settings):
        place = fraction(audit_seed(settings), f"gold:{task.id}")
        if place >= _share_of_wrong(session, settings, place):
            return
        wanted = and_(wanted, GoldItemRow.wrong)
    free = not_(_offered(GoldItemRow.id, database_time(session)))
    items = session.scalars(select(GoldItemRow).where(wanted, free))
    for item in sorted(items, key=lambda row: fraction(audit_seed(settings), row.id)):
        if _sources_stand(session, item.content["evidence"]):
            _open_gold(session, item, record, settings)
            return


def _share_of_wrong(session: Session, settings: Settings, place: float) -> float:
    """Up to which place wrong gold items are mixed in too: people who hardly ever meet a wrong
    answer overlook it when it comes. As many more as reviewers find too few."""
    most = MOST_GOLD * settings.gold_share
    if place >= most or not settings.least_wrong_share:
        return 0.0
    newest = (
        select(DecisionRow.kind)
        .join(ReviewTaskRow, ReviewTaskRow.id == DecisionRow.task_id)
        .where(ReviewTaskRow.state == "decided")
        .order_by(ReviewTaskRow.created_at.desc(), ReviewTaskRow.id.desc())
        .limit(LOOKED_AT)
    )
    kinds = session.scalars(newest).all()
    if len(kinds) < LOOKED_AT:
        return 0.0
    found = sum(kind != "approve" for kind in kinds) / len(kinds)
    return min(most, settings.gold_share + max(settings.least_wrong_share - found, 0.0))


def _gold_drawn(session: Session, task: ReviewTaskRow, collection: str, settings: Settings) -> bool:
    """Whether a gold item is drawn beside a task; reviewers are looked up only if it matters."""
    name = f"gold:{task.id}"
    if not drawn(audit_seed(settings), name, gold_chance(settings.gold_share, 1.0)):
        return False
    bound = miss_bound(session, collection, settings.gate_delta)
    return drawn(audit_seed(settings), name, gold_chance(settings.gold_share, bound))


def _offered(gold_item: Any, moment: datetime) -> ColumnElement[bool]:
    """Whether the item was decided, or waits for it; not when its time ran out."""
    taken = or_(ReviewTaskRow.state == "decided", waiting(moment))
    joined = select(ProbeRow.task_id).join(ReviewTaskRow, ReviewTaskRow.id == ProbeRow.task_id)
    return exists(joined.where(ProbeRow.gold_item == gold_item, taken))


def _open_gold(session: Session, item: GoldItemRow, beside: RecordRow, settings: Settings) -> None:
    """Lineage, policy and, where there is none, the asker are those of the answer beside it: a
    gold item must look as if it were of the same hour."""
    content = dict(item.content)
    content["principal"] = content["principal"] or beside.principal
    content["lineage"] = beside.lineage
    gate = {name: (beside.gate or {}).get(name) for name in GATE_SHOWN}
    own = {k: v for k, v in (content.get(GATE) or {}).items() if k in ("risk", "drivers") and v}
    content[GATE] = {**gate, **own}
    policy = {name: beside.verdict[name] for name in ("policy", "policy_sha256")}
    content["verdict"] = content["verdict"] | policy
    probe = _probe(item.collection, content, wrong=item.wrong)
    probe.gold_item, probe.first_task = item.id, item.task_id
    _open(session, "gold", probe, [*item.known_by, content["principal"]], settings)


def ask_again(
    session: Session, task: ReviewTaskRow, record: RecordRow, settings: Settings, *, wrong: bool
) -> None:
    """Open a blind second review of a task that was just decided, if it is drawn.

    Four eyes have seen a task already that asks for them, and without a draft there is nothing
    to call right. ``wrong`` is what the first reviewer said.
    """
    name = f"second:{task.id}"
    if task.four_eyes or record.draft is None or not record.draft["sentences"]:
        return
    if not drawn(audit_seed(settings), name, settings.second_review_share):
        return
    collection = (record.gate or {}).get("collection", "")
    probe = _probe(collection, content_of(record, SHOWN), wrong=wrong)
    probe.first_task = task.id
    _open(session, "second", probe, [*deciders(session, task), record.principal], settings)


def _probe(collection: str, content: dict[str, Any], *, wrong: bool) -> ProbeRow:
    parts = (content[name] for name in ("question", "draft", "evidence", "lineage"))
    return ProbeRow(
        task_id=secrets.token_hex(16),
        collection=collection,
        content=content,
        content_sha256=content_hash(*parts),
        expected_wrong=wrong,
        called_wrong=None,
        decision=None,
    )


def _open(
    session: Session, kind: ProbeKind, probe: ProbeRow, known_by: Iterable[str], settings: Settings
) -> None:
    event = {"task_id": probe.task_id, "kind": kind, "first_task": probe.first_task}
    append_audit(session, "probe", {**event, "gold_item": probe.gold_item})
    task = _task(session, kind, probe, settings)
    session.add(task)
    session.flush()
    note_task(session, task, settings)
    session.add(probe)
    session.flush()
    names = sorted(set(known_by))
    session.add_all(ProbeKnownByRow(task_id=probe.task_id, name=name) for name in names)


def _task(session: Session, kind: ProbeKind, probe: ProbeRow, settings: Settings) -> ReviewTaskRow:
    # Two tasks that come in the same moment, or one that comes back, would be a mark.
    wait = fraction(audit_seed(settings), f"wait:{probe.task_id}") * settings.probe_delay_minutes
    begins = database_time(session) + timedelta(minutes=wait)
    verdict = probe.content["verdict"]
    hours = verdict.get("deadline_hours")
    time_left = timedelta(days=settings.review_days) if hours is None else timedelta(hours=hours)
    return ReviewTaskRow(
        id=probe.task_id,
        answer_id=secrets.token_hex(16),
        kind=kind,
        state="open",
        undecided=True,
        queue=verdict.get("queue", ""),
        scope=scope_of(session, probe.content["evidence"], probe.content["searched"]),
        four_eyes=False,
        claimed_by=None,
        lease_until=None,
        fence=0,
        created_at=begins,
        expires_at=begins + time_left,
        escalates_at=escalation_time(begins, begins + time_left, settings.escalate_hours),
        **task_facts(probe.content, probe.content.get(GATE), begins, begins + time_left),
    )


def _sources_stand(session: Session, evidence: Sequence[Mapping[str, Any]]) -> bool:
    seen = {passage["id"]: passage["text"] for passage in evidence}
    return current_passages(session, seen) == seen


# What reviewers see of them, and what they say


def open_to(reviewer: Principal, moment: Moment) -> ColumnElement[bool]:
    """Of tasks that wait: drafts, and the probes that this reviewer may see."""
    begun = ReviewTaskRow.created_at <= moment
    shown = and_(begun, not_(_known(ReviewTaskRow.id, reviewer.name)))
    return or_(ReviewTaskRow.kind.not_in(PROBES), shown)


def visible_to(reviewer: Principal, moment: Moment) -> ColumnElement[bool]:
    """Of tasks: the probes that this reviewer may see, and the first tasks without their probe."""
    me = reviewer.name
    own = and_(ReviewTaskRow.state == "decided", ReviewTaskRow.claimed_by == me)
    begun = and_(waiting(moment), ReviewTaskRow.created_at <= moment)
    shown = or_(own, and_(begun, not_(_known(ReviewTaskRow.id, me))))
    # Only a decided task has a probe.
    plain = or_(ReviewTaskRow.state != "decided", not_(_sees_probe_of(me, moment)))
    return or_(
        and_(ReviewTaskRow.kind.not_in(PROBES), plain), and_(ReviewTaskRow.kind.in_(PROBES), shown)
    )


def _sees_probe_of(me: str, moment: Moment) -> ColumnElement[bool]:
    """Whether the reviewer sees, saw or will see the probe of a task."""
    probe = another_task()
    seen = or_(and_(probe.state == "decided", probe.claimed_by == me), waiting(moment, probe))
    query = select(ProbeRow.task_id).join(probe, probe.id == ProbeRow.task_id)
    query = query.where(ProbeRow.first_task == ReviewTaskRow.id, seen)
    query = query.where(not_(_known(ProbeRow.task_id, me)))
    # Asked of one task at a time: without the offset, which changes nothing, PostgreSQL reads all
    # probes and all tasks for each page.
    return exists(query.offset(0))


def _known(task_id: Any, me: str) -> ColumnElement[bool]:
    query = select(ProbeKnownByRow.name)
    return exists(query.where(ProbeKnownByRow.task_id == task_id, ProbeKnownByRow.name == me))


def keep_said(
    session: Session, task: ReviewTaskRow, probe: ProbeRow, decision: DecisionView
) -> None:
    """Keep what a reviewer said of a probe beside it; it changes nothing else."""
    probe.decision = asdict(decision)
    event = {"task_id": task.id, "kind": decision.kind, "reviewer": decision.reviewer}
    append_audit(session, "probe_decided", event)


def measure(
    session: Session,
    task: ReviewTaskRow,
    probe: ProbeRow,
    *,
    called_wrong: bool,
    counts: bool = True,
) -> None:
    """Report what was said of a probe to the gate, once it stands.

    When a source changed in between, or a new draft was made (``counts`` False), the reviewer
    judged something else: no measurement.
    """
    said = probe.decision or {}
    same = counts and _sources_stand(session, probe.content["evidence"])
    probe.called_wrong = called_wrong if same else None
    append_audit(session, "probe_measured", {"task_id": task.id, "measured": same})
    if same:
        expected, kind = probe.expected_wrong, cast("ProbeKind", task.kind)
        reviewer = str(said.get("reviewer", ""))
        check = ReviewerCheck(kind, probe.collection, reviewer, expected, called_wrong, task.id)
        report_check(session, check)
