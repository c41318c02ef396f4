"""The pages and their files: each file has an address that changes with its content, so that a
browser keeps it; a page names its modules, so that none waits for another to be read."""

import hashlib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from fastapi.responses import HTMLResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.types import Scope

from app.settings import PROJECT

FOLDER = PROJECT / "review_ui"
STATIC = "/static"
FOR_EVER = "public, max-age=31536000, immutable"
ENTRY = re.compile(r'<script type="module" src="/static/([^"]+)"></script>')
IMPORT = re.compile(r'^import\b[^"]*"(\.[^"]+)"', re.MULTILINE)
LATER = re.compile(r'\bimport\("(\.[^"]+)"\)')
VERSION_LENGTH = 12
VERSIONED = re.compile(rf"[0-9a-f]{{{VERSION_LENGTH}}}/")


@cache
def version() -> str:
    """Of all files of the pages together: the same wherever the same release runs."""
    digest = hashlib.sha256()
    for path in sorted(path for path in FOLDER.rglob("*") if path.is_file()):
        digest.update(path.relative_to(FOLDER).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:VERSION_LENGTH]


def page(name: str) -> Response:
    """The page ``name`` with the addresses of this version's files."""
    return HTMLResponse(_html(name))


def missing() -> Response:
    """What a person sees at an address where there is nothing."""
    return HTMLResponse(_html("missing"), 404)


@cache
def _html(name: str) -> str:
    html = (FOLDER / name / "index.html").read_text("utf-8")
    entry = ENTRY.search(html)
    if entry:
        html = html.replace(entry[0], _preloads(FOLDER / entry[1]) + entry[0])
    return html.replace(f'"{STATIC}/', f'"{STATIC}/{version()}/')


def _preloads(entry: Path) -> str:
    """Links to the modules of ``entry``. Those that it imports once the page is painted lie in a
    template: the page puts them to work then."""
    first = list(_modules([entry]))
    later = [found for module in first for found in _imported(module, LATER)]
    others = [module for module in _modules(later) if module not in first]
    links = "".join(map(_link, first[1:]))
    more = "".join(map(_link, others))
    return f'{links}<template id="later">\n  {more}</template>\n  ' if others else links


def _link(module: Path) -> str:
    address = module.relative_to(FOLDER).as_posix()
    return f'<link rel="modulepreload" href="{STATIC}/{address}">\n  '


def _modules(entries: list[Path]) -> Iterator[Path]:
    """``entries`` and the modules that they import, directly or not, each once."""
    waiting, seen = [*entries], {*entries}
    while waiting:
        module = waiting.pop(0)
        yield module
        for imported in _imported(module, IMPORT):
            if imported not in seen:
                seen.add(imported)
                waiting.append(imported)


def _imported(module: Path, form: re.Pattern[str]) -> list[Path]:
    addresses = form.findall(module.read_text("utf-8"))
    return [(module.parent / address).resolve() for address in addresses]


class PageFiles(StaticFiles):
    """The files of ``FOLDER``, also below a version.

    Below another version than the one that they have it is the same file, but no browser keeps it:
    while releases change, a page of one may ask the service of the other.
    """

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file at ``path``; raises ``HTTPException`` 404."""
        named = VERSIONED.match(path)
        response = await super().get_response(path[named.end() :] if named else path, scope)
        if path.startswith(version() + "/") and response.status_code in (200, 206, 304):
            scope["state"]["headers"] = {"Cache-Control": FOR_EVER}
        return response
