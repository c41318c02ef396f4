"""The words of texts, and each two that follow each other, as numbers: CRC-32 in so many buckets.

Many lines are read at once in arrays. Of one short text that would take longer than a loop.
"""

import re
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from guardrails.checks.wording import folded

TOKEN = re.compile(r"\w+|[^\w\s]")
MAX_TOKENS = 4000
"""Of a longer text the first and last halves of this are read: an order may stand at the end."""
SPACE, WORD, SIGN, LINE_END = range(4)
"""Kinds of characters. A token is a run of ``WORD``, or one character of the last two."""
ALL_BITS = 0xFFFFFFFF
Hashes = NDArray[np.int64]
Bytes = NDArray[np.uint8]


def bag(text: str, buckets: int) -> Hashes:
    """The buckets of the words and pairs of words of ``text``, each once, in order."""
    tokens = TOKEN.findall(folded(text))
    if len(tokens) > MAX_TOKENS:
        tokens = tokens[: MAX_TOKENS // 2] + tokens[-MAX_TOKENS // 2 :]
    words = " ".join(tokens).encode("utf-8").split(b" ") if tokens else []
    hashes = list(map(zlib.crc32, words))
    pairs = map(zlib.crc32, [b" " + word for word in words[1:]], hashes)
    return _distinct(np.array([*hashes, *pairs], np.int64) % buckets)


def bags(lines: Sequence[str], buckets: int) -> tuple[Hashes, Hashes]:
    """The same of each line: the buckets of all, one line after the other, and the line of each.

    All lines are read at once; none may hold a line feed, and each is read whole.
    """
    data, kinds, starts, lengths = _tokens(folded("\n".join(lines)))
    words = _fed(np.full(len(starts), ALL_BITS, np.int64), data, starts, lengths)
    pairs = _fed(_with_byte(words[:-1], ord(" ")), data, starts[1:], lengths[1:])
    ends = kinds == LINE_END
    line = np.cumsum(ends)
    whole, linked = ~ends, ~(ends[:-1] | ends[1:])
    of_words = line[whole] * buckets + (words[whole] ^ ALL_BITS) % buckets
    of_pairs = line[:-1][linked] * buckets + (pairs[linked] ^ ALL_BITS) % buckets
    keys = _distinct(np.concatenate((of_words, of_pairs)))
    return keys % buckets, keys // buckets


def _tokens(text: str) -> tuple[Bytes, Bytes, Hashes, Hashes]:
    """The text in UTF-8, and of each token its kind, where it starts there, and its length."""
    data = np.frombuffer(text.encode("utf-8"), np.uint8)
    kinds, begins = _ASCII[data & 127], np.ones(len(data), bool)
    if not text.isascii():
        kinds, begins = _kinds(text)
    # A word begins after and ends before anything else, a sign with its first and last byte.
    change = np.flatnonzero(np.diff(kinds, prepend=SPACE, append=SPACE))
    edge = np.zeros(len(data) + 1, bool)
    edge[change] = True
    edge[:-1] |= begins & (kinds >= SIGN)
    edge[1:] |= np.append(begins[1:], True) & (kinds >= SIGN)
    bounds = np.flatnonzero(edge)
    starts, stops = bounds[:-1], bounds[1:]
    real = kinds[starts] != SPACE
    starts, stops = starts[real], stops[real]
    return data, kinds[starts], starts, stops - starts


def _kinds(text: str) -> tuple[Bytes, NDArray[np.bool_]]:
    """The kind of each byte's character, and whether it is the first byte of it."""
    points = np.frombuffer(text.encode("utf-32-le"), "<u4")
    kinds = _ASCII[points & 127]
    others = points > 127
    known, places = np.unique(points[others], return_inverse=True)
    kinds[others] = np.array([_kind(chr(point)) for point in known], np.uint8)[places]
    sizes = 1 + (points > 0x7F).astype(np.int64) + (points > 0x7FF) + (points > 0xFFFF)
    begins = np.zeros(int(sizes.sum()), bool)
    begins[np.cumsum(sizes) - sizes] = True
    return np.repeat(kinds, sizes), begins


def _kind(char: str) -> int:
    """As ``TOKEN`` has it."""
    if char == "\n":
        return LINE_END
    if char.isalnum() or char == "_":
        return WORD
    return SPACE if char.isspace() else SIGN


def _fed(registers: Hashes, data: Bytes, starts: Hashes, lengths: Hashes) -> Hashes:
    """The registers of CRC-32 [n] after the bytes of n tokens."""
    registers, left, at = registers.copy(), np.arange(len(starts)), 0
    while len(left := left[lengths[left] > at]):
        registers[left] = _with_byte(registers[left], data[starts[left] + at])
        at += 1
    return registers


def _with_byte(registers: Hashes, byte: Bytes | int) -> Hashes:
    found: Hashes = _TABLE[(registers ^ byte) & 255] ^ (registers >> 8)
    return found


def _distinct(numbers: Hashes) -> Hashes:
    """As ``np.unique``, which takes ten times as long for a few hundred."""
    numbers.sort()
    first = np.ones(len(numbers), dtype=bool)
    np.not_equal(numbers[1:], numbers[:-1], out=first[1:])
    found: Hashes = numbers[first]
    return found


_ASCII = np.array([_kind(chr(code)) for code in range(128)], np.uint8)
_TABLE = np.array([zlib.crc32(bytes([byte ^ 255])) ^ 0xFF000000 for byte in range(256)], np.int64)
"""What one byte adds: zlib begins with all bits set and turns them all at the end."""
