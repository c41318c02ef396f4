"""Requests made from the OpenAPI document, good ones and bad ones, under every role: no 5xx, and no
error that the document does not name."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode

from app.access.principals import ROLES
from tests.integration.test_permissions import SHOP, TABLE, suspect
from tests.servers import tiny_services
from tests.site import HELD, PASSWORD, UNANSWERED, Site, site_over

NOBODY = "nobody"
CALLERS = (*ROLES, NOBODY)
EXAMPLES = 1
"""Of each operation and each kind of request."""
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
UNREADY = {("GET", "/readyz"): {503}}
"""What says on purpose that it cannot serve."""


Errors = dict[tuple[str, str], set[str]]
ERRORS = frozenset({"code", "error"})
"""The key of every error body: ours, or that of OpenAI's doors."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, migrated_sqlite: Path) -> Iterator[Site]:
    """The real app over tiny models, with the handbook in collection main and a caller of each
    role."""
    services = tiny_services(tmp_path_factory.mktemp("openapi"), migrated_sqlite)
    for site in site_over(services):
        for role in ROLES:
            services.access.accounts.create(role, [role], password=PASSWORD)
            site.keys[role] = services.access.keys.create(role).key
        yield site


def objects(site: Site) -> dict[str, str]:
    """One of everything that a path can name."""
    services = site.services
    answer_id = site.ask(HELD)["answer_id"]
    (document, *_) = services.corpus.documents.page(["main"]).documents
    (passage, *_) = services.corpus.passages.indexable(services.embedder.name)
    return {
        "task_id": site.task_of(answer_id),
        "answer_id": answer_id,
        "gap_id": site.ask(UNANSWERED)["answer_id"],
        "conversation_id": answer_id,
        "response_id": answer_id,
        "model": "countersign",
        "passage_id": passage.id,
        "document_id": document.document_id,
        "suspect_id": suspect(services, f"{answer_id}.txt"),
        "version_id": services.corpus.versions.all()[0].version_id,
        "job_id": services.corpus.jobs.create("main", "operator"),
        "page": "1",
        "name": "ann",
        "item_id": "0" * 32,
        "key_id": services.access.keys.create("ann").key_id,
        "widget_key_id": services.access.widgets.create("ann", [SHOP]).key_id,
        "key": services.access.widgets.create("ann", [SHOP]).key,
    }


def sent(site: Site, caller: str, case: Any) -> tuple[int, bytes]:
    """(status, body) of what the app replies to a made request."""
    made = requests.Request(**case.as_transport_kwargs(base_url="http://testserver")).prepare()
    headers = {n: str(value) for n, value in made.headers.items() if is_header(n, value)}
    if caller == NOBODY:
        headers.pop("Authorization", None)
    else:
        headers["Authorization"] = f"Bearer {site.keys[caller]}"
    text = made.body.encode("utf-8", "surrogatepass") if isinstance(made.body, str) else made.body
    body = cast("bytes | None", text)
    url = re.sub(r"([?&])keep=[^&]*", r"\1", str(made.url))  # a stream that is kept has no end
    reply = site.client.request(str(made.method), url, headers=headers, content=body)
    return reply.status_code, reply.content


def documented(document: dict[str, Any]) -> Errors:
    """The codes that the document names for each operation."""
    return {
        (method.upper(), path): set(operation["x-errors"])
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def is_header(name: str, value: Any) -> bool:
    """Whether a client can send it; the length is that of the body."""
    return name.lower() != "content-length" and str(value).isascii() and str(value).isprintable()


def broken(site: Site, caller: str, case: Any, known: dict[str, str], errors: Errors) -> list[str]:
    """What is wrong with the replies to a made request, as it is and on something that exists;
    ``errors`` are those that the document names."""
    said, as_made = [], case.path_parameters
    method, path = case.method.upper(), case.operation.path
    for real in (True, False) if "{" in path else (False,):  # the next caller sends it, too
        case.path_parameters = {name: known[name] for name in as_made} if real else as_made
        status, body = sent(site, caller, case)
        if status >= 500 and status not in UNREADY.get((method, path), ()):
            said.append(f"{status} {case.as_curl_command()} {body[:300]!r}")
        if status < 400:
            continue
        told = json.loads(body or b"{}")
        if not ERRORS & set(told):
            said.append(f"{status} without a code: {case.as_curl_command()} {body[:300]!r}")
        elif (code := told.get("code") or told["error"]["code"]) not in errors[method, path]:
            said.append(f"{code} is no error of {method} {path} in the document: {body[:300]!r}")
    return said


@pytest.fixture(scope="module")
def cases(site: Site) -> dict[tuple[str, str], list[Any]]:
    """Requests to each operation, as it should be asked and as it should not; to make them takes
    longer than to send them, so every caller sends the same."""
    schema = schemathesis.openapi.from_dict(site.app.openapi())
    operations = [described.ok() for described in schema.get_all_operations()]  # type: ignore[union-attr]
    return {
        (one.method.upper(), one.path): [case for mode in MODES for case in made(one, mode)]
        for one in operations
    }


def made(operation: Any, mode: GenerationMode) -> list[Any]:
    """Requests of one kind."""
    found: list[Any] = []

    @seed(0)
    @settings(
        max_examples=EXAMPLES,
        database=None,
        deadline=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def make(case: Any) -> None:
        found.append(case)

    try:
        make()
    except Unsatisfiable:  # a request without parameters and body cannot be a bad one
        assert mode is GenerationMode.NEGATIVE
    return found


@pytest.mark.timeout(600)
@pytest.mark.parametrize("caller", CALLERS)
def test_no_request_from_the_openapi_document_is_a_5xx(
    site: Site, cases: dict[tuple[str, str], list[Any]], caller: str
) -> None:
    assert cases.keys() == TABLE.keys()
    known, errors = objects(site), documented(site.app.openapi())
    found = [
        said
        for several in cases.values()
        for case in several
        for said in broken(site, caller, case, known, errors)
    ]
    assert found == []
