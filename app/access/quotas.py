"""Limits in time: questions of a principal, and sign-ins by address and by name.

They are counted in each process, and anew when the clock goes back: what was counted while it was
ahead would else keep people out until that time comes. Where several processes serve, what a
process lets pass, and each wrong password, is counted once more for all of them (``SharedCounts``).
Guessing at a name must not lock its owner out: what others get wrong counts against their own
address first, and a name's own limit spares the addresses that signed in with it before.
"""

import ipaddress
import threading
import time
from collections import OrderedDict

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from app.access.keys import sha256
from app.access.known_places import KnownPlaces
from app.access.principals import Principal
from app.access.shared_counts import SharedCounts
from app.errors import QuotaExceeded

TRIES_OF_A_NAME = RateLimitItemPerMinute(10)
"""Sign-ins with one name from one address, in a minute."""
TRIES_OF_AN_ADDRESS = RateLimitItemPerMinute(30)
"""Sign-ins from one address with any name."""
FAILURES_OF_A_NAME = RateLimitItemPerMinute(30)
"""Failed sign-ins with one name from all addresses that it never signed in from."""
VISITS_OF_AN_ADDRESS = RateLimitItemPerMinute(30)
"""Visits that begin on other sites, from one address."""
CLOCK_SLACK_S = 5.0
"""A clock may be set back by that much, and all still counts."""
KNOWN = 10_000
"""Pairs of name and address that are remembered as having signed in."""
IPV6_PREFIX = 64
"""One subscriber has that much of an IPv6 address."""


class Quotas:
    """Counts what callers do; every method may raise ``QuotaExceeded``."""

    def __init__(
        self,
        questions_per_minute: int,
        shared: SharedCounts | None = None,
        places: KnownPlaces | None = None,
    ) -> None:
        """``shared`` and ``places``: what is counted and known for other processes too."""
        self._shared, self._places = shared, places
        self._storage = MemoryStorage()
        self._limiter = MovingWindowRateLimiter(self._storage)
        self._looked_at = time.time()
        self._questions = RateLimitItemPerMinute(questions_per_minute)
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._lock = threading.Lock()

    def charge_question(self, principal: Principal) -> None:
        """Count one question."""
        self._mind_the_clock()
        self._charge("requests", self._questions, "question", principal.name)

    def charge_visit(self, address: str) -> None:
        """Count one visit that begins on another site."""
        self._mind_the_clock()
        self._charge("visits from here", VISITS_OF_AN_ADDRESS, "visit", _network(address))

    def charge_widget(self, key_id: str, per_minute: int) -> None:
        """Count one question of any visitor of a widget's key."""
        self._mind_the_clock()
        limit = RateLimitItemPerMinute(per_minute)
        self._charge("questions on this site", limit, "widget", key_id)

    def charge_sign_in(self, name: str, address: str) -> None:
        """Count one try to sign in, before the password is looked at."""
        self._mind_the_clock()
        place, person = _network(address), sha256(name)
        self._charge("sign-ins from here", TRIES_OF_AN_ADDRESS, "address", place)
        self._charge("sign-ins", TRIES_OF_A_NAME, "name at address", person, place)
        if self._guessed_at(person) and not self._knows(name, address):
            raise QuotaExceeded.until("sign-ins", self._wait(FAILURES_OF_A_NAME, "name", person))

    def _guessed_at(self, person: str) -> bool:
        """Whether the name had as many wrong passwords as it may, here or in all processes."""
        limit = FAILURES_OF_A_NAME
        if not self._limiter.test(limit, "name", person):
            return True
        return self._shared is not None and self._shared.reached(limit.amount, "name", person)

    def _knows(self, name: str, address: str) -> bool:
        """Whether somebody signed in with the name from that address."""
        place = _network(address)
        if (sha256(name), place) in self._known:
            return True
        return self._places is not None and self._places.knows(name, place)

    def _charge(self, what: str, limit: RateLimitItem, *names: str) -> None:
        """Count one more, here and where that is set for all processes."""
        self._charge_here(what, limit, *names)
        if self._shared is not None and not self._shared.hit(limit.amount, *names):
            raise QuotaExceeded.until(what, self._shared.wait(limit.amount, *names))

    def _charge_here(self, what: str, limit: RateLimitItem, *names: str) -> None:
        if not self._limiter.hit(limit, *names):
            raise QuotaExceeded.until(what, self._wait_here(limit, *names))

    def _wait(self, limit: RateLimitItem, *names: str) -> float:
        """Seconds until one more is free, here and in all processes."""
        here = 0.0 if self._limiter.test(limit, *names) else self._wait_here(limit, *names)
        shared = 0.0 if self._shared is None else self._shared.wait(limit.amount, *names)
        return max(here, shared)

    def _wait_here(self, limit: RateLimitItem, *names: str) -> float:
        """Seconds until the oldest that counts is a minute old."""
        return self._limiter.get_window_stats(limit, *names).reset_time - time.time()

    def _mind_the_clock(self) -> None:
        with self._lock:
            moment, before = time.time(), self._looked_at
            self._looked_at = moment
            if moment < before - CLOCK_SLACK_S:
                self._storage.reset()

    def note_failure(self, name: str, address: str) -> None:
        """The password was wrong."""
        if self._knows(name, address):
            return
        person = sha256(name)
        self._limiter.hit(FAILURES_OF_A_NAME, "name", person)
        if self._shared is not None:
            self._shared.add("name", person)

    def note_success(self, name: str, address: str) -> None:
        """The password was right: from this address the name is known."""
        pair = (sha256(name), _network(address))
        if self._places is not None:
            self._places.note(name, pair[1])
        with self._lock:
            self._known[pair] = None
            self._known.move_to_end(pair)
            if len(self._known) > KNOWN:
                self._known.popitem(last=False)


def _network(address: str) -> str:
    """The address, or of IPv6 its network: one client can use all of that."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if parsed.version == 4:
        return str(parsed)
    mapped = parsed.ipv4_mapped
    return str(mapped or ipaddress.ip_network((parsed, IPV6_PREFIX), strict=False))
