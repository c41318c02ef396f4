"""Training: windows keep the answer, batches have the right labels, a tiny run saves a reader."""

import gzip
import json
import random
from pathlib import Path

import pytest
import torch

from app.inference.embedder import load_tokenizer
from app.inference.pair_model import READER_HEADS, new_pair_model
from app.inference.reader import SpanReader
from training.data import SpanExample, load_span_examples
from training.reader import SEP, collate, save, schedule, span_loss, train

PASSAGES = {
    "p1": "The excess for water damage is £350. Claims must be made within 30 days.",
    "p2": "The office opens at nine. It closes at five on weekdays and at noon on Saturdays.",
}
QUESTIONS = [
    ("What is the excess?", "p1", ["£350"]),
    ("When must claims be made?", "p1", ["within 30 days"]),
    ("When does the office open?", "p2", ["nine"]),
    ("What is the excess?", "p2", []),
    ("When does the moon rise?", "p2", ["at midnight"]),
]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "train" / "qa"
    folder.mkdir(parents=True)
    passages = [{"passage_id": key, "title": "", "text": text} for key, text in PASSAGES.items()]
    questions = [
        {
            "id": str(number),
            "question": question,
            "passage_ids": [passage],
            "answers": answers,
            "answerable": bool(answers),
            "source": "test",
        }
        for number, (question, passage, answers) in enumerate(QUESTIONS)
    ]
    for name, rows in (("passages", passages), ("questions", questions)):
        with gzip.open(folder / f"{name}.jsonl.gz", "wt", encoding="utf-8") as target:
            target.writelines(json.dumps(row) + "\n" for row in rows)
    return tmp_path


def test_examples_point_at_their_answers(data: Path) -> None:
    tokenizer = load_tokenizer()
    examples = load_span_examples(data, tokenizer, seed=1)
    assert len(examples) == 4  # the answer that is not verbatim is left out
    spoken = {
        tokenizer.decode(list(e.passage[e.start : e.end + 1])) if e.start >= 0 else ""
        for e in examples
    }
    assert spoken == {"£350", "within 30 days", "nine", ""}


@pytest.mark.parametrize("seed", range(20))
def test_a_window_always_holds_the_answer(seed: int) -> None:
    rng = random.Random(seed)
    start = rng.randrange(0, 95)
    example = SpanExample((1, 2), tuple(range(1000, 1100)), start, start + rng.randrange(0, 5))
    tokens, first, last = example.window(rng.randrange(8, 120), rng)
    assert tokens[first : last + 1] == example.passage[example.start : example.end + 1]


def test_labels_stand_at_the_answer_or_at_the_first_token() -> None:
    answered = SpanExample((7, 8), (20, 21, 22), 1, 2)
    unanswered = SpanExample((7,), (20, 21), -1, -1)
    batch = collate([answered, unanswered], 64, random.Random(1))
    start, end = batch.positions[0].tolist()
    assert batch.input_ids[0, start : end + 1].tolist() == [21, 22]
    assert batch.input_ids[0, 3].item() == SEP
    assert batch.positions[1].tolist() == [0, 0]


def test_the_loss_ignores_the_question_and_the_padding() -> None:
    batch = collate([SpanExample((7, 8), (20, 21), 0, 0)], 64, random.Random(1))
    logits = torch.zeros(1, batch.input_ids.shape[1], 2)
    logits[0, 1:4] = 50.0  # question and separator
    logits[0, -1] = 50.0  # padding
    tempted = span_loss(logits, batch)
    assert tempted.item() == pytest.approx(torch.tensor(4.0).log().item(), abs=1e-3)


def test_the_schedule_warms_up_and_ends_low_with_whole_passages() -> None:
    assert schedule(0.0, 0)[0] < schedule(0.0, 400)[0]
    factor, window = schedule(1.0, 10_000)
    assert (factor, window) == (0.02, 256)


def test_a_short_run_learns_and_ships_a_reader_that_loads(data: Path, tmp_path: Path) -> None:
    torch.manual_seed(1)
    examples = load_span_examples(data, load_tokenizer(), seed=1)
    model = new_pair_model(READER_HEADS, "eager")
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    figures = train(
        model,
        examples,
        minutes=0.05,
        learning_rate=1e-4,
        batch_size=4,
        seed=1,
        out=tmp_path / "reader",
        device=torch.device("cpu"),
    )
    save(model, tmp_path / "reader", figures)
    assert figures["examples"] >= 4
    after = model.state_dict()
    frozen = "encoder.embeddings.word_embeddings.weight"
    assert torch.equal(before[frozen], after[frozen])
    assert not torch.equal(before["token.weight"], after["token.weight"])
    SpanReader(tmp_path / "reader").warm_up()
    size = (tmp_path / "reader" / "model.safetensors").stat().st_size
    assert size < 22_000_000
