"""Documents, their passages and the index versions over one database."""

from collections.abc import Callable

from sqlalchemy.orm import Session

from app.corpus.documents import Documents
from app.corpus.fetched import Fetched
from app.corpus.jobs import Jobs
from app.corpus.leases import Clock
from app.corpus.passages import Passages
from app.corpus.relations import Relations
from app.corpus.versions import Versions
from app.db import Database, database_time


def nothing(_session: Session) -> None:
    """For those to whom a change of what can be found does not matter."""


class Corpus:
    """Documents in, passages out.

    ``after_change`` is called in each transaction that changes what can be found: a document is
    deleted, or another index version goes live.
    """

    def __init__(
        self,
        database: Database,
        after_change: Callable[[Session], None] = nothing,
        clock: Clock = database_time,
    ) -> None:
        self.documents = Documents(database, after_change, clock)
        self.passages = Passages(database)
        self.fetched = Fetched(database)
        self.jobs = Jobs(database, clock)
        self.relations = Relations(database)
        self.versions = Versions(database, after_change, clock)
