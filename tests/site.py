"""A running service with people in it, as tests ask it over HTTP."""

import asyncio
import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from fastapi import FastAPI
from httpx2 import Response
from starlette.testclient import TestClient

from app.access.principals import ROLES
from app.api.openai.errors import is_openai
from app.main import create_app
from app.wiring import Services

RELEASED = "What is the excess for water damage?"
HELD = "Is water damage covered?"
UNANSWERED = "Which planet has the most moons?"
PASSWORD = "correct horse battery"
PEOPLE: dict[str, tuple[list[str], list[str] | None]] = {
    "ann": (["asker"], None),
    "rita": (["reviewer"], None),
    "rob": (["reviewer"], None),
    "olga": (["operator"], None),
    "sam": (list(ROLES), ["elsewhere"]),
    "eve": (list(ROLES), None),
}
"""Name to roles and scope."""


@dataclass
class Site:
    """A running service, and everybody's API key."""

    app: FastAPI
    client: TestClient
    services: Services
    keys: dict[str, str] = field(default_factory=dict)

    def call(self, name: str, method: str, path: str, **request: Any) -> Response:
        """One request as that person."""
        headers = {"Authorization": f"Bearer {self.keys[name]}", **request.pop("headers", {})}
        return self.client.request(method, path, headers=headers, **request)

    def ask(self, question: str, name: str = "ann", **body: Any) -> dict[str, Any]:
        """The answer to a question that must be accepted."""
        response = self.call(name, "POST", "/v1/ask", json={"question": question, **body})
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    def held(self) -> tuple[str, str]:
        """A new held answer: (task id, answer id)."""
        answer_id = self.ask(HELD)["answer_id"]
        return self.task_of(answer_id), answer_id

    def task_of(self, answer_id: str) -> str:
        """The open task of an answer."""
        params: dict[str, Any] = {"limit": 200}
        while True:
            page = self.call("rita", "GET", "/v1/reviews", params=params).json()
            for task in page["tasks"]:
                if task["answer_id"] == answer_id:
                    return str(task["task_id"])
            assert page["next_cursor"], "there is no open task of this answer"
            params["cursor"] = page["next_cursor"]

    def decide(self, name: str, task: dict[str, Any], kind: str, **more: Any) -> Response:
        """Decide a claimed task."""
        body = {"kind": kind, "content_sha256": task["content_sha256"], "fence": task["fence"]}
        path = f"/v1/reviews/{task['task_id']}/decision"
        return self.call(name, "POST", path, **as_json({**body, **more}))

    def claim(self, name: str, task_id: str) -> dict[str, Any]:
        """A claimed task."""
        response = self.call(name, "POST", f"/v1/reviews/{task_id}/claim")
        assert response.status_code == 200, response.text
        task: dict[str, Any] = response.json()
        return task


def site_over(services: Services) -> Iterator[Site]:
    """Serve, with everybody in ``PEOPLE``."""
    app = create_app(services.settings, services=services)
    with TestClient(app, raise_server_exceptions=False) as client:
        site = Site(app, client, services)
        for name, (roles, scope) in PEOPLE.items():
            services.access.accounts.create(name, roles, scope=scope, password=PASSWORD)
            site.keys[name] = services.access.keys.create(name).key
        yield site


on_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


def as_json(value: Any) -> dict[str, Any]:
    """A request with that body, escaped: a client's own encoder refuses half a character."""
    return {"content": json.dumps(value), "headers": {"Content-Type": "application/json"}}


def events(body: str) -> list[tuple[str, dict[str, Any]]]:
    """(event, data) of an event stream, comments left out."""
    found = re.findall(r"event: (\w+)\ndata: (.*)\n", body.replace("\r\n", "\n"))
    return [(name, json.loads(data)) for name, data in found]


def coded(response: Response, status: int, code: str | None = None) -> dict[str, Any]:
    """The error of a response, which must have the one wire form."""
    assert response.status_code == status, response.text
    error: dict[str, Any] = response.json()
    if is_openai(response.request.url.path):  # the form of its clients has less
        (error,) = error.values()
        assert set(error) == {"code", "message", "type", "param"}
        assert code is None or error["code"] == code, error
        return error
    assert set(error) == {"code", "message", "retryable", "request_id"}
    assert error["request_id"] == response.headers["x-request-id"]
    assert isinstance(error["message"], str) and error["message"]
    assert isinstance(error["retryable"], bool)
    assert code is None or error["code"] == code, error
    assert response.headers.get("www-authenticate") == ("Bearer" if status == 401 else None)
    return error


def raw(
    app: FastAPI, method: str, path: str, headers: dict[str, str], body: Iterator[bytes]
) -> tuple[int, bytes]:
    """(status, body) of a request that a well-behaved client cannot send."""
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        piece = next(body, None)
        return {"type": "http.request", "body": piece or b"", "more_body": piece is not None}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    asyncio.run(app(scope, receive, send))
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])


# Documents and the index


def upload(
    site: Site, name: str, content: bytes, collection: str = "uploads", **fields: str
) -> Response:
    return site.call(
        "olga",
        "POST",
        "/v1/documents",
        data={"collection": collection, "create": "true", **fields},
        files={"file": (name, content)},
    )


def wait_for(site: Site, document_id: str) -> dict[str, Any]:
    """The document once the worker is done with it."""
    ends = time.monotonic() + 120
    while time.monotonic() < ends:
        document: dict[str, Any] = site.call("olga", "GET", f"/v1/documents/{document_id}").json()
        if document["state"] != "pending":
            return document
        time.sleep(0.1)
    raise AssertionError("the worker never took the document")
