"""Haystack: a pipeline of embedder, in-memory retriever and reader."""

from importlib.metadata import version
from typing import Any

from benchmarks.peers.models import AnswerModel, Embedder
from benchmarks.peers.talk import Answer, Task, serve


def build(task: Task) -> Answer:
    """A document store of the passages, and a pipeline over it."""
    from haystack import Document, Pipeline, component
    from haystack.components.retrievers.in_memory import InMemoryEmbeddingRetriever
    from haystack.document_stores.in_memory import InMemoryDocumentStore

    embedder, model = Embedder(task.embedder), AnswerModel(task.answer_model)

    @component
    class QuestionEmbedder:
        @component.output_types(embedding=list[float])  # type: ignore[untyped-decorator]
        def run(self, text: str) -> dict[str, Any]:
            return {"embedding": embedder.embed([text])[0].tolist()}

    @component
    class Reader:
        @component.output_types(answer=str)  # type: ignore[untyped-decorator]
        def run(self, question: str, documents: list[Document]) -> dict[str, Any]:
            return {"answer": model.answer(question, [one.content or "" for one in documents])}

    store = InMemoryDocumentStore(embedding_similarity_function="dot_product")
    vectors = embedder.embed([row["text"] for row in task.passages])
    store.write_documents(
        [
            Document(id=row["id"], content=row["text"], embedding=vector.tolist())
            for row, vector in zip(task.passages, vectors, strict=True)
        ]
    )
    pipeline = Pipeline()
    pipeline.add_component("embedder", QuestionEmbedder())
    pipeline.add_component("retriever", InMemoryEmbeddingRetriever(store, top_k=task.read))
    pipeline.add_component("reader", Reader())
    pipeline.connect("embedder.embedding", "retriever.query_embedding")
    pipeline.connect("retriever.documents", "reader.documents")

    def answer(question: str) -> str:
        told = pipeline.run({"embedder": {"text": question}, "reader": {"question": question}})
        return str(told["reader"]["answer"])

    return answer


if __name__ == "__main__":
    serve(build, version("haystack-ai"))
