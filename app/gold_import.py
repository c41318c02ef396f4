"""Gold items from a file: answers that somebody wrote, judged as the service judges its own."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from app.access.principals import Principal
from app.answering.answerer import Answerer
from app.answering.stages import Ask
from app.corpus.corpus import Corpus
from app.db import Database
from app.errors import CountersignError, Invalid, from_os_error
from app.files import read_rows
from app.inference.writing.grounding import draft_from_text
from app.review.gold import add_gold
from guardrails.contract import Draft, Passage

SURE = 100.0
"""The margin of such a draft: a reviewer must not see that no generator was asked."""


@dataclass(frozen=True)
class GoldRow:
    """One row: ``[n]`` in ``answer`` points at ``passages[n-1]``, words of a document.

    ``short`` is the core of the answer, where the generator gives one.
    """

    question: str
    answer: str
    passages: tuple[str, ...]
    wrong: bool
    short: str | None = None

    @classmethod
    def parse(cls, row: Mapping[str, Any]) -> "GoldRow":
        """Raises ``Invalid``."""
        passages, short = row.get("passages"), row.get("short")
        texts = [row.get("question"), row.get("answer"), *([] if short is None else [short])]
        if not isinstance(passages, list) or not passages:
            raise Invalid("passages must be a list of texts, at least one.")
        if not all(isinstance(text, str) and text.strip() for text in [*texts, *passages]):
            raise Invalid("question, answer and passages must be texts that are not empty.")
        if not isinstance(row.get("wrong"), bool):
            raise Invalid("wrong must be true or false.")
        return cls(row["question"], row["answer"], tuple(passages), row["wrong"], short)


@dataclass(frozen=True)
class GoldAdded:
    """How many rows were added, and how many were gold items already."""

    added: int
    known: int


class GoldFile:
    """Adds the rows of a file as gold items of one collection."""

    def __init__(self, database: Database, corpus: Corpus, answerer: Answerer) -> None:
        self._database, self._corpus, self._answerer = database, corpus, answerer

    def add(self, path: Path, collection: str, operator: Principal) -> GoldAdded:
        """Nothing is added unless every row can be. Raises ``Invalid`` naming the row."""
        operator.require("operator")
        made = []
        for number, row in enumerate(_rows(path), start=1):
            try:
                gold = GoldRow.parse(row)
                made.append((self._content(gold, collection, operator), gold.wrong))
            except CountersignError as error:
                raise Invalid(f"{path.name}: row {number}: {error.message}") from error
        added = [
            add_gold(self._database, collection, content, wrong=wrong, by=operator.name)
            for content, wrong in made
        ]
        return GoldAdded(sum(added), added.count(False))

    def _content(self, gold: GoldRow, collection: str, operator: Principal) -> dict[str, Any]:
        cited = [self._passage(collection, quote) for quote in gold.passages]
        draft = _draft(gold, cited)
        ask = Ask(gold.question, [collection])
        content = self._answerer.specimen(operator, ask, draft, cited)
        if content["verdict"]["four_eyes"]:
            raise Invalid("The policy wants two reviewers for this answer.")
        return {**content, "principal": ""}

    def _passage(self, collection: str, quote: str) -> Passage:
        found = self._corpus.passages.quoting(collection, quote)
        if found is None:
            raise Invalid(f"No document of the collection says {quote[:80]!r}.")
        return found


def _draft(gold: GoldRow, cited: list[Passage]) -> Draft:
    draft = draft_from_text(gold.answer, gold.question, cited, "", {"margin": SURE})
    if draft.abstained:
        raise Invalid("The answer gives no answer.")
    return replace(draft, short=gold.short)


def _rows(path: Path) -> list[dict[str, Any]]:
    try:
        return list(read_rows(path))
    except OSError as error:
        raise from_os_error(error, path) from error
    except (ValueError, EOFError) as error:
        raise Invalid(f"{error}.") from error
