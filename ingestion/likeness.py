"""The MinHash of a document's words, by which documents with nearly the same words are found."""

import hashlib
import re
from collections.abc import Iterable
from functools import cache
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

SIZE = 128
SHINGLE = 5
LEAST_WORDS = 20
AT_ONCE = 2048
MOST_WORDS = 200_000
WORD = re.compile(r"\w+")
Hashes = NDArray[np.uint32]


def signature_of(text: str) -> bytes | None:
    """128 numbers of 32 bits, little-endian; None for a text of few words.

    The share of numbers that two signatures have in common is near the share of runs of five
    words that the texts have in common (Broder 1997). The numbers are those of datasketch's
    MinHash (2.0, "affine32"), whose import takes longer than to read hundreds of documents.
    """
    words = _words(text)[:MOST_WORDS]
    if len(words) < LEAST_WORDS:
        return None
    hashes = _mixed(_hashes(_runs(words)))
    factors, summands = _permutations()
    least = np.full(SIZE, 0xFFFFFFFF, np.uint32)
    for first in range(0, len(hashes), AT_ONCE):
        some = hashes[first : first + AT_ONCE]
        least = np.minimum(least, (factors[:, None] * some + summands[:, None]).min(axis=1))
    signature: bytes = least.astype("<u4").tobytes()
    return signature


def _words(text: str) -> list[str]:
    if text.isascii():
        return WORD.findall(text.lower())
    return [word.casefold() for word in WORD.findall(text)]


def _runs(words: list[str]) -> set[bytes]:
    """Each five words that follow each other, with spaces between: cut out of one text of them."""
    text = " ".join(words).encode()
    lengths = map(len, words) if text.isascii() else (len(word.encode()) for word in words)
    starts = [0, *accumulate(length + 1 for length in lengths)]
    return {text[start : end - 1] for start, end in zip(starts, starts[SHINGLE:], strict=False)}


def _hashes(runs: Iterable[bytes]) -> Hashes:
    """The first 32 bits of the SHA-1 of each."""
    sha1 = hashlib.sha1
    digests = b"".join([sha1(run, usedforsecurity=False).digest() for run in runs])
    return np.frombuffer(digests, "<u4")[::5].astype(np.uint32)


def _mixed(hashes: Hashes) -> Hashes:
    """MurmurHash3's finalizer: neighbouring hashes become far ones, and no two the same."""
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        hashes = (hashes ^ (hashes >> np.uint32(shift))) * np.uint32(factor)
    return hashes ^ (hashes >> np.uint32(16))


@cache
def _permutations() -> tuple[Hashes, Hashes]:
    """h becomes a h + b modulo 2^32; with an odd a no two become the same."""
    pick = np.random.RandomState(1)  # whose numbers never change
    factors = pick.randint(0, 1 << 31, SIZE, dtype=np.uint32) * np.uint32(2) + np.uint32(1)
    return factors, pick.randint(0, 1 << 32, SIZE, dtype=np.uint32)
