"""The MinHash of a document's words, by which documents with nearly the same words are found."""

import re

SIZE = 128
SHINGLE = 5
LEAST_WORDS = 20
AT_ONCE = 4096
MOST_WORDS = 200_000
WORD = re.compile(r"\w+")


def signature_of(text: str) -> bytes | None:
    """128 numbers of 32 bits, little-endian; None for a text of few words.

    The share of numbers that two signatures have in common is near the share of runs of five
    words that the texts have in common (Broder 1997).
    """
    words = [found[0].casefold() for found in WORD.finditer(text)][:MOST_WORDS]
    if len(words) < LEAST_WORDS:
        return None
    # Here: the import takes as long as the reading of a document.
    from datasketch import MinHash

    count = len(words) - SHINGLE + 1
    shingles = sorted({" ".join(words[at : at + SHINGLE]).encode() for at in range(count)})
    minhash = MinHash(num_perm=SIZE, scheme="affine32")
    for first in range(0, len(shingles), AT_ONCE):
        minhash.update_batch(shingles[first : first + AT_ONCE])
    signature: bytes = minhash.hashvalues.astype("<u4").tobytes()
    return signature
