"""What the documents page works with: lists, text, replacing, suspects, and index versions."""

from collections.abc import Iterator
from typing import Any

import pytest

from app.corpus.tables import DocumentRow
from app.wiring import Services
from ingestion.indexing import IndexBuilder
from ingestion.pipeline import pipeline_for
from tests.integration.test_permissions import suspect
from tests.site import RELEASED, Site, site_over


@pytest.fixture
def site(services: Services) -> Iterator[Site]:
    """A service over each database."""
    yield from site_over(services)


def listed(site: Site, name: str = "olga", **params: str) -> list[str]:
    """File names of the documents that are found."""
    found = site.call(name, "GET", "/v1/documents", params=params).json()
    assert found["total"] == len(found["documents"])
    return [row["source"].rsplit("/", 1)[-1] for row in found["documents"]]


def one(site: Site, **params: str) -> dict[str, Any]:
    (row,) = site.call("olga", "GET", "/v1/documents", params=params).json()["documents"]
    found: dict[str, Any] = row
    return found


def ingest_pending(site: Site) -> None:
    pipeline = pipeline_for(site.services)
    while (document := site.services.corpus.documents.claim()) is not None:
        pipeline.process(document)


def test_documents_are_found_read_and_replaced(site: Site) -> None:
    assert listed(site) == ["cancelling.txt", "claims.md", "office.html"]
    assert listed(site, find="OFFICES") == ["office.html"]
    assert listed(site, find=".md") == ["claims.md"]
    assert listed(site, name="ann", find=".md") == []  # askers find by title only
    assert listed(site, state="failed") == []
    claims = one(site, find="claims.md")
    assert (claims["pages"], claims["owner"]) == (None, None)

    path = f"/v1/documents/{claims['document_id']}"
    text = site.call("ann", "GET", f"{path}/passages").json()
    assert text["total"] == claims["passages"] == len(text["passages"])
    assert text["passages"][0]["headings"] == ["Making a claim"]
    assert "£350" in " ".join(part["text"] for part in text["passages"])
    (citation, *_) = site.ask(RELEASED)["answer"]["citations"]
    params = {"around": citation["passage_id"], "limit": "1"}
    near = site.call("ann", "GET", f"{path}/passages", params=params).json()
    assert [part["passage_id"] for part in near["passages"]] == [citation["passage_id"]]

    new = {"files": {"file": ("new.txt", b"The excess for water damage is 470 pounds.")}}
    changed = site.call("olga", "PUT", path, data={"valid_until": "2031-05-01"}, **new)
    assert changed.status_code == 202, changed.text
    assert (changed.json()["state"], changed.json()["owner"]) == ("pending", "olga")
    assert site.ask(RELEASED)["answer"] is not None  # the old content still answers
    ingest_pending(site)
    after = site.call("olga", "GET", path).json()
    assert (after["state"], after["valid_until"]) == ("ready", "2031-05-01")
    text = site.call("ann", "GET", f"{path}/passages").json()
    assert "470" in text["passages"][0]["text"]
    gone = site.call("ann", "GET", f"{path}/passages", params=params)
    assert gone.status_code == 404 and "has changed" in gone.json()["message"]


def test_a_document_that_failed_is_tried_again(site: Site) -> None:
    bad = {"data": {"collection": "main"}, "files": {"file": ("a.pdf", b"%PDF-1.7 broken")}}
    made = site.call("olga", "POST", "/v1/documents", **bad).json()
    ingest_pending(site)
    failed = one(site, state="failed")
    assert failed["document_id"] == made["document_id"] and failed["error_code"]
    path = f"/v1/documents/{made['document_id']}/retry"
    assert site.call("olga", "POST", path).json()["state"] == "pending"
    assert site.call("olga", "POST", path).status_code == 409


def test_suspects_are_admitted_or_taken_out(site: Site) -> None:
    admitted, removed = (suspect(site.services, name) for name in ("one.txt", "two.txt"))
    found = site.call("olga", "GET", "/v1/suspects").json()["suspects"]
    assert [row["source"] for row in found] == ["one.txt", "two.txt"]
    document = found[1]["document_id"]
    shown = site.call("olga", "GET", f"/v1/documents/{document}/passages").json()["passages"]
    assert shown[0]["suspect"] == "It gives orders."
    plain = site.call("ann", "GET", f"/v1/documents/{document}/passages").json()["passages"]
    assert plain[0]["suspect"] is None
    assert site.call("sam", "GET", "/v1/suspects").json()["suspects"] == []
    assert site.call("sam", "DELETE", f"/v1/suspects/{removed}").status_code == 404

    assert site.call("olga", "POST", f"/v1/suspects/{admitted}/admit").status_code == 204
    assert site.call("olga", "DELETE", f"/v1/suspects/{removed}").status_code == 204
    assert site.call("olga", "GET", "/v1/suspects").json()["suspects"] == []
    assert site.call("olga", "GET", f"/v1/passages/{admitted}").status_code == 200
    assert site.call("olga", "GET", f"/v1/passages/{removed}").status_code == 404
    assert site.call("olga", "DELETE", f"/v1/suspects/{removed}").status_code == 404


def test_versions_are_compared_and_promoted(site: Site) -> None:
    (first,) = site.call("olga", "GET", "/v1/index").json()["versions"]
    corpus, settings = site.services.corpus, site.services.settings
    office = one(site, find="office.html")
    site.call("olga", "DELETE", f"/v1/documents/{office['document_id']}")
    claims = one(site, find="claims.md")
    new = {"files": {"file": ("claims.md", b"# Making a claim\n\nThe excess is now 470 pounds.")}}
    site.call("olga", "PUT", f"/v1/documents/{claims['document_id']}", **new)
    added = {
        "data": {"collection": "board", "create": "true"},
        "files": {"file": ("new.txt", b"A new rule.")},
    }
    site.call("olga", "POST", "/v1/documents", **added)
    ingest_pending(site)
    second = IndexBuilder(
        corpus, site.services.embedder.name, settings.index_dir, keep=3, device="cpu"
    ).build_and_promote()

    path = f"/v1/index/{second}/changes"
    told = site.call("olga", "GET", path, params={"since": first["version_id"]}).json()
    kinds = {(row["collection"], row["title"]): row["change"] for row in told["documents"]}
    assert kinds == {
        ("board", "new"): "added",
        ("main", "Making a claim"): "changed",
        ("main", "Our offices"): "removed",
    }
    assert told["more"] == 0 and told["passages_kept"] >= 1
    back = site.call(
        "olga", "GET", f"/v1/index/{first['version_id']}/changes", params={"since": second}
    ).json()
    assert back["passages_removed"] == told["passages_added"] >= 2
    with site.services.database.transaction() as session:
        row = session.get_one(DocumentRow, office["document_id"])
        row.title = ""  # as an erasure leaves it
    told = site.call("olga", "GET", path, params={"since": first["version_id"]}).json()
    assert None in {row["title"] for row in told["documents"]}

    promoted = site.call("olga", "POST", f"/v1/index/{first['version_id']}/promote").json()
    assert promoted["live"] == first["version_id"]
    promoted = site.call("olga", "POST", f"/v1/index/{second}/promote").json()
    assert promoted["live"] == second
    failed = corpus.versions.create("none")
    refused = site.call("olga", "POST", f"/v1/index/{failed}/promote")
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    unknown = site.call("olga", "GET", f"/v1/index/{failed}/changes", params={"since": second})
    assert unknown.status_code == 409
