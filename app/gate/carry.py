"""Labels that stay when documents, models or the policy change: those of answers that did not.

A label is of a question, an answer's text and the texts of its cited passages. The recorded
questions are asked again; who gets the same answer from the same passages keeps the label with its
weight, for another answer it counts as wrong until somebody labels that one.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db import Database
from app.gate.draws import EVERYTHING, ceilings_of
from app.gate.strata import UNION, Stratum
from app.gate.tables import LabelRow, PlannedLookRow
from app.records.audit import append_audit, newest_link
from app.records.recording import Trail, searched_for
from app.records.tables import RecordRow
from guardrails.contract import canonical_sha256


@dataclass(frozen=True)
class Carried:
    """What became of the labels of a stratum: kept as they are, of another answer now, or of a
    question that the gate has no say in any more. ``to_label`` are the questions that changed."""

    kept: int
    changed: int
    gone: int
    to_label: list[str]


@dataclass(frozen=True)
class _Known:
    answer_id: str
    question: str
    asked: str
    key: str


def carry_labels(
    database: Database, stratum: Stratum, ask: Callable[[str], Trail], by: str
) -> Carried:
    """Ask the labelled questions of a stratum again and say what their labels are worth now.

    ``ask`` gives what would be recorded of a question today. Nothing is locked meanwhile.
    A question whose words were erased is asked no more: its label is gone with its lineage, and
    not before, so that no wrong one is shed by erasing it.
    """
    with database.reading() as session:
        begun = newest_link(session)
        labels = _labelled(session, stratum)
        known = [_known(label, record) for label, record in labels if record.question]
    trails = {question: ask(question) for question in dict.fromkeys(one.asked for one in known)}
    with database.transaction() as session:
        carried = _applied(session, known, trails, begun, len(labels) - len(known))
        event = {"collection": stratum.collection, "risk_class": stratum.risk_class, "by": by}
        counts = {"kept": carried.kept, "changed": carried.changed, "gone": carried.gone}
        append_audit(session, "labels_carried", event | counts)
    return carried


def _labelled(session: Session, stratum: Stratum) -> Sequence[tuple[LabelRow, RecordRow]]:
    query = (
        select(LabelRow, RecordRow)
        .join(RecordRow, RecordRow.answer_id == LabelRow.answer_id)
        .where(LabelRow.collection == stratum.collection, LabelRow.risk_class == stratum.risk_class)
        .order_by(LabelRow.number, LabelRow.answer_id)
    )
    return [(label, record) for label, record in session.execute(query)]


def _known(label: LabelRow, record: RecordRow) -> _Known:
    key = label.key or content_key(record)
    return _Known(label.answer_id, record.question, searched_for(record), key)


def _outside_its_draw(session: Session, label: LabelRow, risk: float, *, same: bool) -> bool:
    """Whether a session drew this label by another risk than answers have now.

    The same answer with another risk: the risk model changed, and what the session left out by the
    old risk is missing at the new one, nobody knows where.
    """
    ceiling = ceilings_of(session, [label.answer_id]).get(label.answer_id, EVERYTHING)
    return ceiling < EVERYTHING and (risk > ceiling or (same and risk != label.risk))


def _enters_or_leaves_a_union(label: LabelRow, collection: str) -> bool:
    """Its promise is of all its collections as their answers come; labels of one of them alone are
    no draw from these."""
    return label.collection != collection and UNION in label.collection + collection


def _applied(
    session: Session, known: Sequence[_Known], trails: Mapping[str, Trail], begun: int, erased: int
) -> Carried:
    found: dict[str, list[str]] = {"kept": [], "changed": [], "gone": []}
    moved: list[tuple[str, str, str]] = []
    for one in known:
        label = session.get(LabelRow, one.answer_id, with_for_update=True)
        if label is not None:
            before = _place(label)
            found[_carry(session, label, one, trails[one.asked], begun)].append(one.asked)
            moved += [] if _place(label) == before else [before[0], _place(label)[0]]
    _spend_looks(session, moved)
    kept, changed, gone = (len(found[name]) for name in ("kept", "changed", "gone"))
    return Carried(kept, changed, gone + erased, list(dict.fromkeys(found["changed"])))


def _place(label: LabelRow) -> tuple[tuple[str, str, str], float, str]:
    """The stratum with the lineage, the risk, and the answer that a label counts for."""
    stratum = label.collection, label.risk_class, label.lineage_sha256
    return stratum, label.risk, label.key


def _spend_looks(session: Session, strata: Iterable[tuple[str, str, str]]) -> None:
    """End the planned looks of strata whose labels were moved or are of other answers now: a look
    that was had at the others would be a second one."""
    for stratum in set(strata):
        row = session.get(PlannedLookRow, stratum)
        if row is not None:
            row.spent = True


def _carry(session: Session, label: LabelRow, known: _Known, trail: Trail, begun: int) -> str:
    """Move one label to the answer that its question gets now; returns what became of it.

    ``begun`` is the audit link before the first question: what changed later is not known yet.
    """
    entry = trail.gate or {}
    if not entry.get("asked") or "risk" not in entry:
        # It ends with its lineage, or here when that is still the same.
        label.lineage_sha256 = GONE
        return "gone"
    key = key_of(known.question, trail.draft_object() or {}, trail.evidence_objects())
    if _outside_its_draw(session, label, entry["risk"], same=key == known.key) or (
        _enters_or_leaves_a_union(label, entry["collection"])
    ):
        label.lineage_sha256 = GONE
        return "gone"
    label.collection, label.risk_class = entry["collection"], entry["risk_class"]
    label.risk, label.lineage_sha256 = entry["risk"], entry["lineage_sha256"]
    label.loss = entry.get("loss")
    label.answered = begun
    changed = key != known.key
    label.pending, label.key = label.pending or changed, key
    return "changed" if label.pending else "kept"


GONE = "gone"
"""The lineage of a label whose question the gate has no say in any more."""


def resolve_pending(session: Session, key: str, *, wrong: bool) -> bool:
    """Give the labels that wait for this very answer what a reviewer said of it; whether any did.

    The decision is no label besides: the question was not drawn, it was asked for this.
    """
    waiting = session.scalars(select(LabelRow).where(LabelRow.key == key, LabelRow.pending)).all()
    for label in waiting:
        label.wrong, label.pending = wrong, False
    return bool(waiting)


def content_key(record: RecordRow) -> str:
    """What a label is of: the question, the answer's text, and the texts of its cited passages."""
    return key_of(record.question, record.draft or {}, record.evidence)


def key_of(question: str, draft: Mapping[str, Any], evidence: Iterable[Mapping[str, Any]]) -> str:
    """``content_key`` of its parts, as a record keeps them."""
    cited = {citation["passage_id"] for citation in draft.get("citations", ())}
    texts = sorted(passage["text"] for passage in evidence if passage["id"] in cited)
    return canonical_sha256([question, draft.get("text", ""), texts])
