"""Remote sources: what is fetched, what is not fetched again, and what may not be reached."""

import shutil
import threading
from collections.abc import Iterator, Sequence
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import fsspec
import pytest

import ingestion.stages
from app.addresses import is_public
from app.corpus.registering import ValidDays
from app.corpus.uploads import Uploads
from app.db import Database
from app.errors import DocumentRefused, Invalid
from app.settings import Settings
from ingestion.fetching import Fetcher, is_any
from ingestion.formats.extract import extract
from ingestion.pipeline import Pipeline, Report
from ingestion.remote import Remote, remote_for
from tests.fakes import HashEmbedder
from tests.integration.test_ingestion import Library

MOST_BYTES = 20_000
NAMES = ("fees.html", "dogs.md", "cats.md", "gone.html")


class Site(BaseHTTPRequestHandler):
    """A web site whose pages a test changes: path to body, or to an address it redirects to."""

    pages: dict[str, str | bytes]
    asked: list[tuple[str, str, int]]
    """Path, host and status of each request."""

    def do_GET(self) -> None:
        """Answer with an ETag, a redirect, 304 or 404."""
        found = self.pages.get(self.path)
        body = found.encode() if isinstance(found, str) else found or b""
        tag = f'"{hash(body)}"'
        status = 404 if found is None else 200
        if self.path.startswith("/to/"):
            status = 302
        elif found is not None and self.headers.get("If-None-Match") == tag:
            status, body = 304, b""
        self.asked.append((self.path, self.headers["Host"], status))
        self.send_response(status)
        self.send_header("Content-Length", str(0 if status == 302 else len(body)))
        if status == 302:
            self.send_header("Location", body.decode())
        else:
            self.send_header("ETag", tag)
        self.end_headers()
        if status != 302:
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Tests read ``asked``."""


@pytest.fixture
def site() -> Iterator[tuple[type[Site], str]]:
    class Own(Site):
        pages: dict[str, str | bytes] = {}  # noqa: RUF012
        asked: list[tuple[str, str, int]] = []  # noqa: RUF012

    server = ThreadingHTTPServer(("127.0.0.1", 0), Own)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield Own, f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def library(
    migrated_sqlite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Library]:
    shutil.copy(migrated_sqlite, tmp_path / "countersign.db")
    database = Database(f"sqlite:///{tmp_path / 'countersign.db'}")
    monkeypatch.setattr(
        ingestion.stages, "extract_jailed", lambda path, name: extract(path.read_bytes(), name)
    )
    yield Library(database, tmp_path)
    database.close()


def remote(library: Library, most_pages: int = 20) -> Remote:
    fetcher = Fetcher(MOST_BYTES, 10.0, is_any)
    uploads = Uploads(library.settings.upload_dir, MOST_BYTES)
    corpus = library.corpus
    return Remote(library.pipeline, corpus.jobs, corpus.fetched, uploads, fetcher, most_pages)


def ingest(library: Library, *sources: str, prune: bool = False) -> Report:
    return remote(library).ingest(sources, "main", prune=prune)


def sources(library: Library) -> set[str]:
    listed = library.corpus.documents.page(["main"], limit=100).documents
    return {one.source.rsplit("/", 1)[-1] for one in listed if one.state == "ready"}


def sitemap(*addresses: str, kind: str = "urlset") -> str:
    places = "".join(f"<url><loc> {one} </loc></url>" for one in addresses)
    return f'<?xml version="1.0"?><{kind} xmlns="http://www.sitemaps.org/">{places}</{kind}>'


# What is fetched


def test_a_sitemap_gives_its_pages_and_only_what_changed_again(
    library: Library, site: tuple[type[Site], str]
) -> None:
    pages, base = site[0].pages, site[1]
    pages["/fees.html"] = "<h1>Fees</h1><p>The fee is 3 euros.</p>"
    pages["/dogs.md"] = "# Dogs\n\nDogs are welcome on Sundays.\n"
    pages["/cats.md"] = "# Cats\n\nCats are not.\n"
    pages["/inner.xml"] = sitemap(f"{base}/dogs.md", "http://127.0.0.2/other.html")
    pages["/sitemap.xml"] = sitemap(f"{base}/inner.xml", kind="sitemapindex")
    pages["/all.xml"] = sitemap(*(f"{base}/{name}" for name in NAMES))
    report = ingest(library, f"{base}/sitemap.xml")
    assert (report.ingested, report.failures) == (1, [])  # another host's pages are not taken
    report = ingest(library, f"{base}/all.xml")
    assert (report.ingested, report.unchanged) == (2, 1)
    assert [one.code for one in report.failures] == ["not_found"]
    assert sources(library) == {"fees.html", "dogs.md", "cats.md"}
    assert any("3 euros" in text for text in library.found("fee"))

    site[0].asked.clear()
    pages["/fees.html"] = "<h1>Fees</h1><p>The fee is 4 euros.</p>"
    pages["/all.xml"] = sitemap(f"{base}/fees.html")
    report = ingest(library, f"{base}/all.xml", prune=True)
    assert (report.ingested, report.removed) == (1, 1)
    assert sources(library) == {"fees.html", "dogs.md"}  # which the other sitemap still has
    assert "4 euros" in library.found("fee")[0]
    again = ingest(library, f"{base}/all.xml")
    assert (again.unchanged, again.job_id, library.corpus.jobs.page(["main"]).total) == (1, None, 3)
    assert [status for path, _, status in site[0].asked if path == "/fees.html"] == [200, 304]
    assert len(list(library.settings.upload_dir.iterdir())) == 2  # none of older contents
    pages["/all.xml"] = sitemap()
    with pytest.raises(Invalid, match="nothing is removed"):
        ingest(library, f"{base}/all.xml", prune=True)


def test_a_page_that_did_not_change_is_taken_again_where_that_changes_something(
    library: Library, site: tuple[type[Site], str]
) -> None:
    address = f"{site[1]}/fees.md"
    site[0].pages["/fees.md"] = "# Fees\n\nThe fee is 3 euros.\n"
    ingest(library, address)
    until = ValidDays(None, date(2030, 1, 1))
    for _ in range(2):
        remote(library).ingest([address], "main", until)
    assert library.document("fees.md").valid_until == "2030-01-01"
    assert [status for *_, status in site[0].asked] == [200, 200, 304]
    other = HashEmbedder()
    other.name = "another embedder"
    library.pipeline = Pipeline(library.corpus, other, library.settings, library.suspects)
    assert ingest(library, address).ingested == 1
    assert ingest(library, address).unchanged == 1


def test_a_list_and_an_index_give_what_they_name(
    library: Library, site: tuple[type[Site], str], tmp_path: Path
) -> None:
    pages, base = site[0].pages, site[1]
    pages["/docs/"] = "<a href='../'>Up</a><a href='?C=M'>Sort</a><a href=a.md>a</a><a href='sub/'>"
    pages["/docs/sub/"] = (
        f"<a href='/docs/'>Up</a><a href='{base}/docs/sub/b.md'>b</a><a href=x.js>"
    )
    for name in ("/docs/a.md", "/docs/sub/b.md", "/c.md"):
        pages[name] = f"# {name}\n\nThe key is in the office.\n"
    assert ingest(library, f"index+{base}/docs/").ingested == 2
    listed = tmp_path / "pages.txt"
    listed.write_text(f"# pages\n{base}/c.md\n\n{base}/to/nowhere\n")
    pages["/to/nowhere"] = "/to/nowhere"
    report = ingest(library, f"list:{listed}")
    assert report.ingested == 1 and [one.code for one in report.failures] == ["not_fetched"]
    assert sources(library) == {"a.md", "b.md", "c.md"}
    with pytest.raises(Invalid, match="more than 1"):
        remote(library, most_pages=1).ingest([f"index+{base}/docs/"], "main")


def test_a_store_gives_its_files_and_only_what_changed_again(library: Library) -> None:
    memory = fsspec.filesystem("memory")
    memory.store.clear()
    memory.pipe("/shelf/a.md", b"# A\n\nThe key is in the office.\n")
    memory.pipe("/shelf/deep/b.md", b"# B\n\nThe lamp is in the hall.\n")
    memory.pipe("/shelf/logo.bin", b"\x00")
    store = remote(library)
    store.stores["memory"] = memory
    assert store.ingest(["memory://shelf"], "main").ingested == 2
    memory.pipe("/shelf/a.md", b"# A\n\nThe key is in the kitchen.\n")
    memory.rm("/shelf/deep/b.md")
    report = store.ingest(["memory://shelf"], "main", prune=True)
    assert (report.ingested, report.removed, report.unchanged) == (1, 1, 0)
    assert store.ingest(["memory://shelf"], "main").unchanged == 1
    assert any("kitchen" in text for text in library.found("key"))
    for scheme in ("file", "github", "memory"):
        with pytest.raises(Invalid, match="no kind of source"):
            ingest(library, f"{scheme}:///etc/")


def test_addresses_are_off_unless_a_setting_allows_them(library: Library) -> None:
    with pytest.raises(Invalid, match="remote_sources"):
        remote_for(library.pipeline, Settings(), library.corpus)
    made = remote_for(library.pipeline, Settings(remote_sources=True), library.corpus)
    assert made.fetcher.may_reach is is_public


# What may not be reached


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:9/",
        "http://localhost:9/",
        "http://2130706433:9/",
        "http://0x7f.1:9/",
        "http://[::ffff:127.0.0.1]:9/",
        "http://user@127.0.0.1:9/",
        "ftp://127.0.0.1/",
        "http://[::1",
        "http://",
    ],
)
def test_such_an_address_is_not_asked(address: str) -> None:
    with pytest.raises(DocumentRefused) as refused:
        Fetcher(MOST_BYTES, 5.0).get(address)
    assert refused.value.reason == "not_allowed"


def test_an_address_is_resolved_once_and_each_redirect_anew(site: tuple[type[Site], str]) -> None:
    port = site[1].rsplit(":", 1)[1]
    answers = {"outer.test": ["127.0.0.1"], "inner.test": ["127.0.0.2"]}
    resolved: list[str] = []

    def resolve(host: str, _port: int) -> Sequence[str]:
        resolved.append(host)
        # What a name server that rebinds says the second time must not matter.
        return answers[host] if resolved.count(host) == 1 else ["127.0.0.2"]

    site[0].pages.update(
        {"/": "hello", "/to/in": f"http://inner.test:{port}/", "/big": b"x" * 30_000}
    )
    fetcher = Fetcher(MOST_BYTES, 5.0, lambda one: one == "127.0.0.1", resolve)
    page = fetcher.get(f"http://outer.test:{port}/")
    assert page.content == b"hello" and resolved == ["outer.test"]
    assert site[0].asked == [("/", f"outer.test:{port}", 200)]
    for path, reason in (("/to/in", "not_allowed"), ("/big", "too_large"), ("/no", "not_found")):
        resolved.clear()
        with pytest.raises(DocumentRefused) as refused:
            fetcher.get(f"http://outer.test:{port}{path}")
        assert refused.value.reason == reason
    answers["outer.test"] = ["127.0.0.1", "10.0.0.1"]  # one of two is enough to refuse it
    resolved.clear()
    with pytest.raises(DocumentRefused):
        fetcher.get(f"http://outer.test:{port}/")
