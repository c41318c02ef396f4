"""LlamaIndex: its directory reader, sentence splitter and vector index, by its own pipeline."""

from collections.abc import Callable
from importlib.metadata import version

from benchmarks.peers.ingest_talk import PASSAGE_TOKENS, Ingested, IngestTask, TimedEmbedder, run

AT_ONCE = 64
"""Passages that its pipeline embeds together; its own default is 10."""


def prepare(task: IngestTask) -> Callable[[], Ingested]:
    """The reader and the pipeline over the same embedder."""
    from llama_index.core import SimpleDirectoryReader, VectorStoreIndex
    from llama_index.core.embeddings import BaseEmbedding
    from llama_index.core.ingestion import IngestionPipeline
    from llama_index.core.node_parser import SentenceSplitter
    from llama_index.readers.file import HTMLTagReader

    embedder = TimedEmbedder(task.embedder)
    embedder.embed(["warm"])
    embedder.seconds = 0.0

    class Shared(BaseEmbedding):  # type: ignore[misc]
        def _get_text_embedding(self, text: str) -> list[float]:
            return embedder.embed([text])[0]

        def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
            return embedder.embed(texts)

        def _get_query_embedding(self, query: str) -> list[float]:
            return self._get_text_embedding(query)

        async def _aget_query_embedding(self, query: str) -> list[float]:
            return self._get_text_embedding(query)

    shared, pages = Shared(embed_batch_size=AT_ONCE), HTMLTagReader(tag="body")
    splitter = SentenceSplitter(chunk_size=PASSAGE_TOKENS, chunk_overlap=0)

    def ingest() -> Ingested:
        reader = SimpleDirectoryReader(
            input_files=list(task.files), file_extractor={".html": pages, ".htm": pages}
        )
        pipeline = IngestionPipeline(transformations=[splitter, shared])
        nodes = pipeline.run(documents=reader.load_data())
        VectorStoreIndex(nodes, embed_model=shared)
        documents = {node.metadata.get("file_path") for node in nodes}
        return Ingested(len(documents), len(nodes), {"embed": round(embedder.seconds, 3)})

    return ingest


if __name__ == "__main__":
    run(prepare, version("llama-index-core"))
