"""Practice: short bursts of answers that are known to be wrong or right, with the truth told at
once. It measures nobody: only gold items that were measured with already are used."""

from dataclasses import dataclass
from itertools import islice
from typing import cast

from sqlalchemy import Select, exists, select
from sqlalchemy.orm import Session

from app.access.principals import Principal
from app.corpus.passages import current_passages
from app.db import Database, database_time, insert_or
from app.errors import NotFound
from app.gate.sampling import fraction
from app.records.views import AnswerBody
from app.review.scopes import may_read
from app.review.tables import GoldItemRow, PracticeRow, ProbeRow, ReviewTaskRow
from guardrails.contract import AnswerObject
from guardrails.personal_data.find import without_accidents

BURST = 5
"""Items in one burst: some minutes."""
LOOKED_AT = 200


@dataclass(frozen=True)
class PracticePassage:
    """A source of the answer."""

    title: str
    page: int | None
    text: str
    cited: bool


@dataclass(frozen=True)
class PracticeItem:
    """An answer to judge; whether it is wrong is told afterwards."""

    item_id: str
    question: str
    draft: AnswerBody
    evidence: list[PracticePassage]


@dataclass(frozen=True)
class PracticeView:
    """A burst, and how the reviewer did so far."""

    items: list[PracticeItem]
    practised: int
    right: int


@dataclass(frozen=True)
class Truth:
    """What an answer is known to be, and whether the reviewer's first word on it was that."""

    wrong: bool
    right: bool


class Practice:
    """What reviewers practise with; each sees an item once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def burst(self, reviewer: Principal) -> PracticeView:
        """At most ``BURST`` items that the reviewer may read and knows nothing of."""
        reviewer.require("reviewer")
        with self._database.reading() as session:
            items = session.scalars(_items(reviewer).limit(LOOKED_AT)).all()
            mixed = sorted(items, key=lambda one: fraction(reviewer.name, one.id))
            fit = (_item(one) for one in mixed if _fits(session, reviewer, one))
            burst = list(islice(fit, BURST))
            said = select(PracticeRow.right).where(PracticeRow.reviewer == reviewer.name)
            rights = session.scalars(said).all()
        return PracticeView(burst, len(rights), sum(rights))

    def answer(self, reviewer: Principal, item_id: str, *, wrong: bool) -> Truth:
        """Say what an item is, and be told; a second word changes nothing. Raises ``NotFound``."""
        reviewer.require("reviewer")
        with self._database.transaction() as session:
            item = session.get(GoldItemRow, item_id)
            before = session.get(PracticeRow, (item_id, reviewer.name))
            if item is not None and before is not None:
                return Truth(item.wrong, before.right)
            known = session.scalar(_items(reviewer).where(GoldItemRow.id == item_id))
            if known is None or not _fits(session, reviewer, known):
                raise NotFound("There is no such item to practise with.")
            row = insert_or(session, PracticeRow).values(
                gold_item=item_id,
                reviewer=reviewer.name,
                right=known.wrong == wrong,
                practised_at=database_time(session),
            )
            session.execute(row.on_conflict_do_nothing())  # a second word may come at this moment
            first = session.get_one(PracticeRow, (item_id, reviewer.name))
        return Truth(known.wrong, first.right)


def _items(reviewer: Principal) -> Select[GoldItemRow]:
    """Items that some other reviewer has decided, and this one has neither decided nor seen."""
    of_item = (
        select(ProbeRow.task_id)
        .join(ReviewTaskRow, ReviewTaskRow.id == ProbeRow.task_id)
        .where(ProbeRow.gold_item == GoldItemRow.id, ReviewTaskRow.state == "decided")
    )
    mine = of_item.where(ReviewTaskRow.claimed_by == reviewer.name)
    seen = select(PracticeRow.gold_item).where(
        PracticeRow.gold_item == GoldItemRow.id, PracticeRow.reviewer == reviewer.name
    )
    query = select(GoldItemRow).where(exists(of_item), ~exists(mine), ~exists(seen))
    return query.order_by(GoldItemRow.added_at.desc(), GoldItemRow.id)


def _fits(session: Session, reviewer: Principal, item: GoldItemRow) -> bool:
    """Whether its sources stand and are the reviewer's to read, and they do not know the answer."""
    evidence = item.content["evidence"]
    texts = {passage["id"]: passage["text"] for passage in evidence}
    unknown = reviewer.name not in (*item.known_by, item.content["principal"])
    readable = may_read(reviewer, evidence, item.content["searched"])
    return unknown and readable and current_passages(session, texts) == texts


def _item(row: GoldItemRow) -> PracticeItem:
    draft = cast("AnswerObject", row.content["draft"])
    cited = {one["passage_id"] for one in draft["citations"]}
    return PracticeItem(
        item_id=row.id,
        question=without_accidents(row.content["question"]),
        draft=AnswerBody.of(draft),
        evidence=[
            PracticePassage(one["title"], one["page"], one["text"], one["id"] in cited)
            for one in row.content["evidence"]
        ],
    )
