"""Large collections without an inverted file: codes name what an exact search finds."""

import json
from pathlib import Path

import numpy as np
import pytest

from app.ports import Vectors
from app.retrieval import codes, inverted_file, vector
from app.retrieval.entries import Entry
from app.retrieval.inverted_file import DEPTH
from app.retrieval.segment import Segment, write_segment
from app.retrieval.vector import Mask
from benchmarks.vectors import _unit

FEW, MANY, DIMENSION = 50, 3_000, 32
ENTRIES = [Entry(f"p{n}", f"d{n}", "few" if n < FEW else "many") for n in range(FEW + MANY)]
NONE = np.array([], dtype=np.int64)


@pytest.fixture(scope="module")
def vectors() -> Vectors:
    """In every direction alike: no list of an inverted file holds what is near a question."""
    drawn = np.random.default_rng(4).normal(size=(FEW + MANY, DIMENSION)).astype(np.float32)
    return _unit(drawn)


@pytest.fixture
def segment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, vectors: Vectors) -> Segment:
    monkeypatch.setattr(inverted_file, "EXACT_UP_TO", 1_000)
    monkeypatch.setattr(vector, "EXACT_UP_TO", 1_000)
    folder = tmp_path / "s"
    folder.mkdir()
    write_segment(folder, ENTRIES, vectors)
    assert not (folder / inverted_file.LISTING).exists()
    return Segment(folder, [path.name for path in folder.iterdir()], "cpu")


def best(vectors: Vectors, query: Vectors, gone: set[int], k: int = DEPTH) -> list[int]:
    order = np.argsort(-(vectors[FEW:] @ query), kind="stable") + FEW
    return [int(position) for position in order if position not in gone][:k]


def test_codes_find_what_an_exact_search_finds_with_its_scores(
    tmp_path: Path, segment: Segment, vectors: Vectors
) -> None:
    (listed,) = json.loads((tmp_path / "s" / codes.LISTING).read_text()).values()
    assert listed["recall"] >= codes.LEAST_RECALL and listed["candidates"] in codes.STEPS
    shares = []
    for query in _unit(np.random.default_rng(9).normal(size=(40, DIMENSION)).astype(np.float32)):
        found = segment.search(query, ["many"], DEPTH, Mask(len(ENTRIES), NONE))
        assert len(found) == DEPTH and found == sorted(found, key=lambda hit: -hit[1])
        for position, score in found:
            assert score == pytest.approx(vectors[position] @ query, abs=1e-5)
        shares.append(np.isin(best(vectors, query, set()), [hit[0] for hit in found]).mean())
    assert np.mean(shares) >= 0.995


def test_what_does_not_count_is_not_found_however_much_of_it_is_near(
    segment: Segment, vectors: Vectors
) -> None:
    query = vectors[FEW + 7]
    near = best(vectors, query, set(), MANY)
    for gone in (near[:40:2], near[: MANY - 60], near):
        mask = Mask(len(ENTRIES), np.array(gone))
        found = [position for position, _ in segment.search(query, ["many"], DEPTH, mask)]
        assert found == best(vectors, query, set(gone))


def test_a_file_without_codes_is_damage(tmp_path: Path, segment: Segment) -> None:
    folder = tmp_path / "s"
    names = [path.name for path in folder.iterdir()]
    with pytest.raises(ValueError, match="not listed"):
        Segment(folder, [name for name in names if not name.startswith("codes-")], "cpu")
    (file,) = folder.glob("codes-*.faiss")
    file.write_bytes((folder / "vectors.faiss").read_bytes())
    with pytest.raises(ValueError, match="holds no codes"):
        Segment(folder, names, "cpu")
