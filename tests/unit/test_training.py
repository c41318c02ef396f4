"""Training: windows keep the answer, batches have the right labels, a tiny run saves a reader."""

import gzip
import json
import random
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from app.inference.embedder import load_tokenizer
from app.inference.networks.pair_model import new_pair_model
from app.inference.networks.pair_tensors import READER_HEADS
from app.inference.networks.weights import WEIGHTS, load_tensors
from app.inference.reader import Reader, Tuning
from app.settings import PROJECT
from training.blend import write_mean
from training.data import ReaderData, SpanExample, held_out, load_reader_data, shuffled
from training.mining import main as mine
from training.reader import (
    SEP,
    TOGETHER,
    Row,
    batches,
    collate,
    group_rows,
    ranking_loss,
    save,
    schedule,
    seal,
    span_loss,
    start_from,
    train,
)
from training.unanswerable import OPPOSITES, alter, exchange

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
    distractors = [{"id": "0", "gold": "p1", "distractors": ["p2"]}]
    tables: dict[str, list[dict[str, Any]]] = {
        "passages": passages,
        "questions": questions,
        "distractors": distractors,
    }
    for name, rows in tables.items():
        with gzip.open(folder / f"{name}.jsonl.gz", "wt", encoding="utf-8") as target:
            target.writelines(json.dumps(row) + "\n" for row in rows)
    return tmp_path


def reader_data(data: Path) -> ReaderData:
    return load_reader_data(data, load_tokenizer(), seed=1)


def test_examples_point_at_their_answers(data: Path) -> None:
    tokenizer = load_tokenizer()
    found = [example.gold for example in reader_data(data).examples]
    assert len(found) == 3  # the answer that is not verbatim is left out
    spoken = {tokenizer.decode(list(e.passage[e.start : e.end + 1])) for e in found}
    assert spoken == {"£350", "within 30 days", "nine"}


def test_a_passage_without_the_answers_sentence_does_not_answer(data: Path) -> None:
    tokenizer = load_tokenizer()
    texts = set()
    for example in reader_data(data).examples:
        removed = example.without_answer()
        assert removed is not None and removed.start == -1
        texts.add(tokenizer.decode(list(removed.passage)))
    assert texts == {
        "claims must be made within 30 days.",
        "the excess for water damage is £350.",
        "it closes at five on weekdays and at noon on saturdays.",
    }


def test_held_out_passages_take_no_part(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.data.held_out", lambda key: key == "p1")
    examples = reader_data(data).examples
    assert len(examples) == 1
    assert examples[0].negatives == ()


def test_one_passage_in_twenty_five_is_held_out() -> None:
    assert 0.03 < sum(held_out(f"p{n}") for n in range(10_000)) / 10_000 < 0.06


def test_mined_negatives_hold_no_answer_and_replace_the_distractors(
    data: Path, tmp_path: Path
) -> None:
    mine(data, tmp_path / "negatives.jsonl.gz", None)
    with gzip.open(tmp_path / "negatives.jsonl.gz", "rt", encoding="utf-8") as source:
        rows = {row["id"]: row["negatives"] for row in map(json.loads, source)}
    assert rows == {"0": ["p2"], "1": ["p2"], "2": ["p1"], "4": ["p1"]}
    found = load_reader_data(data, load_tokenizer(), 1, tmp_path / "negatives.jsonl.gz")
    assert all(example.negatives for example in found.examples)


ALTERED = [
    ("Who was the first king?", "Otto was the first king."),
    ("In what year did Otto found the abbey of Mainz?", "Otto and Berthold met in 955. He left."),
    ("How many monks lived there in 955?", "In 955, 30 monks lived there; in 960 there were 50."),
    ("What did the monks reject?", "The monks rejected meat, and planted vines near the river."),
]


@pytest.mark.parametrize(("question", "passage"), ALTERED)
@pytest.mark.parametrize("seed", range(12))
def test_an_altered_question_differs_in_one_place_and_does_not_tell_the_answer(
    question: str, passage: str, seed: int
) -> None:
    changed = alter(question, passage, "30", random.Random(seed))
    assert changed is not None and changed.casefold() != question.casefold()
    before, after = question.split(), changed.split()
    same_start = next(n for n, (a, b) in enumerate(zip(before, after, strict=False)) if a != b)
    left = before[same_start:]
    kept_end = 0
    while kept_end < len(left) and before[-1 - kept_end] == after[-1 - kept_end]:
        kept_end += 1
    assert len(before) - same_start - kept_end <= 2
    assert "30" not in changed


def test_exchanged_words_make_a_passage_that_answers_the_altered_question() -> None:
    passage = "İn 955 the oldest abbey fed 30 monks. The youngest abbey had 12."
    question = "How many monks did the oldest abbey feed?"
    altered = question.replace("oldest", "youngest")
    text, at = exchange(question, altered, passage, "30", passage.index("30")) or ("", -1)
    assert text == "İn 955 the youngest abbey fed 30 monks. The oldest abbey had 12."
    assert text[at : at + 2] == "30"
    assert exchange(altered, question, text, "30", at) == (passage, passage.index("30"))


@pytest.mark.parametrize(
    ("altered", "passage"),
    [
        ("How many monks did not live there?", "There live 30 monks."),  # only put in
        ("How many nuns live there?", "There are 30 of them."),  # does not stand there
        ("How many of 31 monks live there?", "There live 30."),
    ],
)
def test_a_passage_without_the_changed_words_is_not_exchanged(altered: str, passage: str) -> None:
    found = exchange("How many monks live there?", altered, passage, "30", passage.index("30"))
    assert found is None


def test_opposites_go_both_ways() -> None:
    assert all(word in OPPOSITES[other] for word, others in OPPOSITES.items() for other in others)


def test_a_question_without_anything_to_change_stays_as_it_is() -> None:
    assert alter("Why?", "Because.", "Because", random.Random(1)) is None


@pytest.mark.parametrize("seed", range(20))
def test_a_window_always_holds_the_answer(seed: int) -> None:
    rng = random.Random(seed)
    start = rng.randrange(0, 95)
    example = SpanExample((1, 2), tuple(range(1000, 1100)), start, start + rng.randrange(0, 5))
    tokens, first, last = example.window(rng.randrange(8, 120), rng)
    assert tokens[first : last + 1] == example.passage[example.start : example.end + 1]


def test_labels_stand_at_the_answer_or_at_the_first_token() -> None:
    answered = Row(SpanExample((7, 8), (20, 21, 22), 1, 2), 4)
    unanswered = Row(SpanExample((7,), (20, 21), -1, -1), -1)
    batch = collate([answered, unanswered], 64, random.Random(1))
    start, end = batch.positions[0].tolist()
    assert batch.input_ids[0, start : end + 1].tolist() == [21, 22]
    assert batch.input_ids[0, 3].item() == SEP
    assert batch.positions[1].tolist() == [0, 0]
    assert batch.groups.tolist() == [4, -1]


def test_a_group_begins_with_the_passage_that_answers(data: Path) -> None:
    loaded, rng = reader_data(data), random.Random(3)
    seen = set()
    for _ in range(60):
        for place, example in enumerate(loaded.examples):
            rows = group_rows(example, loaded, place, rng)
            assert rows[0] == Row(example.gold, place)
            for row in rows[1:]:
                counterpart = example.counterpart and example.counterpart.passage
                own = row.example.passage == counterpart or (
                    set(row.example.passage) <= set(example.gold.passage)
                )
                # What is about the same thing says nothing against the passage's relevance.
                assert own == (row.group == -1)
                changed = row.example.question != example.gold.question
                exchanged = row.example.passage == counterpart
                # The same words in the question and in the passage, or in neither: an answer.
                assert (row.example.start >= 0) == (exchanged and changed)
                seen.add((own, changed, exchanged))
    assert seen == {
        (False, False, False),
        (True, True, False),
        (True, False, False),
        (True, True, True),
        (True, False, True),
    }


def test_batches_share_rows_by_length_and_keep_groups_whole(data: Path) -> None:
    loaded, rng = reader_data(data), random.Random(3)
    drawn = batches(loaded, shuffled(len(loaded.examples), rng), 32, 200, rng)
    assert 1 < len(drawn) <= TOGETHER
    assert sum(map(len, drawn)) * 48 >= 200 * TOGETHER
    for rows in drawn:
        for before, row in pairwise(rows):
            if row.group != before.group and row.group >= 0:  # a group begins with its answer
                assert row.example.start >= 0


def test_ranking_wants_the_first_row_of_each_group_above_its_others() -> None:
    groups = torch.tensor([0, 0, 1, -1, 1])
    good = ranking_loss(torch.tensor([5.0, -5.0, 5.0, 9.0, -5.0]), groups)
    bad = ranking_loss(torch.tensor([-5.0, 5.0, 5.0, -9.0, -5.0]), groups)
    assert good.item() == pytest.approx(0.0, abs=1e-3)
    assert bad.item() == pytest.approx(5.0, abs=1e-2)


def test_the_loss_ignores_the_question_and_the_padding() -> None:
    batch = collate([Row(SpanExample((7, 8), (20, 21), 0, 0), 0)], 64, random.Random(1))
    logits = torch.zeros(1, batch.input_ids.shape[1], 2)
    logits[0, 1:4] = 50.0  # question and separator
    logits[0, -1] = 50.0  # padding
    tempted = span_loss(logits, batch)
    assert tempted.item() == pytest.approx(torch.tensor(4.0).log().item(), abs=1e-3)


def test_the_schedule_warms_up_and_ends_low_with_whole_passages() -> None:
    assert schedule(0.0, 0)[0] < schedule(0.0, 400)[0]
    factor, window = schedule(1.0, 10_000)
    assert (factor, window) == (0.02, 224)


def test_a_short_run_learns_and_ships_a_reader_that_loads(data: Path, tmp_path: Path) -> None:
    torch.manual_seed(1)
    model = new_pair_model(READER_HEADS, "eager")
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    figures = train(
        model,
        reader_data(data),
        minutes=0.05,
        learning_rate=1e-4,
        tokens_per_batch=400,
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
    Reader(tmp_path / "reader").warm_up()
    size = (tmp_path / "reader" / "model.safetensors").stat().st_size
    assert size < 22_000_000
    seal(tmp_path / "reader", Tuning(1.5, 0.5, 0.25), figures)
    tuned = Reader(tmp_path / "reader")
    tuned.warm_up()
    assert tuned.tuning == Tuning(1.5, 0.5, 0.25)


def test_training_can_begin_with_the_encoder_of_the_generator() -> None:
    model = new_pair_model(READER_HEADS)
    heads = model.token.weight.clone()
    start_from(model, PROJECT / "models" / "seq2seq")
    ours = model.state_dict()
    shipped = load_tensors(PROJECT / "models" / "seq2seq" / WEIGHTS)
    name = "encoder.encoder.layer.5.output.dense.weight"
    assert torch.equal(ours[name], shipped[name])
    assert torch.equal(model.token.weight, heads)


def test_a_mean_lies_between_both_and_takes_a_new_head_from_the_second(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder, number, head in ((first, 1.0, 0.0), (second, 3.0, 4.0)):
        folder.mkdir()
        tensors = {"encoder.w": torch.full((2,), number), "pair.weight": torch.full((2,), head)}
        save_file(tensors, folder / WEIGHTS)
        figures = {"training": {"examples": 2, "tokens": 5}}
        (folder / "manifest.json").write_text(json.dumps(figures), "utf-8")
    assert write_mean(first, second, tmp_path / "mean") == {"examples": 4, "tokens": 10}
    mean = load_tensors(tmp_path / "mean" / WEIGHTS)
    assert mean["encoder.w"].tolist() == [2.0, 2.0]
    assert mean["pair.weight"].tolist() == [4.0, 4.0]
