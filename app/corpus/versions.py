"""Index versions: building, verified, live, retired, failed; and the pointer to the live one."""

import hashlib
import secrets
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import numpy as np
from sqlalchemy import and_, delete, func, not_, select, update
from sqlalchemy.orm import Session

from app.corpus.leases import LEASE, Clock, is_free
from app.corpus.passages import IndexedPassage
from app.corpus.tables import READY, DocumentRow, IndexPassagesRow, IndexVersionRow, LiveIndexRow
from app.db import Database, iso, now
from app.errors import Conflict, NotFound
from app.records.audit import append_audit

USABLE = ("verified", "live", "retired")
"""States of versions whose folder is complete."""
SERVED = ("live", "retired")
"""States of versions that are live or were."""
PAIR = np.dtype([("document", "<u8"), ("text", "<u8")])


@dataclass(frozen=True)
class IndexVersionView:
    """An index version and where it stands."""

    version_id: str
    state: Literal["building", "verified", "live", "retired", "failed"]
    passages: int
    embedder: str
    created_at: str
    promoted_at: str | None


@dataclass(frozen=True)
class IndexVersion:
    """A version to load. ``number``: documents that changed later, it cannot hold."""

    id: str
    embedder: str
    passages: int
    manifest_sha256: str
    number: int
    base_id: str | None = None

    @property
    def family(self) -> str:
        """The full build that it is, or extends."""
        return self.base_id or self.id


@dataclass(frozen=True)
class Extension:
    """What a version changes of the one that it extends: ``replaced`` are documents with their
    collections, of which it holds its own passages or none."""

    of: IndexVersion
    replaced: Mapping[str, str]


class Versions:
    """The index versions. Every method is one transaction."""

    def __init__(
        self, database: Database, after_change: Callable[[Session], None], clock: Clock
    ) -> None:
        self._database, self._after_change, self._clock = database, after_change, clock

    def unindexed(self) -> bool:
        """Whether a document became ready after the newest version was begun that is live or was.

        Not only the live one: after a rollback the newer version stays set aside. A version that
        never went live does not count: its builder may have died before it could promote it.
        """
        with self._database.reading() as session:
            return session.scalar(_UNINDEXED) is not None

    def rolled_back(self) -> bool:
        """Whether a version that was live is newer than the live one: it stays set aside."""
        live = select(IndexVersionRow.number).where(IndexVersionRow.state == "live")
        with self._database.reading() as session:
            return session.scalar(_NEWEST) != session.scalar(live)

    def create(self, embedder: str, base_id: str | None = None) -> str:
        """A new version in state building; whatever it cannot see has a higher number."""
        with self._database.transaction() as session:
            number = append_audit(session, "index_begun", {"embedder": embedder})
            begun = now()
            version_id = f"{begun:%Y%m%dT%H%M%S%f}-{secrets.token_hex(4)}"
            session.add(
                IndexVersionRow(
                    id=version_id,
                    state="building",
                    passages=0,
                    embedder=embedder,
                    manifest_sha256=None,
                    created_at=begun,
                    promoted_at=None,
                    number=number,
                    base_id=base_id,
                    lease_until=self._clock(session) + LEASE,
                )
            )
        return version_id

    def renew(self, version_id: str) -> None:
        """Say that the version is still being built."""
        with self._database.transaction() as session:
            session.execute(
                update(IndexVersionRow)
                .where(IndexVersionRow.id == version_id, IndexVersionRow.state == "building")
                .values(lease_until=self._clock(session) + LEASE)
            )

    def mark_verified(
        self,
        version_id: str,
        passages: Sequence[IndexedPassage],
        manifest_sha256: str,
        extension: Extension | None = None,
        total: int | None = None,
    ) -> None:
        """The version's folder is complete and checked, and holds these passages; with an
        ``extension`` also what it extends does, ``total`` of them in all.

        Raises ``Conflict`` when it was given up meanwhile, as its builder seemed dead.
        """
        with self._database.transaction() as session:
            row = session.get(IndexVersionRow, version_id, with_for_update=True)
            if row is None or row.state != "building":
                raise Conflict(f"Index version {version_id} was given up while it was built.")
            row.state, row.lease_until = "verified", None
            row.passages = len(passages) if total is None else total
            row.manifest_sha256 = manifest_sha256
            if extension is None:
                _note_passages(session, version_id, passages)
            else:
                _note_extension(session, version_id, passages, extension)

    def mark_failed(self, version_id: str) -> bool:
        """The version could not be built; False when it is in use, and its folder must stay.

        It may be verified: a commit that was reported as failed may have gone through.
        """
        with self._database.transaction() as session:
            row = session.get(IndexVersionRow, version_id, with_for_update=True)
            if row is not None and row.state in ("building", "verified"):
                row.state, row.lease_until = "failed", None
            return row is None or row.state == "failed"

    def promote(
        self, version_id: str, *, over_newer: bool = True, instead_of: str | None = None
    ) -> bool:
        """Point every process at this version; raises ``NotFound`` or ``Conflict``.

        ``over_newer`` False: unless a version is live that was begun later, and so has seen all
        that this one has; False then. ``instead_of``: only while that one is live, else False.
        """
        with self._database.transaction() as session:
            pointer = lock_index(session)
            if instead_of not in (None, pointer.version_id):
                return False
            version = session.get(IndexVersionRow, version_id, with_for_update=True)
            if version is None:
                raise NotFound(f"There is no index version {version_id}.")
            if version.state not in USABLE:
                raise Conflict(f"Index version {version_id} is {version.state}, not verified.")
            if pointer.version_id not in (None, version_id):
                live = session.get_one(IndexVersionRow, pointer.version_id)
                if live.number > version.number and not over_newer:
                    return False
                live.state = "retired"
            version.state, version.promoted_at = "live", now()
            pointer.version_id = version_id
            session.flush()
            append_audit(session, "index_promoted", {"version_id": version_id})
            self._after_change(session)
        return True

    def rollback(self) -> str:
        """Promote the version that was live before; raises ``Conflict`` when there is none."""
        earlier = self.earlier()
        if not earlier:
            raise Conflict("There is no earlier index version to go back to.")
        self.promote(earlier[0].id)
        return earlier[0].id

    def age_s(self, version_id: str) -> float:
        """How many seconds ago the version was begun; raises ``NotFound``."""
        with self._database.reading() as session:
            row = session.get(IndexVersionRow, version_id)
            if row is None:
                raise NotFound(f"There is no index version {version_id}.")
            return (self._clock(session) - row.created_at).total_seconds()

    def live(self) -> IndexVersion | None:
        """The version the pointer names, or None before the first promotion."""
        with self._database.reading() as session:
            row = session.scalar(_LIVE)
            return None if row is None else index_version(row)

    def earlier(self) -> list[IndexVersion]:
        """Versions that were live, and were begun before the live one; newest first."""
        live = self.live()
        if live is None:
            return []
        with self._database.reading() as session:
            query = select(IndexVersionRow).where(IndexVersionRow.state == "retired")
            query = query.where(IndexVersionRow.number < live.number)
            rows = session.scalars(query.order_by(IndexVersionRow.number.desc()))
            return [index_version(row) for row in rows]

    def all(self) -> list[IndexVersionView]:
        """All index versions, newest first, but those that were set aside."""
        set_aside = and_(
            IndexVersionRow.state == "failed", IndexVersionRow.manifest_sha256.is_not(None)
        )
        query = select(IndexVersionRow).where(not_(set_aside))
        with self._database.reading() as session:
            rows = session.scalars(query.order_by(IndexVersionRow.number.desc()))
            return [_view(row) for row in rows]

    def get(self, version_id: str) -> IndexVersion:
        """One version to load; raises ``NotFound``."""
        with self._database.reading() as session:
            row = session.get(IndexVersionRow, version_id)
            if row is None:
                raise NotFound(f"There is no index version {version_id}.")
            return index_version(row)

    def withdraw(self) -> None:
        """No version is live any more: nothing is ready to be found."""
        with self._database.transaction() as session:
            pointer = lock_index(session)
            if pointer.version_id is None:
                return
            session.get_one(IndexVersionRow, pointer.version_id).state = "retired"
            append_audit(session, "index_withdrawn", {"version_id": pointer.version_id})
            pointer.version_id = None
            session.flush()
            self._after_change(session)

    def give_up_abandoned(self) -> None:
        """Versions whose builder died count as failed."""
        with self._database.transaction() as session:
            session.execute(
                update(IndexVersionRow)
                .where(
                    IndexVersionRow.state == "building",
                    is_free(IndexVersionRow.lease_until, self._clock(session)),
                )
                .values(state="failed", lease_until=None)
            )

    def set_aside(self, keep: int, hours: int = 0) -> list[str]:
        """Fail versions that are not kept, so that nobody goes back to them; returns every failed
        version, whose folder may go.

        Kept are the live one, the newest ``keep``, and with them a full build that is about to be
        taken up, and what was live at each full hour of the last ``hours``: many versions in a
        minute push nothing out that a rollback needs.
        """
        with self._database.transaction() as session:
            kept = {lock_index(session).version_id}
            query = select(IndexVersionRow).order_by(IndexVersionRow.number.desc())
            usable = session.scalars(query.where(IndexVersionRow.state.in_(USABLE))).all()
            kept |= {row.id for row in usable[:keep]}
            built = [row.id for row in usable if row.base_id is None and row.state == "verified"]
            kept |= set(built[:1] if keep else ())
            kept |= _live_at(usable, full_hours(self._clock(session), hours))
            for row in usable:
                if row.id not in kept:
                    row.state = "failed"
            failed = query.where(IndexVersionRow.state == "failed")
            return [row.id for row in session.scalars(failed)]

    def forget(self, version_ids: Sequence[str], keep: int) -> None:
        """Drop failed versions whose folders are gone, but for the newest ``keep`` failed builds:
        they show what went wrong."""
        with self._database.transaction() as session:
            rows = session.scalars(
                select(IndexVersionRow)
                .where(IndexVersionRow.id.in_(version_ids), IndexVersionRow.state == "failed")
                .order_by(IndexVersionRow.number.desc())
            ).all()
            never_built = [row.id for row in rows if row.manifest_sha256 is None]
            # What a version extends says what it holds, also when its own folder is gone.
            extended = select(IndexVersionRow.base_id).where(IndexVersionRow.state != "failed")
            kept = {*never_built[:keep], *session.scalars(extended)}
            doomed = [row.id for row in rows if row.id not in kept]
            session.execute(delete(IndexVersionRow).where(IndexVersionRow.id.in_(doomed)))


# Workers ask these again and again, and to build a statement costs more than to run it.
_NEWEST = select(func.max(IndexVersionRow.number)).where(IndexVersionRow.state.in_(SERVED))
_UNINDEXED = (
    select(DocumentRow.id)
    .where(
        DocumentRow.state == READY,
        DocumentRow.number > func.coalesce(_NEWEST.scalar_subquery(), -1),
    )
    .limit(1)
)
_LIVE = select(IndexVersionRow).join(LiveIndexRow, LiveIndexRow.version_id == IndexVersionRow.id)


def full_hours(moment: datetime, hours: int) -> list[datetime]:
    """The last ``hours`` full hours before ``moment``, newest first."""
    newest = moment.replace(minute=0, second=0, microsecond=0)
    return [newest - timedelta(hours=back) for back in range(hours)]


def _live_at(rows: Sequence[IndexVersionRow], moments: Sequence[datetime]) -> set[str]:
    """Those that were live at one of the moments, as far as their last promotions say."""
    served = sorted((row.promoted_at, row.id) for row in rows if row.promoted_at is not None)
    before = [[name for at, name in served if at <= moment] for moment in moments]
    return {names[-1] for names in before if names}


def lock_index(session: Session) -> LiveIndexRow:
    """The pointer to the live version, locked: take it before the audit head, and before what the
    index holds is changed or compared."""
    return session.get_one(LiveIndexRow, 1, with_for_update=True)


def text_number(text: str) -> int:
    """The first 8 bytes of its SHA-256: what stands for a text, or an id, in comparisons."""
    return int.from_bytes(hashlib.sha256(text.encode("utf-8")).digest()[:8], "little")


def _note_passages(session: Session, version_id: str, passages: Iterable[IndexedPassage]) -> None:
    found: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for passage in passages:
        pair = text_number(passage.document_id), text_number(passage.text)
        found[passage.collection].append(pair)
    session.add_all(
        IndexPassagesRow(
            version_id=version_id,
            collection=collection,
            passages=np.array(pairs, dtype=PAIR).tobytes(),
        )
        for collection, pairs in found.items()
    )


def _note_extension(
    session: Session, version_id: str, passages: Sequence[IndexedPassage], extension: Extension
) -> None:
    """What the version adds to its base, and replaces of it: like what it extends, and more."""
    _note_passages(session, version_id, passages)
    session.flush()
    replaced: dict[str, list[int]] = defaultdict(list)
    for document, collection in extension.replaced.items():
        replaced[collection].append(text_number(document))
    extended = extension.of if extension.of.base_id else None
    before = session.scalars(
        select(IndexPassagesRow).where(
            IndexPassagesRow.version_id == (extended.id if extended else None)
        )
    )
    for row in before.all():
        gone = replaced.get(row.collection, [])
        pairs = np.frombuffer(row.passages, dtype=PAIR)
        kept = pairs[~np.isin(pairs["document"], np.array(gone, dtype=np.uint64))]
        noted = _noted(session, version_id, row.collection)
        noted.passages = kept.tobytes() + noted.passages
        noted.replaced = row.replaced
    for collection, numbers in replaced.items():
        noted = _noted(session, version_id, collection)
        noted.replaced = (noted.replaced or b"") + np.array(numbers, dtype="<u8").tobytes()


def _noted(session: Session, version_id: str, collection: str) -> IndexPassagesRow:
    row = session.get(IndexPassagesRow, (version_id, collection))
    if row is None:
        row = IndexPassagesRow(version_id=version_id, collection=collection, passages=b"")
        session.add(row)
        session.flush()
    return row


def index_version(row: IndexVersionRow) -> IndexVersion:
    digest = row.manifest_sha256 or ""
    return IndexVersion(row.id, row.embedder, row.passages, digest, row.number, row.base_id)


def _view(row: IndexVersionRow) -> IndexVersionView:
    state: Any = row.state
    return IndexVersionView(
        version_id=row.id,
        state=state,
        passages=row.passages,
        embedder=row.embedder,
        created_at=iso(row.created_at) or "",
        promoted_at=iso(row.promoted_at),
    )
