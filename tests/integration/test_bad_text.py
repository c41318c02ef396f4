"""Text that no database can take, in every place that a route takes text from: never a 500."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from httpx2 import Response

from app.main import create_app
from app.settings import Settings
from app.wiring import Services
from tests.routes import BODIES, filled
from tests.site import Site, as_json, site_over

BAD = ("\0", "a\0b", "\ud800", "a\udfffb")


@pytest.fixture
def site(services: Services) -> Iterator[Site]:
    """A service over each database."""
    yield from site_over(services)


def operations(described: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(method, path, description) of every route of an OpenAPI document."""
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def in_bytes(text: str) -> str:
    return quote(text.encode("utf-8", "surrogatepass"))


def by_parameter(site: Site) -> Iterator[tuple[str, Response]]:
    """Every path and query parameter of every route, with each bad text."""
    for method, path, operation in operations(site.app.openapi()):
        body = BODIES.get((method, path), {})
        for parameter in operation.get("parameters", ()):
            name = parameter["name"]
            for text in map(in_bytes, BAD):
                if parameter["in"] == "path":
                    address = filled(path.replace("{" + name + "}", text))
                elif parameter["in"] == "query":
                    address = f"{filled(path)}?{name}={text}"
                else:
                    continue
                yield f"{method} {address}", site.call("eve", method, address, **body)


def variants(value: Any) -> Iterator[Any]:
    """The JSON value with one string, anywhere in it, or one key made bad."""
    for bad in BAD:
        if isinstance(value, str):
            yield value + bad
        elif isinstance(value, dict):
            yield {**value, "typo" + bad: 1}
    if isinstance(value, dict):
        for key, inner in value.items():
            for changed in variants(inner):
                yield {**value, key: changed}
    if isinstance(value, list):
        for place, inner in enumerate(value):
            for changed in variants(inner):
                yield [*value[:place], changed, *value[place + 1 :]]


FULL: dict[tuple[str, str], dict[str, Any]] = {
    ("POST", "/v1/ask"): {
        "question": "What is the excess?",
        "collections": ["main"],
        "answer_schema": {"properties": {"text": {"const": "x"}}},
        "previous_answer_id": "x",
    },
    ("POST", "/v1/search"): {"question": "x", "collections": ["main"], "limit": 1},
    ("POST", "/v1/chat/completions"): {
        "model": "countersign/main",
        "messages": [
            {"role": "assistant", "content": "x"},
            {"role": "user", "content": [{"type": "text", "text": "x"}], "type": "message"},
        ],
        "stream": False,
        "stream_options": {"include_usage": False},
        "response_format": {"type": "json_schema", "json_schema": {"schema": {"const": "x"}}},
        "n": 1,
    },
    ("POST", "/v1/responses"): {
        "model": "countersign/main",
        "input": "What is the excess?",
        "stream": False,
        "previous_response_id": "resp_x",
        "text": {"format": {"type": "json_schema", "schema": {"const": "x"}}},
    },
    ("POST", "/v1/embeddings"): {
        "model": "countersign",
        "input": ["x"],
        "encoding_format": "float",
        "dimensions": None,
    },
    ("POST", "/v1/session"): {"username": "nobody", "password": "x"},
    ("POST", "/v1/gate/mode"): {"mode": "off", "reason": "a test", "collection": "main"},
    ("POST", "/v1/labelling/next"): {"collection": "main", "risk_class": "standard"},
    ("POST", "/v1/policy/dry-run"): {"policy": "name: x", "since_days": 1},
    ("POST", "/v1/reviews/{task_id}/decision"): {
        "kind": "edit",
        "content_sha256": "0" * 64,
        "fence": 1,
        "reason": "x",
        "text": "x",
        "sources": {"7": "x"},
        "override_reason": "x",
    },
    ("POST", "/v1/practice/{item_id}"): {"wrong": True},
    ("POST", "/v1/reviews/{task_id}/comments"): {"text": "x"},
    ("PUT", "/v1/reviews/{task_id}/assignment"): {"to": "x"},
    ("PUT", "/v1/reviews/{task_id}/snooze"): {"until": "2026-01-01T00:00:00Z"},
    ("POST", "/v1/reviews/{task_id}/escalate"): {"reason": "x"},
    ("POST", "/v1/reviews/{task_id}/evidence"): {"text": "x", "limit": 1},
    ("POST", "/v1/reviews/{task_id}/draft"): {
        "content_sha256": "0" * 64,
        "background_sha256": "1" * 64,
    },
    ("POST", "/v1/released/{answer_id}/withdrawal"): {"reason": "x", "message": "x"},
    ("POST", "/v1/released/{answer_id}/keep"): {"reason": "x"},
    ("PUT", "/v1/session/password"): {"current": "x" * 12, "new": "y" * 12},
    ("POST", "/v1/users"): {"name": "new", "roles": ["asker"], "scope": ["main"]},
    ("PUT", "/v1/users/{name}"): {
        "roles": ["asker"],
        "scope": ["main"],
        "disabled": False,
        "authority": "x",
        "trained_on": "2026-01-01",
    },
    ("PUT", "/v1/answers/{answer_id}/feedback"): {"useful": True, "reason": "x"},
    ("PUT", "/v1/conversations/{conversation_id}"): {"title": "x"},
    ("POST", "/v1/keys"): {"user": "unknown", "days": 1},
    ("POST", "/v1/session/oidc/finish"): {"state": "x", "code": "x"},
    ("POST", "/v1/widget-keys"): {
        "user": "unknown",
        "origins": ["https://a.example"],
        "questions_per_minute": 1,
    },
    ("POST", "/v1/widget/{key}/visits"): {"user": "x", "issued": 1, "signature": "x"},
    ("POST", "/v1/widget/{key}/questions"): {"question": "x", "previous_answer_id": "x"},
}
"""A body with every text that each route takes."""


def by_body(site: Site) -> Iterator[tuple[str, Response]]:
    for (method, path), body in FULL.items():
        for changed in variants(body):
            sent = as_json(changed)
            yield f"{method} {path} {changed!r}", site.call("eve", method, filled(path), **sent)


def by_form(site: Site) -> Iterator[tuple[str, Response]]:
    for text in BAD:
        raw = text.encode("utf-8", "surrogatepass")
        for field in ("collection", "valid_until", "filename"):
            values = {"collection": b"main", "valid_until": b"2030-01-01", "filename": b"a.md"}
            values[field] += raw
            parts = [
                b'--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
                % (name.encode(), values[name])
                for name in ("collection", "valid_until")
            ]
            parts.append(
                b'--x\r\nContent-Disposition: form-data; name="file"; filename="%s"\r\n\r\n# A\r\n'
                % values["filename"]
            )
            headers = {"Content-Type": "multipart/form-data; boundary=x"}
            content = b"".join([*parts, b"--x--\r\n"])
            sent = {"content": content, "headers": headers}
            yield f"upload {field} {text!r}", site.call("eve", "POST", "/v1/documents", **sent)


def test_bad_text_is_refused_with_a_code(site: Site) -> None:
    for kind in (by_parameter, by_body, by_form):
        tried = 0
        for what, response in kind(site):
            assert response.status_code < 500, (what, response.text)
            if response.status_code >= 400:
                error = json.loads(response.content)
                assert {"code", "message"} <= set(error.get("error", error)), what
            tried += 1
        assert tried >= 12
    for address in ("/v1/gate/reviewers?collection=%00", "/v1/documents?collection=a%00"):
        response = site.call("eve", "GET", address)
        assert (response.status_code, response.json()["code"]) == (422, "invalid")
    assert site.call("eve", "GET", "/v1/documents/%00").status_code == 404


def test_every_body_is_tried() -> None:
    """A route that takes a JSON body and is not in ``FULL`` fails here."""
    described = create_app(Settings()).openapi()
    found = {
        (method, path)
        for method, path, operation in operations(described)
        if "application/json" in operation.get("requestBody", {}).get("content", {})
    }
    assert found == set(FULL)
    for operation, body in FULL.items():
        schema = described["paths"][operation[1]][operation[0].lower()]["requestBody"]
        name = schema["content"]["application/json"]["schema"]["$ref"].rsplit("/", 1)[1]
        properties = described["components"]["schemas"][name]["properties"]
        assert set(body) == set(properties), operation
