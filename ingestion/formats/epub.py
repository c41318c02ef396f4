"""EPUB books: the chapters in the order of the spine."""

import posixpath
from typing import Any
from urllib.parse import unquote

from ingestion.formats import html
from ingestion.formats.charset import decode
from ingestion.formats.document import Block, Read
from ingestion.formats.limits import DAMAGED, corrupt
from ingestion.formats.ooxml import Package

CONTAINER = "META-INF/container.xml"
NAME = "{urn:oasis:names:tc:opendocument:xmlns:container}rootfile"
OPF = "{http://www.idpf.org/2007/opf}"
DC_TITLE = "{http://purl.org/dc/elements/1.1/}title"
CHAPTERS = ("application/xhtml+xml", "text/html")


def read(data: bytes) -> Read:
    """The chapters without the table of contents; encrypted ones are refused as damaged."""
    package = Package.open(data)
    listed = package.xml(CONTAINER).find(f".//{NAME}")
    if listed is None:
        raise corrupt()
    main = listed.get("full-path") or ""
    book = package.xml(main)
    blocks: list[Block] = []
    for name in _spine(book, posixpath.dirname(main)):
        blocks += html.page(decode(_entry(package, name))).blocks
    title = book.find(f".//{DC_TITLE}")
    return Read("" if title is None else title.text or "", blocks)


def _spine(book: Any, folder: str) -> list[str]:
    items = {item.get("id"): item for item in book.iter(f"{OPF}item") if _is_chapter(item)}
    order = [one.get("idref") for one in book.iter(f"{OPF}itemref") if one.get("linear") != "no"]
    return [
        posixpath.normpath(posixpath.join(folder, unquote(items[name].get("href") or "")))
        for name in dict.fromkeys(order)
        if name in items
    ]


def _is_chapter(item: Any) -> bool:
    is_contents = "nav" in (item.get("properties") or "").split()
    return item.get("media-type") in CHAPTERS and not is_contents


def _entry(package: Package, name: str) -> bytes:
    try:
        return package.archive.read(name)
    except DAMAGED as error:
        raise corrupt() from error
