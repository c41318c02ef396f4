"""The parts of an Office document: an archive of XML, joined by relationships."""

import io
import posixpath
import re
import zipfile
from dataclasses import dataclass
from typing import Any

from ingestion.formats.limits import DAMAGED, corrupt

STRICT = {
    b"http://purl.oclc.org/ooxml/wordprocessingml/main": (
        b"http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    ),
    b"http://purl.oclc.org/ooxml/officeDocument/math": (
        b"http://schemas.openxmlformats.org/officeDocument/2006/math"
    ),
    b"http://purl.oclc.org/ooxml/officeDocument/relationships": (
        b"http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    ),
}
"""The strict spelling of a namespace, and the one that nearly all files use."""
RELATION_ID = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"


@dataclass(frozen=True)
class Relation:
    """One part's pointer to another: ``kind`` is the last step of its type."""

    kind: str
    target: str


@dataclass(frozen=True)
class Package:
    """An opened document; raises ``DocumentRefused`` for what is damaged."""

    archive: zipfile.ZipFile

    @staticmethod
    def open(data: bytes) -> "Package":
        """The package in ``data``, whose entries were guarded already."""
        try:
            return Package(zipfile.ZipFile(io.BytesIO(data)))
        except DAMAGED as error:
            raise corrupt() from error

    def main(self) -> str:
        """The name of the document's main part."""
        found = [one.target for one in self.relations("").values() if one.kind == "officeDocument"]
        if not found:
            raise corrupt()
        return found[0]

    def xml(self, name: str) -> Any:
        """The root element of a part, without entities, DTD or network."""
        from lxml import etree

        try:
            data = self.archive.read(name)
        except DAMAGED as error:
            raise corrupt() from error
        for strict, usual in STRICT.items():
            data = data.replace(strict, usual)
        parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
        try:
            return etree.fromstring(data, parser)
        except (etree.XMLSyntaxError, ValueError) as error:
            raise corrupt() from error

    def relations(self, part: str) -> dict[str, Relation]:
        """What ``part`` points to inside the package, by id; "" is the package itself."""
        folder, name = posixpath.split(part)
        listed = posixpath.join(folder, "_rels", f"{name}.rels")
        if listed not in self.archive.NameToInfo:
            return {}
        found = {}
        for one in self.xml(listed):
            if one.get("TargetMode") == "External" or not one.get("Target"):
                continue
            target = posixpath.normpath(posixpath.join("/", folder, one.get("Target")))
            kind = (one.get("Type") or "").rsplit("/", 1)[-1]
            found[one.get("Id") or ""] = Relation(kind, target.lstrip("/"))
        return found

    def related(self, part: str, kind: str) -> Any | None:
        """The root element of the first part of a kind that ``part`` points to, or None."""
        for one in self.relations(part).values():
            if one.kind == kind and one.target in self.archive.NameToInfo:
                return self.xml(one.target)
        return None

    def title(self) -> str:
        """What the properties of the document say."""
        core = self.related("", "core-properties")
        if core is None:
            return ""
        found = core.find("{http://purl.org/dc/elements/1.1/}title")
        return re.sub(r"\s+", " ", (found.text or "") if found is not None else "")
