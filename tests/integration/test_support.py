"""The support check in the spine: what the source does not say is held, and so is a failed run."""

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from app.access.principals import Principal
from app.answering.answerer import Answerer
from app.answering.policies import Policies
from app.answering.stages import Ask
from app.corpus.corpus import Corpus
from app.db import Database
from app.deadline import Deadline
from app.gate.admission import Gate
from app.gate.certificates import Premises
from app.inference.support import SupportCheck
from app.ports import DraftRequest
from app.retrieval.retriever import Retriever
from app.telemetry import Telemetry
from guardrails.contract import Case, Draft, Finding, Sentence
from guardrails.default_checks import default_checks
from guardrails.policy.load import load_policy
from guardrails.risk import NOBODY
from tests.conftest import on_sqlite
from tests.fakes import FixedScreens, HashEmbedder, QuotingGenerator, Shelf
from tests.trails import every_check, settings_for

ANN = Principal("ann", frozenset({"asker"}))
QUESTION = "Which office in Leeds was opened by Anna Bell?"
SOURCE = "The office in Leeds was opened by Anna Bell in 2004, and it accepts claims by post."


class SayingGenerator(QuotingGenerator):
    """Cites the right sentence, and says something of its own."""

    def __init__(self, said: str) -> None:
        super().__init__()
        self.said = said

    def submit(self, item: DraftRequest, deadline: Deadline) -> Draft:
        draft = super().submit(item, deadline)
        return replace(draft, sentences=(Sentence(self.said, (1,)),), short=None)


class WatchedSupport(SupportCheck):
    """The real check, with something that happens before it runs."""

    def __init__(self, folder: Path, before: Callable[[], object], timeout_s: float) -> None:
        super().__init__(folder, "cpu")
        self.before, self.timeout_s = before, timeout_s

    def run(self, case: Case) -> list[Finding]:
        self.before()
        return super().run(case)


@pytest.fixture
def ask(database: Database, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Asks QUESTION of an answerer whose generator says what the test wants."""
    corpus, embedder = Corpus(database), HashEmbedder()
    settings = settings_for(database.url, tmp_path, device="cpu")
    shelf = Shelf(corpus, embedder, settings.index_dir)
    shelf.store("handbook.txt", SOURCE, "Dogs are welcome in the garden on Sundays.")
    shelf.index()

    def asked(said: str, support: SupportCheck | None = None) -> dict[str, Any]:
        checks = [*default_checks(load_policy()), support] if support else None
        answerer = Answerer(
            database=database,
            retriever=Retriever(
                corpus, embedder.question, embedder.name, settings.index_dir, "cpu"
            ),
            generator=SayingGenerator(said),
            screens=FixedScreens(),
            policies=Policies(checks=lambda policy: checks or every_check(policy)),
            gate=Gate(database, settings, NOBODY, Premises(None, {})),
            models={"embedder": embedder.name, "generator": "saying"},
            settings=settings,
            telemetry=Telemetry(),
        )
        return asdict(answerer.answer(ANN, Ask(QUESTION)))

    return asked


@on_sqlite
@pytest.mark.parametrize("said", [SOURCE, "Anna Bell opened the office in Leeds in 2004."])
def test_what_the_source_says_is_released(ask: Callable[..., dict[str, Any]], said: str) -> None:
    assert ask(said)["status"] == "released"


@on_sqlite
@pytest.mark.parametrize(
    "said",
    [
        "The office in Leeds was opened by Anna Bell in 2005.",
        "The office in Leeds was opened by Peter Bell in 2004.",
        "The office in Leeds was not opened by Anna Bell.",
        "The office in Leeds never accepts claims by post.",
    ],
)
def test_another_number_name_or_negation_is_held(
    ask: Callable[..., dict[str, Any]], said: str
) -> None:
    answer = ask(said)
    assert answer["status"] == "held"
    assert said not in str(answer)


def crash() -> None:
    raise RuntimeError("broken")


def test_a_crashing_support_check_fails_closed(
    ask: Callable[..., dict[str, Any]], database: Database
) -> None:
    assert ask(SOURCE, WatchedSupport(Path("models/support"), crash, 5.0))["status"] == "held"


def test_a_hanging_support_check_fails_closed(ask: Callable[..., dict[str, Any]]) -> None:
    never = Event()
    support = WatchedSupport(Path("models/support"), lambda: never.wait(60), 0.1)
    assert ask(SOURCE, support)["status"] == "held"
    never.set()


def test_a_missing_support_model_fails_closed(
    ask: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    without = SupportCheck(tmp_path / "none", "cpu")
    said = "Anna Bell opened the office in Leeds in 2004."
    assert ask(said, without)["status"] == "held"
