"""Principals, keys, sign-ins, quotas and idempotency keys on both databases."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from threading import Barrier

import pytest
from sqlalchemy import select, update

from app.access.principals import Principal
from app.access.service import Access
from app.access.sessions import check_csrf
from app.access.tables import ApiKeyRow, IdempotencyRow, PrincipalRow, SessionRow
from app.db import Database, now
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
from tests.trails import settings_for

ANN = Principal("ann", frozenset({"asker"}))


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


def test_an_ended_session_is_refused(access: Access, database: Database) -> None:
    session = access.sessions.sign_in("ann", "correct horse")
    with database.transaction() as writing:
        writing.execute(update(SessionRow).values(expires_at=now()))
    with pytest.raises(CredentialsExpired):
        access.sessions.find(session.token)


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


def test_an_idempotency_key_runs_once_and_replays(access: Access) -> None:
    assert access.requests.begin(ANN, "k", "one") is None
    with pytest.raises(RequestInProgress):
        access.requests.begin(ANN, "k", "one")
    access.requests.finish(ANN, "k", "answer 42")
    assert access.requests.begin(ANN, "k", "one") == "answer 42"
    with pytest.raises(IdempotencyMismatch):
        access.requests.begin(ANN, "k", "two")
    assert access.requests.begin(Principal("bob", frozenset()), "k", "two") is None
    with pytest.raises(Invalid):
        access.requests.begin(ANN, "", "one")


def test_a_failed_or_forgotten_request_gives_its_key_back(
    access: Access, database: Database
) -> None:
    assert access.requests.begin(ANN, "k", "one") is None
    access.requests.finish(ANN, "k", None)
    assert access.requests.begin(ANN, "k", "one") is None
    with database.transaction() as session:
        session.execute(update(IdempotencyRow).values(created_at=now() - timedelta(hours=1)))
    assert access.requests.begin(ANN, "k", "one") is None


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
