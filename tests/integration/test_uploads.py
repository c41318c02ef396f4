"""Documents over HTTP: uploads, their days and names, jobs, and what is removed."""

import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from httpx2 import Response
from sqlalchemy import select

from app.corpus.tables import DocumentRow
from app.records.release import SOURCE_CHANGED_MESSAGE
from ingestion.worker import worker
from tests.site import Site, coded, events, upload, wait_for


def test_an_upload_may_have_a_first_and_a_last_valid_day(site: Site) -> None:
    text, days = b"# Dated\n\nText.\n", {"valid_from": "2026-01-01", "valid_until": "2026-12-31"}
    added = upload(site, "dated.md", text, **days).json()
    assert {name: added[name] for name in days} == days
    path = f"/v1/documents/{added['document_id']}"
    later = {"data": {"valid_from": "2026-02-01"}, "files": {"file": ("dated.md", text + b"More.")}}
    assert site.call("olga", "PUT", path, **later).status_code == 202
    found = site.call("olga", "GET", path).json()
    assert (found["valid_from"], found["valid_until"]) == ("2026-02-01", "2026-12-31")
    for day in ({"valid_from": "2027-01-01"}, {"valid_until": "2026-01-31"}):
        refused = site.call("olga", "PUT", path, **{**later, "data": day})
        told = coded(refused, 422, "invalid")["message"]
        assert told.startswith("dated.md: valid_from (") and "lies after valid_until (" in told
    assert site.call("olga", "GET", path).json() == found
    assert site.call("olga", "DELETE", path).status_code == 204


@pytest.mark.parametrize(
    ("days", "says"),
    [
        ({"valid_until": "soon"}, "valid_until: it must be a day such as 2026-12-31"),
        ({"valid_from": "86400"}, "valid_from: it must be a day such as 2026-12-31"),
        ({"valid_from": "2026-01-01T00:00"}, "valid_from: it must be a day such as 2026-12-31"),
        ({"valid_from": "2026-02-30"}, "valid_from: it must be a day such as 2026-12-31"),
        (
            {"valid_from": "2026-12-31", "valid_until": "2026-12-30"},
            "valid_from (2026-12-31) lies after valid_until (2026-12-30).",
        ),
    ],
)
def test_days_of_an_upload_that_cannot_be_are_refused(
    site: Site, days: dict[str, str], says: str
) -> None:
    refused = upload(site, "undated.md", b"# Dated\n\nText.\n", **days)
    assert coded(refused, 422, "invalid")["message"].startswith(says)


@pytest.mark.parametrize(("method", "path"), [("POST", ""), ("PUT", "/{id}")])
def test_a_field_of_an_upload_that_is_not_known_is_refused(
    site: Site, method: str, path: str
) -> None:
    there = site.call("olga", "GET", "/v1/documents").json()["documents"][0]["document_id"]
    sent = {"collection": "main"} if method == "POST" else {}
    response = site.call(
        "olga",
        method,
        f"/v1/documents{path.format(id=there)}",
        data={**sent, "valid_til": "2026-12-31"},
        files={"file": ("a.md", b"# A\n\nText.\n")},
    )
    told = coded(response, 422, "invalid")["message"]
    assert told.startswith("valid_til: there is no such field") and "valid_until" in told


def test_an_upload_becomes_answerable_and_a_removed_one_is_gone_at_once(site: Site) -> None:
    text = b"# Parking\n\nThe parking permit for the depot costs 12 pounds a week.\n"
    response = upload(site, "parking.md", text)
    assert response.status_code == 202 and response.json()["state"] == "pending"
    bad = upload(site, "broken.pdf", b"%PDF-1.7 nothing").json()["document_id"]
    question = "What does the parking permit for the depot cost?"
    job = f"/v1/jobs/{response.json()['job_id']}"
    with worker(site.services):
        told = events(site.call("olga", "GET", f"{job}/events").text)
        document = wait_for(site, response.json()["document_id"])
        failed = wait_for(site, bad)
        assert (document["state"], document["title"]) == ("ready", "Parking")
        assert (failed["state"], failed["error_code"]) == ("failed", "corrupt")
        ends = time.monotonic() + 120
        while site.services.corpus.versions.unindexed() and time.monotonic() < ends:
            time.sleep(0.1)
    assert {name for name, _ in told} == {"job"} and told[0][1]["items"] == 1
    assert (told[-1][1]["state"], told[-1][1]["ready"], told[-1][1]["passages"]) == ("done", 1, 1)
    details = site.call("olga", "GET", job).json()
    assert details["job"] == told[-1][1] and details["job"]["by"] == "olga"
    assert [item["state"] for item in details["items"]] == ["ready"]
    answer = site.ask(question, collections=["uploads"])
    (citation,) = answer["answer"]["citations"]
    assert citation["document_id"] == document["document_id"]
    assert site.call("olga", "DELETE", f"/v1/documents/{bad}").status_code == 204
    path = f"/v1/documents/{document['document_id']}"
    assert site.call("olga", "DELETE", path).status_code == 204
    coded(site.call("olga", "GET", path), 404, "not_found")
    coded(site.call("ann", "GET", f"/v1/passages/{citation['passage_id']}"), 404, "not_found")
    after = site.call("ann", "GET", f"/v1/answers/{answer['answer_id']}").json()
    (removed,) = after["answer"]["citations"]
    assert (removed["removed"], removed["quote"]) == (True, "")
    assert (answer["message"], after["message"]) == ("", SOURCE_CHANGED_MESSAGE)
    assert document["document_id"] not in json.dumps(site.ask(question))


def test_a_replacement_is_a_job_of_who_gave_it_and_as_large_as_it_is(site: Site) -> None:
    first = upload(site, "terms.md", b"# Terms\n\nShort.\n").json()
    path, text = f"/v1/documents/{first['document_id']}", b"# Terms\n\n" + b"x" * 5000
    replaced = site.call("olga", "PUT", path, files={"file": ("terms.md", text)}).json()
    job = site.call("olga", "GET", f"/v1/jobs/{replaced['job_id']}").json()["job"]
    assert job["by"] == "olga"
    documents = site.services.corpus.documents
    claimed = documents.claim([first["document_id"]], largest=1000)
    assert claimed is None  # who reads small files only leaves it to the other
    assert site.call("olga", "DELETE", path).status_code == 204


def test_a_job_is_cancelled_and_tried_again(site: Site) -> None:
    added = upload(site, "late.md", b"# Late\n\nText.\n").json()
    job = f"/v1/jobs/{added['job_id']}"
    assert site.call("olga", "GET", "/v1/jobs").json()["jobs"][0]["job_id"] == added["job_id"]
    cancelled = site.call("olga", "POST", f"{job}/cancel").json()
    assert (cancelled["state"], cancelled["cancelled"]) == ("cancelled", 1)
    ((_, told),) = events(site.call("olga", "GET", f"{job}/events").text)
    assert told == cancelled
    (item,) = site.call("olga", "GET", job).json()["items"]
    assert (item["state"], item["error_code"]) == ("cancelled", "cancelled")
    again = site.call("olga", "POST", f"{job}/retry").json()
    assert (again["state"], again["pending"]) == ("running", 1)
    for method, path in (
        ("GET", job),
        ("GET", f"{job}/events"),
        ("POST", f"{job}/cancel"),
        ("POST", f"{job}/retry"),
    ):
        coded(site.call("sam", method, path), 404, "not_found")
    assert site.call("sam", "GET", "/v1/jobs").json() == {"jobs": [], "total": 0}
    assert site.call("olga", "DELETE", f"/v1/documents/{added['document_id']}").status_code == 204


def test_an_upload_creates_a_collection_only_when_asked_to(site: Site) -> None:
    sent = {"files": {"file": ("a.md", b"# A")}, "data": {"collection": "mian"}}
    refused = coded(site.call("olga", "POST", "/v1/documents", **sent), 404, "not_found")
    assert "mian" in refused["message"]
    assert "mian" not in site.call("olga", "GET", "/v1/collections").text


def test_an_upload_over_the_limit_is_refused(site: Site) -> None:
    most = site.services.settings.max_upload_bytes
    for size in (most + 1, most + 1_000_000):
        coded(upload(site, "big.txt", b"a" * size), 413, "too_large")
    folder = site.services.settings.upload_dir
    assert not list(folder.glob("*.partial")) + list(folder.glob(".*.partial"))


def stored_files(site: Site, collection: str) -> list[Path]:
    """The files that a collection's documents are read from."""
    with site.services.database.reading() as session:
        kept = (DocumentRow.collection == collection, DocumentRow.state != "deleted")
        return [Path(row) for row in session.scalars(select(DocumentRow.stored_at).where(*kept))]


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("../../../evil.md", "evil.md"),
        ("..\\..\\evil.txt", "evil.txt"),
        ("/etc/evil.md", "evil.md"),
    ],
)
def test_a_file_name_cannot_leave_the_upload_folder(site: Site, sent: str, shown: str) -> None:
    folder = site.services.settings.upload_dir
    document = upload(site, sent, b"# Evil", "names").json()
    assert document["source"] == shown
    (stored,) = stored_files(site, "names")
    assert stored.parent == folder.resolve() and stored.exists()
    assert not list(folder.parent.parent.rglob("evil.*"))
    removed = site.call("olga", "DELETE", f"/v1/documents/{document['document_id']}")
    assert removed.status_code == 204 and not stored.exists()


def test_only_files_that_a_document_names_stay(site: Site) -> None:
    folder = site.services.settings.upload_dir

    def added(call: Callable[[], Response], status: int) -> int:
        """How many files more there are after the call."""
        before = len(list(folder.iterdir())) if folder.exists() else 0
        assert call().status_code == status
        return len(list(folder.iterdir())) - before

    assert added(lambda: upload(site, "a.md", b"# One", "kept"), 202) == 1
    assert added(lambda: upload(site, "a.md", b"# Two", "kept"), 202) == 0
    assert added(lambda: upload(site, "a.md", b"# Two", "x" * 81), 422) == 0
    once = {"Idempotency-Key": "one upload"}
    form = {"data": {"collection": "kept", "create": "true"}, "files": {"file": ("b.md", b"# B")}}
    again = partial(site.call, "olga", "POST", "/v1/documents", headers=once, **form)
    assert [added(again, 202), added(again, 202)] == [1, 0]
    assert [path.exists() for path in stored_files(site, "kept")] == [True, True]


def test_two_documents_of_one_content_do_not_share_their_file(site: Site) -> None:
    first = upload(site, "one.md", b"# Same", "twins").json()["document_id"]
    second = upload(site, "two.md", b"# Same", "twins").json()["document_id"]
    assert site.call("olga", "DELETE", f"/v1/documents/{first}").status_code == 204
    assert [path.exists() for path in stored_files(site, "twins")] == [True]
    assert site.call("olga", "DELETE", f"/v1/documents/{second}").status_code == 204


def test_malformed_uploads_are_refused(site: Site) -> None:
    form = {"Content-Type": "multipart/form-data; boundary=x"}
    for headers, body, status in (
        ({"Content-Type": "multipart/form-data"}, b"--x--", 400),
        (form, b"--x\r\nContent-Disposition", 422),
        (form, b"\xff\x00", 400),
        ({"Content-Type": "application/json"}, b"{}", 422),
    ):
        coded(site.call("olga", "POST", "/v1/documents", content=body, headers=headers), status)
