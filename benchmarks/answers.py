"""How good, how faithful and how fast a generator's answers are when it is given the contexts."""

import random
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.backends import build_generator
from app.deadline import Deadline
from app.errors import DeadlineExceeded, Invalid, SettingsInvalid
from app.files import read_rows
from app.inference.device import pick_device
from app.inference.reader import Reader
from app.inference.reader_generator import ReaderGenerator
from app.inference.writing.grounding import visible
from app.ports import DraftRequest, Generator
from app.settings import Settings
from benchmarks.metrics import exact_match, f1, percent, percentile, share, unsupported_words
from guardrails.contract import Draft
from training.outcomes import answer_text as answer_text
from training.outcomes import passages_of

MARGINS = [float(step) for step in range(-12, 17)]
KEYS = {"question": str, "contexts": list, "answers": list, "answerable": bool}
"""What a row must hold, and of which type."""
SEED = 7
DEVICES = ("cpu", "cuda")
SERVER = "server"
"""Where a generator behind an address runs: its device is not ours to choose."""
BATCH_SIZES = (1, 8, 32)
LATENCY_ROWS = 64
LATENCY_S = 60.0
"""Longest time for the latency of one generator, all devices and batch sizes together."""


@dataclass(frozen=True)
class Timed:
    """One row's draft, and the seconds it took alone."""

    draft: Draft
    seconds: float


def measure_answers(
    questions: Path,
    generators: Sequence[str],
    limit: int | None = None,
    devices: Sequence[str] | None = None,
    distractors: int = 0,
) -> dict[str, Any]:
    """Score each generator on rows {question, contexts, answers, answerable}.

    One generator gives its figures; several give {"generators": {name: figures}, "n": rows}.
    ``devices`` restricts where latency is measured; scores are taken on the first of them.
    Raises ``Invalid`` for rows that cannot be used, ``SettingsInvalid`` for a generator or device.
    """
    rows = read_questions(questions)
    if distractors:
        rows = list(with_distractors(rows, distractors, limit))
    rows = rows[:limit]
    names = list(dict.fromkeys(generators))
    places = {name: find_devices(name, devices) for name in names}
    for name in names:  # a wrong name is told before the others are measured
        _build(name, places[name][0])
    figures = {name: _measure(name, rows, places[name]) for name in names}
    return figures[names[0]] if len(names) == 1 else {"generators": figures, "n": len(rows)}


def read_questions(file: Path, keys: Mapping[str, type] = KEYS) -> list[dict[str, Any]]:
    """The rows of ``file``; raises ``Invalid`` naming the first without one of ``keys``."""
    try:
        rows = list(read_rows(file))
    except (OSError, EOFError, ValueError) as error:
        raise Invalid(str(error)) from error
    for number, row in enumerate(rows, start=1):
        if wrong := [key for key, kind in keys.items() if not isinstance(row.get(key), kind)]:
            raise Invalid(f"{file.name}, row {number}: cannot be used, see {', '.join(wrong)}")
    if not rows:
        raise Invalid(f"{file.name} holds no questions")
    return rows


def find_devices(generator: str, wanted: Sequence[str] | None) -> list[str]:
    """Where to run ``generator``, best first: as wanted, else as the setting, else all found."""
    found = ["cuda", "cpu"] if pick_device("auto") == "cuda" else ["cpu"]
    for device in wanted or ():
        if device not in DEVICES or device not in found:
            raise SettingsInvalid(f"The device {device!r} is not here; there are: {found}.")
    if generator.startswith(("http://", "https://")):
        return [SERVER]
    setting = Settings().device
    return list(dict.fromkeys(wanted or (found if setting == "auto" else [setting])))


def with_distractors(
    rows: Sequence[dict[str, Any]], most: int, limit: int | None = None
) -> Iterator[dict[str, Any]]:
    """The first ``limit`` rows with up to ``most`` contexts of other rows among their own.

    They come from rows of the same title, then from any row, and hold none of the row's answers.
    A question without an answer may find one in them. Drawn and shuffled by ``SEED`` and the
    row's place, so that ``limit`` changes no row.
    """
    titles: dict[str, str] = {}
    groups: dict[str, dict[str, None]] = defaultdict(dict)
    for row in rows:
        for text in filter(str.strip, row["contexts"]):
            titles.setdefault(text, _title(row))
            groups[_title(row)][text] = None
    for place, row in enumerate(rows[:limit]):
        rng = random.Random(f"{SEED}:{place}")
        same = groups[_title(row)] if _title(row) else {}
        extra = _clean(_drawn((list(same), list(titles)), rng), row, most)
        shown = [(text, _title(row)) for text in row["contexts"]]
        shown += [(text, titles[text]) for text in extra]
        rng.shuffle(shown)
        yield {
            **row,
            "contexts": [text for text, _ in shown],
            "context_titles": [title for _, title in shown],
        }


def _drawn(groups: Sequence[list[str]], rng: random.Random) -> Iterator[str]:
    """Each group's texts in random order; a group is shuffled only when it is reached."""
    for texts in groups:
        yield from rng.sample(texts, len(texts))


def _clean(drawn: Iterator[str], row: dict[str, Any], most: int) -> list[str]:
    """The first ``most`` different texts that are not the row's own and hold no answer of it."""
    answers = [answer.strip().casefold() for answer in row["answers"] if answer.strip()]
    own, chosen = set(row["contexts"]), dict[str, None]()
    for text in drawn:
        if len(chosen) == most:
            break
        if text not in own and not any(answer in text.casefold() for answer in answers):
            chosen[text] = None
    return list(chosen)


def _title(row: Mapping[str, Any]) -> str:
    return str(row.get("title") or "")


def _measure(name: str, rows: list[dict[str, Any]], devices: Sequence[str]) -> dict[str, Any]:
    """Scores on the first device, and latency on every one."""
    figures: dict[str, Any] = {}
    latency = {}
    for device in devices:
        chosen = _build(name, device)
        chosen.warm_up()
        if not figures:
            timed = [_draft(chosen, row) for row in rows]
            figures = _summary(rows, timed) | _faithfulness(rows, timed)
        latency[device] = measure_latency(chosen, rows, LATENCY_S / len(devices))
    return figures | {"latency": latency}


def _build(name: str, device: str) -> Generator:
    settings = Settings(generator=name)
    if device != SERVER:
        settings = settings.model_copy(update={"device": device})
    return build_generator(settings)


def _draft(generator: Generator, row: dict[str, Any]) -> Timed:
    request = _request(row)
    began = time.perf_counter()
    draft = generator.draft([request])[0]
    return Timed(draft, time.perf_counter() - began)


def measure_latency(
    generator: Generator, rows: Sequence[dict[str, Any]], seconds: float = LATENCY_S
) -> dict[str, dict[str, float] | None]:
    """Milliseconds for each answer and answers per second, by batch size.

    Over full batches of the first ``LATENCY_ROWS`` rows (all rows where they make no full batch);
    an answer's time is its batch's time over the batch's size, percentiles are over batches, and
    ``n`` counts the answers. It ends after ``seconds``: fewer rows are measured then, and a size
    of which no batch came to its end is None.
    """
    began, spent = time.monotonic(), 0
    figures = {}
    for place, size in enumerate(BATCH_SIZES, start=1):
        spent += place  # larger batches get more of the time: 1, 2 and 3 sixths
        until = began + seconds * spent / sum(range(1, len(BATCH_SIZES) + 1))
        figures[str(size)] = _latency(_batch_times(generator, rows[:LATENCY_ROWS], size, until))
    return figures


def _batch_times(
    generator: Generator, rows: Sequence[dict[str, Any]], size: int, until: float
) -> list[tuple[int, float]]:
    """(answers, seconds) of each batch; the first run only warms up, unless it stays alone."""
    size = min(size, len(rows))
    firsts = range(0, len(rows) - size + 1, size)
    times: list[tuple[int, float]] = []
    for first in (0, *firsts):
        deadline = Deadline(until - time.monotonic())
        batch = [_request(row, deadline) for row in rows[first : first + size]]
        began = time.perf_counter()
        try:
            deadline.remaining()
            generator.draft(batch)
        except DeadlineExceeded:
            break
        times.append((size, time.perf_counter() - began))
    return times[1:] or times


def _latency(times: Sequence[tuple[int, float]]) -> dict[str, float] | None:
    if not times:
        return None
    each = [seconds * 1000 / answers for answers, seconds in times]
    answers = sum(count for count, _ in times)
    return {
        "ms_p50": round(percentile(each, 0.5), 2),
        "ms_p95": round(percentile(each, 0.95), 2),
        "answers_per_second": round(answers / sum(seconds for _, seconds in times), 2),
        "n": answers,
    }


def released_text(draft: Draft) -> str:
    """The whole answer as its asker reads it, without markers."""
    return " ".join(sentence.text for sentence in draft.sentences)


def _request(row: dict[str, Any], deadline: Deadline | None = None) -> DraftRequest:
    return DraftRequest(row["question"], passages_of(row), deadline or Deadline(600))


def _score(draft: Draft, row: dict[str, Any]) -> tuple[float, float, bool]:
    """(F1, exact match, abstained), both in [0, 1].

    A draft is scored by its short form where it has one. An unanswerable question counts 1 when
    the generator abstains and 0 when it does not.
    """
    if not row["answerable"]:
        return float(draft.abstained), float(draft.abstained), draft.abstained
    text = answer_text(draft)
    return f1(text, row["answers"]), exact_match(text, row["answers"]), draft.abstained


def _summary(rows: Sequence[dict[str, Any]], timed: Sequence[Timed]) -> dict[str, Any]:
    scores = [_score(one.draft, row) for one, row in zip(timed, rows, strict=True)]
    milliseconds = [one.seconds * 1000 for one in timed]
    answerable = [s for row, s in zip(rows, scores, strict=True) if row["answerable"]]
    abstained = [row for row, s in zip(rows, scores, strict=True) if s[2]]
    right = [row for row in abstained if not row["answerable"]]
    return {
        "f1": percent([s[0] for s in scores]),
        "em": percent([s[1] for s in scores]),
        "f1_answerable": percent([s[0] for s in answerable]),
        "abstain_precision": share(len(right), len(abstained)),
        "abstain_recall": share(len(right), len(rows) - len(answerable)),
        "n": len(rows),
        "ms_p50": round(percentile(milliseconds, 0.5), 1),
        "ms_p95": round(percentile(milliseconds, 0.95), 1),
    }


def _faithfulness(rows: Sequence[dict[str, Any]], timed: Sequence[Timed]) -> dict[str, Any]:
    """Words without a source over all answers, answers that have one, and tokens per second.

    Sources are the question and the contexts with their titles, as a generator reads them.
    Abstentions say nothing and do not count; None where there is nothing to count.
    """
    counts = [
        unsupported_words(released_text(one.draft), _sources(row))
        for one, row in zip(timed, rows, strict=True)
        if not one.draft.abstained
    ]
    writing = [one for one in timed if "tokens" in one.draft.features]
    tokens = sum(one.draft.features["tokens"] for one in writing)
    seconds = sum(one.seconds for one in writing)
    return {
        "unsupported_rate": share(sum(bad for bad, _ in counts), sum(n for _, n in counts)),
        "unsupported_answers": share(sum(bad > 0 for bad, _ in counts), len(counts)),
        "tokens_per_second": round(tokens / seconds, 1) if seconds else None,
    }


def _sources(row: dict[str, Any]) -> list[str]:
    passages = passages_of(row)
    texts = [row["question"], *(p.title for p in passages), *(p.text for p in passages)]
    return [visible(text) for text in texts]


def sweep_margins(files: Sequence[Path], limit: int | None = None) -> dict[str, Any]:
    """The reader's F1 in percent by file and least margin, and the margin with the best mean."""
    reader = ReaderGenerator(Reader(Settings().models_dir / "reader"), min_margin=float("-inf"))
    table: dict[str, dict[str, float]] = {}
    for file in files:
        drafted = [(reader.draft([_request(row)])[0], row) for row in list(read_rows(file))[:limit]]
        table[file.name] = {str(least): _f1_at(drafted, least) for least in MARGINS}
    means = {
        least: round(sum(column[str(least)] for column in table.values()) / len(table), 2)
        for least in MARGINS
    }
    return {**table, "mean": means, "best": max(means, key=lambda least: means[least])}


def _f1_at(drafted: Sequence[tuple[Draft, dict[str, Any]]], least: float) -> float:
    scores = []
    for draft, row in drafted:
        kept = draft.features.get("margin", float("-inf")) >= least
        scored = draft if kept else Draft((), (), draft.model)
        scores.append(_score(scored, row)[0])
    return percent(scores)
