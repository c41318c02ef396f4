"""How the service reaches its models: one bounded way to each, batched or side by side."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from app.deadline import Deadline
from app.ports import DraftRequest, Embedder, Generator, Reading, Rewriter, RewriteRequest, Vectors
from app.serving.batcher import Batcher, Concurrent, Runs
from app.serving.breaker import Breaker
from app.telemetry import CHARACTERS_PER_TOKEN
from guardrails.contract import Draft, Passage

Item = TypeVar("Item")
Result = TypeVar("Result")
MAX_TOKENS = 16_384
"""Tokens in one run of a model, roughly: what a batch needs of memory grows with them."""
Unread = tuple[str, Sequence[Passage]]
"""A question and the passages to read with it."""


@dataclass(frozen=True)
class Routes:
    """The ways to the models of one process."""

    vectors: Runs[str, Vectors]
    readings: Runs[Unread, list[Reading]]
    drafts: Runs[DraftRequest, Draft]
    rewrites: Runs[RewriteRequest, str] | None
    versions: Mapping[str, Runs[DraftRequest, Draft]] = field(default_factory=dict)
    """The ways to other versions of the generator, by name."""

    def embed(self, question: str, deadline: Deadline) -> Vectors:
        """The question's unit vector, shape [dimension]."""
        return self.vectors.submit(question, deadline)

    def read(self, question: str, passages: Sequence[Passage], deadline: Deadline) -> list[Reading]:
        """What the reader makes of each passage for the question, in order."""
        return self.readings.submit((question, passages), deadline)

    def dead(self) -> list[str]:
        """The names of those whose worker has stopped."""
        return [name for name, route in self._named() if not route.alive]

    def close(self) -> None:
        """Finish what is queued, then stop."""
        for _, route in self._named():
            route.close()

    def _named(self) -> list[tuple[str, Runs[Any, Any]]]:
        named: list[tuple[str, Runs[Any, Any] | None]] = [
            ("vectors", self.vectors),
            ("readings", self.readings),
            ("drafts", self.drafts),
            ("rewrites", self.rewrites),
            *((f"drafts of {name}", drafts) for name, drafts in self.versions.items()),
        ]
        return [(name, route) for name, route in named if route is not None]


def open_routes(
    embedder: Embedder,
    generator: Generator,
    read: Callable[[Sequence[Unread]], Sequence[list[Reading]]],
    *,
    remote: bool,
    most: int,
    together: bool = True,
) -> Routes:
    """The ways to these models; with ``remote`` the generator's calls run side by side, at most
    ``most`` at once. Without ``together`` each call is a run of its own."""

    def items(most_of_them: int) -> int:
        return most_of_them if together else 1

    rewrite = generator.rewrite if isinstance(generator, Rewriter) else None
    rewrites: Runs[RewriteRequest, str] | None = None
    if remote:
        rewrites = Concurrent(rewrite, most) if rewrite else None
    else:
        rewrites = _batched(rewrite, _rewrite_texts, items(8), "rewrites") if rewrite else None
    return Routes(
        _batched(lambda texts: list(embedder.embed(texts)), _itself, items(16), "vectors"),
        _batched(read, _read_texts, items(4), "readings"),
        open_drafts(generator, remote=remote, most=most, together=together),
        rewrites,
    )


def open_drafts(
    generator: Generator, *, remote: bool, most: int, together: bool = True, name: str = "drafts"
) -> Runs[DraftRequest, Draft]:
    """The way to one generator, as ``open_routes`` has it; one that fails again and again rests."""
    if remote:
        return Breaker(Concurrent(generator.draft, most))
    return _batched(generator.draft, _draft_texts, 8 if together else 1, name)


def _batched(
    run: Callable[[Sequence[Item]], Sequence[Result]],
    texts: Callable[[Item], Sequence[str]],
    max_items: int,
    name: str,
) -> Batcher[Item, Result]:
    def tokens(item: Item) -> int:
        return sum(map(len, texts(item))) // CHARACTERS_PER_TOKEN

    return Batcher(run, max_items=max_items, size=tokens, max_size=MAX_TOKENS, name=name)


def _itself(text: str) -> list[str]:
    return [text]


def _read_texts(unread: Unread) -> list[str]:
    question, passages = unread
    return [question, *(passage.text for passage in passages)]


def _draft_texts(request: DraftRequest) -> list[str]:
    return [request.question, *(passage.text for passage in request.evidence)]


def _rewrite_texts(request: RewriteRequest) -> list[str]:
    return [request.question, *request.earlier]
