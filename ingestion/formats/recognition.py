"""Scanned PDFs and images, also within other documents: drawn in the jail, read by tesseract.

tesseract runs behind the same walls as a reader, for one page, over pipes and without files.
"""

import tempfile
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path, PurePath

from app.corpus.scans import SCAN, installed
from app.errors import DocumentRefused
from ingestion.formats import members, pictures, scan
from ingestion.formats.document import Block, Extracted, Scan
from ingestion.formats.extract import assembled, inserted, with_members, without_text
from ingestion.formats.jail import run_jailed, warn_once
from ingestion.formats.limits import JailLimits
from ingestion.formats.members import MOST_LEFT_OUT, pages_named
from ingestion.formats.one_program import run_program
from ingestion.formats.registry import EVERY, PDF, format_of
from ingestion.formats.scan_layout import Word, laid_out
from ingestion.formats.sniff import MARKED

MARK = "Recognised text"
"""The heading of everything that was recognised: it stands wherever a passage is shown."""
MOST_PAGES = 500
MOST_WORD = 200
DRAWING = JailLimits(cpu_s=30, memory_bytes=1024**3, wall_s=45.0)
READING = JailLimits(cpu_s=60, memory_bytes=2 * 1024**3, wall_s=90.0)
WORD_LEVEL, COLUMNS = "5", 12
UNRECOGNISED = "unrecognised"
"""In tesseract's table of what it found."""


def recognised(path: Path, name: str, languages: str, empty: DocumentRefused) -> Extracted:
    """The text of a scanned PDF or of an image, each paragraph that was read with little certainty
    in doubt.

    Raises ``empty``, the refusal of a document without text, where it is neither, or tesseract is
    not installed; one like it where nothing is recognised; others as ``extract_jailed``.
    """
    program, kind = installed(), _kind_of(path, name)
    if program is None or not kind:
        raise empty
    blocks: list[Block] = []
    for page in range(1, MOST_PAGES + 2):
        image = _image(path, page, scan.LETTERS)
        if image is None:
            break
        if page > MOST_PAGES:
            raise DocumentRefused(
                "too_large", f"A scan of more than {MOST_PAGES} pages; split the document."
            )
        blocks += _blocks(program, image, languages, page)
    if not blocks:
        raise DocumentRefused("empty", "No text was found in it, nor did tesseract read any.")
    # Of an image there is no page to show beside its text.
    pages = page - 1 if kind == PDF.media_type else 0
    return assembled(blocks, pages, PurePath(name).stem, kind, MARK)


def _kind_of(path: Path, name: str) -> str:
    """The media type of a PDF or an image, by its content; empty for all else."""
    with path.open("rb") as file:
        head = file.read(MARKED)
    is_pdf = PDF.magic in head and (format_of(name) is PDF or head.startswith(PDF.magic))
    return PDF.media_type if is_pdf else pictures.kind_of(head)


def completed(path: Path, name: str, found: Extracted, languages: str) -> Extracted:
    """The document with the text of those pages that are scans, each in its place; also of the
    PDFs within it.

    What is not read is named in ``left_out`` with the reason: the other pages are there. Raises
    ``DocumentRefused`` where there is no text at all.
    """
    if found.held:
        return _with_members(path, name, found, languages)
    if not found.scans:
        return found
    program = installed()
    if program is None:
        return _without(found, [f"{pages_named(found.scans)}: {SCAN}"])
    reader = _Pages(program, languages)
    read = reader.read(path, found.scans, scan.NO_LETTERS)
    return _without(inserted(found, read, MARK), reader.missed())


def _with_members(path: Path, name: str, found: Extracted, languages: str) -> Extracted:
    """The document with the text of the scans of its members, those that are not read named."""
    program = installed()
    reader = _Pages(program, languages) if program else None
    read: list[tuple[Scan, list[Block]]] = []
    left_out: list[str] = []
    for one in found.held:
        if reader is None:
            left_out.append(f"{one.name}, {pages_named(one.pages)}: {SCAN}")
            continue
        try:
            pages = reader.of_member(path, name, one)
        except DocumentRefused as refusal:
            left_out.append(f"{one.name}: {refusal.reason}")
            continue
        left_out += [f"{one.name}, {missed}" for missed in reader.missed()]
        read.append((one, [block for page in one.pages for block in pages.get(page, ())]))
    found = _without(with_members(found, read, MARK), left_out[:MOST_LEFT_OUT])
    if not found.text.strip():
        raise without_text(found.left_out)
    return found


class _Pages:
    """Reads pages of one document, of itself or of its members: so many, and none after tesseract
    has failed."""

    def __init__(self, program: str, languages: str) -> None:
        self._program, self._languages = program, languages
        self._left, self._fails = MOST_PAGES, False
        self._missed: dict[str, list[int]] = defaultdict(list)

    def read(self, path: Path, pages: Sequence[int], letters: str) -> dict[int, list[Block]]:
        """What is recognised on each page that could be read."""
        read: dict[int, list[Block]] = {}
        self._missed = defaultdict(list)
        for page in pages:
            reason = UNRECOGNISED if self._fails else "" if self._left > 0 else "too_large"
            if not reason:
                self._left -= 1
                try:
                    image = _image(path, page, letters)
                    read[page] = (
                        _blocks(self._program, image, self._languages, page) if image else []
                    )
                    continue
                except DocumentRefused as refusal:
                    reason = refusal.reason
                    self._fails = reason == UNRECOGNISED
            self._missed[reason].append(page)
        return read

    def of_member(self, path: Path, name: str, one: Scan) -> dict[int, list[Block]]:
        """As ``read``, of a PDF within the document; raises ``DocumentRefused`` where it cannot be
        had, or nothing is recognised in one that has no other text."""
        entry = f"{members.__name__}:{members.child_main.__name__}"
        format = format_of(name)
        limits = format.limits if format else JailLimits()
        run = run_jailed(entry, [name, *map(str, one.trail)], path, limits, EVERY)
        if run.status != 0:
            raise DocumentRefused("crashed", "A member could not be had within its limits.")
        warn_once(run.walls)
        with tempfile.NamedTemporaryFile(prefix="countersign-") as file:
            file.write(run.output)
            file.flush()
            letters = scan.LETTERS if one.title else scan.NO_LETTERS
            read = self.read(Path(file.name), one.pages, letters)
        if one.title and not self._missed and not any(read.values()):
            raise DocumentRefused("empty", "No text was found.")
        return read

    def missed(self) -> list[str]:
        """The pages that were not read last, and why, for people."""
        return [f"{pages_named(pages)}: {reason}" for reason, pages in self._missed.items()]


def _without(found: Extracted, left_out: Sequence[str]) -> Extracted:
    return replace(found, left_out=(*found.left_out, *left_out))


def _blocks(program: str, image: bytes, languages: str, page: int) -> list[Block]:
    words = words_of(_read(program, image, languages, page))
    return [Block(one.text, page, one.gap, doubt=one.doubt) for one in laid_out(words)]


def words_of(table: bytes) -> list[Word]:
    """The words of tesseract's table; what has not its form is left out."""
    found = []
    for row in table.decode("utf-8", "replace").splitlines():
        cells = row.split("\t")
        if len(cells) == COLUMNS and cells[0] == WORD_LEVEL:
            with suppress(ValueError):
                block, paragraph, line, confidence = (
                    int(cells[2]),
                    int(cells[3]),
                    int(cells[4]),
                    float(cells[10]),
                )
                text = cells[11].strip()[:MOST_WORD]
                left, top, width, height = map(int, cells[6:10])
                if text and 0 <= confidence <= 100:
                    place = (left, top, left + width, top + height)
                    found.append(Word(text, confidence, (block, paragraph), line, place))
    return found


def _image(path: Path, page: int, letters: str) -> bytes | None:
    """The page, None where there is no such one; raises ``DocumentRefused``."""
    with path.open("rb") as file:
        is_picture = pictures.kind_of(file.read(pictures.NEEDED))
    reader, arguments = (pictures, [str(page)]) if is_picture else (scan, [str(page), letters])
    run = run_jailed(f"{reader.__name__}:child_main", arguments, path, DRAWING, ("pypdfium2",))
    if run.status != 0:
        raise DocumentRefused("crashed", f"Page {page} could not be drawn within its limits.")
    warn_once(run.walls)
    if run.output == pictures.AS_IT_IS and is_picture:
        return path.read_bytes()
    return scan.checked(run.output) if run.output else None


def _read(program: str, image: bytes, languages: str, page: int) -> bytes:
    """tesseract's table of one page; raises ``DocumentRefused``."""
    given = ["stdin", "stdout", "-l", languages, "--dpi", str(scan.DPI)]
    if pictures.kind_of(image) == pictures.TIFF:
        given += ["-c", f"tessedit_page_number={page - 1}"]
    run = run_program(program, [*given, "-c", "tessedit_create_tsv=1"], image, READING)
    warn_once(run.walls)
    if run.status != 0:
        raise DocumentRefused(
            "unrecognised",
            f"tesseract could not read this scan; are its languages installed ({languages})?",
        )
    return run.output
