"""The MinHash of a document's words."""

import random

import pytest
from datasketch import MinHash

from ingestion.likeness import LEAST_WORDS, SHINGLE, SIZE, signature_of


@pytest.mark.parametrize("count", [LEAST_WORDS, 300, 6000])
def test_it_is_datasketchs_minhash_of_runs_of_five_words(count: int) -> None:
    pick = random.Random(count)
    names = ("Straße", "ab", "Çava", "x")
    words = [f"{pick.choice(names)}{pick.randint(0, 40)}" for _ in range(count)]
    folded = [word.casefold() for word in words]
    known = MinHash(num_perm=SIZE, scheme="affine32")
    text = ", ".join(words)
    known.update_batch(
        " ".join(folded[at : at + SHINGLE]).encode() for at in range(len(folded) - SHINGLE + 1)
    )
    assert signature_of(text) == known.hashvalues.astype("<u4").tobytes()
    assert signature_of(text.lower()) == signature_of(text)


def test_few_words_have_none() -> None:
    assert signature_of("word " * (LEAST_WORDS - 1)) is None
