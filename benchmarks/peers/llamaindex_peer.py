"""LlamaIndex: a vector index of nodes, and a query engine with the answer model behind it."""

from importlib.metadata import version

from benchmarks.peers.models import AnswerModel, Embedder
from benchmarks.peers.talk import Answer, Task, serve


def build(task: Task) -> Answer:
    """An index of the passages with the shared embedder, and a query engine over it."""
    from llama_index.core import VectorStoreIndex
    from llama_index.core.embeddings import BaseEmbedding
    from llama_index.core.query_engine import CustomQueryEngine
    from llama_index.core.retrievers import BaseRetriever
    from llama_index.core.schema import TextNode

    embedder, model = Embedder(task.embedder), AnswerModel(task.answer_model)

    class Shared(BaseEmbedding):  # type: ignore[misc]
        def _get_text_embedding(self, text: str) -> list[float]:
            vector: list[float] = embedder.embed([text])[0].tolist()
            return vector

        def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
            vectors: list[list[float]] = embedder.embed(texts).tolist()
            return vectors

        def _get_query_embedding(self, query: str) -> list[float]:
            return self._get_text_embedding(query)

        async def _aget_query_embedding(self, query: str) -> list[float]:
            return self._get_text_embedding(query)

    class Reading(CustomQueryEngine):  # type: ignore[misc]
        retriever: BaseRetriever

        def custom_query(self, query_str: str) -> str:
            nodes = self.retriever.retrieve(query_str)
            return model.answer(query_str, [node.node.get_content() for node in nodes])

    nodes = [TextNode(id_=row["id"], text=row["text"]) for row in task.passages]
    index = VectorStoreIndex(nodes, embed_model=Shared(), insert_batch_size=4096)
    engine = Reading(retriever=index.as_retriever(similarity_top_k=task.read))
    return lambda question: str(engine.query(question))


if __name__ == "__main__":
    serve(build, version("llama-index-core"))
