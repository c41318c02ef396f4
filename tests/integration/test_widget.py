"""The chat on other sites: its keys, the origins they let in, and what a visitor may do."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from httpx2 import Response

from app.access.widgets import NewWidgetKey, check_origins, sign
from app.api.edge import HEADERS
from app.errors import Invalid
from tests.servers import handbook_services
from tests.site import HELD, RELEASED, Site, coded, site_over

SHOP, OTHER = "https://shop.example", "https://other.example"
FOREIGN = (
    *(OTHER, "null", "http://shop.example", f"{SHOP}:8443", "https://a.shop.example", "x"),
    *("http://[", "https://[::1", "http://shop]example"),  # no addresses at all
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, migrated_sqlite: Path) -> Iterator[Site]:
    services = handbook_services(tmp_path_factory.mktemp("widget"), migrated_sqlite)
    yield from site_over(services)


@pytest.fixture
def key(site: Site) -> NewWidgetKey:
    """A key of Ann's for one shop."""
    return site.services.access.widgets.create("ann", [SHOP], questions_per_minute=100)


@pytest.fixture(autouse=True)
def no_limit_by_address(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site.services.access.quotas, "charge_visit", lambda _address: None)


def call(site: Site, key: str, method: str, path: str, token: str = "", **more: Any) -> Response:
    """A request of a widget, from the shop unless ``more`` says otherwise."""
    headers = {"Origin": SHOP, **more.pop("headers", {})}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    return site.client.request(method, f"/v1/widget/{key}{path}", headers=headers, **more)


def visit(site: Site, key: NewWidgetKey, **who: Any) -> str:
    made = call(site, key.key, "POST", "/visits", json=who)
    assert made.status_code == 201, made.text
    return str(made.json()["token"])


def ask(site: Site, key: NewWidgetKey, token: str, question: str, **more: Any) -> dict[str, Any]:
    asked = call(site, key.key, "POST", "/questions", token, json={"question": question, **more})
    assert asked.status_code == 200, asked.text
    answer: dict[str, Any] = asked.json()
    return answer


def signed(key: NewWidgetKey, user: str, issued: int | None = None) -> dict[str, Any]:
    """What the shop's server tells of its user."""
    moment = int(time.time()) if issued is None else issued
    signature = sign(key.secret, f"{user}\n{moment}")
    return {"user": user, "issued": moment, "signature": signature}


def test_a_visitor_asks_and_reads_only_what_they_asked(site: Site, key: NewWidgetKey) -> None:
    one, two = visit(site, key), visit(site, key)
    answer = ask(site, key, one, RELEASED)
    assert answer["status"] == "released" and answer["answer"]["citations"]
    own = f"/answers/{answer['answer_id']}"
    assert call(site, key.key, "GET", own, one).json() == answer
    coded(call(site, key.key, "GET", own, two), 404, "not_found")
    body = {"question": RELEASED, "previous_answer_id": answer["answer_id"]}
    coded(call(site, key.key, "POST", "/questions", two, json=body), 404, "not_found")
    told = call(site, key.key, "GET", f"{own}/events", one).text
    assert "event: answer" in told and answer["answer_id"] in told
    # The account of the key did not ask it, and the token opens nothing else.
    assert site.call("ann", "GET", f"/v1{own}").status_code == 404
    for path in ("/v1/answers", "/v1/documents", f"/v1{own}"):
        refused = site.client.get(path, headers={"Authorization": f"Bearer {one}"})
        coded(refused, 401, "unauthenticated")


def test_a_held_answer_reaches_its_visitor_once_a_reviewer_signs(
    site: Site, key: NewWidgetKey
) -> None:
    token = visit(site, key, **signed(key, "u-17"))
    held = ask(site, key, token, HELD)
    assert held["status"] == "held" and held["answer"] is None
    task = site.claim("rita", site.task_of(held["answer_id"]))
    assert site.decide("rita", task, "approve").status_code == 200
    # A later visit of the same user, whom the shop signed again, goes on.
    later = visit(site, key, **signed(key, "u-17"))
    found = call(site, key.key, "GET", f"/answers/{held['answer_id']}", later)
    assert found.json()["status"] == "released"
    other = visit(site, key, **signed(key, "u-18"))
    coded(call(site, key.key, "GET", f"/answers/{held['answer_id']}", other), 404, "not_found")


@pytest.mark.parametrize("origin", FOREIGN)
def test_foreign_origins_are_refused(site: Site, key: NewWidgetKey, origin: str) -> None:
    token, foreign = visit(site, key), {"Origin": origin}
    replies = [
        call(site, key.key, "POST", "/visits", json={}, headers=foreign),
        call(site, key.key, "POST", "/questions", token, json={"question": "x"}, headers=foreign),
        call(site, key.key, "GET", "/answers/a", token, headers=foreign),
        call(site, key.key, "OPTIONS", "/questions", headers=foreign),
    ]
    for reply in replies:
        coded(reply, 403, "origin_refused")
        assert "access-control-allow-origin" not in reply.headers


def test_the_sites_of_a_key_are_let_in_and_may_frame_it(site: Site, key: NewWidgetKey) -> None:
    preflight = call(site, key.key, "OPTIONS", "/questions")
    assert preflight.status_code == 204
    assert "Authorization" in preflight.headers["access-control-allow-headers"]
    for reply in (preflight, call(site, key.key, "POST", "/visits", json={})):
        assert reply.headers["access-control-allow-origin"] == SHOP
        assert reply.headers["vary"] == "Origin"
        assert "access-control-allow-credentials" not in reply.headers
    page = site.client.get(f"/widget?key={key.key}")
    policy = HEADERS["Content-Security-Policy"].replace("'none'; form", "'none'; form")
    assert page.headers["content-security-policy"] == policy.replace(
        "frame-ancestors 'none'", f"frame-ancestors {SHOP}"
    )
    for address in ("/widget", "/widget?key=pk_unknown"):
        refused = site.client.get(address)
        coded(refused, 404, "not_found")
        assert "frame-ancestors 'none'" in refused.headers["content-security-policy"]
    # The frame itself is on our own origin, whatever scheme a proxy speaks.
    ours = {"Origin": "https://testserver"}
    assert call(site, key.key, "POST", "/visits", json={}, headers=ours).status_code == 201


def test_only_what_the_site_signed_is_a_user(site: Site, key: NewWidgetKey) -> None:
    other = site.services.access.widgets.create("ann", [SHOP])
    good, now = signed(key, "u-17"), int(time.time())
    refused = [
        ({**good, "user": "u-18"}, 401, "unauthenticated"),
        ({**good, "signature": None}, 401, "unauthenticated"),
        ({**good, "issued": None}, 401, "unauthenticated"),
        ({**good, "issued": good["issued"] + 1}, 401, "unauthenticated"),
        (signed(other, "u-17"), 401, "unauthenticated"),
        (signed(key, "u-17", now - 7200), 401, "credentials_expired"),
        (signed(key, "u-17", now + 7200), 401, "credentials_expired"),
        (signed(key, "../ann"), 422, "invalid"),
        (signed(key, "a\nb"), 422, "invalid"),
    ]
    for body, status, code in refused:
        coded(call(site, key.key, "POST", "/visits", json=body), status, code)


def test_tokens_are_only_what_their_own_key_made(site: Site, key: NewWidgetKey) -> None:
    other = site.services.access.widgets.create("ann", [SHOP])
    token = visit(site, key)
    said, _, signature = token.partition(".")
    forged = (token[:-1] + ("0" if token[-1] != "0" else "1"), said, f"{said}.", "cs_x", "é", "")
    wrong = [*forged, visit(site, other), f"{said}x.{signature}", site.keys["ann"]]
    for shown in wrong:
        headers = {"Authorization": b"Bearer " + shown.encode("latin-1")} if shown else {}
        reply = call(site, key.key, "GET", "/answers/a", headers=headers)
        coded(reply, 401, "unauthenticated")


def test_a_key_has_its_own_limit_and_its_end(site: Site) -> None:
    widgets = site.services.access.widgets
    key = widgets.create("ann", [SHOP], questions_per_minute=1)
    token = visit(site, key)
    ask(site, key, token, RELEASED)
    again = call(site, key.key, "POST", "/questions", visit(site, key), json={"question": "x?"})
    coded(again, 429, "quota_exceeded")
    assert site.call("eve", "DELETE", f"/v1/widget-keys/{key.key_id}").status_code == 204
    coded(call(site, key.key, "GET", "/answers/a", token), 404, "not_found")
    assert widgets.all("ann")[0].revoked_at is not None

    site.services.access.accounts.create("shop", ["asker"], scope=["elsewhere"])
    scoped = widgets.create("shop", [SHOP])
    assert ask(site, scoped, visit(site, scoped), RELEASED)["status"] == "abstained"
    site.services.access.accounts.change("shop", "eve", roles=["reviewer"])
    refused = call(
        site, scoped.key, "POST", "/questions", visit(site, scoped), json={"question": "x"}
    )
    coded(refused, 403, "forbidden")
    site.services.access.accounts.change("shop", "eve", disabled=True)
    coded(call(site, scoped.key, "POST", "/visits", json={}), 404, "not_found")
    made = site.call("eve", "POST", "/v1/widget-keys", json={"user": "shop", "origins": [SHOP]})
    coded(made, 404, "not_found")


def test_a_question_that_is_sent_again_is_counted_once(site: Site) -> None:
    key = site.services.access.widgets.create("ann", [SHOP], questions_per_minute=1)
    token, asked = visit(site, key), {"json": {"question": RELEASED}}
    first, again = (
        call(site, key.key, "POST", "/questions", token, headers={"Idempotency-Key": "1"}, **asked)
        for _ in range(2)
    )
    assert (first.status_code, again.status_code) == (200, 200), again.text
    assert first.json() == again.json()
    coded(call(site, key.key, "POST", "/questions", token, **asked), 429, "quota_exceeded")


def test_origins_are_kept_as_browsers_write_them() -> None:
    assert check_origins(["HTTPS://Shop.Example:443/", "http://[::1]:80", "http://a:08"]) == [
        SHOP,
        "http://[::1]",
        "http://a:8",
    ]
    for bad in ("*", "shop.example", f"{SHOP}/path", f"{SHOP}; script-src *", "https://", "data:x"):
        with pytest.raises(Invalid):
            check_origins([bad])
    with pytest.raises(Invalid):
        check_origins([])
