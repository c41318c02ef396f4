"""Documents from addresses: pages, sitemaps, lists of addresses, HTTP indexes, and object stores.

Off unless a setting allows it. What is fetched is stored as an upload is, under its address.
"""

import html
import io
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urldefrag, urljoin, urlsplit

from app.addresses import is_public
from app.corpus.corpus import Corpus
from app.corpus.documents import check_collection_name
from app.corpus.fetched import Fetched, Known
from app.corpus.jobs import Jobs
from app.corpus.registering import AS_IT_IS, ValidDays
from app.corpus.uploads import StoredUpload, Uploads
from app.errors import DocumentRefused, Invalid, NotFound, TooLarge
from app.settings import Settings
from ingestion.fetching import Fetcher, is_any
from ingestion.pipeline import SOURCE_CHARS, Pipeline, Report
from ingestion.sources import LIST, has_known_ending

STORES = {"s3": "s3fs", "gs": "gcsfs", "abfs": "adlfs", "sftp": "paramiko"}
"""Schemes of stores, and the package that each needs beside fsspec."""
WEB = ("http", "https")
INDEX = "index+"
"""Before the address of a folder that a web server lists."""
MOST_NESTED = 4
LOC = re.compile(r"<loc>\s*(?:<!\[CDATA\[)?([^<\]]*)", re.IGNORECASE)
SITEMAP = re.compile(r"<(?:\w+:)?(urlset|sitemapindex)[\s>]", re.IGNORECASE)


@dataclass(frozen=True)
class Entry:
    """A document of a source; ``version`` is what its store says of it, "" where it is asked."""

    address: str
    version: str = ""


@dataclass
class Remote:
    """Ingests what addresses hold into collections."""

    pipeline: Pipeline
    jobs: Jobs
    fetched: Fetched
    uploads: Uploads
    fetcher: Fetcher
    most_pages: int
    stores: dict[str, Any] = field(default_factory=dict)
    """File systems by scheme beside those of ``STORES``, as tests bring them."""

    def ingest(
        self,
        sources: Sequence[str],
        collection: str,
        valid: ValidDays = AS_IT_IS,
        *,
        by: str = "",
        prune: bool = False,
    ) -> Report:
        """Ingest what the sources hold as one job; what did not change is not fetched again.

        With ``prune``, documents of a source that it holds no more are deleted. Raises
        ``Invalid`` for a source of a kind that is not known, or that holds nothing.
        """
        check_collection_name(collection)
        listed = {source: self._listed(source) for source in sources}
        report = Report()
        run = Run(self, collection, by, report, valid)
        for source, entries in listed.items():
            for entry in entries:
                run.take(source, entry)
            if prune:
                run.prune(source, {entry.address for entry in entries})
        return self.pipeline.finish(run.changed, report)

    def _listed(self, source: str) -> list[Entry]:
        entries = list(dict.fromkeys(self._entries(source)))
        if not entries:
            raise Invalid(f"{source[:200]} holds no documents; nothing is removed.")
        return entries

    def _entries(self, source: str) -> Iterator[Entry]:
        scheme = urlsplit(source).scheme
        try:
            if source.startswith(LIST):
                found = listed_in(Path(source.removeprefix(LIST)))
            elif source.startswith(INDEX):
                found = self._index(source.removeprefix(INDEX), 0)
            elif scheme in WEB:
                found = self._page_or_sitemap(source, source, 0)
            else:
                yield from self._store(scheme, source)
                return
            for count, address in enumerate(found):
                if count == self.most_pages:
                    raise Invalid(f"{source[:200]} lists more than {self.most_pages} pages.")
                yield Entry(address)
        except DocumentRefused as error:
            raise Invalid(f"{source[:200]}: {error.message}") from error

    def _page_or_sitemap(self, source: str, address: str, depth: int) -> Iterator[str]:
        """The address itself, or where it is a sitemap the pages of its host that it names."""
        if not (depth or urlsplit(address).path.endswith((".xml", ".xml.gz"))):
            yield address
            return
        text = _unzipped(self.fetcher.get(address).content or b"", self.fetcher.most_bytes)
        kind = SITEMAP.search(text, 0, 4096)
        if kind is None:
            if depth == 0:
                yield address
            return
        for found in LOC.findall(text):
            place = urldefrag(urljoin(address, html.unescape(found.strip())))[0]
            if urlsplit(place)[:2] != urlsplit(source)[:2]:
                continue  # a sitemap speaks for its own host only
            if kind[1].lower() == "urlset":
                yield place
            elif depth < MOST_NESTED:
                yield from self._page_or_sitemap(source, place, depth + 1)

    def _index(self, address: str, depth: int) -> Iterator[str]:
        """The documents that a listed folder links to, below it."""
        content = self.fetcher.get(address).content or b""
        links = Links()
        links.feed(content.decode("utf-8", "replace"))
        for link in dict.fromkeys(links.found):
            place = urldefrag(urljoin(address, link))[0]
            if not place.startswith(address) or place == address or urlsplit(place).query:
                continue
            if not place.endswith("/"):
                if has_known_ending(urlsplit(place).path):
                    yield place
            elif depth < MOST_NESTED:
                yield from self._index(place, depth + 1)

    def _store(self, scheme: str, source: str) -> Iterator[Entry]:
        system = self._system(scheme)
        try:
            found = system.find(source, detail=True)
        except (OSError, ValueError) as error:
            raise Invalid(f"{source[:200]} cannot be listed: {error}.") from error
        if len(found) > self.most_pages:
            raise Invalid(f"{source[:200]} holds more than {self.most_pages} files.")
        for path, about in sorted(found.items()):
            if has_known_ending(path):
                yield Entry(system.unstrip_protocol(path), _version(about))

    def _system(self, scheme: str) -> Any:
        if scheme in self.stores:
            return self.stores[scheme]
        if scheme not in STORES:
            known = ", ".join((*WEB, *STORES))
            raise Invalid(f"{scheme[:20]!r} is no kind of source; there are {known}.")
        import fsspec

        try:
            self.stores[scheme] = fsspec.filesystem(scheme)
        except ImportError as error:
            raise Invalid(f"{scheme}:// needs the package {STORES[scheme]}.") from error
        return self.stores[scheme]

    def open(self, entry: Entry, known: Known) -> tuple[StoredUpload | None, Known]:
        """The content, stored, and what to know of it; None where it did not change."""
        scheme, name = urlsplit(entry.address).scheme, urlsplit(entry.address).path
        if scheme in WEB:
            page = self.fetcher.get(entry.address, known)
            if page.content is None:
                return None, known
            return self.uploads.store(io.BytesIO(page.content), name), page.known
        if entry.version and entry.version == known.etag:
            return None, known
        with self._system(scheme).open(entry.address, "rb") as content:
            return self.uploads.store(content, name), Known(entry.version)


@dataclass
class Run:
    """One ingestion of remote sources into one collection."""

    remote: Remote
    collection: str
    by: str
    report: Report
    valid: ValidDays
    changed: list[str] = field(default_factory=list)

    def take(self, source: str, entry: Entry) -> None:
        """Fetch one document, and register it; one that cannot be had is in the report."""
        remote, documents = self.remote, self.remote.pipeline.documents
        try:
            if len(entry.address) > SOURCE_CHARS:
                raise DocumentRefused("bad_name", "The address is too long.")
            embedder = remote.pipeline.embedder_name
            known = remote.fetched.known(self.collection, entry.address, embedder, self.valid)
            stored, said = remote.open(entry, known)
        except DocumentRefused as error:
            return self._refuse(entry, error.reason, error.message)
        except TooLarge as error:
            return self._refuse(entry, "too_large", error.message)
        except OSError as error:
            why = f"The store does not give it ({type(error).__name__})."
            return self._refuse(entry, "not_fetched", why)
        if stored is None:
            self.report.unchanged += 1
            return None
        self._begin()
        added = documents.add(
            self.collection,
            entry.address,
            str(stored.path),
            stored.sha256,
            remote.pipeline.embedder_name,
            valid=self.valid,
            size=stored.size,
            job_id=self.report.job_id,
        )
        remote.uploads.remove(added.replaced)
        remote.fetched.note(added.document_id, source, said)
        if added.changed:
            self.changed.append(added.document_id)
        else:
            self.report.unchanged += 1
        return None

    def prune(self, source: str, held: set[str]) -> None:
        """Delete the documents of the source that it holds no more, or that are not there."""
        gone = {one.source for one in self.report.failures if one.code == "not_found"}
        for document_id, address in self.remote.fetched.of(self.collection, source):
            if address not in held or address in gone:
                with suppress(NotFound):  # somebody else deleted it
                    file = self.remote.pipeline.documents.delete(document_id)
                    self.remote.uploads.remove(file)
                    self.report.removed += 1

    def _begin(self) -> None:
        """A job, once there is something to tell in it: most runs find nothing new."""
        if self.report.job_id is None:
            self.report.job_id = self.remote.jobs.create(self.collection, self.by)

    def _refuse(self, entry: Entry, code: str, message: str) -> None:
        self._begin()
        self.remote.pipeline.refuse(self.report, entry.address, code, message)


class Links(HTMLParser):
    """The targets of a page's links."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep the target of a link."""
        self.found += [value for name, value in attrs if (tag, name) == ("a", "href") and value]


def remote_for(pipeline: Pipeline, settings: Settings, corpus: Corpus) -> Remote:
    """As the settings say; raises ``Invalid`` where they allow no address."""
    if not settings.remote_sources:
        raise Invalid("Sources with addresses are off; the setting remote_sources allows them.")
    reach = is_any if settings.remote_private else is_public
    fetcher = Fetcher(settings.max_upload_bytes, settings.remote_timeout_s, reach)
    uploads = Uploads(settings.upload_dir, settings.max_upload_bytes)
    return Remote(pipeline, corpus.jobs, corpus.fetched, uploads, fetcher, settings.remote_pages)


def listed_in(file: Path) -> Iterator[str]:
    """The addresses of a list: one a line, without empty lines and those that begin with #."""
    for line in file.read_text("utf-8").splitlines():
        if (address := line.strip()) and not address.startswith("#"):
            yield address


def _unzipped(content: bytes, most: int) -> str:
    """Text of a sitemap, which may be compressed; what is beyond ``most`` bytes is left out.

    The tags of sitemaps are looked for, not parsed: no parser reads what a server sends here.
    """
    if content.startswith(b"\x1f\x8b"):
        try:
            content = zlib.decompressobj(31).decompress(content, most)
        except zlib.error as error:
            raise DocumentRefused("not_fetched", "The sitemap is damaged.") from error
    return content.decode("utf-8", "replace")


VERSIONS = ("ETag", "etag", "md5Hash", "content_md5", "mtime", "LastModified", "last_modified")
"""What stores say of a file's content, most telling first."""


def _version(about: dict[str, Any]) -> str:
    """What tells one content of a stored file from the next, "" where the store does not say."""
    names = (*VERSIONS, "created")
    said = next((str(about[name]) for name in names if about.get(name)), "")
    return f"{said} {about.get('size', '')}"[:200] if said else ""
