"""The one list of formats: their endings, how content shows them, their reader and their limits."""

from collections.abc import Callable
from dataclasses import dataclass

from ingestion.formats import (
    asciidoc,
    calendar,
    compound,
    containers,
    delimited,
    doc,
    docx,
    epub,
    html,
    latex,
    markdown,
    notebook,
    odp,
    ods,
    odt,
    outlook,
    pdf,
    pictures,
    ppt,
    records,
    rst,
    rtf,
    sheet,
    slides,
    structured,
    subtitles,
    text,
    xls,
)
from ingestion.formats.document import Read
from ingestion.formats.limits import JailLimits

LIMITS = JailLimits()
TEXT_LIMITS = JailLimits(cpu_s=10, wall_s=10.0)

CHARSET = ("chardet.pipeline.orchestrator", "encodings.utf_8_sig")
PAGE = (*CHARSET, "selectolax.lexbor", "ingestion.formats.css")
XML = ("lxml.etree", "encodings.cp437")
PARTS = tuple(f"ingestion.formats.pdf_{part}" for part in ("sight", "layout", "paragraphs"))
PRINT = ("pypdfium2.raw", "heapq", *PARTS, "ingestion.formats.pdf_calls:prepare")
NOTES = (*PAGE, "markdown_it", "mdit_py_plugins.footnote", "mdit_py_plugins.deflist")
EVERY = (*PRINT, *XML, *NOTES, "openpyxl", "striprtf.striprtf", "email.parser")
"""Modules that readers import late: once, in the process that forks for each document."""
REHEARSAL = "ingestion.formats.rehearsal"


@dataclass(frozen=True)
class Format:
    """A kind of document.

    ``magic`` begins its content; ``part`` begins the name of an entry that tells its archive from
    other archives. A format with neither is text. ``imports`` are the modules that its reader
    imports late.
    """

    media_type: str
    suffixes: tuple[str, ...]
    read: Callable[[bytes], Read]
    limits: JailLimits = LIMITS
    magic: bytes = b""
    part: str = ""
    imports: tuple[str, ...] = ()

    @property
    def is_text(self) -> bool:
        """Whether the content is text, which has no mark of its own."""
        return not self.magic and not self.part


PDF = Format("application/pdf", (".pdf",), pdf.read, magic=b"%PDF-", imports=PRINT)
DOCX = Format(
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    (".docx", ".docm", ".dotx", ".dotm"),
    docx.read,
    part="word/",
    imports=XML,
)
HTML = Format(
    "text/html",
    (".html", ".htm", ".xhtml"),
    html.read,
    TEXT_LIMITS,
    imports=(*PAGE, f"{REHEARSAL}:page"),
)
MARKDOWN = Format(
    "text/markdown",
    (".md", ".markdown"),
    markdown.read,
    TEXT_LIMITS,
    imports=(*NOTES, f"{REHEARSAL}:notes"),
)
TEXT = Format(
    "text/plain",
    (".txt", ".text"),
    text.read,
    TEXT_LIMITS,
    imports=(*NOTES, f"{REHEARSAL}:notes"),
)
CSV = Format("text/csv", (".csv", ".tsv"), delimited.read, TEXT_LIMITS, imports=CHARSET)

XLSX = Format(
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    (".xlsx", ".xlsm", ".xltx", ".xltm"),
    sheet.read,
    part="xl/",
    imports=(*XML, "openpyxl"),
)
PPTX = Format(
    "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    (".pptx", ".pptm", ".ppsx", ".ppsm", ".potx", ".potm"),
    slides.read,
    part="ppt/",
    imports=XML,
)
EPUB = Format(
    "application/epub+zip", (".epub",), epub.read, part=epub.CONTAINER, imports=(*XML, *PAGE)
)
ODT = Format(
    "application/vnd.oasis.opendocument.text",
    (".odt", ".ott"),
    odt.read,
    part="content.xml",
    imports=XML,
)
ODS = Format(
    "application/vnd.oasis.opendocument.spreadsheet",
    (".ods", ".ots"),
    ods.read,
    part="content.xml",
    imports=XML,
)
ODP = Format(
    "application/vnd.oasis.opendocument.presentation",
    (".odp", ".otp"),
    odp.read,
    part="content.xml",
    imports=XML,
)
CALENDAR = Format("text/calendar", (".ics",), calendar.read, TEXT_LIMITS, imports=CHARSET)
RTF = Format(
    "application/rtf", (".rtf",), rtf.read, magic=b"{\\rtf", imports=("striprtf.striprtf",)
)
MAIL = Format("message/rfc822", (".eml",), containers.read_mail, imports=EVERY)
RECORDS = Format(
    "application/jsonl", (".jsonl", ".ndjson"), records.read, TEXT_LIMITS, imports=CHARSET
)
ZIP = Format("application/zip", (".zip",), containers.read_zip, magic=b"PK\x03\x04", imports=EVERY)

MAILS = Format("application/mbox", (".mbox", ".mbx"), containers.read_mails, imports=EVERY)
OUTLOOK = Format(
    "application/vnd.ms-outlook", (".msg",), outlook.read, magic=compound.MARK, imports=EVERY
)
DOC = Format("application/msword", (".doc", ".dot"), doc.read, magic=compound.MARK)
XLS = Format(
    "application/vnd.ms-excel",
    (".xls", ".xlt"),
    xls.read,
    magic=compound.MARK,
    imports=("lxml.etree", "openpyxl", *CHARSET),
)
PPT = Format(
    "application/vnd.ms-powerpoint", (".ppt", ".pps", ".pot"), ppt.read, magic=compound.MARK
)
SAVED_PAGE = Format(
    "multipart/related",
    (".mhtml", ".mht"),
    containers.read_saved_page,
    imports=(*PAGE, "email.parser"),
)
RST = Format("text/x-rst", (".rst", ".rest"), rst.read, TEXT_LIMITS, imports=PAGE)
ASCIIDOC = Format(
    "text/asciidoc", (".adoc", ".asciidoc", ".asc"), asciidoc.read, TEXT_LIMITS, imports=PAGE
)
LATEX = Format("application/x-tex", (".tex", ".latex"), latex.read, TEXT_LIMITS, imports=PAGE)
MANUAL = Format(
    "application/xml",
    (".xml", ".dita", ".ditamap", ".dbk", ".docbook"),
    structured.read,
    imports=(*XML, *PAGE),
)
NOTEBOOK = Format(
    "application/x-ipynb+json", (".ipynb",), notebook.read, TEXT_LIMITS, imports=NOTES
)
SUBTITLES = Format("text/vtt", (".vtt", ".srt"), subtitles.read, TEXT_LIMITS, imports=CHARSET)
TAR = Format(
    "application/gzip",
    (".gz", ".tgz", ".tar", ".bz2", ".tbz2", ".xz", ".txz"),
    containers.read_tar,
    magic=b"\x1f\x8b",
    imports=EVERY,
)
PREVIEWED = Format(
    "application/vnd.apple.iwork",
    (".pages", ".numbers", ".key"),
    containers.read_preview,
    part="Index/",
    imports=PRINT,
)

IMAGES = tuple(
    Format(media_type, suffixes, pictures.read, TEXT_LIMITS, magic=mark)
    for media_type, suffixes, mark in (
        (pictures.PNG, (".png",), b"\x89PNG"),
        (pictures.JPEG, (".jpg", ".jpeg"), b"\xff\xd8\xff"),
        (pictures.TIFF, (".tif", ".tiff"), b"II*\0"),
        (pictures.WEBP, (".webp",), pictures.RIFF),
    )
)
OFFICE = (DOCX, XLSX, PPTX)
OPEN = (ODT, ODS, ODP)
OLD = (DOC, XLS, PPT)
PACKED = (*OFFICE, EPUB, *OPEN)
MARKUP = (RST, ASCIIDOC, LATEX, MANUAL, NOTEBOOK, SUBTITLES)
HOLDING = (MAIL, MAILS, OUTLOOK, SAVED_PAGE, ZIP, TAR, PREVIEWED)
TEXTS = (HTML, MARKDOWN, TEXT, CSV, CALENDAR, RECORDS, *MARKUP)
FORMATS = (PDF, *PACKED, *OLD, RTF, *TEXTS, *HOLDING, *IMAGES)
BY_SUFFIX = {suffix: format for format in FORMATS for suffix in format.suffixes}


SIDECARS = (".meta.yaml", ".meta.yml", ".meta.json")
"""How the names of files end that speak of others."""


def spoken_of(name: str) -> str | None:
    """The name of the file that one of this name speaks of; None where it speaks of none."""
    ending = next((one for one in SIDECARS if name.lower().endswith(one)), None)
    return None if ending is None else name[: -len(ending)]


def format_of(name: str) -> Format | None:
    """The format that a file's name says, None for an unknown ending."""
    return BY_SUFFIX.get(parts_of(name)[1].lower())


def parts_of(name: str) -> tuple[str, str]:
    """The stem and the ending of a file's name, as ``PurePath`` has them: its code lies on thirty
    pages of memory, each of them copied for every child."""
    last = name.rstrip("/").rpartition("/")[2]
    stem, dot, ending = last.rpartition(".")
    return (stem, dot + ending) if stem and ending else (last, "")
