"""What a jailed child says of its document, and what of that is believed."""

import json
import sys
from collections.abc import Sequence
from datetime import date
from typing import Any

from app.errors import DocumentRefused
from ingestion.formats.document import Doubt, Extracted, Heading, Page, Scan
from ingestion.formats.extract import extract
from ingestion.formats.limits import MAX_DOCUMENT_BYTES


def read_document(name: str) -> None:
    """In the child: reads the document from stdin, writes the reply as JSON to stdout."""
    sys.stdout.buffer.write(told(sys.stdin.buffer.read(MAX_DOCUMENT_BYTES + 1), name))


def told(data: bytes, name: str) -> bytes:
    """The reply of a child that read this document."""
    try:
        found = extract(data, name)
        until = found.valid_until.isoformat() if found.valid_until else None
        reply: dict[str, Any] = {**vars(found), "valid_until": until}
        for column in ("pages", "headings", "doubts", "held"):
            reply[column] = [tuple(vars(one).values()) for one in reply[column]]
    except DocumentRefused as refusal:
        reply = {"reason": refusal.reason, "message": refusal.message}
    return json.dumps(reply, ensure_ascii=False).encode("utf-8")


def parsed(output: bytes) -> Extracted:
    """The document that a reply tells of; raises ``DocumentRefused``, also with its reason.

    A parser that was taken over could say anything: only what has the right form is believed.
    """
    try:
        reply = json.loads(output)
        if "reason" in reply:
            raise DocumentRefused(str(reply["reason"]), str(reply["message"]))
        text = str(reply["text"])
        until = date.fromisoformat(reply["valid_until"]) if reply.get("valid_until") else None
        found = Extracted(
            str(reply["title"]),
            text,
            str(reply["media_type"]),
            tuple(Page(int(n), int(start), int(end)) for n, start, end in reply["pages"]),
            until,
            tuple(Heading(int(at), str(said), int(start)) for at, said, start in reply["headings"]),
            tuple(Doubt(int(start), int(end), str(why)) for start, end, why in reply["doubts"]),
            tuple(str(name) for name in reply["left_out"]),
            tuple(int(page) for page in reply["scans"]),
            tuple(_scan(*one) for one in reply["held"]),
            tuple(str(said) for said in reply["fronts"]),
            tuple(str(said) for said in reply["sidecars"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise crashed("the reader's reply is not usable") from error
    edges = [edge for page in found.pages for edge in (page.start, page.end)]
    starts = [heading.start for heading in found.headings]
    doubts = [edge for doubt in found.doubts for edge in (doubt.start, doubt.end)]
    places = [scan.at for scan in found.held]
    for offsets in (edges, starts, doubts, places):
        offsets = [0, *offsets, len(text)]
        if offsets != sorted(offsets):
            raise crashed("the reader's page map is not usable")
    numbers = [page.number for page in found.pages]
    if numbers != [*range(1, len(numbers) + 1)] or not _are_among(found.scans, len(numbers)):
        raise crashed("the reader's page map is not usable")
    return found


def _scan(
    name: str, trail: Sequence[int], pages: Sequence[int], title: str, level: int, at: int
) -> Scan:
    numbers = tuple(map(int, trail)), tuple(map(int, pages))
    return Scan(str(name), *numbers, str(title), int(level), int(at))


def _are_among(scans: Sequence[int], pages: int) -> bool:
    return [*scans] == sorted({page for page in scans if 1 <= page <= pages})


def crashed(why: str) -> DocumentRefused:
    """The refusal of a document whose child died or said what cannot be used."""
    return DocumentRefused(
        "crashed",
        f"The document could not be read within its limits ({why}); save it again, or split it.",
    )
