"""What a request is refused with: roles, unknown ids, bodies, parameters, addresses."""

import gzip
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from httpx2 import Response

from app.api.openai.errors import is_openai
from tests.routes import ADDRESSES, ANY_ROLE, BODIES, OPERATIONS, ROLE_OF, filled
from tests.site import PEOPLE, Site, as_json, coded, raw, upload


def test_every_route_is_in_these_tables(site: Site) -> None:
    described = {
        (method.upper(), path)
        for path, operations in site.app.openapi()["paths"].items()
        for method in operations
    }
    assert described == set(OPERATIONS)


@pytest.mark.parametrize("operation", sorted(ANY_ROLE | set(ROLE_OF)))
def test_without_credentials_every_route_says_401(site: Site, operation: tuple[str, str]) -> None:
    method, path = operation
    for headers in ({}, {"Authorization": "Bearer cs_wrong"}, {"Authorization": "Basic YTpi"}):
        response = site.client.request(
            method, filled(path), headers=headers, **BODIES.get(operation, {})
        )
        coded(response, 401, "unauthenticated")


@pytest.mark.parametrize("operation", sorted(ROLE_OF))
def test_the_wrong_role_says_403(site: Site, operation: tuple[str, str]) -> None:
    method, path = operation
    for name, (roles, _) in PEOPLE.items():
        if ROLE_OF[operation] not in roles:
            response = site.call(name, method, filled(path), **BODIES.get(operation, {}))
            coded(response, 403, "forbidden")


@pytest.mark.parametrize("operation", [o for o in OPERATIONS if "{" in o[1]])
def test_unknown_ids_say_404(site: Site, operation: tuple[str, str]) -> None:
    method, path = operation
    response = site.call("eve", method, filled(path), **BODIES.get(operation, {}))
    coded(response, 404, "not_found")


@pytest.mark.parametrize("path", sorted({path for _, path in ADDRESSES}))
def test_the_wrong_method_says_405(site: Site, path: str) -> None:
    response = site.call("eve", "PATCH", filled(path))
    coded(response, 405, "method_not_allowed")
    assert response.headers["allow"]


@pytest.mark.parametrize("path", sorted(path for method, path in ADDRESSES if method == "GET"))
def test_a_head_answers_as_its_get_without_the_body(site: Site, path: str) -> None:
    for name in ("eve", "ann"):
        there, head = (site.call(name, method, filled(path)) for method in ("GET", "HEAD"))
        assert (head.status_code, head.content) == (there.status_code, b"")
        told = ("content-type", "www-authenticate", "cache-control", "x-content-type-options")
        assert [head.headers.get(one) for one in told] == [there.headers.get(one) for one in told]
        if path != "/metrics":  # it counts the request before
            length = (one.headers.get("content-length") for one in (head, there))
            assert next(length) == next(length)


def test_a_head_of_a_stream_that_goes_on_ends_with_its_headers(fresh: Site) -> None:
    _, answer_id = fresh.held()
    head = fresh.call("ann", "HEAD", f"/v1/answers/{answer_id}/events")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"].startswith("text/event-stream")


def test_a_head_of_what_only_takes_posts_is_405(site: Site) -> None:
    response = site.call("eve", "HEAD", "/v1/search")
    assert (response.status_code, response.content) == (405, b"")


@pytest.mark.parametrize("path", ["/nothing", "/v1/nothing", "/v1/answers/a/b", "/static/no.js"])
def test_unknown_addresses_say_404(site: Site, path: str) -> None:
    coded(site.call("eve", "GET", path), 404, "not_found")


def test_a_refused_sign_in_and_an_absent_session_are_coded(site: Site) -> None:
    wrong = {"username": "ann", "password": "wrong"}
    coded(site.client.post("/v1/session", json=wrong), 401, "unauthenticated")
    coded(site.call("ann", "GET", "/v1/session"), 401, "unauthenticated")


# Bad input


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b'{"question": ""}', 400, "question_empty"),
        (b'{"question": " \\n?! "}', 400, "question_empty"),
        (b'{"question": "a\\u0000b"}', 400, "question_not_text"),
        (b'{"question": "a \\ud800"}', 400, "question_not_text"),
        (b'{"question": "\xff\xfe"}', 400, "bad_request"),
        (b"\x00\x01\x02\x03", 400, "bad_request"),
        (b"not json", 400, "bad_request"),
        (b"[" * 50_000, 400, "bad_request"),
        (b"", 422, "invalid"),
        (b"null", 422, "invalid"),
        (b'["question"]', 422, "invalid"),
        (b"{}", 422, "invalid"),
        (b'{"question": 1}', 422, "invalid"),
        (b'{"question": "a", "typo": 1}', 422, "invalid"),
        (b'{"question": "a", "collections": "main"}', 422, "invalid"),
        (b'{"question": "a", "answer_schema": []}', 422, "invalid"),
        (b'{"question": "a", "collections": ["nowhere"]}', 404, "not_found"),
        (b'{"question": "a", "collections": ["\\u0000\\ud800"]}', 404, "not_found"),
        (b'{"question": "a", "answer_schema": {"pattern": "(a+)+"}}', 400, "schema_refused"),
        (b'{"question": "' + b"a" * 4001 + b'"}', 413, "too_large"),
    ],
)
@pytest.mark.parametrize("key", [None, "bad-input"])
def test_bad_questions_are_refused(
    site: Site, body: bytes, status: int, code: str, key: str | None
) -> None:
    headers = {"Content-Type": "application/json"} | ({"Idempotency-Key": key} if key else {})
    coded(site.call("ann", "POST", "/v1/ask", content=body, headers=headers), status, code)


@pytest.mark.parametrize(
    ("body", "kind"),
    [(b'{"question": "a"}', "application/x-www-form-urlencoded"), (b"[]", "application/json")],
)
def test_a_body_that_is_no_json_object_is_told_in_plain_words(
    site: Site, body: bytes, kind: str
) -> None:
    """The first is what curl sends with -d alone."""
    sent = site.call("ann", "POST", "/v1/ask", content=body, headers={"Content-Type": kind})
    assert "must be a JSON object" in coded(sent, 422, "invalid")["message"]


def test_a_body_over_the_limit_is_refused_announced_or_not(site: Site) -> None:
    body = json.dumps({"question": "a" * 10_000_000}).encode()
    coded(site.call("ann", "POST", "/v1/ask", content=body), 413, "too_large")
    pieces = 0

    def endless() -> Iterator[bytes]:
        nonlocal pieces
        while True:
            pieces += 1
            yield b"a" * 65_536

    headers = {
        "Authorization": f"Bearer {site.keys['ann']}",
        "Content-Type": "application/json",
        "Transfer-Encoding": "chunked",
    }
    status, answered = raw(site.app, "POST", "/v1/ask", headers, endless())
    assert (status, json.loads(answered)["code"]) == (413, "too_large")
    assert pieces * 65_536 <= site.services.settings.max_body_bytes + 2 * 65_536


def bad_requests(site: Site) -> Iterator[tuple[Response, int, str]]:
    """Requests whose values no database can look up or store."""
    task_id, _ = site.held()
    task = site.claim("rita", task_id)
    yield site.decide("rita", {**task, "fence": 10**30}, "approve"), 422, "invalid"
    yield site.decide("rita", {**task, "fence": -1}, "approve"), 422, "invalid"
    yield site.decide("rita", {**task, "content_sha256": "\0"}, "approve"), 409, "approval_void"
    yield site.decide("rita", task, "reject", reason="a\0"), 422, "invalid"
    yield site.decide("rita", task, "edit", text="a\0"), 422, "invalid"
    for username in ("a\0", "\ud800"):
        body = as_json({"username": username, "password": "x"})
        yield site.client.post("/v1/session", **body), 422, "invalid"
    for method, path in OPERATIONS:
        if "{" in path:
            address = re.sub(r"{\w+}", "%00", path)
            request = BODIES.get((method, path), {})
            yield site.call("eve", method, address, **request), 404, "not_found"
    for offset in (10**30, -1):
        yield site.call("eve", "GET", f"/v1/documents?offset={offset}"), 422, "invalid"
    for limit in (0, 10**30):
        yield site.call("eve", "GET", f"/v1/documents?limit={limit}"), 400, "bad_request"
        yield site.call("eve", "GET", f"/v1/answers?limit={limit}"), 400, "bad_request"
        yield site.call("rita", "GET", f"/v1/reviews?limit={limit}"), 400, "bad_request"
    yield site.call("rita", "GET", "/v1/reviews?state=%00"), 422, "invalid"
    for collection in ("a\0b", "", "x" * 81):
        yield upload(site, "a.md", b"# A", collection), 422, "invalid"
    for name in ("x" * 300 + ".md", "a\u202eb.md"):
        yield upload(site, name, b"# A"), 422, "invalid"


def test_values_that_no_database_can_take_are_refused(fresh: Site) -> None:
    for response, status, code in bad_requests(fresh):
        coded(response, status, code)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"query": "x"}, "question: it is missing."),
        (
            {"question": "Why?", "collection": "main"},
            "collection: there is no such field. Is it collections?",
        ),
        ({"question": "Why?", "collections": []}, "collections: it must have at least 1 item"),
        ({"question": 5}, "question: it must be a text"),
        ({"question": "Why?", "collections": "main"}, "collections: it must be a list"),
    ],
)
def test_what_is_wrong_with_a_body_is_said_plainly(
    site: Site, body: dict[str, Any], says: str
) -> None:
    assert coded(site.call("ann", "POST", "/v1/ask", json=body), 422, "invalid")["message"] == says


@pytest.mark.parametrize(
    ("question", "code"),
    [
        (" ", "question_empty"),
        ("\u200b\u2060", "question_empty"),
        ("?!", "question_empty"),
        ("excess\x07", "question_not_text"),
    ],
)
def test_a_search_is_refused_what_a_question_is(site: Site, question: str, code: str) -> None:
    for path in ("/v1/ask", "/v1/search"):
        coded(site.call("ann", "POST", path, json={"question": question}), 400, code)


def test_what_is_wrong_with_an_address_is_said_plainly(site: Site) -> None:
    found = coded(site.call("ann", "GET", "/v1/answers?limit=x"), 422, "invalid")
    assert found["message"] == "limit: it must be a whole number"
    found = coded(site.call("ann", "POST", "/v1/embeddings", json={"input": [1]}), 422)
    assert "[" not in found["message"] and "function" not in found["message"]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_parameter_that_an_address_has_not_is_refused(
    site: Site, operation: tuple[str, str]
) -> None:
    """After the caller is known, before anything is looked up or done."""
    method, path = operation
    sent = BODIES.get(operation, {})
    if operation == ("DELETE", "/v1/session") or path.startswith("/v1/widget/"):
        return  # they look at a cookie, or at the key in the address, first
    response = site.call("eve", method, f"{filled(path)}?no_such=x", **sent)
    if path.startswith("/v1/") and not is_openai(path):
        told = coded(response, 422, "invalid")["message"]
        assert told.startswith("no_such: there is no such parameter.")
    else:  # probes are lengthened by monitors, and OpenAI's clients send what is not known here
        assert "no_such" not in response.text


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("colection=main", "colection: there is no such parameter. Is it collection?"),
        ("collection=main&collection=b", "collection: it is given twice."),
        ("%00", None),
        ("%ff=1", None),
        (
            "x%0a=1",
            ": there is no such parameter. There are collection, find, limit, offset, state.",
        ),
        ("=1", ": there is no such parameter. There are collection, find, limit, offset, state."),
    ],
)
def test_what_is_wrong_with_a_parameter_is_said(site: Site, query: str, says: str | None) -> None:
    told = coded(site.call("olga", "GET", f"/v1/documents?{query}"), 422, "invalid")["message"]
    assert says is None or told == says


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        (
            {"json": {"collection": "main"}},
            "file: it is missing. Send a form (multipart/form-data).",
        ),
        ({"data": {"collection": "main", "file": "x"}, "files": {"x": b""}}, "x: there is no such"),
        ({"files": {"file": (None, "x"), "collection": (None, "main")}}, "file: it must be a file"),
    ],
)
def test_what_is_no_upload_is_told_what_to_send(
    site: Site, sent: dict[str, Any], says: str
) -> None:
    told = coded(site.call("olga", "POST", "/v1/documents", **sent), 422, "invalid")["message"]
    assert told.startswith(says)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (
            gzip.compress(b"{}", mtime=0),
            "The body is not text in UTF-8. Send it as it is, not compressed.",
        ),
        ('{"question": "café"}'.encode("latin-1"), "The body is not text in UTF-8."),
        (b'{"question": "Why?"} more', "The body is not valid JSON."),
        (b'{"limit": ' + b"9" * 5000 + b"}", "The body is not valid JSON."),
        (
            b'{"question": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
            "The body is nested too deeply.",
        ),
    ],
)
def test_what_is_wrong_with_a_body_that_is_no_json_is_said(
    site: Site, body: bytes, says: str
) -> None:
    headers = {"Content-Type": "application/json"}
    response = site.call("ann", "POST", "/v1/ask", content=body, headers=headers)
    assert coded(response, 400, "bad_request")["message"].startswith(says)


@pytest.mark.parametrize(
    ("path", "body", "named"),
    [
        ("/v1/ask", '{"question": "Is it safe?", "question": "Is it not?"}', "question"),
        ("/v1/ask", '{"question": "x", "answer_schema": {"a": 1, "b": {"c": 1, "c": 2}}}', "c"),
        ("/v1/ask", '{"question": "x", "quest\\u0069on": "y"}', "question"),
        ("/v1/session", '{"name": "ann", "password": "a", "password": "b"}', "password"),
        ("/v1/chat/completions", '{"model": "main", "model": "other", "messages": []}', "model"),
    ],
)
def test_a_name_that_comes_twice_in_a_body_is_refused(
    site: Site, path: str, body: str, named: str
) -> None:
    headers = {"Content-Type": "application/json"}
    response = site.call("eve", "POST", path, content=body, headers=headers)
    assert response.status_code == 422
    said = response.json()
    told = said.get("error", said)
    assert (told["code"], told["message"]) == ("invalid", f"{named}: it is given twice.")


def test_what_is_no_number_in_json_is_no_json(site: Site) -> None:
    headers = {"Content-Type": "application/json"}
    body = '{"question": "x", "limit": NaN}'
    response = site.call("eve", "POST", "/v1/search", content=body, headers=headers)
    coded(response, 400, "bad_request")


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/v1/documents", "GET, HEAD, POST"),
        ("/v1/documents/x", "DELETE, GET, HEAD, PUT"),
        ("/v1/session", "DELETE, GET, HEAD, POST"),
        ("/v1/search", "POST"),
        ("/healthz", "GET, HEAD"),
        ("/", "GET, HEAD"),
        ("/static/shared/api.js", "GET, HEAD"),
    ],
)
def test_a_wrong_method_is_told_all_right_ones(site: Site, path: str, methods: str) -> None:
    response = site.call("eve", "PATCH", path)
    assert (response.status_code, response.headers["allow"]) == (405, methods)


@pytest.mark.parametrize("path", ["/v1/answers", "/v1/answers?limit=1", "/review"])
def test_an_address_with_a_slash_too_many_goes_on_at_the_same_host(site: Site, path: str) -> None:
    name, mark, query = path.partition("?")
    headers = {"Host": "elsewhere.example"}
    address = f"{name}/{mark}{query}"
    response = site.call("ann", "GET", address, headers=headers, follow_redirects=False)
    assert (response.status_code, response.headers["location"]) == (307, path)
    assert site.call("ann", "GET", address).status_code == 200


def test_the_first_of_two_files_of_an_upload_is_not_lost(site: Site) -> None:
    files = [("file", (name, b"# A\n\nText.\n")) for name in ("a.md", "b.md")]
    response = site.call("olga", "POST", "/v1/documents", data={"collection": "main"}, files=files)
    assert coded(response, 422, "invalid")["message"] == "file: it is given twice."


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_probes_may_ask_for_the_head_alone(site: Site, path: str) -> None:
    head = site.client.head(path)
    assert (head.status_code, head.content) == (site.client.get(path).status_code, b"")


@pytest.mark.parametrize(
    "path", ["/v1/ask", "/v1/chat/completions", "/v1/responses", "/v1/embeddings", "/v1/session"]
)
def test_a_body_that_is_not_sent_as_json_is_told_what_is_expected(site: Site, path: str) -> None:
    said = '{"question": "Is it paid?"}'
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    for headers in ({}, form, {"Content-Type": "text/plain"}):
        response = site.call("ann", "POST", path, content=said, headers=headers)
        assert response.status_code == 422
        assert "a JSON object, with Content-Type: application/json" in response.text
    for body in ("[]", "3", '"Is it paid?"'):
        headers = {"Content-Type": "application/json"}
        response = site.call("ann", "POST", path, content=body, headers=headers)
        assert response.status_code == 422 and "it must be a JSON object." in response.text
