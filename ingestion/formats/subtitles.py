"""Subtitles (WebVTT, SubRip): what is said, in paragraphs, each with its speaker."""

import re
from collections.abc import Iterator
from html import unescape

from ingestion.formats.charset import decode
from ingestion.formats.document import Block, Read
from ingestion.formats.limits import MAX_TEXT_CHARACTERS, corrupt
from ingestion.formats.text import LINE_BREAK

MARK = "WEBVTT"
TIMING = re.compile(
    r"\s*(?:(\d{1,4}):)?(\d{1,2}):(\d{2})[.,]\d{1,3}\s+-->\s+(?:(\d{1,4}):)?(\d{1,2}):(\d{2})[.,]\d"
)
VOICE = re.compile(r"<v(?:\.[\w.-]+)?\s+([^<>]{1,100})>")
SPOKEN = re.compile(r"(?:>>\s*)?([A-Z][\w .'-]{0,38}[\w.]):\s+(?=\S)")
"""How captions without voices name a speaker."""
TAG = re.compile(r"</?[a-z\d:][^<>]{0,100}>|\{\\[^{}]{0,100}\}", re.IGNORECASE)
DASH = re.compile(r"\s*[-–—]\s*(?=\S)")
PAUSE_S = 4
LONGEST = 600
"""Characters after which a paragraph ends with its sentence."""


def read(data: bytes) -> Read:
    """The paragraphs; times, styles and notes are left out. Raises ``DocumentRefused`` where there
    is no cue."""
    source = LINE_BREAK.sub("\n", decode(data, MAX_TEXT_CHARACTERS))
    said = list(_said(source))
    if not said:
        raise corrupt()
    first = source.lstrip().split("\n", 1)[0]
    title = first.removeprefix(MARK).strip(" -\t") if first.startswith(MARK) else ""
    blocks = [Block(title, level=1)] if title else []
    return Read(title, [*blocks, *map(Block, _paragraphs(said))])


def _said(source: str) -> Iterator[tuple[bool, str, str]]:
    """(is there a pause before it, speaker, text) of each line that is said; a line that is shown
    again, as in running captions, only once."""
    ended, last = 0, ""
    for cue in re.split(r"\n[ \t]*\n+", source):
        lines = cue.split("\n")
        at = next((n for n, line in enumerate(lines[:3]) if TIMING.match(line)), None)
        if at is None:
            continue
        timing = TIMING.match(lines[at])
        assert timing is not None
        begins, pause = _seconds(timing.groups()[:3]), False
        pause = begins - ended > PAUSE_S
        ended = _seconds(timing.groups()[3:])
        for line in lines[at + 1 :]:
            speaker, text = _line(line)
            if text and text != last:
                yield pause, speaker, text
                pause, last = False, text


def _line(line: str) -> tuple[str, str]:
    voice = VOICE.search(line)
    text = " ".join(unescape(TAG.sub("", line)).split())
    if voice:
        return voice[1].strip(), text
    named = SPOKEN.match(text)
    return (named[1], text[named.end() :]) if named else ("", text)


def _seconds(parts: tuple[str | None, ...]) -> int:
    hours, minutes, seconds = (int(part or 0) for part in parts)
    return hours * 3600 + minutes * 60 + seconds


def _paragraphs(said: list[tuple[bool, str, str]]) -> Iterator[str]:
    """What one speaker says without a pause; a dash begins what another one says."""
    open_text, open_speaker = "", ""
    for pause, speaker, text in said:
        ends = len(open_text) > LONGEST and open_text[-1] in ".?!"
        changes = bool(speaker) and speaker != open_speaker
        if open_text and (pause or ends or changes or DASH.match(text)):
            yield _told(open_speaker, open_text)
            open_text = ""
        open_speaker = speaker or open_speaker
        text = DASH.sub("", text, count=1) if DASH.match(text) else text
        open_text = f"{open_text} {text}".strip()
    if open_text:
        yield _told(open_speaker, open_text)


def _told(speaker: str, text: str) -> str:
    return f"{speaker}: {text}" if speaker else text
