"""What is said about a document beside its text: the front matter of Markdown, or a sidecar file.

The sidecar of ``fees.pdf`` is ``fees.pdf.meta.yaml`` (or ``.meta.yml``, ``.meta.json``).
"""

import hashlib
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, time
from difflib import get_close_matches
from functools import lru_cache
from itertools import chain
from pathlib import Path
from time import time_ns

import yaml

from app.corpus.saving import Metadata
from app.errors import DocumentRefused
from app.files import sha256_file
from ingestion.formats.charset import decode
from ingestion.formats.document import Extracted
from ingestion.formats.limits import MAX_TEXT_CHARACTERS
from ingestion.formats.markdown import FRONT_MATTER
from ingestion.formats.registry import SIDECARS, spoken_of
from ingestion.formats.text import LINE_BREAK

MOST_BYTES = 1 << 16
FOLDERS = 1000
"""Folders of which it is kept which sidecars they hold."""
SETTLED_NS = 2_000_000_000
"""A folder's time of change is at least as exact as this."""
MOST_NAMES, MOST_CHARS = 50, 1000
LANGUAGE = re.compile(r"[A-Za-z]{2,3}([_-][A-Za-z0-9]{2,8})*")
READ_ELSEWHERE = frozenset({"title"})
"""What the reader of the format takes itself."""
ACCESS = "access"
KEEPS_BACK = (ACCESS, "valid_from", "valid_until")
"""What keeps a document from people: written wrongly, it must not open the document."""
NEARLY = 0.88
"""How like one of these another name must be, as difflib counts, to be taken for a slip of it:
"acess" is, "accessed" is not."""
Value = str | list[str] | None
"""None: it is neither text nor a list of texts."""


def sidecar_of(file: Path) -> Path | None:
    """The file that speaks of this one, however its ending is written; None where there is none."""
    named = [file.with_name(file.name + ending) for ending in SIDECARS]
    others = (file.with_name(name) for name in _written_otherwise(file.parent).get(file.name, ()))
    return next((path for path in chain(named, others) if path.is_file()), None)


def _written_otherwise(folder: Path) -> Mapping[str, Sequence[str]]:
    """The sidecars in a folder of which the ending is in capitals, by what they speak of."""
    try:
        changed = folder.stat().st_mtime_ns
        if time_ns() - changed < SETTLED_NS:  # it may change again without another time
            return _listed(folder)
        return _listed_at(folder, changed)
    except OSError:  # its files may be read all the same, each by its name
        return {}


def _listed(folder: Path) -> Mapping[str, Sequence[str]]:
    found: dict[str, list[str]] = {}
    for name in sorted(path.name for path in folder.iterdir()):
        if (of := spoken_of(name)) is not None and not name.endswith(SIDECARS):
            found.setdefault(of, []).append(name)
    return found


@lru_cache(FOLDERS)
def _listed_at(folder: Path, _changed: int) -> Mapping[str, Sequence[str]]:
    return _listed(folder)


def content_sha256(file: Path) -> str:
    """The SHA-256 of a file's content, and of its sidecar where it has one: either is a change."""
    digest, sidecar = sha256_file(file), sidecar_of(file)
    if sidecar is None:
        return digest
    return hashlib.sha256(f"{digest} {sha256_file(sidecar)}".encode()).hexdigest()


def metadata_of(file: Path, media_type: str) -> Metadata:
    """What is said of the document in ``file``; the sidecar says more than the front matter.

    Raises ``DocumentRefused``: ``bad_metadata`` for what cannot be read, ``bad_date`` for a day
    that is none.
    """
    # As its reader does: what that takes for front matter is not shown, so it must count here.
    read = decode(file.read_bytes(), MAX_TEXT_CHARACTERS) if media_type == "text/markdown" else ""
    said = _front_matter(LINE_BREAK.sub("\n", read))
    if (sidecar := sidecar_of(file)) is not None:
        with sidecar.open("rb") as source:
            said |= _sidecar(source.read(MOST_BYTES + 1))
    return _metadata(said)


def access_within(document: Extracted) -> Iterator[Metadata]:
    """Where each document within this one may be, as it says itself or a sidecar beside it.

    Raises ``DocumentRefused``: ``bad_metadata``.
    """
    fronts = map(_front_matter, document.fronts)
    for said in chain(fronts, (_sidecar(one.encode()) for one in document.sidecars)):
        _check_slips(said.keys() - {ACCESS}, [ACCESS])
        if ACCESS in said:
            yield Metadata(access=_collections(said[ACCESS]))


def check_access(metadata: Metadata, collection: str) -> None:
    """Raise ``DocumentRefused`` (``wrong_access``) where the document may not be in it."""
    if metadata.access and collection not in metadata.access:
        raise DocumentRefused(
            "wrong_access",
            f"It may only be in {', '.join(metadata.access)[:200]}, its metadata say.",
        )


def _front_matter(text: str) -> dict[str, Value]:
    found = FRONT_MATTER.match(text)
    if not found:
        return {}
    try:
        return dict(_pairs(found[1]) if found[1] is not None else _toml_pairs(found[2]))
    except (yaml.YAMLError, ValueError) as error:
        # It may not even be meant as such; but access must not be lost by a slip of the pen.
        if re.search(r"(?mi)^[ \t]*[\"']?access\b", found[1] or found[2] or ""):
            raise _unreadable("front matter") from error
        return {}


def _sidecar(data: bytes) -> dict[str, Value]:
    try:
        if len(data) > MOST_BYTES:
            raise ValueError("it is too large")
        return dict(_pairs(data.decode("utf-8-sig")))
    except (yaml.YAMLError, ValueError) as error:
        raise _unreadable("sidecar file") from error


def _unreadable(what: str) -> DocumentRefused:
    why = f"Its {what} is no list of names with values in YAML, TOML or JSON; correct it."
    return DocumentRefused("bad_metadata", why)


def _pairs(text: str) -> Iterator[tuple[str, Value]]:
    """The names of one mapping with their values, all as written.

    Read from the parser's events: nothing is built, so that aliases and depth cost nothing, and
    "no" is a word. Raises ``ValueError`` for anything but a mapping.
    """
    events = yaml.parse(text, Loader=yaml.SafeLoader)
    begin = [type(event) for _, event in zip(range(3), events, strict=False)]
    if begin[1:2] == [yaml.StreamEndEvent]:
        return
    if begin[2:] != [yaml.MappingStartEvent]:
        raise ValueError("it is no mapping")
    for event in events:
        if isinstance(event, yaml.MappingEndEvent):
            return
        if not isinstance(event, yaml.ScalarEvent):
            raise ValueError("a name is no text")
        yield _name(event.value), _value(events)


def _name(written: str) -> str:
    return written.strip().lower().replace("-", "_")


def _toml_pairs(text: str) -> Iterator[tuple[str, Value]]:
    """As ``_pairs``, of TOML; what lies within a table speaks to other programs."""
    try:
        found = tomllib.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    for name, value in found.items():
        if isinstance(value, list):
            texts = [_toml_text(one) for one in value]
            yield _name(name), None if None in texts else [one for one in texts if one is not None]
        else:
            yield _name(name), _toml_text(value)


def _toml_text(value: object) -> str | None:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float | date | time):  # a date and time is a date, too
        return str(value).strip()
    return None


def _value(events: Iterator[yaml.Event]) -> Value:
    first = next(events)
    if isinstance(first, yaml.ScalarEvent):
        empty = first.style is None and first.value in ("", "~", "null")
        return "" if empty else str(first.value).strip()
    if isinstance(first, yaml.AliasEvent):
        return None
    values: list[str] = []
    plain, depth = isinstance(first, yaml.SequenceStartEvent), 1
    while depth:
        event = next(events)
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.ScalarEvent):
            values.append(str(event.value).strip())
        plain = plain and (depth == 0 or (depth == 1 and isinstance(event, yaml.ScalarEvent)))
    return values if plain else None


def _metadata(said: Mapping[str, Value]) -> Metadata:
    rest = {name: value for name, value in said.items() if name not in READ_ELSEWHERE}
    access = rest.pop(ACCESS, "")
    version, language = rest.pop("version", ""), rest.pop("language", "") or rest.pop("lang", "")
    owner = rest.pop("owner", "")
    made = Metadata(
        access=_collections(access) if ACCESS in said else (),
        owner=_one(owner, "owner")[:80] or None,
        valid_from=_day(rest.pop("valid_from", ""), "valid_from"),
        valid_until=_day(rest.pop("valid_until", ""), "valid_until"),
        language=_language(language),
        version=_one(version, "version")[:40],
    )
    if made.valid_from and made.valid_until and made.valid_from > made.valid_until:
        raise DocumentRefused("bad_date", "valid_from lies after valid_until; correct one of them.")
    _check_slips(rest)
    return replace(made, about=_about(rest))


def _check_slips(names: Iterable[str], kept: Sequence[str] = KEEPS_BACK) -> None:
    for name in names:
        if meant := get_close_matches(name, kept, 1, NEARLY):
            raise DocumentRefused(
                "bad_metadata", f"It says {name[:40]}: is that {meant[0]}? Correct or rename it."
            )


def _collections(value: Value) -> tuple[str, ...]:
    names = [value] if isinstance(value, str) else value
    if not names or not all(names) or not all(map(_is_storable, names)):
        raise DocumentRefused(
            "bad_metadata", "access names no collection, or is no list of them; correct it."
        )
    return tuple(names)


def _one(value: Value, name: str) -> str:
    if not isinstance(value, str) or not _is_storable(value):
        raise DocumentRefused("bad_metadata", f"{name} is not one text; correct it.")
    return value


def _language(value: Value) -> str | None:
    text = _one(value, "language")
    if text and (not LANGUAGE.fullmatch(text) or len(text) > 35):
        raise DocumentRefused("bad_metadata", "language is not a code such as de or en-GB.")
    return text or None


def _day(value: Value, name: str) -> date | None:
    text = _one(value, name)
    try:
        return date.fromisoformat(text[:10]) if text else None
    except ValueError as error:
        why = f"{name} is not a day such as 2026-12-31; correct it."
        raise DocumentRefused("bad_date", why) from error


def _about(rest: Mapping[str, Value]) -> dict[str, str | list[str]]:
    """The free ones, bounded; what is neither text nor a list of texts is left out."""
    kept: dict[str, str | list[str]] = {}
    for name, value in rest.items():
        if isinstance(value, str):
            kept[_plain(name)[:80]] = _plain(value)
        elif value is not None:
            kept[_plain(name)[:80]] = [_plain(one) for one in value[:MOST_NAMES]]
        if len(kept) == MOST_NAMES:
            break
    return kept


def _is_storable(text: str) -> bool:
    """Whether a database can hold it: escapes in YAML and JSON may name what is no text."""
    return "\0" not in text and text == text.encode("utf-8", "ignore").decode()


def _plain(text: str) -> str:
    """Without characters that a database or a page cannot hold."""
    return "".join(c for c in text if c.isprintable() or c in "\n\t")[:MOST_CHARS]
