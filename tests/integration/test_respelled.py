"""A question with a slip of typing is searched for and read as it was meant."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from app.backends import is_word
from app.db import Database
from app.deadline import Deadline
from app.ports import Reading, Vectors
from app.retrieval.respelling import Respelling
from app.retrieval.retriever import Found, Rerank, Retriever
from guardrails.contract import Passage
from tests.conftest import on_sqlite
from tests.integration.test_answering import Desk

pytestmark = on_sqlite


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> Desk:
    made = Desk(database, tmp_path)
    made.stock()
    return made


def found(desk: Desk, question: str, read_as: list[str], scope: str = "main") -> Found:
    """What a search finds; ``read_as`` gets each question that passages were read with."""

    def embed(text: str, _deadline: Deadline) -> Vectors:
        vector: Vectors = desk.embedder.embed([text])[0]
        return vector

    def read(asked: str, passages: Sequence[Passage], _deadline: Deadline) -> list[Reading]:
        read_as.append(asked)
        return [Reading(0.0, None) for _ in passages]

    folder, name = desk.settings.index_dir, desk.embedder.name
    respelling = Respelling(is_word)
    retriever = Retriever(desk.corpus, embed, name, folder, "cpu", Rerank(read, 8), respelling)
    return retriever.retrieve(question, [scope], 5, Deadline(60))


def test_a_slip_is_read_as_the_word_of_the_passages(desk: Desk) -> None:
    read_as: list[str] = []
    meant = "what must be made for the damage within 30 days"
    result = found(desk, "what must be made for the damgae within 30 days", read_as)
    assert (result.respelled, read_as) == (meant, [meant])
    plain = found(desk, meant, read_as)
    assert plain.respelled == "" and read_as[-1] == meant
    assert [hit.passage.id for hit in result.hits] == [hit.passage.id for hit in plain.hits]


def test_words_of_other_collections_mend_nothing(desk: Desk) -> None:
    read_as: list[str] = []
    asked = "who is the directtor here"
    assert found(desk, asked, read_as).respelled == "" and read_as == [asked]
    assert found(desk, asked, read_as, "board").respelled == "who is the director here"
