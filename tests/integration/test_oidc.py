"""Sign-in by a real provider of this machine: groups become roles, and no cheat gets in."""

import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Barrier, BrokenBarrierError
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.access import oidc
from app.access.accounts import refuse_taken
from app.access.oidc import check_oidc_settings
from app.access.service import Access
from app.db import Database
from app.errors import CountersignError, SettingsInvalid
from app.main import create_app
from app.records.tables import AuditRow
from app.settings import Settings
from app.wiring import build_services
from tests import oidc_provider
from tests.oidc_provider import CLIENT, SECRET, Claims, Provider
from tests.site import PASSWORD, coded, on_postgresql
from tests.trails import settings_for

GROUPS = {"staff": ["asker"], "legal": ["asker", "reviewer"]}


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with oidc_provider.running(Provider()) as started:
        yield started


@pytest.fixture(scope="module")
def app(
    provider: Provider, tmp_path_factory: pytest.TempPathFactory, migrated_sqlite: Path
) -> Iterator[TestClient]:
    """The service, which trusts that provider; no model is loaded."""
    folder = tmp_path_factory.mktemp("oidc")
    shutil.copy(migrated_sqlite, folder / "countersign.db")
    settings = Settings(
        data_dir=folder,
        oidc_issuer=provider.issuer,
        oidc_client_id=CLIENT,
        oidc_client_secret=SECRET,
        oidc_roles=GROUPS,
        oidc_collections={"staff": ["main"], "legal": ["contracts"]},
        oidc_label="Sign in with Example",
    )
    app = create_app(settings)
    services = build_services(settings)
    app.state.services = services
    services.access.accounts.create("ann", ["asker"], password=PASSWORD)
    services.access.quotas.charge_visit = lambda address: None  # type: ignore[method-assign]
    yield TestClient(app)  # without its lifespan, which would load the models
    services.close()


@pytest.fixture
def honest(provider: Provider) -> Provider:
    """The provider, which says nothing but the truth of Olivia."""
    fresh = Provider()
    provider.person = {**fresh.person, "groups": ["staff", "unknown"]}
    provider.twist, provider.sign = fresh.twist, fresh.sign
    return provider


def begun(app: TestClient) -> dict[str, str]:
    """What the browser comes back with from the provider."""
    app.cookies.clear()
    address = app.post("/v1/session/oidc").json()["address"]
    back = httpx2.get(address).headers["location"]
    assert back.startswith("http://testserver/login?")
    return {name: values[0] for name, values in parse_qs(urlsplit(back).query).items()}


def finished(app: TestClient, back: dict[str, str]) -> Response:
    return app.post("/v1/session/oidc/finish", json=back)


def signed_in(app: TestClient) -> dict[str, Any]:
    reply = finished(app, begun(app))
    assert reply.status_code == 200, reply.text
    assert "HttpOnly" in reply.headers["set-cookie"]
    session: dict[str, Any] = app.get("/v1/session").json()
    assert session == reply.json()
    return session


def test_groups_are_roles_and_reach_at_every_sign_in(app: TestClient, honest: Provider) -> None:
    assert app.get("/v1/session/methods").json() == {"oidc": "Sign in with Example"}
    access = app.app.state.services.access  # type: ignore[attr-defined]
    assert signed_in(app)["roles"] == ["asker"]
    assert access.accounts.one("olivia").scope == ["main"]
    honest.person |= {"groups": ["legal", "staff"], "preferred_username": "olivia.married"}
    session = signed_in(app)
    assert (session["name"], session["roles"]) == ("olivia", ["asker", "reviewer"])
    assert access.accounts.one("olivia").scope == ["contracts", "main"]
    honest.person["groups"] = "staff"  # some providers write a single group so
    assert signed_in(app)["roles"] == ["asker"]
    honest.person["groups"] = ["unknown"]
    coded(finished(app, begun(app)), 403, "forbidden")
    honest.person["groups"] = ["staff"]
    access.accounts.change("olivia", "eve", disabled=True)
    coded(finished(app, begun(app)), 403, "forbidden")
    access.accounts.change("olivia", "eve", disabled=False)
    # A password never opens such an account, and local accounts stay.
    for name, status in (("olivia", 401), ("ann", 200)):
        reply = app.post("/v1/session", json={"username": name, "password": PASSWORD})
        assert reply.status_code == status


def test_whom_the_provider_lets_in_no_more_loses_what_was_signed_in(
    app: TestClient, honest: Provider
) -> None:
    access = app.app.state.services.access  # type: ignore[attr-defined]
    honest.person |= {"sub": "s-8", "preferred_username": "oscar"}
    signed_in(app)
    token, key = app.cookies["countersign_session"], access.keys.create("oscar").key

    def status(*, by_key: bool) -> int:
        app.cookies.clear()
        if by_key:
            headers = {"Authorization": f"Bearer {key}"}
            return app.get("/v1/answers", headers=headers).status_code
        app.cookies.set("countersign_session", token)
        return app.get("/v1/answers").status_code

    assert (status(by_key=False), status(by_key=True)) == (200, 200)
    honest.person["groups"] = ["unknown"]
    for _ in range(2):
        coded(finished(app, begun(app)), 403, "forbidden")
    assert (status(by_key=False), status(by_key=True)) == (401, 403)
    assert (access.accounts.one("oscar").roles, access.sessions.all("oscar")) == ([], [])
    kinds = [kind for kind, event in links(app) if event.get("name") == "oscar"]
    assert kinds == ["principal_created", "principal_changed", "sessions_ended"]
    honest.person["groups"] = ["staff"]
    signed_in(app)
    assert (status(by_key=False), status(by_key=True)) == (401, 200)


def links(app: TestClient) -> list[tuple[str, dict[str, Any]]]:
    """Kind and event of every link of the audit log, in order."""
    database = app.app.state.services.database  # type: ignore[attr-defined]
    with database.reading() as session:
        rows = session.scalars(select(AuditRow).order_by(AuditRow.number))
        return [(row.kind, row.event) for row in rows]


def later(**changes: Any) -> Callable[[Claims], Claims]:
    return lambda claims: {**claims, **{n: change(claims) for n, change in changes.items()}}


def without(name: str) -> Callable[[Claims], Claims]:
    return lambda claims: {key: value for key, value in claims.items() if key != name}


CHEATS: dict[str, Callable[[Claims], Claims]] = {
    "expired": later(exp=lambda claims: claims["iat"] - 120),
    "not yet": later(iat=lambda claims: claims["iat"] + 3600, nbf=lambda c: c["iat"] + 3600),
    "another nonce": later(nonce=lambda _claims: "another"),
    "no nonce": without("nonce"),
    "for another client": later(aud=lambda _claims: "somebody"),
    "for two, made for another": later(
        aud=lambda _claims: [CLIENT, "somebody"], azp=lambda _claims: "somebody"
    ),
    "by another issuer": later(iss=lambda _claims: "https://elsewhere.example"),
    "no subject": without("sub"),
    "no end": without("exp"),
    "no name": later(preferred_username=lambda _claims: None, sub=lambda _claims: "s-2"),
    "a name with a slash": later(
        preferred_username=lambda _claims: "k/ann", sub=lambda _claims: "s-2"
    ),
}
FORGERS = (
    oidc_provider.by_another_key,
    oidc_provider.by_no_key,
    oidc_provider.by_the_public_key_as_a_secret,
    lambda _provider, _claims: "not a token",
)


@pytest.mark.parametrize("cheat", sorted(CHEATS))
def test_a_token_that_does_not_hold_is_refused(
    app: TestClient, honest: Provider, cheat: str
) -> None:
    honest.twist = CHEATS[cheat]
    coded(finished(app, begun(app)), 401, "oidc_refused")
    assert app.get("/v1/session").status_code == 401


@pytest.mark.parametrize("forger", range(len(FORGERS)))
def test_a_signature_that_does_not_hold_is_refused(
    app: TestClient, honest: Provider, forger: int
) -> None:
    honest.sign = FORGERS[forger]
    coded(finished(app, begun(app)), 401, "oidc_refused")


def test_what_comes_back_counts_once_and_in_one_browser(
    app: TestClient, honest: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    back = begun(app)
    coded(finished(app, {**back, "state": "made up"}), 401, "oidc_refused")
    token = app.cookies["countersign_oidc"]
    assert finished(app, back).status_code == 200
    app.cookies.set("countersign_oidc", token)
    coded(finished(app, back), 401, "oidc_refused")  # replayed

    back = begun(app)
    app.cookies.clear()  # somebody else's link to a finished sign-in
    coded(finished(app, back), 401, "oidc_refused")
    back = begun(app)
    coded(finished(app, {**back, "code": "stolen"}), 401, "oidc_refused")
    monkeypatch.setattr(oidc, "ATTEMPT", -oidc.ATTEMPT)
    coded(finished(app, begun(app)), 401, "oidc_refused")


def test_a_name_that_is_taken_is_nobody_elses(app: TestClient, honest: Provider) -> None:
    honest.person |= {"sub": "s-3", "preferred_username": "ann"}
    coded(finished(app, begun(app)), 409, "conflict")
    assert (
        app.post("/v1/session", json={"username": "ann", "password": PASSWORD}).status_code == 200
    )


def test_new_keys_of_the_provider_are_found(
    app: TestClient, honest: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oidc, "AGAIN_AFTER_S", 0.0)
    old, honest.key = honest.key, Provider().key
    honest.sign = lambda self, claims: self.signed(claims)
    assert finished(app, begun(app)).status_code == 200
    assert honest.key is not old


@pytest.mark.parametrize("name", ["jwks_uri", "token_endpoint", "authorization_endpoint"])
def test_no_address_of_a_provider_may_be_changed_on_the_way(
    app: TestClient, honest: Provider, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Whoever can change the provider's keys signs in as anybody."""
    services, asked = app.app.state.services, []  # type: ignore[attr-defined]
    get = httpx2.Client.get

    def seen(self: httpx2.Client, url: str, **more: Any) -> httpx2.Response:
        asked.append(str(url))
        reply = get(self, url, **more)
        if str(url).endswith("openid-configuration"):
            told = {**reply.json(), name: "http://keys.example/x"}
            return httpx2.Response(200, json=told, request=reply.request)
        return reply

    monkeypatch.setattr(httpx2.Client, "get", seen)
    fresh = oidc.OidcSignIn(services.database, services.settings, services.access.sessions)
    with pytest.raises(SettingsInvalid):
        fresh.begin("http://testserver/login")
    assert len(asked) == 1


def test_a_provider_that_cannot_be_used_is_told_of(app: TestClient, tmp_path: Path) -> None:
    services = app.app.state.services  # type: ignore[attr-defined]
    chosen = services.settings
    for changes, code in (
        ({"oidc_issuer": "http://example.org"}, "settings_invalid"),
        ({"oidc_issuer": f"{chosen.oidc_issuer}/"}, "settings_invalid"),
        ({"oidc_issuer": "http://127.0.0.1:9"}, "dependency_failed"),
        ({"oidc_issuer": ""}, "not_found"),
    ):
        other = oidc.OidcSignIn(
            services.database, chosen.model_copy(update=changes), services.access.sessions
        )
        with pytest.raises(CountersignError) as told:
            other.begin("http://testserver/login")
        assert told.value.code == code
    unusable: list[dict[str, Any]] = [
        {"oidc_roles": {"a": ["boss"]}},
        {"oidc_client_id": ""},
        {"oidc_roles": {}},
    ]
    for wrong in unusable:
        with pytest.raises(SettingsInvalid):
            check_oidc_settings(chosen.model_copy(update=wrong))


@on_postgresql
def test_who_signs_in_for_the_first_time_twice_at_once_has_one_account(
    database: Database, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = {"oidc_issuer": "https://id.example", "oidc_client_id": "desk"}
    roles = {"oidc_roles": {"staff": ["asker"]}}
    access = Access(database, settings_for(database_url, tmp_path, **told, **roles))
    both = Barrier(2, timeout=2)

    def together(session: Session, name: str) -> None:
        with suppress(BrokenBarrierError):  # neither sees the other's account
            both.wait()
        refuse_taken(session, name)

    monkeypatch.setattr(oidc, "refuse_taken", together)
    claims = {"sub": "1", "preferred_username": "olivia", "groups": ["staff"]}
    monkeypatch.setattr(access.oidc, "_claims", lambda *_asked: claims)
    monkeypatch.setattr(access.oidc, "_take", lambda *_shown: None)
    with ThreadPoolExecutor(2) as pool:
        signed = list(pool.map(lambda _: access.oidc.finish("", "", "", ""), range(2)))
    assert [one.principal.name for one in signed] == ["olivia"] * 2
