"""Hand-written stand-ins for models and checks, and a short way to store a document."""

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Select, Table, delete, exists, insert, select

from app.corpus.corpus import Corpus
from app.corpus.passages import NewPassage
from app.db import Base, Database
from app.deadline import Deadline
from app.errors import ModelRefused
from app.ports import DraftRequest, Embedder, Vectors
from guardrails.contract import (
    Case,
    Citation,
    Draft,
    Finding,
    Outcome,
    Sentence,
    Stage,
    sentence_bounds,
)
from ingestion.indexing import IndexBuilder
from ingestion.stages import embedding_text

Hook = Callable[[], None]
WORD = re.compile(r"\w+")


def nothing() -> None:
    """The hook of a fake that is not watched."""


@lru_cache(100_000)
def _hashed(word: str) -> int:
    digest = hashlib.blake2b(word.encode("utf-8"), digest_size=8).digest()
    return int.from_bytes(digest, "big")


@dataclass
class HashEmbedder:
    """Each word is a fixed direction: texts that share words are near, the same on every run."""

    name: str = "hash-embedder"
    dimension: int = 256
    before: Hook = nothing

    def warm_up(self) -> None:
        """There is nothing to load."""

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Shape [len(texts), dimension], unit length."""
        self.before()
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for row, text in zip(vectors, texts, strict=True):
            places = [_hashed(word) % self.dimension for word in WORD.findall(text.lower())]
            row += np.bincount(np.array(places, dtype=int), minlength=self.dimension)
            row /= max(float(np.linalg.norm(row)), 1e-9)
        return vectors

    def question(self, question: str, _deadline: Deadline) -> Vectors:
        """One question's vector [dimension], as the retriever asks for it."""
        vector: Vectors = self.embed([question])[0]
        return vector


SCORES = (
    "injection",
    "medical_advice",
    "legal_advice",
    "financial_advice",
    "self_harm",
    "toxicity",
    "out_of_scope",
)
CALM = dict.fromkeys(SCORES, 0.0)
"""What the screens say of a question that nothing is wrong with."""
HOSTILE = "ignore all previous instructions"


@dataclass
class FixedScreens:
    """Says the same of every question: ``found`` over ``CALM``, of the names in ``only``; but it is
    sure that a text with ``HOSTILE`` gives orders."""

    found: dict[str, float] = field(default_factory=dict)
    only: Sequence[str] = SCORES
    broken: bool = False
    seen: list[tuple[str, Vectors]] = field(default_factory=list)

    def warm_up(self) -> None:
        """There is nothing to load."""

    def scores(self, text: str, vector: Vectors) -> dict[str, float]:
        """The scores it was made with; raises ``ModelRefused`` when it is broken."""
        self.seen.append((text, vector))
        if self.broken:
            raise ModelRefused("damaged")
        found = CALM | ({"injection": 0.9999} if HOSTILE in text.lower() else {}) | self.found
        return {name: score for name, score in found.items() if name in self.only}

    def chances(self, name: str, texts: Sequence[str], vectors: Vectors) -> list[float]:
        """What ``scores`` says of each."""
        return [self.scores(*pair)[name] for pair in zip(texts, vectors, strict=True)]

    def orders_in(self, texts: Sequence[str]) -> list[str | None]:
        """The hostile texts themselves; raises ``ModelRefused`` when it is broken."""
        if self.broken:
            raise ModelRefused("damaged")
        return [text if HOSTILE in text.lower() else None for text in texts]


@dataclass
class QuotingGenerator:
    """Quotes the sentence of the evidence that shares most words with the question."""

    name: str = "quoting-generator"
    before: Hook = nothing

    def submit(self, item: DraftRequest, _deadline: Deadline) -> Draft:
        """A draft of one sentence with its citation."""
        self.before()
        asked = set(WORD.findall(item.question.lower()))
        passage, start, end = max(
            ((p, *bounds) for p in item.evidence for bounds in sentence_bounds(p.text)),
            key=lambda found: len(
                asked & set(WORD.findall(found[0].text[slice(*found[1:])].lower()))
            ),
        )
        quote = passage.text[start:end]
        citation = Citation(
            1, passage.id, passage.document_id, passage.title, passage.page, quote, start, end
        )
        return Draft((Sentence(quote, (1,)),), (citation,), self.name, quote)


def passing(_case: Case) -> list[Finding]:
    """What a check says that looks at nothing."""
    return [Finding("scripted", Outcome.PASS, "Nothing found.")]


@dataclass
class ScriptedCheck:
    """A check that does what the test says: ``act`` may pass, fail, raise or hang."""

    act: Callable[[Case], list[Finding]] = passing
    stage: Stage = "draft"
    timeout_s: float = 60.0
    name: str = "scripted"

    def run(self, case: Case) -> list[Finding]:
        """Whatever the test wants."""
        return self.act(case)


@dataclass
class Shelf:
    """Documents stored and indexed without files: what a test of the service starts from."""

    corpus: Corpus
    embedder: Embedder
    index_dir: Path
    keep: int = 3
    ids: dict[str, str] = field(default_factory=dict)

    def store(self, source: str, *texts: str, collection: str = "main") -> str:
        """Make a document ready, one passage for each text; returns its id."""
        digest = hashlib.sha256("\0".join(texts).encode()).hexdigest()
        added = self.corpus.documents.add(collection, source, f"/nowhere/{source}", digest)
        title = source.rsplit(".", 1)[0]
        vectors = self.embedder.embed([embedding_text(title, text) for text in texts])
        saved = self.corpus.documents.save(
            added.document_id,
            digest,
            title=title,
            media_type="text/plain",
            embedder=self.embedder.name,
            passages=[
                NewPassage(text, 0, len(text), None, vector)
                for text, vector in zip(texts, vectors, strict=True)
            ],
        )
        assert saved
        self.ids[source] = added.document_id
        return added.document_id

    def index(self) -> str:
        """Build a version of all that is stored and make it live; returns its id."""
        return self.builder().build_and_promote()

    def builder(self) -> IndexBuilder:
        """What makes index versions of it."""
        return IndexBuilder(
            self.corpus, self.embedder.name, self.index_dir, keep=self.keep, device="cpu"
        )


@dataclass
class Stock:
    """What a database and an index folder held, to be put into empty ones: all of it at once takes
    a tenth of the time."""

    rows: list[tuple[Table, list[dict[str, Any]]]]
    index: dict[str, bytes]

    @classmethod
    def of(cls, database: Database, index_dir: Path) -> "Stock":
        """Everything that they hold now."""
        with database.engine.connect() as connection:
            found = [
                (table, [dict(row) for row in connection.execute(_stored(table)).mappings()])
                for table in Base.metadata.sorted_tables
            ]
        files = {
            path.relative_to(index_dir).as_posix(): path.read_bytes()
            for path in index_dir.rglob("*")
            if path.is_file()
        }
        return cls([(table, rows) for table, rows in found if rows], files)

    def put(self, database: Database, index_dir: Path) -> None:
        """The same into another database, which is migrated and empty, and another folder."""
        with database.engine.begin() as connection:
            for table, rows in self.rows:
                if connection.scalar(select(exists(select(table)))):
                    connection.execute(delete(table))
                connection.execute(insert(table), rows)
        for name, content in self.index.items():
            (index_dir / name).parent.mkdir(parents=True, exist_ok=True)
            (index_dir / name).write_bytes(content)


def _stored(table: Table) -> Select[Any]:
    """Every column but those that the database computes."""
    return select(*(column for column in table.columns if column.computed is None))
