"""Index versions: search, scope, deletions, fusion and damage."""

import json
import re
import tracemalloc
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest

from app.errors import DependencyFailed
from app.files import sha256_file
from app.ports import Vectors
from app.retrieval import vector
from app.retrieval.entries import Entry, collection_ranges
from app.retrieval.passage_index import (
    PassageIndex,
    extend_index,
    fuse,
    write_index,
)
from app.retrieval.segment import Segment, write_segment

TEXTS = [
    ("Home", "The excess for storm damage is 250 pounds."),
    ("Home", "Burst pipes are covered when the heating is on."),
    ("Travel", "A lost passport is covered up to 500 pounds."),
    ("Secret", "Storm reserve figures of the finance team."),
]
ENTRIES = [
    Entry("p0", "home", "public"),
    Entry("p1", "home", "public"),
    Entry("p2", "travel", "public"),
    Entry("p3", "finance", "secret"),
]


def unit_vectors(count: int, dimension: int = 16) -> Vectors:
    vectors = np.random.default_rng(5).normal(size=(count, dimension)).astype(np.float32)
    unit: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


@pytest.fixture
def index(tmp_path: Path) -> PassageIndex:
    write_index(tmp_path / "v1", ENTRIES, TEXTS, unit_vectors(4), "test")
    return PassageIndex(tmp_path / "v1")


def test_dense_search_is_exact_and_stays_in_scope(index: PassageIndex) -> None:
    vectors = unit_vectors(4)
    for position in range(4):
        found = index.dense(vectors[position], ["public", "secret"], 4)
        expected = np.argsort(-(vectors @ vectors[position]))
        assert [p for p, _ in found] == expected.tolist()
        assert found[0][1] == pytest.approx(1.0, abs=1e-5)
    assert {p for p, _ in index.dense(vectors[3], ["public"], 10)} == {0, 1, 2}
    assert index.dense(vectors[0], [], 10) == []
    assert index.dense(vectors[0], ["nothing"], 10) == []


def test_each_position_has_its_passage(index: PassageIndex) -> None:
    assert [index.entry(position) for position in range(index.positions)] == ENTRIES
    assert index.positions_of(["finance", "nobody", "home"]) == [3, 0, 1]
    assert index.holding(["nobody", "a name longer than any here", "travel"]) == ["travel"]


def test_one_question_is_searched_on_one_thread(
    index: PassageIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Threads that wait for each other cost three times the CPU of the search."""
    search, seen = vector._search, list[int]()

    def watched(*arguments: Any) -> vector.Hits:
        seen.append(faiss.omp_get_max_threads())
        return search(*arguments)

    monkeypatch.setattr(vector, "_search", watched)
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(2)
    try:
        assert index.dense(unit_vectors(1)[0], ["public"], 2)
        assert (set(seen), faiss.omp_get_max_threads()) == ({1}, 2)
    finally:
        faiss.omp_set_num_threads(before)


def test_lexical_search_stems_and_stays_in_scope(index: PassageIndex) -> None:
    assert [p for p, _ in index.lexical("storms", ["public", "secret"], 4)] in ([0, 3], [3, 0])
    assert [p for p, _ in index.lexical("storms", ["public"], 4)] == [0]
    assert index.lexical("storm", [], 4) == []
    assert [p for p, _ in index.lexical("passports", ["public"], 4)] == [2]


@pytest.mark.parametrize(
    "question",
    [
        "",
        "???",
        'title:"x" AND (',
        "text:* OR -a",
        "\\ ^ ~ [ }",
        "-storm",
        "storm AND (",
        "storm*~2",
    ],
)
def test_query_syntax_in_a_question_is_only_text(index: PassageIndex, question: str) -> None:
    words = " ".join(re.findall(r"\w+", question))
    assert index.lexical(question, ["public"], 4) == index.lexical(words, ["public"], 4)


@pytest.mark.parametrize(
    "question",
    [
        "storm damage",
        "Storm, storm AND a burst pipe OR not?",
        "x" * 50 + " passports",
        "of the",
        "A storm in storms of passport_s",
        "pipe pipes",
        "?",
    ],
)
def test_all_collections_are_searched_with_the_scores_of_some(
    index: PassageIndex, question: str
) -> None:
    wanted = ["public", "secret"]
    plain = index.lexical(question, wanted, 9)
    within = index.lexical(question, [*wanted, "another"], 9, (), [("?", 1.0)])
    assert dict(plain) == pytest.approx(dict(within))
    assert [score for _, score in plain] == sorted((s for _, s in plain), reverse=True)


def test_the_collection_does_not_change_a_lexical_score(index: PassageIndex) -> None:
    alone = dict(index.lexical("storm", ["public"], 4))
    both = dict(index.lexical("storm", ["public", "secret"], 4))
    assert alone[0] == pytest.approx(both[0])


def test_deleted_documents_are_not_found(index: PassageIndex) -> None:
    vectors = unit_vectors(4)
    assert {p for p, _ in index.dense(vectors[0], ["public"], 10, ["home"])} == {2}
    assert index.lexical("storm", ["public"], 10, ["home"]) == []


def test_fusion_prefers_what_both_searches_found() -> None:
    fused = fuse([[(1, 0.9), (2, 0.8)], [(3, 12.0), (2, 11.0)]])
    assert fused[0][0] == 2
    assert {p for p, _ in fused} == {1, 2, 3}
    assert fuse([]) == []


def test_a_split_collection_is_refused() -> None:
    with pytest.raises(ValueError, match="contiguous"):
        collection_ranges([ENTRIES[0], ENTRIES[3], ENTRIES[1]])


@pytest.mark.parametrize("name", ["vectors.faiss", "passages.npy", "manifest.json"])
def test_a_damaged_version_is_refused(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "v1"
    write_index(folder, ENTRIES, TEXTS, unit_vectors(4), "test")
    PassageIndex(folder)
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 0xFF
    (folder / name).write_bytes(bytes(data))
    with pytest.raises(DependencyFailed):
        PassageIndex(folder)


def test_vectors_of_another_form_are_refused(tmp_path: Path) -> None:
    folder, vectors = tmp_path / "v1", unit_vectors(4)
    write_index(folder, ENTRIES, TEXTS, vectors, "test")
    coded = faiss.IndexScalarQuantizer(16, faiss.ScalarQuantizer.QT_8bit)
    coded.train(vectors)
    coded.add(vectors)
    faiss.write_index(coded, str(folder / "vectors.faiss"))
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["vectors.faiss"] = sha256_file(folder / "vectors.faiss")
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(DependencyFailed, match="cannot be opened"):
        PassageIndex(folder)


def test_vectors_of_another_dimension_are_refused(tmp_path: Path) -> None:
    """As long as nobody asked, a version would look sound whose first question fails."""
    folder = tmp_path / "v1"
    write_index(folder, ENTRIES, TEXTS, unit_vectors(4), "test")
    other = faiss.IndexFlatIP(3)
    other.add(unit_vectors(4, 3))
    faiss.write_index(other, str(folder / "vectors.faiss"))
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    manifest["files"]["vectors.faiss"] = sha256_file(folder / "vectors.faiss")
    (folder / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    with pytest.raises(DependencyFailed):
        PassageIndex(folder)


def test_the_best_products_are_those_of_a_comparison_with_all() -> None:
    vectors = unit_vectors(300)
    queries = vectors[::30] + np.float32(0.25) * unit_vectors(10)
    assert vector.best_products(queries, vectors) == pytest.approx((queries @ vectors.T).max(1))


def test_a_version_of_the_release_before_is_read_and_extended(tmp_path: Path) -> None:
    vectors, folder = unit_vectors(5), tmp_path / "v1"
    write_index(folder, ENTRIES, TEXTS, vectors[:4], "test")
    for path in (*folder.glob("*.npy"), folder / "collections.json"):
        path.unlink()
    listed = {path: sha256_file(folder / path) for path in ("vectors.faiss", "passages.json")}
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, "files": listed}))
    base = PassageIndex(folder)
    assert [base.entry(position) for position in range(4)] == ENTRIES
    new = [Entry("p4", "home", "public")]
    extend_index(tmp_path / "v2", base, ["home"], new, [("Home", "Pipes.")], vectors[4:])
    both = PassageIndex(tmp_path / "v2")
    found = [both.entry(at) for at, _ in both.dense(vectors[4], ["public", "secret"], 9)]
    assert found[0] == new[0] and {*found[1:]} == {ENTRIES[2], ENTRIES[3]}


def test_to_load_a_segment_makes_nothing_for_each_passage(tmp_path: Path) -> None:
    """Whoever asks meanwhile would wait for it."""
    count = 20_000
    entries = [Entry(f"p{n:031}", f"d{n // 9:031}", "main") for n in range(count)]
    write_segment(tmp_path, entries, unit_vectors(count, 2))
    files = [path.name for path in tmp_path.iterdir()]
    peaks = []
    for _ in range(3):  # other threads may make something meanwhile
        tracemalloc.start()
        try:
            segment = Segment(tmp_path, files, "cpu")
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert min(peaks) < 20 * count
    assert segment.entries[count - 1] == entries[-1]
    assert segment.positions_of([entries[9].document_id, "none"]) == [*range(9, 18)]
    assert segment.entries.naming({entries[7].passage_id, "none"}) == {entries[7].passage_id}


@pytest.mark.parametrize("name", ["passages.npy", "documents.npy", "belongs.npy"])
def test_passages_that_do_not_fit_their_documents_are_refused(tmp_path: Path, name: str) -> None:
    write_segment(tmp_path, ENTRIES, unit_vectors(4))
    np.save(tmp_path / name, np.load(tmp_path / name)[:2])
    with pytest.raises(ValueError, match=r"number|no document"):
        Segment(tmp_path, [path.name for path in tmp_path.iterdir()], "cpu")
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(ValueError, match="empty"):
        Segment(tmp_path, [path.name for path in tmp_path.iterdir()], "cpu")


def test_words_of_earlier_questions_count_by_their_weight(index: PassageIndex) -> None:
    alone = index.lexical("passport", ["public"], 4)
    assert [p for p, _ in alone] == [2]
    little = index.lexical("passport", ["public"], 4, (), [("burst pipes heating", 0.1)])
    much = index.lexical("passport", ["public"], 4, (), [("burst pipes heating", 3.0)])
    assert [p for p, _ in little] == [2, 1] and [p for p, _ in much] == [1, 2]
    assert dict(little)[2] == pytest.approx(dict(alone)[2])
    assert index.lexical("?", ["public"], 4, (), [("?", 1.0)]) == []
    only = index.lexical("?", ["public"], 4, ["home"], [("burst pipes passport", 0.5)])
    assert [p for p, _ in only] == [2]
