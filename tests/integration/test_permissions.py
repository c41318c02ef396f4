"""Who may do what: every route and command, under every role, with a scope and without."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from httpx2 import Response

from app.access.permissions import RULES, Reach, authorise
from app.access.principals import ROLES, Principal
from app.api.requests import Guarded
from app.corpus.passages import NewPassage
from app.db import now
from app.errors import Forbidden, NotFound
from app.gate.tables import CertificateRow, GateAlarmRow, GateModeRow
from app.main import ROUTERS
from app.wiring import Services
from cli.commands import COMMANDS, load_command
from cli.permissions import ACTIONS, guard
from guardrails.gate.running_test import EProcess
from tests.servers import handbook_services
from tests.site import HELD, RELEASED, UNANSWERED, Site, site_over

ELSEWHERE = "elsewhere"
SHOP = "https://shop.example"
CALLERS = {f"{role}-{kind}": (role, kind) for role in ROLES for kind in ("unscoped", "scoped")}
"""One principal of each role, one with a scope that holds nothing of collection main."""


@dataclass(frozen=True)
class Row:
    """What is expected of one route: the role it needs (None: any; "public": no caller), and

    - ``own``: the same for callers with a scope and without;
    - ``object``: on something of another collection, callers with a scope get 404;
    - ``page``: so does everybody here, where no document has pages;
    - ``service``: callers with a scope get 403.
    """

    role: str | None
    reach: str
    request: dict[str, Any] = field(default_factory=dict)


ACCOUNT = {"roles": ["asker"], "scope": None, "disabled": False}
UPLOAD = {"data": {"collection": "main"}, "files": {"file": ("a.md", b"# A")}}
MODEL = "countersign/main"
TABLE: dict[tuple[str, str], Row] = {
    ("POST", "/v1/session"): Row("public", "own", {"json": {"username": "x", "password": "x"}}),
    ("GET", "/v1/session/methods"): Row("public", "own"),
    ("POST", "/v1/session/oidc"): Row("public", "own"),
    ("POST", "/v1/session/oidc/finish"): Row(
        "public", "own", {"json": {"state": "x", "code": "x"}}
    ),
    ("GET", "/healthz"): Row("public", "own"),
    ("GET", "/readyz"): Row("public", "own"),
    ("GET", "/metrics"): Row("public", "own"),
    ("GET", "/v1/session"): Row(None, "cookie"),
    ("DELETE", "/v1/session"): Row(None, "own"),
    ("PUT", "/v1/session/password"): Row(
        None, "own", {"json": {"current": "correct horse battery", "new": "correct horse battery"}}
    ),
    ("POST", "/v1/ask"): Row(
        "asker", "object", {"json": {"question": RELEASED, "collections": ["main"]}}
    ),
    ("POST", "/v1/search"): Row(
        "asker", "object", {"json": {"question": RELEASED, "collections": ["main"]}}
    ),
    ("POST", "/v1/chat/completions"): Row(
        "asker",
        "object",
        {"json": {"model": MODEL, "messages": [{"role": "user", "content": RELEASED}]}},
    ),
    ("POST", "/v1/responses"): Row(
        "asker", "object", {"json": {"model": MODEL, "input": RELEASED}}
    ),
    ("GET", "/v1/responses/{response_id}"): Row(None, "asker's"),
    ("GET", "/v1/models"): Row(None, "own"),
    ("GET", "/v1/models/{model}"): Row(None, "object"),
    ("POST", "/v1/embeddings"): Row(
        "asker", "own", {"json": {"model": "countersign", "input": "a"}}
    ),
    ("GET", "/v1/answers"): Row(None, "own"),
    ("GET", "/v1/answers/{answer_id}"): Row(None, "asker's"),
    ("GET", "/v1/answers/{answer_id}/sections"): Row(None, "asker's"),
    ("GET", "/v1/answers/{answer_id}/events"): Row(None, "asker's"),
    ("PUT", "/v1/answers/{answer_id}/feedback"): Row(None, "asker's", {"json": {"useful": True}}),
    ("GET", "/v1/feedback"): Row("operator", "own"),
    ("GET", "/v1/conversations"): Row(None, "own"),
    ("GET", "/v1/conversations/{conversation_id}"): Row(None, "asker's"),
    ("PUT", "/v1/conversations/{conversation_id}"): Row(None, "asker's", {"json": {"title": "x"}}),
    ("PUT", "/v1/conversations/{conversation_id}/seen"): Row(None, "asker's"),
    ("DELETE", "/v1/conversations/{conversation_id}"): Row(None, "asker's"),
    ("GET", "/v1/suggestions"): Row(None, "own"),
    ("GET", "/v1/waiting"): Row(None, "own"),
    ("GET", "/v1/passages/{passage_id}"): Row(None, "object"),
    ("GET", "/v1/collections"): Row(None, "own"),
    ("GET", "/v1/documents"): Row(None, "own"),
    ("GET", "/v1/documents/{document_id}"): Row(None, "object"),
    ("POST", "/v1/documents"): Row("operator", "object", UPLOAD),
    ("GET", "/v1/documents/{document_id}/passages"): Row(None, "object"),
    ("GET", "/v1/documents/{document_id}/pages/{page}/image"): Row(None, "page"),
    ("PUT", "/v1/documents/{document_id}"): Row(
        "operator", "object", {"files": {"file": ("a.md", b"# A")}}
    ),
    ("POST", "/v1/documents/{document_id}/retry"): Row("operator", "object"),
    ("GET", "/v1/suspects"): Row("operator", "own"),
    ("POST", "/v1/suspects/{suspect_id}/admit"): Row("operator", "object"),
    ("DELETE", "/v1/suspects/{suspect_id}"): Row("operator", "object"),
    ("DELETE", "/v1/documents/{document_id}"): Row("operator", "object"),
    ("GET", "/v1/jobs"): Row("operator", "own"),
    ("GET", "/v1/jobs/{job_id}"): Row("operator", "object"),
    ("GET", "/v1/jobs/{job_id}/events"): Row("operator", "object"),
    ("POST", "/v1/jobs/{job_id}/cancel"): Row("operator", "object"),
    ("POST", "/v1/jobs/{job_id}/retry"): Row("operator", "object"),
    ("GET", "/v1/index"): Row("operator", "service"),
    ("POST", "/v1/index/rollback"): Row("operator", "service"),
    ("POST", "/v1/index/{version_id}/promote"): Row("operator", "service"),
    ("GET", "/v1/index/{version_id}/changes"): Row("operator", "service"),
    ("GET", "/v1/gate"): Row("operator", "own"),
    ("GET", "/v1/gate/reviewers"): Row("operator", "object", {"params": {"collection": "main"}}),
    ("GET", "/v1/gate/plan"): Row("operator", "object", {"params": {"collection": "main"}}),
    ("GET", "/v1/gate/figures"): Row("operator", "object", {"params": {"collection": "main"}}),
    ("POST", "/v1/gate/mode"): Row(
        "operator", "object", {"json": {"mode": "off", "reason": "a test", "collection": "main"}}
    ),
    ("GET", "/v1/policy"): Row("operator", "own"),
    ("GET", "/v1/policy/report"): Row("operator", "own"),
    ("GET", "/v1/audit/checks"): Row("operator", "service"),
    ("POST", "/v1/audit/checks"): Row("operator", "service"),
    ("POST", "/v1/policy/dry-run"): Row("operator", "own", {"json": {"policy": "name: x"}}),
    ("GET", "/v1/reviews"): Row("reviewer", "own"),
    ("GET", "/v1/reviews/{task_id}"): Row("reviewer", "object"),
    ("GET", "/v1/gaps"): Row("operator", "object", {"params": {"collection": "main"}}),
    ("GET", "/v1/gaps/{gap_id}/quotes"): Row("operator", "object"),
    ("GET", "/v1/reviews/{task_id}/answered"): Row("reviewer", "object"),
    ("GET", "/v1/reviews/{task_id}/quotes"): Row("reviewer", "object"),
    ("GET", "/v1/reviews/{task_id}/reviewers"): Row("reviewer", "object"),
    ("GET", "/v1/practice"): Row("reviewer", "own"),
    ("POST", "/v1/practice/{item_id}"): Row("reviewer", "asker's", {"json": {"wrong": True}}),
    ("GET", "/v1/reviews/events"): Row("reviewer", "own"),
    ("GET", "/v1/reviews/counts"): Row("reviewer", "own"),
    ("POST", "/v1/reviews/{task_id}/claim"): Row("reviewer", "object"),
    ("POST", "/v1/reviews/{task_id}/comments"): Row("reviewer", "object", {"json": {"text": "x"}}),
    ("PUT", "/v1/reviews/{task_id}/assignment"): Row("reviewer", "object", {"json": {"to": None}}),
    ("PUT", "/v1/reviews/{task_id}/snooze"): Row("reviewer", "object", {"json": {"until": None}}),
    ("POST", "/v1/reviews/{task_id}/evidence"): Row("reviewer", "object", {"json": {"text": "x"}}),
    ("POST", "/v1/reviews/{task_id}/draft"): Row(
        "reviewer", "object", {"json": {"content_sha256": "0" * 64}}
    ),
    ("POST", "/v1/reviews/{task_id}/escalate"): Row(
        "reviewer", "object", {"json": {"reason": "x"}}
    ),
    ("POST", "/v1/reviews/{task_id}/decision"): Row(
        "reviewer", "object", {"json": {"kind": "approve", "content_sha256": "0" * 64, "fence": 1}}
    ),
    ("POST", "/v1/labelling/next"): Row("reviewer", "object", {"json": {"collection": "main"}}),
    ("GET", "/v1/labelling/progress"): Row(
        "operator", "object", {"params": {"collection": "main"}}
    ),
    ("POST", "/v1/reviews/{task_id}/undo"): Row("reviewer", "object"),
    ("GET", "/v1/released/changed"): Row("reviewer", "own"),
    ("POST", "/v1/released/{answer_id}/withdrawal"): Row(
        "reviewer", "object", {"json": {"reason": "x"}}
    ),
    ("POST", "/v1/released/{answer_id}/review"): Row("reviewer", "object"),
    ("POST", "/v1/released/{answer_id}/keep"): Row("reviewer", "object", {"json": {"reason": "x"}}),
    ("GET", "/v1/users"): Row("admin", "service"),
    ("POST", "/v1/users"): Row("admin", "service", {"json": {"name": "new", "roles": ["asker"]}}),
    ("PUT", "/v1/users/{name}"): Row("admin", "service", {"json": ACCOUNT}),
    ("POST", "/v1/users/{name}/password"): Row("admin", "service"),
    ("GET", "/v1/users/{name}/sessions"): Row("admin", "service"),
    ("DELETE", "/v1/users/{name}/sessions"): Row("admin", "service"),
    ("GET", "/v1/keys"): Row("admin", "service"),
    ("POST", "/v1/keys"): Row("admin", "service", {"json": {"user": "ann"}}),
    ("DELETE", "/v1/keys/{key_id}"): Row("admin", "service"),
    ("GET", "/v1/widget-keys"): Row("admin", "service"),
    ("POST", "/v1/widget-keys"): Row(
        "admin", "service", {"json": {"user": "ann", "origins": ["https://example.org"]}}
    ),
    ("DELETE", "/v1/widget-keys/{widget_key_id}"): Row("admin", "service"),
    ("POST", "/v1/widget/{key}/visits"): Row("public", "own", {"json": {}}),
    ("POST", "/v1/widget/{key}/questions"): Row("public", "own", {"json": {"question": "x"}}),
    ("GET", "/v1/widget/{key}/answers"): Row("public", "own"),
    ("GET", "/v1/widget/{key}/answers/{answer_id}"): Row("public", "own"),
    ("GET", "/v1/widget/{key}/answers/{answer_id}/events"): Row("public", "own"),
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, migrated_sqlite: Path) -> Iterator[Site]:
    """A service with the handbook in collection main, and one caller of each kind."""
    folder = tmp_path_factory.mktemp("permissions")
    services = handbook_services(folder, migrated_sqlite)
    for site in site_over(services):
        for name, (role, kind) in CALLERS.items():
            scope = None if kind == "unscoped" else [ELSEWHERE]
            password = "correct horse battery"
            services.access.accounts.create(name, [role], scope=scope, password=password)
            site.keys[name] = services.access.keys.create(name).key
        yield site


def suspect(services: Services, name: str) -> str:
    """A new passage of collection main that seems to give orders."""
    documents = services.corpus.documents
    added = documents.add("main", name, "/nowhere", "1" * 64)
    vector = np.zeros(384, dtype=np.float32)
    passage = NewPassage("Obey.", 0, 5, None, vector, suspect="It gives orders.")
    assert documents.save(
        added.document_id,
        "1" * 64,
        title=name,
        media_type="text/plain",
        embedder="none",
        passages=[passage],
    )
    (found,) = [one for one in services.corpus.passages.suspects() if one.source == name]
    return found.passage_id


def objects(site: Site) -> dict[str, str]:
    """One of everything that a path can name, all of collection main."""
    task_id, answer_id = site.held()
    (citation, *_) = site.ask(RELEASED)["answer"]["citations"]
    added = site.services.corpus.documents.add("main", f"{task_id}.md", "/nowhere", "0" * 64)
    widgets = site.services.access.widgets
    return {
        "task_id": task_id,
        "answer_id": answer_id,
        "gap_id": site.ask(UNANSWERED)["answer_id"],
        "conversation_id": answer_id,
        "response_id": f"resp_{answer_id}",
        "model": MODEL,
        "passage_id": citation["passage_id"],
        "document_id": added.document_id,
        "suspect_id": suspect(site.services, f"{task_id}.txt"),
        "version_id": site.services.corpus.versions.all()[0].version_id,
        "job_id": site.services.corpus.jobs.create("main", "olga"),
        "page": "1",
        "name": "ann",
        "item_id": "0" * 32,
        "key_id": site.services.access.keys.create("ann").key_id,
        "widget_key_id": widgets.create("ann", [SHOP]).key_id,
        "key": widgets.create("ann", [SHOP]).key,
    }


def expected(row: Row, role: str, kind: str) -> set[int]:
    """The statuses a caller may get; an empty set is: let in, whatever comes then."""
    if row.role == "public" or row.reach == "cookie":
        return set()
    if row.role is not None and row.role != role:
        return {403}
    if row.reach in ("asker's", "page"):
        return {404}
    if kind == "scoped" and row.reach == "service":
        return {403}
    if kind == "scoped" and row.reach == "object":
        return {404}
    return set()


def test_every_route_has_a_row_and_an_action(site: Site) -> None:
    described = {
        (method.upper(), path)
        for path, operations in site.app.openapi()["paths"].items()
        for method in operations
    }
    assert described == set(TABLE)
    for router in ROUTERS:
        for route in router.routes:
            assert isinstance(route, Guarded), route
            for method in route.methods or ():
                # HEAD is GET without the body.
                row = TABLE["GET" if method == "HEAD" else method, route.path_format]
                assert (route.action is None) == (row.role == "public"), route.path
                if route.action is not None:
                    assert RULES[route.action].role == row.role, route.path


@pytest.fixture(scope="module")
def known() -> dict[str, str]:
    """One of everything, as long as nobody was let in who may have changed it."""
    return {}


@pytest.mark.parametrize("operation", sorted(TABLE), ids=" ".join)
def test_route_by_role_by_scope(
    site: Site, operation: tuple[str, str], known: dict[str, str]
) -> None:
    method, path = operation
    row = TABLE[operation]
    # Those who are let in come last: they may delete what the others must not reach.
    for name, (role, kind) in sorted(CALLERS.items(), key=lambda item: item[1][1] == "unscoped"):
        if "{" in path and not known:
            known |= objects(site)
        address = path
        for word, value in known.items():
            address = address.replace("{" + word + "}", value)
        response = site.call(name, method, address, **row.request)
        wanted = expected(row, role, kind)
        if wanted:
            assert response.status_code in wanted, (name, response.text)
        elif row.reach not in ("cookie",) and row.role != "public":
            assert response.status_code not in (401, 403, 404, 500), (name, response.text)
        if not wanted and method != "GET":
            known.clear()


def listed(response: Response, name: str) -> list[str]:
    """The collections of the rows of a gate status."""
    return sorted({row["collection"] for row in response.json()[name]})


def certificate(collection: str) -> CertificateRow:
    stated = {"alpha": 0.05, "delta": 0.05, "threshold": 0.5, "provisional": False}
    process = EProcess.start(0.05, 0.05, f"of {collection}").to_state()
    return CertificateRow(
        id=f"of {collection}",
        collection=collection,
        risk_class="standard",
        state="live",
        certificate=stated,
        process=process,
        index_version="v1",
        reason="",
        created_at=now(),
        ended_at=None,
    )


def test_an_operator_with_a_scope_sees_the_gate_of_its_collections_only(site: Site) -> None:
    everywhere = ("", "main", ELSEWHERE, f"{ELSEWHERE}+main")
    with site.services.database.transaction() as session:
        for name in everywhere:
            session.merge(
                GateModeRow(
                    collection=name, mode="off", reason="x", changed_by="x", changed_at=now()
                )
            )
            session.add(
                GateAlarmRow(
                    id=f"a {name}", collection=name, monitor="risk", detail="", raised_at=now()
                )
            )
            if name:
                session.add(certificate(name))
    whole = site.call("operator-unscoped", "GET", "/v1/gate")
    own = site.call("operator-scoped", "GET", "/v1/gate")
    for part in ("modes", "alarms"):
        assert listed(whole, part) == sorted(everywhere)
        assert listed(own, part) == [ELSEWHERE]
    assert listed(whole, "certificates") == sorted(everywhere[1:])
    assert listed(own, "certificates") == [ELSEWHERE]
    assert own.json()["mode"] == whole.json()["mode"]


def test_an_operator_with_a_scope_switches_its_collections_only(site: Site) -> None:
    body = {"mode": "review_everything", "reason": "a test"}
    site.services.corpus.documents.add(ELSEWHERE, "own.md", "/nowhere", "0" * 64)
    for name, status in (("", 403), ("main", 404), (f"{ELSEWHERE}+main", 404), (ELSEWHERE, 200)):
        sent = {"json": {**body, "collection": name}}
        response = site.call("operator-scoped", "POST", "/v1/gate/mode", **sent)
        assert response.status_code == status, (name, response.text)
    assert site.ask(RELEASED)["status"] == "released"
    mine = f"{ELSEWHERE}+{ELSEWHERE}"
    response = site.call(
        "operator-scoped", "POST", "/v1/gate/mode", json={**body, "collection": mine}
    )
    assert (response.status_code, response.json()["collection"]) == (200, ELSEWHERE)


def test_an_operator_with_a_scope_names_a_collection_to_see_reviewers(site: Site) -> None:
    asked = site.call("operator-scoped", "GET", "/v1/gate/reviewers")
    assert (asked.status_code, asked.json()["code"]) == (422, "invalid")
    own = site.call("operator-scoped", "GET", f"/v1/gate/reviewers?collection={ELSEWHERE}")
    assert own.status_code == 200


def test_a_dry_run_tells_a_scoped_operator_nothing_of_others(site: Site) -> None:
    site.ask(HELD)
    policy = "name: x\nversion: 1\nmin_margin: 0\nrequired_checks: []\ntopics: []\nrules: []\n"
    report = site.call(
        "operator-scoped", "POST", "/v1/policy/dry-run", json={"policy": policy}
    ).json()
    assert "main" not in str(report["changed"]) and HELD not in str(report)


def leaves(command: Any, name: str = "") -> Iterator[str]:
    children = getattr(command, "commands", {})
    for child, sub in children.items():
        yield from leaves(sub, f"{name} {child}".strip())
    if not children:
        yield name


def test_every_command_has_an_action_and_no_other() -> None:
    found = {leaf for name in COMMANDS for leaf in leaves(load_command(name), name)}
    assert found == set(ACTIONS)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("scope", [None, (ELSEWHERE,)])
def test_command_by_role_by_scope(role: str, scope: tuple[str, ...] | None) -> None:
    caller = Principal("somebody", frozenset({role}), scope)
    for name, action in ACTIONS.items():
        rule = RULES[action]
        refused = rule.role not in (None, role) or (
            rule.reach is Reach.SERVICE and scope is not None
        )
        first, *rest = name.split()
        command = load_command(first)
        for word in rest:
            command = command.commands[word]
        ran: list[str] = []
        command.callback = lambda ran=ran, name=name: ran.append(name)
        guard(command, caller, name)
        assert command.callback is not None
        if refused:
            with pytest.raises(Forbidden):
                command.callback()
            assert ran == []
        else:
            command.callback()
            assert ran == [name]


def test_authorise_names_collections_out_of_scope_like_none_at_all() -> None:
    operator = Principal("olga", frozenset({"operator"}), ("a",))
    authorise(operator, "documents.change", ["a"])
    for collections in (["b"], ["a", "b"]):
        with pytest.raises(NotFound):
            authorise(operator, "documents.change", collections)
    with pytest.raises(Forbidden):
        authorise(operator, "index.change")
    with pytest.raises(Forbidden):
        authorise(operator, "answers.ask", ["a"])
