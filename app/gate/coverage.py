"""How much of a collection changed since a certificate came into force, and the end of those
certificates whose collection changed too much.

Passages are compared by a hash of their text, so that the same documents, ingested once more, are
no change. The corpus notes what an index version holds when it is built, the gate what a
certificate is for when it is made: so the comparison needs no files, and outlives old versions.
Where either was never noted, that counts as a change.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from sqlalchemy import delete, exists, select
from sqlalchemy.orm import Session

from app.corpus.tables import DocumentRow, IndexPassagesRow, IndexVersionRow, PassageRow
from app.corpus.versions import PAIR, lock_index, text_number
from app.gate.certificates import end_certificate
from app.gate.strata import CHANGED, GATE, parts_of
from app.gate.tables import CertificatePassagesRow, CertificateRow

Texts = npt.NDArray[np.uint64]
"""Hashes of passages' texts, sorted, each once."""


def note_certificate(session: Session, certificate: CertificateRow) -> None:
    """Note what the index holds of the collections of a new certificate.

    Of a stratum whose name was too long to keep nobody knows the collections: it is for all.
    """
    session.flush()
    live = select(CertificateRow.id).where(CertificateRow.state == "live")
    ended = CertificatePassagesRow.certificate_id.not_in(live)
    session.execute(delete(CertificatePassagesRow).where(ended))
    held = _live_texts(session) or {}
    session.add_all(
        CertificatePassagesRow(
            certificate_id=certificate.id, collection=name, texts=held[name].tobytes()
        )
        for name in _names(certificate) & held.keys() or held.keys()
    )


def revoke_changed(session: Session, share: float) -> None:
    """End the own certificates of which more than ``share`` of a collection's passages is new or
    gone, in the transaction that changes them; 1 ends none."""
    if share >= 1:
        return
    rows = session.scalars(select(CertificateRow).where(CertificateRow.state == "live"))
    own = [row for row in rows if not row.certificate.get("provisional")]
    held = _live_texts(session) if own else None
    for row in own:
        if reason := _changed(session, row, held, share):
            end_certificate(session, row, "revoked", f"{CHANGED}: {reason}", GATE)


def _changed(
    session: Session, row: CertificateRow, held: Mapping[str, Texts] | None, share: float
) -> str:
    """What changed too much since the certificate was made; "" when nothing did."""
    query = select(CertificatePassagesRow).where(CertificatePassagesRow.certificate_id == row.id)
    before = {kept.collection: _texts(kept.texts) for kept in session.scalars(query)}
    if held is None or not before:
        return "it is not known how many"
    nothing = _texts(b"")
    compared = (
        _difference(name, before.get(name, nothing), held.get(name, nothing), share)
        for name in sorted(_names(row) | before.keys())
    )
    return next(filter(None, compared), "")


def _difference(name: str, before: Texts, after: Texts, share: float) -> str:
    gone = np.setdiff1d(before, after, assume_unique=True).size
    new = np.setdiff1d(after, before, assume_unique=True).size
    most = max(before.size, after.size)
    if gone + new <= share * most:
        return ""
    return f"of {most} in {name}, {gone} are gone and {new} are new (limit {share:.0%})"


def _names(row: CertificateRow) -> set[str]:
    """The collections of a certificate; the name of one may hold a plus sign itself."""
    return set(parts_of(row.collection))


def _live_texts(session: Session) -> dict[str, Texts] | None:
    """What can be found now, by collection; None when it was not noted for the live version.

    Of a document that was deleted since, the version still names passages that are gone.
    """
    version_id = lock_index(session).version_id
    if version_id is None:
        return {}
    base_id = session.get_one(IndexVersionRow, version_id).base_id
    added = _noted(session, version_id)
    held = added if base_id is None else _noted(session, base_id)
    if not held:
        return None
    standing = _documents_with_passages(session)
    return {
        name: _texts_of(held.get(name), added.get(name) if base_id else None, standing)
        for name in held.keys() | added.keys()
    }


def _noted(session: Session, version_id: str) -> dict[str, IndexPassagesRow]:
    query = select(IndexPassagesRow).where(IndexPassagesRow.version_id == version_id)
    return {row.collection: row for row in session.scalars(query)}


def _documents_with_passages(session: Session) -> Texts:
    has_passages = exists().where(PassageRow.document_id == DocumentRow.id)
    ids = session.scalars(select(DocumentRow.id).where(has_passages))
    return np.array([text_number(document_id) for document_id in ids], dtype=np.uint64)


def _texts_of(
    held: IndexPassagesRow | None, added: IndexPassagesRow | None, standing: Texts
) -> Texts:
    """What a full build holds, less what the version that extends it replaced, and what that
    one added."""
    pairs = np.frombuffer(held.passages if held else b"", dtype=PAIR)
    if added is not None:
        replaced = _texts(added.replaced or b"")
        pairs = pairs[~np.isin(pairs["document"], replaced)]
        pairs = np.concatenate([pairs, np.frombuffer(added.passages, dtype=PAIR)])
    return np.unique(pairs["text"][np.isin(pairs["document"], standing)])


def _texts(stored: bytes) -> Texts:
    return np.frombuffer(stored, dtype="<u8")
