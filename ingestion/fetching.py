"""Pages over HTTP from addresses that may be reached: resolved once, checked, then connected to.

Who can choose an address can name one inside the network. So the name is resolved here, each of its
addresses must be public, and the connection goes to the address that was checked: what the name
means a moment later does not matter. Each redirect is a new address, treated alike.
"""

import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

import httpx

from app.addresses import is_public
from app.corpus.fetched import Known
from app.errors import DocumentRefused

MOST_REDIRECTS = 5
AGENT = "countersign"
NOTHING = Known()
Resolve = Callable[[str, int], Sequence[str]]


@dataclass(frozen=True)
class Page:
    """What an address holds; ``content`` is None where nothing changed since ``Known``."""

    address: str
    content: bytes | None
    known: Known


def addresses_of(host: str, port: int) -> list[str]:
    """The IP addresses of a host."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(one[4][0]) for one in found]


def is_any(_address: str) -> bool:
    """Every address may be reached: for installations that mean their own network."""
    return True


@dataclass(frozen=True)
class Fetcher:
    """Gets pages of at most ``most_bytes`` within ``timeout_s``, redirects and all."""

    most_bytes: int
    timeout_s: float
    may_reach: Callable[[str], bool] = is_public
    resolve: Resolve = addresses_of

    def get(self, address: str, known: Known = NOTHING) -> Page:
        """The page; raises ``DocumentRefused`` with the reason (docs/errors.md): ``not_allowed``,
        ``not_found``, ``not_fetched`` or ``too_large``."""
        ends = time.monotonic() + self.timeout_s
        for _ in range(MOST_REDIRECTS + 1):
            with self._asked(address, known, ends) as response:
                if response.has_redirect_location:
                    address = urljoin(address, response.headers["Location"])
                    continue
                return self._page(address, response, known, ends)
        raise DocumentRefused("not_fetched", "The address redirects too often.")

    @contextmanager
    def _asked(self, address: str, known: Known, ends: float) -> Iterator[httpx.Response]:
        url, host = self._pinned(address)
        headers = {"Host": host, "User-Agent": AGENT, "Accept-Encoding": "identity"}
        if known.etag:
            headers["If-None-Match"] = known.etag
        if known.modified:
            headers["If-Modified-Since"] = known.modified
        name = {"sni_hostname": urlsplit(address).hostname or ""}  # TLS checks the name, too
        left = max(0.1, ends - time.monotonic())
        try:
            with (
                httpx.Client(trust_env=False, timeout=left) as client,
                client.stream("GET", url, headers=headers, extensions=name) as response,
            ):
                yield response
        except httpx.HTTPError as error:
            why = f"The address does not answer as it should ({type(error).__name__})."
            raise DocumentRefused("not_fetched", why) from error

    def _pinned(self, address: str) -> tuple[httpx.URL, str]:
        """The address with an IP address that was checked in place of the host, and the host."""
        try:
            parts = urlsplit(address)
            host, port = parts.hostname or "", parts.port
        except ValueError as error:
            raise DocumentRefused("not_allowed", "This is no address.") from error
        if parts.scheme not in ("http", "https") or not host or parts.username is not None:
            why = "Only http and https addresses are fetched, without a user in them."
            raise DocumentRefused("not_allowed", why)
        try:
            found = self.resolve(host, port or (443 if parts.scheme == "https" else 80))
        except (OSError, UnicodeError) as error:
            raise DocumentRefused("not_fetched", f"There is no host {host[:200]!r}.") from error
        if not found or not all(map(self.may_reach, found)):
            why = f"{host[:200]} is not in the public network, and remote_private is off."
            raise DocumentRefused("not_allowed", why)
        url = httpx.URL(address).copy_with(host=found[0].partition("%")[0], fragment=None)
        return url, parts.netloc

    def _page(self, address: str, response: httpx.Response, known: Known, ends: float) -> Page:
        if response.status_code == 304:
            return Page(address, None, known)
        if response.status_code in (404, 410):
            raise DocumentRefused("not_found", "There is nothing at this address any more.")
        if not response.is_success:
            why = f"The server answered with status {response.status_code}."
            raise DocumentRefused("not_fetched", why)
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise DocumentRefused("not_fetched", "The server compresses what was not to be.")
        content = bytearray()
        for chunk in response.iter_raw():
            content += chunk
            if len(content) > self.most_bytes:
                raise DocumentRefused("too_large", "The page is larger than allowed.")
            if time.monotonic() > ends:
                raise DocumentRefused("not_fetched", "The server takes too long.")
        said = response.headers
        new = Known(said.get("ETag", "")[:200], said.get("Last-Modified", "")[:100])
        return Page(address, bytes(content), new)
