"""Haystack: its converters, cleaner, splitter and writer, in a pipeline of its own."""

from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from typing import Any

from benchmarks.peers.ingest_talk import PASSAGE_WORDS, Ingested, IngestTask, TimedEmbedder, run

KINDS = {"html": "text/html", "pdf": "application/pdf", "text": "text/plain"}


def prepare(task: IngestTask) -> Callable[[], Ingested]:
    """A pipeline over an empty document store."""
    from haystack import Document, Pipeline, component
    from haystack.components.converters import HTMLToDocument, PyPDFToDocument, TextFileToDocument
    from haystack.components.joiners import DocumentJoiner
    from haystack.components.preprocessors import DocumentCleaner, DocumentSplitter
    from haystack.components.routers import FileTypeRouter
    from haystack.components.writers import DocumentWriter
    from haystack.document_stores.in_memory import InMemoryDocumentStore
    from haystack.document_stores.types import DuplicatePolicy

    embedder, store = TimedEmbedder(task.embedder), InMemoryDocumentStore()
    embedder.embed(["warm"])
    embedder.seconds = 0.0

    @component
    class Embed:
        @component.output_types(documents=list[Document])  # type: ignore[untyped-decorator]
        def run(self, documents: list[Document]) -> dict[str, Any]:
            vectors = embedder.embed([one.content or "" for one in documents])
            pairs = zip(documents, vectors, strict=True)
            return {"documents": [replace(one, embedding=vector) for one, vector in pairs]}

    pipeline = Pipeline()
    pipeline.add_component("route", FileTypeRouter(mime_types=list(KINDS.values())))
    pipeline.add_component("join", DocumentJoiner())
    for kind, converter in (
        ("html", HTMLToDocument()),
        ("pdf", PyPDFToDocument()),
        ("text", TextFileToDocument()),
    ):
        pipeline.add_component(kind, converter)
        pipeline.connect(f"route.{KINDS[kind]}", f"{kind}.sources")
        pipeline.connect(f"{kind}.documents", "join.documents")
    pipeline.add_component("clean", DocumentCleaner())
    splitter = DocumentSplitter(split_by="word", split_length=PASSAGE_WORDS, split_overlap=0)
    pipeline.add_component("split", splitter)
    pipeline.add_component("embed", Embed())
    pipeline.add_component("write", DocumentWriter(store, policy=DuplicatePolicy.OVERWRITE))
    for before, after in (("join", "clean"), ("clean", "split"), ("split", "embed")):
        pipeline.connect(f"{before}.documents", f"{after}.documents")
    pipeline.connect("embed.documents", "write.documents")

    def ingest() -> Ingested:
        pipeline.run({"route": {"sources": list(task.files)}})
        kept = store.filter_documents()
        documents = {one.meta.get("source_id") for one in kept}
        return Ingested(len(documents), len(kept), {"embed": round(embedder.seconds, 3)})

    return ingest


if __name__ == "__main__":
    run(prepare, version("haystack-ai"))
