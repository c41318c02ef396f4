"""Large collections: inverted files find what an exact search finds, or are not used."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from app.errors import DependencyFailed
from app.ports import Vectors
from app.retrieval import codes, inverted_file, vector
from app.retrieval.entries import Entry
from app.retrieval.inverted_file import (
    DEPTH,
    GUESSED_TIMES,
    LEAST_ASKED,
    LISTING,
    SAMPLED,
    Asked,
    never_asked,
    sampled_queries,
)
from app.retrieval.passage_index import (
    FORMAT,
    FUSION_DEPTH,
    PassageIndex,
    extend_index,
    write_index,
)
from app.retrieval.segment import RankedPositions, Segment, write_segment
from app.retrieval.vector import Mask
from benchmarks.vectors import Clustered

LARGE, SMALL, DIMENSION, PER_DOCUMENT = 3_000, 200, 32, 20
MOST_EXACT = 1_000
NONE = np.array([], dtype=np.int64)


@pytest.fixture(autouse=True)
def _small_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inverted_file, "EXACT_UP_TO", MOST_EXACT)
    monkeypatch.setattr(inverted_file, "MOST_PROBED", 1.0)  # of short lists more are needed
    monkeypatch.setattr(vector, "EXACT_UP_TO", MOST_EXACT)


@pytest.fixture
def vectors(tmp_path: Path) -> Vectors:
    """``SMALL`` of the collection "little", then ``LARGE`` of "much"."""
    return Clustered(SMALL + LARGE, DIMENSION).passages(tmp_path / "made.npy")


def entries_of(collections: Sequence[tuple[str, int]]) -> list[Entry]:
    names = [name for name, count in collections for _ in range(count)]
    return [Entry(f"p{n}", f"d{n // PER_DOCUMENT}", name) for n, name in enumerate(names)]


ENTRIES = entries_of([("little", SMALL), ("much", LARGE)])


def opened(folder: Path) -> Segment:
    return Segment(folder, [path.name for path in folder.iterdir()], "cpu")


def written(
    folder: Path, entries: Sequence[Entry], vectors: Vectors, asked: Asked = never_asked
) -> Segment:
    folder.mkdir()
    write_segment(folder, entries, vectors, asked)
    return opened(folder)


def best(vectors: Vectors, query: Vectors, allowed: Sequence[int], k: int) -> RankedPositions:
    scores = vectors[allowed] @ query
    order = np.argsort(-scores, kind="stable")[:k]
    return [(int(allowed[at]), float(scores[at])) for at in order]


def test_recall_is_measured_as_deep_as_fusion_looks() -> None:
    assert DEPTH == FUSION_DEPTH


def test_it_finds_what_an_exact_search_finds(tmp_path: Path, vectors: Vectors) -> None:
    made = Clustered(LARGE, DIMENSION, seed=9).questions(vectors[SMALL:], SAMPLED)
    segment = written(tmp_path / "s", ENTRIES, vectors, lambda _collection: made)
    (listed,) = json.loads((tmp_path / "s" / LISTING).read_text()).values()
    assert listed["probes"] <= listed["lists"] / 2 and listed["recall"] >= 0.99
    mask, within = Mask(len(ENTRIES), NONE), range(SMALL, SMALL + LARGE)
    shares = []
    for query in Clustered(LARGE, DIMENSION, seed=8).questions(vectors[SMALL:], 60):
        found = segment.search(query, ["much"], DEPTH, mask)
        wanted = dict(best(vectors, query, within, DEPTH))
        shares.append(len(dict(found).keys() & wanted.keys()) / DEPTH)
        assert len(found) == DEPTH and found == sorted(found, key=lambda hit: -hit[1])
        for position, score in found:  # scored by the kept vectors, not by 8 bits
            assert position >= SMALL and score == pytest.approx(vectors[position] @ query, abs=1e-5)
    assert np.mean(shares) >= 0.985
    ((position, score),) = segment.search(vectors[0], ["much", "little"], 1, mask)
    assert position == 0 and score == pytest.approx(1.0, abs=1e-5)


def test_what_does_not_count_is_not_found(tmp_path: Path, vectors: Vectors) -> None:
    segment = written(tmp_path / "s", ENTRIES, vectors)
    query = vectors[SMALL + 7]
    near = [position for position, _ in best(vectors, query, range(SMALL, SMALL + LARGE), 30)]
    found = segment.search(query, ["much"], DEPTH, Mask(len(ENTRIES), np.array(near[::2])))
    assert {position for position, _ in found} & set(near) == set(near[1::2])


def test_where_most_near_lists_were_removed_the_search_is_exact(
    tmp_path: Path, vectors: Vectors
) -> None:
    """A topic that was deleted: what is left lies in lists that are not looked at."""
    segment = written(tmp_path / "s", ENTRIES, vectors)
    query = vectors[SMALL + 7]
    order = [position for position, _ in best(vectors, query, range(SMALL, SMALL + LARGE), LARGE)]
    gone, left = order[: LARGE - 90], order[LARGE - 90 :]
    found = segment.search(query, ["much"], DEPTH, Mask(len(ENTRIES), np.array(gone)))
    assert [position for position, _ in found] == left[:DEPTH]
    assert segment.search(query, ["much"], DEPTH, Mask(len(ENTRIES), np.array(order))) == []


def test_without_the_recall_a_large_collection_is_searched_exactly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, vectors: Vectors
) -> None:
    monkeypatch.setattr(inverted_file, "MOST_PROBED", 0.02)  # one list of 54: never enough
    monkeypatch.setattr(codes, "LEAST_RECALL", 1.1)
    segment = written(tmp_path / "s", ENTRIES, vectors)
    assert not [*(tmp_path / "s").glob("inverted*")]
    removed = np.array([SMALL + 7, SMALL + 8])
    allowed = [n for n in range(SMALL, SMALL + LARGE) if n not in removed]
    found = segment.search(vectors[SMALL + 7], ["much"], 20, Mask(len(ENTRIES), removed))
    wanted = best(vectors, vectors[SMALL + 7], allowed, 20)
    assert [position for position, _ in found] == [position for position, _ in wanted]


def test_queries_are_passages_and_as_far_from_them_as_questions(vectors: Vectors) -> None:
    plain, disturbed = sampled_queries(vectors, never_asked("much"))
    cosines = np.sum(plain * disturbed, axis=1)
    assert np.isin(plain, vectors).all() and 0.5 < cosines.mean() < 0.7


def test_questions_that_were_asked_take_the_place_of_guessed_ones(vectors: Vectors) -> None:
    asked = np.roll(vectors, 3, axis=1)[: SAMPLED + 9]
    assert np.array_equal(sampled_queries(vectors, asked)[1], asked[:SAMPLED])
    few = asked[: LEAST_ASKED - 1]
    guessed = sampled_queries(vectors, never_asked("much"))[1]
    assert np.array_equal(sampled_queries(vectors, few)[1], guessed)


def test_as_many_lists_are_looked_at_as_the_questions_that_were_asked_need(
    tmp_path: Path, vectors: Vectors
) -> None:
    """Near passages few lists do, further away more are needed; and as nobody knows how far away
    questions are before they were asked, twice as many then."""
    names = []
    kinds = dict(zip(("near", "far"), sampled_queries(vectors, never_asked("much")), strict=True))
    kinds["guessed"] = never_asked("much")
    probes = {}
    for kind, asked in kinds.items():

        def asked_of(name: str, found: Vectors = asked) -> Vectors:
            names.append(name)
            return found

        written(tmp_path / kind, ENTRIES, vectors, asked_of)
        (listed,) = json.loads((tmp_path / kind / LISTING).read_text()).values()
        probes[kind] = listed["probes"]
    assert probes["near"] < probes["far"] == probes["guessed"] / GUESSED_TIMES
    assert set(names) == {"much"}  # nobody looks for questions of what is searched exactly


# Versions


def test_an_extension_shares_it_and_a_changed_one_is_refused(
    tmp_path: Path, vectors: Vectors
) -> None:
    texts = [("A title", f"Passage {n}.") for n in range(len(ENTRIES))]
    write_index(tmp_path / "v1", ENTRIES, texts, vectors, "test")
    base = PassageIndex(tmp_path / "v1", "cpu")
    assert base.manifest["format"] == FORMAT
    new = [Entry("new", "d20", "much")]
    added = vectors[SMALL + 200 : SMALL + 201]
    extend_index(tmp_path / "v2", base, ["d20"], new, [("A title", "New.")], added)
    index = PassageIndex(tmp_path / "v2", "cpu", like=base)
    assert index.segments[0] is base.segments[0]
    assert (tmp_path / "v2" / "0" / LISTING).samefile(tmp_path / "v1" / LISTING)
    found = [index.entry(position) for position, _ in index.dense(added[0], ["much"], DEPTH)]
    assert found[0] == new[0] and all(e.document_id != "d20" for e in found[1:])
    assert index.dense(added[0], ["little"], DEPTH, ["d0"])[0][0] < SMALL
    (file,) = (tmp_path / "v2" / "0").glob("inverted-*.faiss")
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 0xFF
    file.unlink()
    file.write_bytes(bytes(data))
    with pytest.raises(DependencyFailed, match="damaged"):
        PassageIndex(tmp_path / "v2", "cpu")


def test_a_file_that_no_manifest_lists_is_not_read(tmp_path: Path, vectors: Vectors) -> None:
    few = vectors[:SMALL]
    write_index(tmp_path / "v1", ENTRIES[:SMALL], [("", "x")] * SMALL, few, "test")
    (tmp_path / "v1" / LISTING).write_text('{"little": {"file": "elsewhere"}}')
    index = PassageIndex(tmp_path / "v1", "cpu")
    assert index.dense(few[3], ["little"], 1)[0][0] == 3


def test_versions_of_before_are_read_and_those_of_later_refused(
    tmp_path: Path, vectors: Vectors
) -> None:
    few, folder = vectors[:SMALL], tmp_path / "v1"
    write_index(folder, ENTRIES[:SMALL], [("", "x")] * SMALL, few, "test")
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["format"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    base = PassageIndex(folder, "cpu")
    assert base.dense(few[3], ["little"], 1)[0][0] == 3
    extend_index(tmp_path / "v2", base, ["d0"], [], [], few[:0])
    assert PassageIndex(tmp_path / "v2", "cpu").manifest["format"] == FORMAT
    (folder / "manifest.json").write_text(json.dumps({**manifest, "format": FORMAT + 1}))
    with pytest.raises(DependencyFailed, match="newer release"):
        PassageIndex(folder, "cpu")
