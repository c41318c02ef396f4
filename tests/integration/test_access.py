"""Principals, keys, sign-ins, quotas and idempotency keys on both databases."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from threading import Barrier

import pytest
from sqlalchemy import select, update

from app.access.principals import Principal
from app.access.sessions import Access, check_csrf
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
    access.create_principal("ann", ["asker"], scope=["public"], password="correct horse")
    return access


def test_a_key_opens_its_principal_until_it_is_revoked(access: Access, database: Database) -> None:
    key_id, key = access.create_key("ann")
    found = access.by_key(key)
    assert found == Principal("ann", frozenset({"asker"}), ("public",))
    with database.reading() as session:
        stored = session.scalar(select(ApiKeyRow.key_sha256))
    assert key not in str(stored)
    access.revoke_key(key_id)
    with pytest.raises(CredentialsExpired):
        access.by_key(key)


def test_expired_unknown_and_garbled_keys_are_refused(access: Access) -> None:
    _, key = access.create_key("ann", expires_at=now() - timedelta(seconds=1))
    with pytest.raises(CredentialsExpired):
        access.by_key(key)
    for wrong in ("cs_wrong", "", "\udcff\x00", key + "x"):
        with pytest.raises(Unauthenticated):
            access.by_key(wrong)


def test_principals_are_checked(access: Access) -> None:
    with pytest.raises(Conflict):
        access.create_principal("ann", ["asker"])
    for name, roles in (("bob", ["king"]), ("bob", []), ("", ["asker"]), ("a\nb", ["asker"])):
        with pytest.raises(Invalid):
            access.create_principal(name, roles)
    with pytest.raises(NotFound):
        access.create_key("nobody")
    with pytest.raises(NotFound):
        access.revoke_key("none")


def test_signing_in_and_out(access: Access, database: Database) -> None:
    session = access.sign_in("ann", "correct horse")
    assert access.by_session(session.token).principal.name == "ann"
    with database.reading() as reading:
        assert session.token not in str(reading.scalar(select(SessionRow.token_sha256)))
        assert "correct horse" not in str(reading.scalar(select(PrincipalRow.password_hash)))
    access.sign_out(session.token)
    with pytest.raises(CredentialsExpired):
        access.by_session(session.token)


def test_wrong_passwords_look_like_unknown_names_and_are_limited(access: Access) -> None:
    messages = set()
    for name in ("ann", "nobody"):
        with pytest.raises(Unauthenticated) as caught:
            access.sign_in(name, "wrong")
        messages.add(caught.value.message)
    assert len(messages) == 1

    def attempt() -> str:
        try:
            access.sign_in("nobody", "wrong")
        except CountersignError as error:
            return error.code
        return "signed in"

    codes = [attempt() for _ in range(10)]
    assert codes[-1] == "quota_exceeded"


def test_an_ended_session_is_refused(access: Access, database: Database) -> None:
    session = access.sign_in("ann", "correct horse")
    with database.transaction() as writing:
        writing.execute(update(SessionRow).values(expires_at=now()))
    with pytest.raises(CredentialsExpired):
        access.by_session(session.token)


def test_csrf_tokens(access: Access) -> None:
    session = access.sign_in("ann", "correct horse")
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
    assert access.begin_request(ANN, "k", {"a": 1}) is None
    with pytest.raises(RequestInProgress):
        access.begin_request(ANN, "k", {"a": 1})
    access.finish_request(ANN, "k", {"answer": 42})
    assert access.begin_request(ANN, "k", {"a": 1}) == {"answer": 42}
    with pytest.raises(IdempotencyMismatch):
        access.begin_request(ANN, "k", {"a": 2})
    assert access.begin_request(Principal("bob", frozenset()), "k", {"a": 2}) is None
    with pytest.raises(Invalid):
        access.begin_request(ANN, "", {})


def test_a_failed_or_forgotten_request_gives_its_key_back(
    access: Access, database: Database
) -> None:
    assert access.begin_request(ANN, "k", {}) is None
    access.finish_request(ANN, "k", None)
    assert access.begin_request(ANN, "k", {}) is None
    with database.transaction() as session:
        session.execute(update(IdempotencyRow).values(created_at=now() - timedelta(hours=1)))
    assert access.begin_request(ANN, "k", {}) is None


def test_two_requests_with_one_key_run_once(access: Access) -> None:
    start = Barrier(4)

    def begin(_number: int) -> str:
        start.wait()
        try:
            access.begin_request(ANN, "race", {})
        except RequestInProgress:
            return "waits"
        return "runs"

    with ThreadPoolExecutor(4) as pool:
        results = sorted(pool.map(begin, range(4)))
    assert results == ["runs", "waits", "waits", "waits"]
