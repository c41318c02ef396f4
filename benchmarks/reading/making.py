"""Facts that are easy to read wrong: what makes their documents, and what makers share."""

import io
import random
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Case:
    """What one document of a kind is made of."""

    number: int
    place: str
    thing: str
    figure: int
    other: int
    pick: random.Random


Made = tuple[bytes, tuple[str, ...], tuple[str, ...]]
"""A document, what must stand together in one of its passages, and what in none."""
Maker = Callable[[Case], Made]
MAKERS: dict[tuple[str, str], Maker] = {}
"""By kind and format; filled as the modules of makers are imported."""


def kind(kind: str, format: str) -> Callable[[Maker], Maker]:
    """Registers what makes the documents of a kind in one format."""

    def add(maker: Maker) -> Maker:
        MAKERS[kind, format] = maker
        return maker

    return add


def page(body: str, head: str = "") -> bytes:
    """A web page."""
    return (
        f"<!doctype html><html><head><title>Rules</title>{head}</head><body>{body}</body>".encode()
    )


def word_file() -> Any:
    """An empty document of Word."""
    import docx

    return docx.Document()


def saved(document: Any) -> bytes:
    """The bytes of a document of Word."""
    buffer = io.BytesIO()
    document.save(buffer)
    return buffer.getvalue()


def element(tag: str, **attributes: str) -> Any:
    """An element of WordprocessingML."""
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn

    made = OxmlElement(tag)
    for name, value in attributes.items():
        made.set(qn(f"w:{name}"), value)
    return made


def with_parts(data: bytes, changes: Callable[[dict[str, bytes]], None]) -> bytes:
    """A Word file with its parts changed."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    changes(parts)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return buffer.getvalue()
