"""Countersign under the same comparison: the whole service in one process, with all its checks,
its gate and its records, over the same passages."""

import hashlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import groupby
from pathlib import Path

from app.access.principals import LOCAL
from app.answering.answerer import Ask
from app.corpus.passages import NewPassage
from app.settings import Settings
from app.wiring import Services, open_services
from benchmarks.peers.talk import Answer, Task, serve
from countersign import __version__
from guardrails.policy.redecide import OUTCOMES
from ingestion.indexing import IndexBuilder
from ingestion.stages import embedding_text

ANSWERED = frozenset(OUTCOMES.values()) - {"blocked"}
"""Statuses of an answer that was drafted; a held one waits for its reviewer."""


def build_in(folder: Path, task: Task) -> tuple[Services, Answer]:
    """The service over a store in ``folder`` with the passages; each title is a document."""
    services = open_services(
        Settings(
            data_dir=folder,
            database_url="",
            questions_per_minute=10**9,
            rerank_passages=task.read,
            audit_share=0,
        )
    )
    services.warm_up()
    for title, rows in _documents(task.passages):
        _store(services, title, rows)
    settings = services.settings
    name, index_dir = services.embedder.name, settings.index_dir
    IndexBuilder(services.corpus, name, index_dir, keep=3, device="cpu").build_and_promote()

    def answer(question: str) -> str:
        status = services.answerer.answer(LOCAL, Ask(question)).status
        return status if status in ANSWERED else ""

    return services, answer


def _documents(
    passages: Sequence[Mapping[str, str]],
) -> Iterator[tuple[str, list[Mapping[str, str]]]]:
    for title, rows in groupby(passages, key=lambda row: row["title"]):
        yield title, list(rows)


def _store(services: Services, title: str, rows: Sequence[Mapping[str, str]]) -> None:
    source = rows[0]["id"]
    digest = hashlib.sha256(source.encode()).hexdigest()
    texts = [row["text"] for row in rows]
    vectors = services.embedder.embed([embedding_text(title, text) for text in texts])
    added = services.corpus.documents.add("main", source, f"/made/{source}", digest)
    services.corpus.documents.save(
        added.document_id,
        digest,
        title=title,
        media_type="text/plain",
        embedder=services.embedder.name,
        passages=[
            NewPassage(text, 0, len(text), None, vector)
            for text, vector in zip(texts, vectors, strict=True)
        ],
    )


if __name__ == "__main__":
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))

        def built(task: Task) -> Answer:
            services, answer = build_in(folder, task)
            stack.callback(services.close)
            return answer

        serve(built, __version__)
