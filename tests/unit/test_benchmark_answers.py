"""``benchmarks answers`` on a tiny file, with the shipped reader and writers of known words."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from app.backends import build_generator
from app.errors import Invalid, SettingsInvalid
from app.ports import DraftRequest, Generator
from app.settings import Settings
from benchmarks import answers
from benchmarks.__main__ import app
from benchmarks.answers import find_devices, measure_answers, measure_latency, with_distractors
from cli.output import console
from guardrails.contract import Draft, Sentence
from tests.conformance.generators import save_causal

FIGURES = {
    "f1",
    "em",
    "f1_answerable",
    "abstain_precision",
    "abstain_recall",
    "n",
    "ms_p50",
    "ms_p95",
    "unsupported_rate",
    "unsupported_answers",
    "tokens_per_second",
    "latency",
}


def row(question: str, context: str, *answers: str, title: str = "Cover") -> dict[str, Any]:
    """One row of a questions file; without answers it is unanswerable."""
    return {
        "title": title,
        "question": question,
        "contexts": [context],
        "answers": list(answers),
        "answerable": bool(answers),
    }


ROWS = [
    row("What is the excess for water damage?", "The excess for water damage is £350.", "£350"),
    row("Where is the head office?", "The head office is in Tarnbridge.", "Tarnbridge"),
    row("Who painted the ceiling?", "Claims are paid within 10 working days.", title="Claims"),
    row("When is it open?", "It is open from 9 am to 5 pm.", "from 9 am to 5 pm", title=""),
]


class Writer:
    """A hand-written generator that says fixed words, and takes some time for each batch."""

    name = "writer"

    def __init__(self, text: str = "", tokens: float | None = None, seconds: float = 0.0) -> None:
        self.text, self.seconds = text, seconds
        self.features = {} if tokens is None else {"tokens": tokens}
        self.sizes: list[int] = []

    def warm_up(self) -> None:
        """Nothing to load."""

    def draft(self, requests: Sequence[DraftRequest]) -> list[Draft]:
        """The same words for each request; none abstains."""
        self.sizes.append(len(requests))
        time.sleep(self.seconds)
        sentences = (Sentence(self.text, ()),) if self.text else ()
        return [Draft(sentences, (), self.name, features=self.features) for _ in requests]


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """The CPU, whatever this machine has."""
    monkeypatch.setenv("COUNTERSIGN_DEVICE", "cpu")


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    """The tiny file."""
    path = tmp_path / "questions.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in ROWS), "utf-8")
    return path


def use(monkeypatch: pytest.MonkeyPatch, writer: Writer) -> None:
    """Let the benchmark build ``writer`` whatever name it is given."""
    monkeypatch.setattr(answers, "build_generator", lambda settings: writer)


def test_the_reader_quotes_so_no_word_lacks_a_source(questions: Path) -> None:
    done = CliRunner().invoke(app, ["answers", "--questions", str(questions), "--json"])
    figures = json.loads(done.stdout)
    assert set(figures) == FIGURES
    assert figures["n"] == 4 and figures["f1_answerable"] > 60
    assert (figures["unsupported_rate"], figures["unsupported_answers"]) == (0.0, 0.0)
    assert figures["tokens_per_second"] is None
    assert set(figures["latency"]) == {"cpu"} and set(figures["latency"]["cpu"]) == {"1", "8", "32"}
    eight = figures["latency"]["cpu"]["8"]
    assert eight["n"] == 4 and 0 < eight["ms_p50"] <= eight["ms_p95"]
    assert eight["answers_per_second"] > 0


def test_several_generators_answer_the_same_questions(
    questions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = save_causal(tmp_path / "scripted")
    arguments = ["answers", "--questions", str(questions), "--limit", "2", "--device", "cpu"]
    for name in ("reader", str(folder), "reader"):
        arguments += ["--generator", name]
    result = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).stdout)
    assert set(result) == {"generators", "n"} and result["n"] == 2
    assert list(result["generators"]) == ["reader", str(folder)]
    assert all(set(one) == FIGURES for one in result["generators"].values())
    # "notice period 30 days", "starts receipt letter" stand in no context of ours.
    assert result["generators"][str(folder)]["unsupported_answers"] == 1.0
    monkeypatch.setattr(console, "width", 400)
    table = CliRunner().invoke(app, arguments).stdout
    assert "ms_p50 / first" in table and str(folder) in table


def test_words_and_tokens_are_counted_over_the_whole_answer(
    questions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, Writer("The excess is £400.", tokens=6, seconds=0.01))
    figures = measure_answers(questions, ["writer"])
    # Four words. "excess" stands in row 1 only; 400 stands nowhere.
    assert figures["unsupported_rate"] == round((1 + 2 + 2 + 2) / 16, 4)
    assert figures["unsupported_answers"] == 1.0
    assert 0 < figures["tokens_per_second"] <= 6 / 0.01
    assert figures["abstain_recall"] == 0.0 and figures["abstain_precision"] is None


def test_a_generator_that_only_abstains_has_no_share_of_words(
    questions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, Writer())
    figures = measure_answers(questions, ["writer"])
    assert (figures["unsupported_rate"], figures["unsupported_answers"]) == (None, None)
    assert (figures["f1"], figures["abstain_precision"], figures["abstain_recall"]) == (25, 0.25, 1)


def test_latency_runs_full_batches_of_every_size() -> None:
    writer = Writer(seconds=0.002)
    figures = measure_latency(writer, ROWS * 20)
    # One run to warm up, then the batches that 64 rows fill.
    assert writer.sizes == [1] * 65 + [8] * 9 + [32] * 3
    eight = figures["8"]
    assert eight is not None and eight["n"] == 64
    assert 2 / 8 <= eight["ms_p50"] <= eight["ms_p95"]
    assert eight["answers_per_second"] <= 8 / 0.002


def test_latency_ends_in_time_and_says_what_was_not_measured() -> None:
    writer = Writer(seconds=0.2)
    began = time.monotonic()
    figures = measure_latency(writer, ROWS * 20, seconds=0.6)
    assert time.monotonic() - began < 7  # half of what all would take
    one = figures["1"]
    assert one is not None and one["n"] < 64
    out_of_time = measure_latency(writer, ROWS, seconds=0.0)
    assert out_of_time == {"1": None, "8": None, "32": None}


def test_distractors_are_clean_seeded_and_of_the_same_title_first() -> None:
    rows = [
        row("q", f"{title} {number}", f"answer {number}", title=title)
        for title in ("Alpha", "Beta")
        for number in range(6)
    ]
    rows[1]["contexts"] = ["Alpha holds ANSWER 0 and more"]
    rows[2]["contexts"] = [" "]
    mixed = list(with_distractors(rows, 4))
    assert mixed == list(with_distractors(rows, 4))
    assert mixed[:3] == list(with_distractors(rows, 4, limit=3))
    first = mixed[0]
    assert len(first["contexts"]) == len(set(first["contexts"])) == 5
    assert (
        "Alpha 0" in first["contexts"] and "Alpha holds ANSWER 0 and more" not in first["contexts"]
    )
    # Three clean ones of its own title, so one of the four is of the other.
    assert sorted(first["context_titles"]) == ["Alpha"] * 4 + ["Beta"]
    for before, after in zip(rows, mixed, strict=True):
        added = [text for text in after["contexts"] if text not in before["contexts"]]
        assert len(added) == 4 and all(text.strip() for text in added)
        said = before["answers"][0].casefold()
        assert not any(said in text.casefold() for text in added)
    assert (
        len({one["contexts"].index(r["contexts"][0]) for one, r in zip(mixed, rows, strict=True)})
        > 1
    )
    assert rows[0]["contexts"] == ["Alpha 0"]


def test_fewer_distractors_are_added_where_no_more_are_clean() -> None:
    rows = [row("q", "the fee", "fee"), row("q", "A FEE", "x"), row("q", "a day", "y")]
    assert sorted(next(with_distractors(rows, 4))["contexts"]) == ["a day", "the fee"]


def test_distractors_reach_the_generator(questions: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, Writer("The head office is in Tarnbridge."))
    alone = measure_answers(questions, ["writer"], limit=1)
    among = measure_answers(questions, ["writer"], limit=1, distractors=3)
    assert (alone["unsupported_answers"], among["unsupported_answers"]) == (1.0, 0.0)


@pytest.mark.parametrize(
    "content", ["", "\n", "[]", "{", '{"question": "q"}', json.dumps(ROWS[0] | {"contexts": "x"})]
)
def test_a_file_that_holds_no_usable_rows_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text(content, "utf-8")
    with pytest.raises(Invalid, match=r"bad\.jsonl"):
        measure_answers(path, ["reader"])


def test_an_unknown_device_is_refused_and_a_server_chooses_its_own() -> None:
    with pytest.raises(SettingsInvalid):
        find_devices("reader", ["tpu"])
    assert find_devices("reader", ["cpu", "cpu"]) == ["cpu"]
    assert find_devices("http://127.0.0.1:8001/v1", ["cpu"]) == ["server"]


def test_a_wrong_name_is_told_before_anything_is_measured(
    questions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = Writer("words")

    def build(settings: Settings) -> Generator:
        return writer if settings.generator == "writer" else build_generator(settings)

    monkeypatch.setattr(answers, "build_generator", build)
    with pytest.raises(SettingsInvalid, match="no-such-folder"):
        measure_answers(questions, ["writer", "no-such-folder"])
    assert writer.sizes == []
