"""Scanned PDFs: pages drawn in the jail, read by tesseract where that is installed.

tesseract runs behind the same walls as a reader, for one page, over pipes and without files.
"""

import re
import shutil
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path, PurePath

from app.errors import DocumentRefused
from ingestion.formats import scan
from ingestion.formats.document import Block, Extracted
from ingestion.formats.extract import assembled, inserted
from ingestion.formats.jail import run_jailed, warn_once
from ingestion.formats.limits import JailLimits
from ingestion.formats.members import SCAN, pages_named
from ingestion.formats.one_program import run_program
from ingestion.formats.registry import PDF, format_of
from ingestion.formats.sniff import MARKED

TESSERACT = "tesseract"
MARK = "Recognised text"
"""The heading of everything that was recognised: it stands wherever a passage is shown."""
LEAST_CONFIDENCE, LEAST_OF_NUMBERS = 75.0, 80.0
"""Of 100, of a paragraph's words on average, and of each word with a digit; less is in doubt."""
MOST_PAGES = 500
MOST_WORD = 200
DRAWING = JailLimits(cpu_s=30, memory_bytes=1024**3, wall_s=45.0)
READING = JailLimits(cpu_s=60, memory_bytes=2 * 1024**3, wall_s=90.0)
WORD_LEVEL, COLUMNS = "5", 12
"""In tesseract's table of what it found."""


@dataclass(frozen=True)
class Word:
    """A word that was recognised, how surely (0 to 100), and the lines it stands among."""

    text: str
    confidence: float
    paragraph: tuple[int, int]
    line: int


def recognised(path: Path, name: str, languages: str, empty: DocumentRefused) -> Extracted:
    """The text of a scanned PDF, each paragraph that was read with little certainty in doubt.

    Raises ``empty``, the refusal of a document without text, where it is no PDF, tesseract is not
    installed, or nothing is recognised either; other ``DocumentRefused`` as ``extract_jailed``.
    """
    program = installed()
    if program is None or format_of(name) is not PDF or not _has_mark(path):
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
        raise empty
    return assembled(blocks, page - 1, PurePath(name).stem, PDF.media_type, MARK)


def _has_mark(path: Path) -> bool:
    """Whether this is a PDF by its content: a file of nothing is not, whatever its name."""
    with path.open("rb") as file:
        return PDF.magic in file.read(MARKED)


def completed(path: Path, found: Extracted, languages: str) -> Extracted:
    """The document with the text of those pages that are scans, each in its place.

    What is not read is named in ``left_out`` with the reason: the other pages are there.
    """
    if not found.scans:
        return found
    program = installed()
    if program is None:
        return _without(found, found.scans, SCAN)
    read: dict[int, list[Block]] = {}
    missed: dict[str, list[int]] = defaultdict(list)
    for page in found.scans:
        reason = "unrecognised" if "unrecognised" in missed else ""
        if not reason and len(read) < MOST_PAGES:
            try:
                image = _image(path, page, scan.NO_LETTERS)
                read[page] = _blocks(program, image, languages, page) if image else []
                continue
            except DocumentRefused as refusal:
                reason = refusal.reason
        missed[reason or "too_large"].append(page)
    found = inserted(found, read, MARK)
    for reason, pages in missed.items():
        found = _without(found, pages, reason)
    return found


def _without(found: Extracted, pages: Sequence[int], reason: str) -> Extracted:
    left_out = (*found.left_out, f"{pages_named(pages)}: {reason}")
    return replace(found, left_out=left_out)


def _blocks(program: str, image: bytes, languages: str, page: int) -> list[Block]:
    words = words_of(_read(program, image, languages))
    return [Block(text, page, doubt=doubt) for text, doubt in paragraphs(words)]


def installed() -> str | None:
    """Where tesseract is, None where it is not."""
    found = shutil.which(TESSERACT)
    return str(Path(found).resolve()) if found else None


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
                if text and 0 <= confidence <= 100:
                    found.append(Word(text, confidence, (block, paragraph), line))
    return found


def paragraphs(words: Sequence[Word]) -> Iterator[tuple[str, str]]:
    """The text of each paragraph, and why it is in doubt, if it is."""
    for _, within in groupby(words, key=lambda word: word.paragraph):
        some = list(within)
        lines = [
            " ".join(word.text for word in line)
            for _, line in groupby(some, key=lambda word: word.line)
        ]
        yield _joined(lines), _doubt(some)


def _joined(lines: Sequence[str]) -> str:
    text = lines[0]
    for line in lines[1:]:
        broken = re.search(r"[^\W\d_]-$", text) and line[:1].islower()
        text = f"{text[:-1]}{line}" if broken else f"{text} {line}"
    return text


def _doubt(words: Sequence[Word]) -> str:
    mean = sum(word.confidence for word in words) / len(words)
    if mean < LEAST_CONFIDENCE:
        return f"It was recognised from an image with little certainty ({mean:.0f} of 100)."
    for word in words:
        if word.confidence < LEAST_OF_NUMBERS and any(map(str.isdigit, word.text)):
            return f'"{word.text}" was recognised with little certainty.'[:200]
    return ""


def _image(path: Path, page: int, letters: str) -> bytes | None:
    """The page, None where there is no such one; raises ``DocumentRefused``."""
    entry = f"{scan.__name__}:{scan.child_main.__name__}"
    run = run_jailed(entry, [str(page), letters], path, DRAWING, ("pypdfium2",))
    if run.status != 0:
        raise DocumentRefused("crashed", f"Page {page} could not be drawn within its limits.")
    warn_once(run.walls)
    return scan.checked(run.output) if run.output else None


def _read(program: str, image: bytes, languages: str) -> bytes:
    """tesseract's table of one page; raises ``DocumentRefused``."""
    given = ["stdin", "stdout", "-l", languages, "--dpi", str(scan.DPI)]
    run = run_program(program, [*given, "-c", "tessedit_create_tsv=1"], image, READING)
    warn_once(run.walls)
    if run.status != 0:
        raise DocumentRefused(
            "unrecognised",
            f"tesseract could not read this scan; are its languages installed ({languages})?",
        )
    return run.output
