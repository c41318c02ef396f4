"""Principals, keys, sign-ins, quotas and idempotency keys on both databases."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from threading import Barrier, BrokenBarrierError
from typing import Any

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from app.access import accounts
from app.access.accounts import Accounts, refuse_taken
from app.access.idempotency import Reservation
from app.access.known_places import KnownPlaces, forget_places
from app.access.principals import Principal
from app.access.quotas import Quotas
from app.access.service import Access
from app.access.sessions import check_csrf
from app.access.shared_counts import SharedCounts, purge_counts
from app.access.standing import as_of_now
from app.access.tables import (
    ApiKeyRow,
    IdempotencyRow,
    PrincipalRow,
    QuotaCountRow,
    SessionRow,
    SignInPlaceRow,
)
from app.db import Database, database_time, now
from app.errors import (
    Conflict,
    CountersignError,
    CredentialsExpired,
    CsrfFailed,
    Forbidden,
    IdempotencyMismatch,
    Invalid,
    NotFound,
    QuotaExceeded,
    RequestInProgress,
    Unauthenticated,
)
from app.records.audit import broken_audit_link
from app.records.tables import AuditRow
from cli.serve import first_password
from cli.workers import share_of
from tests.conftest import STRONG
from tests.site import on_postgresql
from tests.trails import settings_for

ANN = Principal("ann", frozenset({"asker"}))
PASSWORD = "correct horse"


@pytest.fixture
def access(database: Database, database_url: str, tmp_path: Path) -> Access:
    access = Access(database, settings_for(database_url, tmp_path, questions_per_minute=3))
    access.accounts.create("ann", ["asker"], scope=["public"], password="correct horse")
    return access


def test_a_key_opens_its_principal_until_it_is_revoked(access: Access, database: Database) -> None:
    made = access.keys.create("ann")
    key_id, key = made.key_id, made.key
    found = access.keys.principal(key)
    assert found == Principal("ann", frozenset({"asker"}), ("public",))
    with database.reading() as session:
        stored = session.scalar(select(ApiKeyRow.key_sha256))
    assert key not in str(stored)
    access.keys.revoke(key_id)
    with pytest.raises(CredentialsExpired):
        access.keys.principal(key)


def test_expired_unknown_and_garbled_keys_are_refused(access: Access) -> None:
    key = access.keys.create("ann", lifetime=timedelta(seconds=-1)).key
    with pytest.raises(CredentialsExpired):
        access.keys.principal(key)
    for wrong in ("cs_wrong", "", "\udcff\x00", key + "x"):
        with pytest.raises(Unauthenticated):
            access.keys.principal(wrong)


def test_of_services_that_start_at_once_one_makes_the_first_account(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    access = Access(database, settings_for(database.url, tmp_path))
    start, exist = Barrier(4), Accounts.exist

    def then_all_at_once(accounts: Accounts) -> bool:
        found = exist(accounts)
        start.wait()
        return found

    monkeypatch.setattr(Accounts, "exist", then_all_at_once)
    with ThreadPoolExecutor(4) as pool:
        passwords = list(pool.map(lambda _number: first_password(access), range(4)))
    (password,) = (one for one in passwords if one is not None)
    assert access.sessions.sign_in("admin", password).token


def test_principals_are_checked(access: Access) -> None:
    with pytest.raises(Conflict):
        access.accounts.create("ann", ["asker"])
    for name, roles in (("bob", ["king"]), ("bob", []), ("", ["asker"]), ("a\nb", ["asker"])):
        with pytest.raises(Invalid):
            access.accounts.create(name, roles)
    with pytest.raises(NotFound):
        access.keys.create("nobody")
    with pytest.raises(NotFound):
        access.keys.revoke("none")


def test_signing_in_and_out(access: Access, database: Database) -> None:
    session = access.sessions.sign_in("ann", "correct horse")
    assert access.sessions.find(session.token).principal.name == "ann"
    with database.reading() as reading:
        assert session.token not in str(reading.scalar(select(SessionRow.token_sha256)))
        assert "correct horse" not in str(reading.scalar(select(PrincipalRow.password_hash)))
    access.sessions.end(session.token)
    with pytest.raises(CredentialsExpired):
        access.sessions.find(session.token)


def test_outside_of_the_tests_passwords_are_hashed_as_rfc_9106_asks() -> None:
    assert STRONG.hash("correct horse").startswith("$argon2id$v=19$m=65536,t=3,p=4$")


def test_wrong_passwords_look_like_unknown_names_and_are_limited(access: Access) -> None:
    messages = set()
    for name in ("ann", "nobody"):
        with pytest.raises(Unauthenticated) as caught:
            access.sessions.sign_in(name, "wrong")
        messages.add(caught.value.message)
    assert len(messages) == 1

    def attempt() -> str:
        try:
            access.sessions.sign_in("nobody", "wrong")
        except CountersignError as error:
            return error.code
        return "signed in"

    codes = [attempt() for _ in range(10)]
    assert codes[-1] == "quota_exceeded"


def tried(quotas: Quotas, name: str, address: str, *, right: bool = False) -> bool:
    """Whether a try to sign in was let through to its password."""
    try:
        quotas.charge_sign_in(name, address)
    except QuotaExceeded:
        return False
    (quotas.note_success if right else quotas.note_failure)(name, address)
    return True


def test_guessing_from_elsewhere_does_not_lock_a_person_out() -> None:
    quotas = Quotas(1)
    assert tried(quotas, "ann", "192.0.2.1", right=True)
    guesses = [tried(quotas, "ann", f"198.51.100.{n}") for n in range(40)]
    assert guesses.count(True) == 30
    # Guessed at from everywhere: only who signed in from there before is let in.
    assert not tried(quotas, "ann", "203.0.113.9", right=True)
    assert tried(quotas, "ann", "192.0.2.1", right=True)
    assert tried(quotas, "bob", "203.0.113.9", right=True)


def test_one_address_cannot_guess_at_many_names() -> None:
    quotas = Quotas(1)
    tries = [tried(quotas, f"name {n}", f"2001:db8::{n:x}") for n in range(31)]
    assert tries == [True] * 30 + [False]
    assert not tried(quotas, "ann", "2001:db8::ffff%eth0")
    assert tried(quotas, "ann", "2001:db8:0:1::1")
    mapped = [tried(quotas, "eve", where) for where in ("192.0.2.9", "::ffff:192.0.2.9") * 6]
    assert mapped == [True] * 10 + [False] * 2


def test_an_ended_session_is_refused(access: Access, database: Database) -> None:
    session = access.sessions.sign_in("ann", "correct horse")
    with database.transaction() as writing:
        writing.execute(update(SessionRow).values(expires_at=now()))
    with pytest.raises(CredentialsExpired):
        access.sessions.find(session.token)


def test_a_sign_in_that_ended_meanwhile_has_no_roles_as_of_now(
    access: Access, database: Database
) -> None:
    caller = access.sessions.sign_in("ann", PASSWORD).principal
    for left, roles in ((timedelta(minutes=1), {"asker"}), (timedelta(0), set())):
        with database.transaction() as session:
            session.execute(update(SessionRow).values(expires_at=database_time(session) + left))
        with database.reading() as session:
            assert as_of_now(session, caller).roles == roles


def test_csrf_tokens(access: Access) -> None:
    session = access.sessions.sign_in("ann", "correct horse")
    check_csrf(session, session.csrf_token)
    for wrong in (None, "", "x", "é"):
        with pytest.raises(CsrfFailed):
            check_csrf(session, wrong)


def test_roles_and_scope() -> None:
    with pytest.raises(Forbidden):
        ANN.require("operator")
    scoped = Principal("bob", frozenset({"asker"}), ("a",))
    assert scoped.readable(["a", "b"]) == ["a"]
    assert ANN.readable(["a", "b"]) == ["a", "b"]
    assert Principal("eve", frozenset(), ()).readable(["a"]) == []


def test_the_question_quota(access: Access) -> None:
    for _ in range(3):
        access.charge_question(ANN)
    with pytest.raises(QuotaExceeded):
        access.charge_question(ANN)
    access.charge_question(Principal("bob", frozenset({"asker"})))


def minute_of(monkeypatch: pytest.MonkeyPatch, database: Database, moment: datetime) -> None:
    monkeypatch.setattr(database, "time", lambda _session: moment)


def test_processes_on_one_database_share_a_quota(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    noon = datetime(2026, 11, 24, 12)
    minute_of(monkeypatch, database, noon + timedelta(seconds=6))
    processes = [Quotas(40, SharedCounts(database)) for _ in range(3)]
    asked = [hit(processes[number % 3], "ann") for number in range(120)]
    assert 40 - 3 * 4 < sum(asked) <= 40  # each may keep less than a tenth that it did not use
    assert not hit(processes[0], "ann")
    assert hit(processes[0], "bob")
    minute_of(monkeypatch, database, noon + timedelta(seconds=90))
    half = [Quotas(40, SharedCounts(database)) for _ in range(2)]
    again = [hit(half[number % 2], "ann") for number in range(80)]
    assert 12 < sum(again) <= 21  # half of the minute before still counts
    minute_of(monkeypatch, database, noon + timedelta(minutes=5))
    assert hit(Quotas(40, SharedCounts(database)), "ann")
    with database.reading() as session:
        rows = session.execute(select(QuotaCountRow.key, QuotaCountRow.count)).all()
    assert "ann" not in str(rows)
    assert len(rows) == 2  # ann's of now, and bob's, who has not come again
    with database.transaction() as session:
        purge_counts(session, noon + timedelta(minutes=5))
    with database.reading() as session:
        assert [row[0] for row in session.execute(select(QuotaCountRow.count))] == [4]


def test_what_a_process_took_is_not_used_after_its_minute(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = SharedCounts(database)
    minute_of(monkeypatch, database, datetime(2026, 11, 24, 12, 0, 59, 999_000))
    assert counts.hit(40, "question", "ann")  # four are taken, for a millisecond
    real = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: real() + 1)
    minute_of(monkeypatch, database, datetime(2026, 11, 24, 12, 1, 0))
    assert counts.hit(40, "question", "ann")
    with database.reading() as session:
        counted = session.execute(select(QuotaCountRow.minute, QuotaCountRow.count)).all()
    assert sorted(row[1] for row in counted) == [4, 4]


def test_sign_ins_are_limited_over_all_processes(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    minute_of(monkeypatch, database, datetime(2026, 11, 24, 12))
    processes = [Quotas(1, SharedCounts(database)) for _ in range(2)]
    tries = [tried(processes[number % 2], "ann", "192.0.2.1") for number in range(30)]
    assert sum(tries) == 10


def test_visits_and_what_visitors_ask_are_limited_over_all_processes(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    minute_of(monkeypatch, database, datetime(2026, 11, 24, 12))
    processes = [Quotas(1, SharedCounts(database)) for _ in range(2)]

    def passed(charge: Callable[[Quotas], None]) -> int:
        return sum(charged(processes[number % 2], charge) for number in range(60))

    # Each of the two may keep what it took and did not use.
    assert 26 <= passed(lambda quotas: quotas.charge_visit("192.0.2.1")) <= 30
    assert 16 <= passed(lambda quotas: quotas.charge_widget("k1", 20)) <= 20
    assert charged(processes[0], lambda quotas: quotas.charge_visit("192.0.2.2"))
    assert charged(processes[0], lambda quotas: quotas.charge_widget("k2", 20))


def test_wrong_passwords_of_a_name_are_counted_over_all_processes(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    minute_of(monkeypatch, database, datetime(2026, 11, 24, 12))

    def process() -> Quotas:
        return Quotas(1, SharedCounts(database), KnownPlaces(database))

    first, second = process(), process()
    second.note_success("ann", "192.0.2.9")  # her own address, in one of the processes
    first.note_success("ann", "192.0.2.9")
    for number in range(30):  # guesses from everywhere, half of them in each process
        (first, second)[number % 2].note_failure("ann", f"198.51.100.{number}")
    for one in (first, second, process()):
        with pytest.raises(QuotaExceeded):
            one.charge_sign_in("ann", "203.0.113.1")
        one.charge_sign_in("ann", "192.0.2.9")  # her address is known in all of them
        one.charge_sign_in("bob", "203.0.113.1")  # other names are not touched
    first.note_failure("ann", "192.0.2.9")  # from there nothing counts against the name
    with database.reading() as session:
        assert session.scalar(select(func.max(QuotaCountRow.count))) == 30
        stored = str(session.execute(select(SignInPlaceRow.person, SignInPlaceRow.place)).all())
    assert "ann" not in stored
    assert "192" not in stored
    with database.transaction() as session:
        forget_places(session, "ann")
    assert not KnownPlaces(database).knows("ann", "192.0.2.9")


def test_a_count_that_is_looked_at_slides_like_the_others(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts, noon = SharedCounts(database), datetime(2026, 11, 24, 12)
    minute_of(monkeypatch, database, noon)
    for _ in range(10):
        counts.add("name", "ann")
    assert counts.reached(10, "name", "ann")
    assert not counts.reached(11, "name", "ann")
    minute_of(monkeypatch, database, noon + timedelta(seconds=90))
    assert counts.reached(5, "name", "ann")  # half of the minute before
    assert not counts.reached(6, "name", "ann")
    minute_of(monkeypatch, database, noon + timedelta(minutes=3))
    assert not counts.reached(1, "name", "ann")


def waits(quotas: Quotas, act: Callable[[Quotas], None]) -> int:
    """The seconds that somebody is told to wait, who is refused."""
    with pytest.raises(QuotaExceeded) as refused:
        act(quotas)
    assert f"again in {refused.value.retry_after_s} second" in refused.value.message
    return refused.value.retry_after_s or 0


def test_who_is_refused_is_told_when_the_quota_is_free_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    quotas, start = Quotas(2), time.time()
    later = 0.0
    monkeypatch.setattr(time, "time", lambda: start + later)
    quotas.charge_question(ANN)
    later = 20
    quotas.charge_question(ANN)
    later = 45.5
    assert waits(quotas, lambda q: q.charge_question(ANN)) == 15
    later = 59.9
    assert waits(quotas, lambda q: q.charge_question(ANN)) == 1
    later = 60.1
    quotas.charge_question(ANN)
    assert waits(quotas, lambda q: q.charge_question(ANN)) == 20
    for number in range(30):
        quotas.note_failure("eve", f"198.51.100.{number}")
    later = 70.1
    assert waits(quotas, lambda q: q.charge_sign_in("eve", "203.0.113.1")) == 50


def test_who_is_refused_by_all_processes_is_told_when_they_are_free_again(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    noon = datetime(2026, 11, 24, 12)
    minute_of(monkeypatch, database, noon + timedelta(seconds=30))
    assert [hit(Quotas(4, SharedCounts(database)), "ann") for _ in range(4)] == [True] * 4
    # At 12:01:15 a quarter of the four is more than a minute old.
    for second, wait in ((30, 46), (59, 17), (60, 16), (74, 2)):
        minute_of(monkeypatch, database, noon + timedelta(seconds=second))
        told = waits(Quotas(4, SharedCounts(database)), lambda q: q.charge_question(ANN))
        assert told == wait, second
    minute_of(monkeypatch, database, noon + timedelta(seconds=76))
    Quotas(4, SharedCounts(database)).charge_question(ANN)
    assert 0 < waits(Quotas(4, SharedCounts(database)), lambda q: q.charge_question(ANN)) < 60


def test_where_quotas_are_counted(database: Database, database_url: str, tmp_path: Path) -> None:
    def shared(**values: object) -> bool:
        settings = settings_for(database_url, tmp_path, **values)
        return Access(database, settings).quotas._shared is not None

    assert shared() is not database.embedded
    assert [shared(quotas=where) for where in ("process", "database")] == [False, True]
    auto = settings_for(database_url, tmp_path)
    assert share_of(auto, 2).quotas == "database"
    alone = settings_for(database_url, tmp_path, quotas="process", model_threads=3)
    assert share_of(alone, 2) == alone


def hit(quotas: Quotas, name: str) -> bool:
    asker = Principal(name, frozenset({"asker"}))
    return charged(quotas, lambda its: its.charge_question(asker))


def charged(quotas: Quotas, charge: Callable[[Quotas], None]) -> bool:
    try:
        charge(quotas)
    except QuotaExceeded:
        return False
    return True


def reserved(access: Access, key: str) -> Reservation:
    """A key that nobody has."""
    reservation = access.requests.begin(ANN, key, "one")
    assert isinstance(reservation, Reservation)
    return reservation


def finish(access: Access, database: Database, key: str, made: str) -> None:
    with database.transaction() as session:
        access.requests.finish(ANN, key, session, made)


def test_an_idempotency_key_runs_once_and_replays(access: Access, database: Database) -> None:
    reserved(access, "k")
    with pytest.raises(RequestInProgress):
        access.requests.begin(ANN, "k", "one")
    finish(access, database, "k", "answer 42")
    assert access.requests.begin(ANN, "k", "one") == "answer 42"
    with pytest.raises(IdempotencyMismatch):
        access.requests.begin(ANN, "k", "two")
    bob = Principal("bob", frozenset())
    assert isinstance(access.requests.begin(bob, "k", "two"), Reservation)
    with pytest.raises(Invalid):
        access.requests.begin(ANN, "", "one")


def begun(database: Database, seconds: int) -> None:
    with database.transaction() as session:
        moment = now() - timedelta(seconds=seconds)
        session.execute(update(IdempotencyRow).values(created_at=moment))


def test_a_failed_or_forgotten_request_gives_its_key_back(
    access: Access, database: Database
) -> None:
    access.requests.give_back(reserved(access, "k"))
    reserved(access, "k")
    begun(database, 40)
    with pytest.raises(RequestInProgress):
        access.requests.begin(ANN, "k", "one")
    begun(database, 80)  # whoever was killed keeps nobody waiting for longer than a minute
    later = reserved(access, "k")
    finish(access, database, "k", "answer 42")
    # The request that was given up comes to its end all the same: it must make nothing.
    with pytest.raises(RequestInProgress):
        finish(access, database, "k", "answer 43")
    access.requests.give_back(later)
    assert access.requests.begin(ANN, "k", "one") == "answer 42"


def test_a_request_that_was_given_up_takes_the_key_from_nobody(
    access: Access, database: Database
) -> None:
    given_up = reserved(access, "k")
    begun(database, 80)
    reserved(access, "k")
    access.requests.give_back(given_up)
    with pytest.raises(RequestInProgress):
        access.requests.begin(ANN, "k", "one")
    finish(access, database, "k", "answer 43")
    assert access.requests.begin(ANN, "k", "one") == "answer 43"


def test_two_requests_with_one_key_run_once(access: Access) -> None:
    start = Barrier(4)

    def begin(_number: int) -> str:
        start.wait()
        try:
            access.requests.begin(ANN, "race", "one")
        except RequestInProgress:
            return "waits"
        return "runs"

    with ThreadPoolExecutor(4) as pool:
        results = sorted(pool.map(begin, range(4)))
    assert results == ["runs", "waits", "waits", "waits"]


# Accounts


@on_postgresql
def test_of_two_names_that_look_the_same_one_is_made_at_one_moment(
    access: Access, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = Barrier(2)

    def together(session: Session, name: str) -> None:
        refuse_taken(session, name)
        with suppress(BrokenBarrierError):  # whoever waits for the other's end does not come
            both.wait(2)

    def made(name: str) -> bool:
        try:
            access.accounts.create(name, ["asker"])
        except Conflict:
            return False
        return True

    monkeypatch.setattr(accounts, "refuse_taken", together)
    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(made, ["olivia", "Olivia"])) == [False, True]


def test_disabling_ends_sign_ins_keys_and_streams_at_once(access: Access) -> None:
    key = access.keys.create("ann").key
    token = access.sessions.sign_in("ann", PASSWORD).token
    assert access.keys.principal(key).name == access.sessions.find(token).principal.name == "ann"
    account = access.accounts.change("ann", "olga", disabled=True)
    assert (account.disabled, account.sessions, account.keys) == (True, 0, 0)
    with pytest.raises(CredentialsExpired):
        access.keys.principal(key)
    with pytest.raises(CredentialsExpired):
        access.sessions.find(token)
    with pytest.raises(Unauthenticated):
        access.sessions.sign_in("ann", PASSWORD)
    with pytest.raises(NotFound):
        access.keys.create("ann")
    access.accounts.change("ann", "olga", disabled=False)
    access.sessions.sign_in("ann", PASSWORD)
    with pytest.raises(CredentialsExpired):
        access.keys.principal(key)


def test_roles_and_scope_count_from_the_next_request(access: Access) -> None:
    key = access.keys.create("ann").key
    access.accounts.change("ann", "olga", roles=["reviewer", "asker"])
    changed = access.keys.principal(key)
    assert changed.roles == {"asker", "reviewer"} and changed.scope == ("public",)
    access.accounts.change("ann", "olga", scope=None)
    assert access.keys.principal(key).scope is None


def test_every_change_of_an_account_is_in_the_audit_log(access: Access, database: Database) -> None:
    access.accounts.change("ann", "olga", roles=["asker", "operator"], scope=["a"])
    access.accounts.reset_password("ann", "another password", "olga")
    access.sessions.end_all("ann", "olga")
    made = access.keys.create("ann", by="olga")
    access.keys.revoke(made.key_id, "olga")
    with database.reading() as session:
        links = session.execute(select(AuditRow.kind, AuditRow.event).order_by(AuditRow.number))
        told = {link.kind: link.event for link in links}
        assert broken_audit_link(session) is None
    assert told["principal_changed"]["before"]["scope"] == ["public"]
    assert told["principal_changed"]["after"]["roles"] == ["asker", "operator"]
    for kind in (
        "principal_changed",
        "password_reset",
        "sessions_ended",
        "key_created",
        "key_revoked",
    ):
        assert told[kind]["by"] == "olga", kind
    assert "another password" not in str(told)


def test_the_last_administrator_stays(access: Access) -> None:
    access.accounts.create("eve", ["admin"])
    access.accounts.create("sam", ["admin"], scope=["a"])
    access.accounts.change("sam", "eve", roles=["asker"])
    attempts: list[dict[str, Any]] = [{"roles": ["asker"]}, {"scope": ["a"]}, {"disabled": True}]
    for attempt in attempts:
        with pytest.raises(Conflict):
            access.accounts.change("eve", "eve", **attempt)
    access.accounts.create("olga", ["admin"])
    access.accounts.change("eve", "eve", disabled=True)


def test_two_administrators_cannot_remove_each_other_at_once(access: Access) -> None:
    for name in ("eve", "olga"):
        access.accounts.create(name, ["admin"])
    start = Barrier(2)

    def disable(name: str) -> str:
        start.wait()
        try:
            access.accounts.change(name, "another", disabled=True)
        except Conflict:
            return "refused"
        return "disabled"

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(disable, ("eve", "olga"))) == ["disabled", "refused"]


def test_people_change_their_own_password(access: Access) -> None:
    kept, other = (access.sessions.sign_in("ann", PASSWORD) for _ in range(2))
    with pytest.raises(Forbidden):
        access.accounts.change_password(kept.principal, "wrong", "another password")
    for bad in ("short", "x" * 1001, "half a character \ud800"):
        with pytest.raises(Invalid):
            access.accounts.change_password(kept.principal, PASSWORD, bad)
    access.accounts.change_password(kept.principal, PASSWORD, "another password")
    assert access.sessions.find(kept.token).principal.name == "ann"
    with pytest.raises(CredentialsExpired):
        access.sessions.find(other.token)
    with pytest.raises(Unauthenticated):
        access.sessions.sign_in("ann", PASSWORD)
    access.sessions.sign_in("ann", "another password")


@pytest.mark.parametrize("meanwhile", ["reset", "disable"])
def test_a_password_that_was_reset_meanwhile_is_not_changed_with_the_old_one(
    access: Access, monkeypatch: pytest.MonkeyPatch, meanwhile: str
) -> None:
    thief = access.sessions.sign_in("ann", PASSWORD).principal
    real = access.accounts._passwords.fits

    def slowly(stored: str | None, password: str) -> bool:
        fits = real(stored, password)
        if meanwhile == "reset":  # while the hash is computed
            access.accounts.reset_password("ann", "another password", "olga")
        else:
            access.accounts.change("ann", "olga", disabled=True)
        return fits

    monkeypatch.setattr(access.accounts._passwords, "fits", slowly)
    with pytest.raises(Forbidden):
        access.accounts.change_password(thief, PASSWORD, "the password of a thief")
    monkeypatch.undo()
    access.accounts.change("ann", "olga", disabled=False)
    with pytest.raises(Unauthenticated):
        access.sessions.sign_in("ann", "the password of a thief")


def test_a_reset_ends_every_sign_in(access: Access) -> None:
    token = access.sessions.sign_in("ann", PASSWORD).token
    access.accounts.reset_password("ann", "another password", "olga")
    with pytest.raises(CredentialsExpired):
        access.sessions.find(token)
    with pytest.raises(NotFound):
        access.accounts.reset_password("nobody", "another password", "olga")


def test_keys_tell_their_expiry_and_last_use(access: Access) -> None:
    old = access.keys.create("ann", lifetime=timedelta(days=1))
    access.keys.principal(old.key)
    access.keys.create("ann")
    unused, used = access.keys.all("ann")
    assert (used.key_id, used.principal) == (old.key_id, "ann")
    assert used.expires_at is not None and used.last_used_at is not None
    assert (unused.expires_at, unused.last_used_at, unused.revoked_at) == (None, None, None)
    access.keys.revoke(old.key_id)
    assert access.keys.all("ann")[1].revoked_at is not None
    assert old.key not in str(access.keys.all())


def test_sign_ins_are_listed_and_ended(access: Access) -> None:
    tokens = [access.sessions.sign_in("ann", PASSWORD).token for _ in range(2)]
    entries = access.sessions.all("ann")
    assert len({entry.session_id for entry in entries}) == 2
    assert all(entry.started_at is not None for entry in entries)
    assert access.accounts.one("ann").sessions == 2
    assert access.sessions.end_all("ann") == 2
    for token in tokens:
        with pytest.raises(CredentialsExpired):
            access.sessions.find(token)
    for ask in (access.sessions.all, access.sessions.end_all):
        with pytest.raises(NotFound):
            ask("nobody")


def test_what_is_over_is_purged(access: Access, database: Database) -> None:
    access.sessions.sign_in("ann", PASSWORD)
    access.requests.begin(ANN, "new", "one")
    access.requests.begin(ANN, "old", "one")
    with database.transaction() as session:
        session.execute(update(SessionRow).values(expires_at=now() - timedelta(seconds=1)))
        old = update(IdempotencyRow).where(IdempotencyRow.key == "old")
        session.execute(old.values(created_at=now() - timedelta(days=31)))
    access.sessions.sign_in("ann", PASSWORD)
    access.purge()
    with database.reading() as session:
        assert len(session.scalars(select(SessionRow)).all()) == 1
        assert session.scalars(select(IdempotencyRow.key)).all() == ["new"]


@pytest.mark.parametrize(
    "name",
    ["ann ", " ann", "ａｎｎ", "a\u0301nn", "Local", "gate", "Retention", "a\u200bnn", "\u0430nn"],
)
def test_no_account_has_a_name_that_looks_like_another(access: Access, name: str) -> None:
    with pytest.raises(Invalid):
        access.accounts.create(name, ["reviewer"])


@pytest.mark.parametrize("other", ["coco", "COCO", "\u0441\u043e\u0441\u043e"])
def test_who_signs_answers_looks_like_nobody_else(access: Access, other: str) -> None:
    access.accounts.create("Coco", ["reviewer"])
    with pytest.raises(Conflict, match="named Coco"):
        access.accounts.create(other, ["reviewer"])
