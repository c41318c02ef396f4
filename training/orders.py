"""Train the order head: which lines of documents give orders to whoever answers from them.

Run as:
    python -m training.orders --data DATA --out models/screens

Needs no embeddings and takes a minute. The attack lines of the public set are split by the line,
so that those held out are of unseen wordings, and questions among them are not learned: a list of
questions and answers asks the same ("Explain recursion"). The same seed gives the same head.
"""

import hashlib
import pydoc_data.topics
import random
import re
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from app.files import read_rows
from app.inference.classifiers import NO_VECTOR, ORDER, Head, OrderHead
from app.inference.orders import lines, read, speaks_of_reply
from app.ports import Vectors
from training.order_texts import HARD, HONEST, ORDERS, SLOTS
from training.screen_rows import Rows
from training.screen_texts import filled
from training.screens import SEED, Recipe, fit, kept, operating_point, platt, write

RECIPE = Recipe((ORDER,), hidden=1, epochs=4, prior=-6.0)
FALSE_RATE = 0.002
"""Of passages to choose on: documents of other kinds are found more often than encyclopedias."""
ASKS = ("Information Retrieval", "Learning and Tutoring", "Programming Help")
"""Kinds of attack lines that ask as any list of questions does."""
TRAINED, WRAPPED, CHOSEN_ON, MEASURED = 4500, 2000, 2000, 2000
"""Passages whose sentences are negatives, whose wrapped lines are, to choose on, to measure on."""
NOTHING = -12.0
"""Log-odds of a text without lines."""
LIKELY = 0.8
"""The least threshold for lines that speak of a reply, as forms and exams do too."""
SNIPPETS = 4000
Row = dict[str, Any]


def attacks(data: Path) -> list[Row]:
    """Rows {text, attack, category} of the public set that hold an order."""
    return [row for row in _indirect(data) if row["label"] == "attack"]


def carriers(data: Path) -> list[str]:
    """The tables, code and e-mails of the public set that hold none."""
    return [row["text"] for row in _indirect(data) if row["label"] != "attack"]


def _indirect(data: Path) -> Iterable[Row]:
    return read_rows(data / "train/guard/indirect_injections.jsonl.gz")


def unseen(text: str) -> bool:
    """Whether an attack line or a carrier is kept from training to measure on: two in five."""
    return hashlib.sha256(text.encode("utf-8")).digest()[0] < 102


def passages(data: Path) -> tuple[list[str], list[str], list[str]]:
    """(to train on, to choose on, to measure on), drawn at random from the QA passages."""
    texts = [row["text"] for row in read_rows(data / "train/qa/passages.jsonl.gz")]
    random.Random(SEED).shuffle(texts)
    measured, rest = texts[:MEASURED], texts[MEASURED:]
    return rest[CHOSEN_ON:], rest[:CHOSEN_ON], measured


def order_rows(found: Sequence[Row], honest: Sequence[str], texts: Sequence[str]) -> Rows:
    """Lines as the head reads them: ``found`` attack rows, ``honest`` carriers, QA ``texts``."""
    rng = random.Random(SEED)
    rows, slots = Rows(), SLOTS | {"snippet": _snippets(texts, rng)}
    _add(rows, filled(ORDERS, 9000, rng, slots), 1)
    own = {row["attack"]: row["category"] for row in found}
    told = [attack for attack, kind in own.items() if kind not in ASKS and attack[-1] != "?"]
    _add(rows, [line for attack in sorted(told) for line in lines(attack)], 1, weight=15)
    _add(rows, filled(HONEST, 8000, rng, slots), 0)
    _add(rows, HARD, 0, weight=3)
    _add(rows, _lines(honest), 0, weight=2)
    _add(rows, _lines(texts[:TRAINED]), 0)
    # Extracted pages wrap: a part of a sentence is no order either.
    wrapped = texts[TRAINED : TRAINED + WRAPPED]
    _add(rows, _lines("\n".join(textwrap.wrap(t, rng.randint(35, 100))) for t in wrapped), 0)
    _add(rows, _lines(pydoc_data.topics.topics.values()), 0)
    return rows


def _snippets(texts: Sequence[str], rng: random.Random) -> list[str]:
    """Two to six words in a row of random ``texts``, without signs."""
    found = []
    for text in rng.choices(texts, k=SNIPPETS):
        words = re.findall(r"[\w'-]+", text)
        start = rng.randrange(len(words) or 1)
        found.append(" ".join(words[start : start + rng.randint(2, 6)]))
    return found


def _lines(texts: Iterable[str]) -> list[str]:
    return [line for text in texts for line in lines(text)]


def _add(rows: Rows, texts: Iterable[str], target: float, weight: float = 1.0) -> None:
    rows.add([read(text) for text in texts], target, weight=weight)


def trained(rows: Rows) -> Head:
    """The head before calibration, in the precision it is kept in."""
    nothing: Vectors = np.zeros((len(rows.texts), len(NO_VECTOR)), np.float32)
    tensors = {name: t.astype(np.float32) for name, t in fit(rows, nothing, RECIPE).items()}
    return Head(RECIPE.names, tensors, (1.0,), (0.0,))


def calibrated(head: Head, found: Sequence[Row], texts: Sequence[str]) -> OrderHead:
    """Probabilities by the worst lines of a quarter of ``found`` and of ``texts``."""
    scores = [
        max((float(head.raw(read(line), NO_VECTOR)[0]) for line in lines(text)), default=NOTHING)
        for text in (*texts, *(row["text"] for row in found[::4]))
    ]
    scale, shift = platt(np.array(scores), np.arange(len(scores)) >= len(texts))
    return with_thresholds(Head(head.names, head.tensors, (scale,), (shift,)), texts)


def with_thresholds(head: Head, texts: Sequence[str]) -> OrderHead:
    """Thresholds at which few ``texts`` are found: for lines that speak of a reply, and others."""
    plain = OrderHead(head, 1.0, 1.0)
    least = []
    for wanted in (False, True):
        chosen = [[one for one in lines(t) if speaks_of_reply(one) == wanted] for t in texts]
        worst = np.array([max(plain.scores(some), default=0.0) for some in chosen])
        least.append(operating_point(worst, np.zeros(len(worst), bool), FALSE_RATE))
    return OrderHead(head, least[0], max(LIKELY, least[1]))


def train(
    data: Annotated[Path, typer.Option(help="The folder with train/.", exists=True)],
    out: Annotated[Path, typer.Option(help="The folder of the screens.", exists=True)],
) -> None:
    """Train, calibrate and write the order head beside the screens that are there."""
    known = [row for row in attacks(data) if not unseen(row["attack"])]
    texts, chosen_on, _ = passages(data)
    rows = order_rows(known, [t for t in carriers(data) if not unseen(t)], texts)
    head = calibrated(trained(rows), known, chosen_on)
    tensors, config, counts = kept(out, (ORDER,))
    tensors |= {f"{ORDER}.{key}": t.astype(np.float16) for key, t in head.head.tensors.items()}
    own = {"scale": head.head.scale, "shift": head.head.shift, "at_least": head.at_least}
    own["of_reply"] = head.of_reply
    counts[ORDER] = {"lines": len(rows.texts)}
    write(out, tensors, config | {ORDER: own}, counts)
    typer.echo(f"{ORDER}: {counts[ORDER]}, at least {head.at_least}")


if __name__ == "__main__":
    typer.run(train)
