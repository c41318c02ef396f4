"""A labelling session: reviewers judge the answers whose labels help a certificate most.

It shows open review tasks of one collection and risk class, oldest first, and leaves out answers
with more risk than its ceiling: labels are not spent on what will not be released. What it drew
under which ceiling is kept, because a label says nothing of risks above the ceiling of its draw.
"""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Select, and_, or_, select

from app.access.principals import Principal
from app.db import Database, now
from app.gate.certificates import Certificates
from app.gate.certify import Certifier
from app.gate.draws import note_draw
from app.gate.labels import labels_of
from app.gate.plan import LabelProgressView, label_progress
from app.gate.planned_looks import planned_look
from app.gate.strata import Stratum, united
from app.records.tables import RecordRow
from app.review.probes import PROBES, open_to
from app.review.scopes import from_collection, readable_by
from app.review.states import waiting
from app.review.tables import ReviewTaskRow
from app.settings import Settings
from guardrails.gate.binomial import GRID
from guardrails.gate.planned import ceiling_now


@dataclass(frozen=True)
class NextLabelView:
    """The task to label next (null: none waits under the ceiling), and how far the labels are."""

    task_id: str | None
    progress: LabelProgressView


class LabellingSession:
    """Draws tasks to label for the certificate of one stratum."""

    def __init__(self, database: Database, settings: Settings, certificates: Certificates) -> None:
        self._database, self._settings = database, settings
        self._certificates = certificates

    def next_task(self, reviewer: Principal, stratum: Stratum) -> NextLabelView:
        """The oldest open task under the ceiling that nobody else holds; claim and decide it as
        any review task. Probes come among them, unmarked."""
        reviewer.require("reviewer")
        with self._database.transaction() as session:
            labels = labels_of(session, stratum, self._certificates.lineage)
            plan = planned_look(session, stratum, self._certificates.lineage)
            ceiling = ceiling_now(labels, self._settings.gate_alpha, plan) / GRID
            query = _waiting_for(reviewer, stratum, ceiling)
            if not self._settings.self_review:
                query = query.where(RecordRow.principal.is_distinct_from(reviewer.name))
            task = session.scalar(query)
            if task is not None and task.kind not in PROBES:
                note_draw(session, task.answer_id, ceiling)
            task_id = None if task is None else task.id
        return NextLabelView(task_id, self.progress(stratum))

    def progress(self, stratum: Stratum) -> LabelProgressView:
        """How far the labels of a stratum are on the way to a certificate."""
        certifier = Certifier(self._database, self._settings, self._certificates)
        alpha, delta = self._settings.gate_alpha, self._settings.gate_delta
        return label_progress(certifier, stratum.collection, stratum.risk_class, alpha, delta)


def _waiting_for(reviewer: Principal, stratum: Stratum, ceiling: float) -> Select[ReviewTaskRow]:
    moment = now()
    free = or_(
        ReviewTaskRow.state == "open",
        ReviewTaskRow.claimed_by == reviewer.name,
        ReviewTaskRow.lease_until < moment,
    )
    return (
        select(ReviewTaskRow)
        .outerjoin(RecordRow, RecordRow.answer_id == ReviewTaskRow.answer_id)
        .where(waiting(moment), readable_by(reviewer), open_to(reviewer, moment), free)
        .where(or_(_labels_something(stratum, ceiling), _probes(stratum)))
        .order_by(ReviewTaskRow.created_at, ReviewTaskRow.id)
        .limit(1)
    )


def _labels_something(stratum: Stratum, ceiling: float) -> ColumnElement[bool]:
    """Of tasks: drafts on which the gate decides, of this stratum and not above the ceiling.

    What needs four eyes the policy held: it is no label.
    """
    gate = RecordRow.gate
    return and_(
        ReviewTaskRow.kind.not_in(PROBES),
        gate["asked"].as_boolean(),
        gate["collection"].as_string() == stratum.collection,
        gate["risk_class"].as_string() == stratum.risk_class,
        gate["risk"].as_float() <= ceiling,
    )


def _from_any(stratum: Stratum) -> ColumnElement[bool]:
    return or_(*(from_collection(name) for name in united(stratum.collection)))


def _probes(stratum: Stratum) -> ColumnElement[bool]:
    return and_(ReviewTaskRow.kind.in_(PROBES), _from_any(stratum))
