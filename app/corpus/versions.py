"""Index versions: building, verified, live, retired, failed."""

from typing import Any

from sqlalchemy.orm import Session

from app.corpus.tables import IndexVersionRow, LiveIndexRow
from app.db import iso


def lock_index(session: Session) -> LiveIndexRow:
    """The pointer to the live version, locked: take it before the audit head, and before what the
    index holds is changed or compared."""
    return session.get_one(LiveIndexRow, 1, with_for_update=True)


def version_wire(row: IndexVersionRow) -> dict[str, Any]:
    """An index version as the API shows it."""
    return {
        "version_id": row.id,
        "state": row.state,
        "passages": row.passages,
        "embedder": row.embedder,
        "created_at": iso(row.created_at),
        "promoted_at": iso(row.promoted_at),
    }
