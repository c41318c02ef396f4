"""The benchmark of ingestion: what it chooses, what it computes, and that it runs."""

import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.errors import DependencyFailed, Invalid
from benchmarks import embedding, ingest
from benchmarks.ingest import compared, measure_ingest
from benchmarks.peers.ingest_ours import SameVector, _cpu_s
from benchmarks.peers.ingest_talk import TimedEmbedder
from guardrails.contract import Passage

OURS: dict[str, Any] = {
    "version": "1",
    "documents": 10,
    "passages": 40,
    "stages": {"embed": 1.0, "extract": 0.5},
    "seconds": 2.0,
    "cpu_s": 3.0,
    "peak_rss_mb": 300.0,
}


def test_ratios_are_of_what_each_document_costs() -> None:
    peer = OURS | {"documents": 5, "passages": 30, "seconds": 4.0, "cpu_s": 4.5}
    found = compared(OURS, peer | {"stages": {"embed": 3.0}}, 10, 12)
    assert (found["ratio"], found["cpu_ratio"]) == (4.0, 3.0)
    assert found["ratio_without_embedding"] == 2.0
    assert (found["documents_s"], found["peer_documents_s"]) == (5.0, 1.25)
    assert (found["pages_s"], found["passages_s"], found["peer_passages_s"]) == (6.0, 20.0, 7.5)
    assert compared(OURS, None, 10, 12)["ratio"] is None


def test_without_an_embedder_both_sides_get_one_vector_for_all_texts() -> None:
    theirs = TimedEmbedder(None)
    vectors = np.array(theirs.embed(["a", "b"]), np.float32)
    assert (vectors == SameVector().embed(["a", "b"])).all() and theirs.seconds == 0.0
    assert np.linalg.norm(vectors, axis=1).tolist() == [1.0, 1.0]
    found = compared(OURS | {"stages": {}}, OURS | {"stages": {}, "seconds": 1.0}, 10, 12)
    assert found["ratio"] == found["ratio_without_embedding"] == 0.5


@pytest.mark.skipif(sys.platform != "linux", reason="the clock of another process")
def test_what_another_process_has_used_is_known() -> None:
    began = time.process_time()
    assert began <= _cpu_s(os.getpid()) <= time.process_time()


def test_files_are_taken_evenly_and_made_ones_are_the_same_each_time(tmp_path: Path) -> None:
    first, again = (ingest._made(tmp_path / name, 5) for name in ("a", "b"))
    pages = [[page.read_bytes() for page in sorted(folder.iterdir())] for folder in (first, again)]
    assert pages[0] == pages[1]
    assert len(set(pages[0])) == 5
    (first / "left-out.xlsx").write_bytes(b"PK")
    chosen = [file.name for file in ingest._chosen(first, 3)]
    assert chosen == ["page-0000.html", "page-0002.html", "page-0004.html"]


def test_what_cannot_be_measured_is_a_coded_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Invalid):
        measure_ingest("nobody")
    with pytest.raises(Invalid):
        measure_ingest(None, tmp_path)
    monkeypatch.setattr(ingest, "OURS", "benchmarks.peers.none")
    with pytest.raises(DependencyFailed):
        measure_ingest(None, limit=1)
    with pytest.raises(DependencyFailed):
        embedding.measure_embedding(tmp_path, tmp_path, tmp_path / "nothing")


def test_embedding_asks_what_has_evidence_and_ranks_documents_by_their_nearest_passage() -> None:
    rows: list[dict[str, Any]] = [
        {"question": "a?", "evidence_doc_ids": ["1", "9"]},
        {"question": "b?", "evidence_doc_ids": [2]},
        {"question": "c?", "evidence_doc_ids": ["9"]},
        {"question": "d?"},
    ]
    assert embedding._asked(rows, {"1", "2"}) == (["a?", "b?"], [{"1"}, {"2"}])
    with pytest.raises(Invalid):
        embedding._asked(rows, {"3"})
    passages = [Passage(str(at), f"d{at // 2}", "main", "", "", 0, 0) for at in range(4)]
    vectors, asked = np.eye(4, dtype=np.float32), np.array([[0.1, 0.2, 0.3, 0.9]], np.float32)
    assert embedding._rankings(passages, vectors, asked) == [["d1", "d0"]]
