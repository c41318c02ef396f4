"""txtai: an embeddings database over FAISS with stored text, and the answer model after it."""

from importlib.metadata import version
from threading import Lock

from benchmarks.peers.models import AnswerModel, Embedder
from benchmarks.peers.talk import Answer, Task, serve


def build(task: Task) -> Answer:
    """An embeddings database of the passages, with an exact index as ours has."""
    from txtai import Embeddings

    embedder, model = Embedder(task.embedder), AnswerModel(task.answer_model)
    index = Embeddings(
        {
            "method": "external",
            "transform": lambda texts: embedder.embed(texts),  # it calls what is no function
            "content": True,
            "faiss": {"components": "IDMap,Flat"},
        }
    )
    index.index([(row["id"], row["text"], None) for row in task.passages])

    searching = Lock()  # its store is one SQLite connection: two threads in it end the process

    def answer(question: str) -> str:
        with searching:
            found = index.search(question, task.read)
        return model.answer(question, [str(one["text"]) for one in found])

    return answer


if __name__ == "__main__":
    serve(build, version("txtai"))
