"""Access: authenticates callers, and the one door to accounts, keys, sign-ins and quotas."""

from datetime import timedelta

from app.access.accounts import Accounts
from app.access.idempotency import IdempotentRequests
from app.access.keys import Keys
from app.access.known_places import KnownPlaces, purge_places
from app.access.oidc import OidcSignIn
from app.access.passwords import Passwords
from app.access.principals import Principal
from app.access.quotas import Quotas
from app.access.sessions import Sessions
from app.access.shared_counts import SharedCounts, purge_counts
from app.access.widgets import WidgetKeys
from app.db import Database
from app.records.trusted_time import trusted_time
from app.settings import Settings


class Access:
    """Who may come in; each part has its own module."""

    def __init__(self, database: Database, settings: Settings) -> None:
        passwords = Passwords()
        length = timedelta(hours=settings.session_hours)
        self._database = database
        self.accounts = Accounts(database, passwords)
        self.keys = Keys(database)
        self.widgets = WidgetKeys(database)
        several = _several(database, settings)
        shared = SharedCounts(database) if several else None
        places = KnownPlaces(database) if several else None
        self.quotas = Quotas(settings.questions_per_minute, shared, places)
        self.sessions = Sessions(database, passwords, self.quotas, length)
        self.oidc = OidcSignIn(database, settings, self.sessions)
        self.requests = IdempotentRequests(database)

    def charge_question(self, principal: Principal) -> None:
        """Count one question against the quota; raises ``QuotaExceeded``."""
        self.quotas.charge_question(principal)

    def purge(self) -> None:
        """Delete ended sign-ins and keys of requests of long ago, by a clock that is trusted."""
        moment = trusted_time(self._database)
        with self._database.transaction() as session:
            self.sessions.purge(session, moment)
            self.oidc.purge(session, moment)
            self.requests.purge(session, moment)
            purge_counts(session, moment)
            purge_places(session, moment)


def _several(database: Database, settings: Settings) -> bool:
    """Whether other processes may count the same callers."""
    if settings.quotas == "auto":
        return not database.embedded
    return settings.quotas == "database"
