"""Seals rows from before there were seals, as they are."""

from app.access.principals import LOCAL
from app.db import Database
from app.proof.verify import unsealed_rows
from app.records.audit import append_seals

ROWS_PER_LINK = 500


def seal_earlier_rows(database: Database) -> int:
    """Write links that seal every row without a seal; returns how many rows.

    Only after ``verify_audit`` found nothing: what is sealed counts as true from then on.
    """
    with database.transaction() as session:
        seals = unsealed_rows(session)
        for first in range(0, len(seals), ROWS_PER_LINK):
            append_seals(session, seals[first : first + ROWS_PER_LINK], LOCAL.name)
    return len(seals)
