"""Word documents, in the state a reader sees: insertions accepted, deletions gone."""

import io
import zipfile
from collections.abc import Iterable, Iterator
from typing import Any

from ingestion.formats.document import Block, Read
from ingestion.formats.limits import corrupt
from ingestion.formats.titles import is_garbage_title

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
# Deleted and moved-away text is still in the file; Fallback repeats what Choice already says.
DOCX_DROPPED = frozenset(
    [f"{W}{tag}" for tag in ("del", "moveFrom", "pPr", "rPr", "instrText", "tblPr", "sdtPr")]
    + ["{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"]
)
DOCX_WHITE = {f"{W}tab": " ", f"{W}br": "\n", f"{W}cr": "\n", f"{W}noBreakHyphen": "-"}


def read(data: bytes) -> Read:
    """The body in reading order."""
    body, styles, stated = _open_docx(data)
    blocks = list(_blocks(body, styles))
    titles = [text for kind, text in blocks if kind == "Title"]
    headings = [text for kind, text in blocks if kind.startswith("Heading")]
    stated = "" if is_garbage_title(stated) else stated
    title = [*titles[:1], *filter(None, [stated]), *headings[:1], ""][0]
    return Read(title, [Block(_join_blocks(blocks))])


def _open_docx(data: bytes) -> tuple[Any, dict[str, str], str]:
    """(body element, style names by id, stated title) of a Word document."""
    import zlib

    import docx
    from docx.opc.exceptions import OpcError
    from docx.oxml.exceptions import XmlchemyError
    from lxml.etree import XMLSyntaxError

    try:
        document = docx.Document(io.BytesIO(data))
        styles = {style.style_id: style.name or "" for style in document.styles}
        return document.element.body, styles, document.core_properties.title
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, OSError, EOFError) as error:
        raise corrupt() from error
    # python-docx does not check what it reads: missing parts surface as plain Python errors.
    except (OpcError, XmlchemyError, XMLSyntaxError, LookupError) as error:
        raise corrupt() from error
    except (AttributeError, TypeError, ValueError) as error:
        raise corrupt() from error


def _blocks(parent: Any, styles: dict[str, str]) -> Iterator[tuple[str, str]]:
    """(style name, text) of each paragraph, list item and table row, in reading order."""
    for child in parent:
        if child.tag == f"{W}p":
            text = _paragraph(child).strip()
            if text:
                style = styles.get(_value(child, "pPr/pStyle"), "")
                listed = style.startswith("List") or child.find(_w("pPr/numPr")) is not None
                listed = listed and not style.startswith("Heading")
                yield ("List", f"- {text}") if listed else (style, text)
        elif child.tag == f"{W}tbl":
            for row in child.iter(f"{W}tr"):
                cells = [" ".join(_cell(cell).split()) for cell in row.iterchildren(f"{W}tc")]
                if any(cells):
                    yield "Row", " | ".join(cells)
            yield "End", ""
        elif child.tag in (f"{W}sdt", f"{W}sdtContent", f"{W}customXml"):
            yield from _blocks(child, styles)


def _cell(cell: Any) -> str:
    return " ".join(_paragraph(p) for p in cell.iterchildren(f"{W}p", f"{W}sdt"))


def _paragraph(paragraph: Any) -> str:
    parts, stack = [], [paragraph]
    while stack:
        node = stack.pop()
        if node.tag == f"{W}t":
            parts.append(node.text or "")
        elif node.tag in DOCX_WHITE:
            parts.append(DOCX_WHITE[node.tag])
        elif node.tag not in DOCX_DROPPED and not (node.tag == f"{W}r" and _hidden(node)):
            if node.tag == f"{W}p" and parts:
                parts.append("\n")
            stack.extend(reversed(node))
    return "".join(parts)


def _hidden(run: Any) -> bool:
    vanish = run.find(_w("rPr/vanish"))
    if vanish is not None and vanish.get(f"{W}val", "true") not in ("0", "false", "off"):
        return True
    # Sizes are in half points: nobody reads two half points.
    return _value(run, "rPr/sz") in ("0", "1", "2")


def _value(node: Any, path: str) -> str:
    found = node.find(_w(path))
    return "" if found is None else str(found.get(f"{W}val", ""))


def _w(path: str) -> str:
    return "/".join(W + step for step in path.split("/"))


def _join_blocks(blocks: Iterable[tuple[str, str]]) -> str:
    parts: list[str] = []
    last = ""
    for kind, text in blocks:
        if parts:
            parts.append("\n" if kind == last and kind in ("List", "Row") else "\n\n")
        parts.append(text)
        last = kind
    return "".join(parts)
