"""The words of texts, and each two that follow each other, as numbers: CRC-32 in so many buckets.

Many lines are read at once in arrays. Of one short text that would take longer than a loop.
"""

import re
import zlib
from collections.abc import Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from guardrails.checks.wording import folded

TOKEN = re.compile(r"\w+|[^\w\s]")
MAX_TOKENS = 4000
"""Of a longer text the first and last halves of this are read: an order may stand at the end."""
ALL_BITS = 0xFFFFFFFF
MOST_KNOWN, LONGEST_KNOWN = 50_000, 40
LONGEST_STEP = 32
"""Bytes by which a CRC is moved on at once; few words have more."""
Hashes = NDArray[np.int64]


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
    prints = folded("\n".join(lines)).replace("\n", " \n ").split(" ")
    known = np.fromiter(chain.from_iterable(map(_known.__getitem__, prints)), np.int64)
    ends = known == LINE_END
    line = np.cumsum(ends)
    whole, linked = ~ends, ~(ends[:-1] | ends[1:])
    pairs = _pairs(known[:-1][linked], known[1:][linked])
    sums = np.concatenate((known[whole] & ALL_BITS, pairs))
    lines_of = np.concatenate((line[whole], line[:-1][linked]))
    # NumPy divides by one number many times as fast as it finds remainders.
    keys = _distinct(sums + (lines_of - sums // buckets) * buckets)
    found = keys // buckets
    return keys - found * buckets, found


class _Known(dict[str, tuple[int, ...]]):
    """Of what stands between spaces the CRC-32 of each token, and above its 32 bits the token's
    length in bytes: most of a text was seen before, in it or in another."""

    def __missing__(self, text: str) -> tuple[int, ...]:
        tokens = [token.encode("utf-8") for token in TOKEN.findall(text)]
        found = tuple(zlib.crc32(token) | len(token) << 32 for token in tokens)
        if len(self) > MOST_KNOWN:
            self.clear()
            self["\n"] = (LINE_END,)
        if len(text) <= LONGEST_KNOWN:
            self[text] = found
        return found


LINE_END = -1
_known = _Known({"\n": (LINE_END,)})


def _pairs(first: Hashes, second: Hashes) -> Hashes:
    """The CRC-32 of each two words with a space between, from what is known of the two.

    That of two texts together is that of the first, moved on by the bytes of the second, and that
    of the second (as zlib's ``crc32_combine``).
    """
    spaced = _with_byte(first & ALL_BITS ^ ALL_BITS, ord(" ")) ^ ALL_BITS
    return _moved(spaced, second >> 32) ^ second & ALL_BITS


def _moved(sums: Hashes, by: Hashes) -> Hashes:
    """CRC-32 sums as so many bytes of zero would leave their registers."""
    while len(by) and by.max() > LONGEST_STEP:
        sums = _moved(sums, np.minimum(by, LONGEST_STEP))
        by = np.maximum(by - LONGEST_STEP, 0)
    row, found = by << 10, np.zeros(len(sums), np.int64)
    for place in range(4):
        found ^= _MOVED.take(row + (place << 8) + (sums >> 8 * place & 255))
    return found


def _with_byte(registers: Hashes, byte: int) -> Hashes:
    found: Hashes = _TABLE[(registers ^ byte) & 255] ^ (registers >> 8)
    return found


def _distinct(numbers: Hashes) -> Hashes:
    """As ``np.unique``, which takes ten times as long for a few hundred."""
    numbers.sort()
    first = np.ones(len(numbers), dtype=bool)
    np.not_equal(numbers[1:], numbers[:-1], out=first[1:])
    found: Hashes = numbers[first]
    return found


def _steps() -> Hashes:
    """What becomes of each byte of a register, [bytes of zero, place of the byte, its value] in one
    row."""
    steps = [np.arange(256) << np.array([[0], [8], [16], [24]])]
    for _ in range(LONGEST_STEP):
        steps.append(_with_byte(steps[-1], 0))
    return np.stack(steps).ravel()


_TABLE = np.array([zlib.crc32(bytes([byte ^ 255])) ^ 0xFF000000 for byte in range(256)], np.int64)
"""What one byte adds: zlib begins with all bits set and turns them all at the end."""
_MOVED = _steps()
