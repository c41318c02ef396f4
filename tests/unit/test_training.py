"""Training: windows keep the answer, batches have the right labels, a tiny run saves a reader."""

import gzip
import json
import random
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from app.inference.embedder import load_tokenizer
from app.inference.networks.pair_model import PairModel, new_pair_model
from app.inference.networks.pair_tensors import READER_HEADS
from app.inference.networks.weights import WEIGHTS, load_tensors
from app.inference.reader import SEPARATOR, Reader, Tuning
from app.settings import PROJECT
from tests.training_rows import question_rows, write_tables
from training import reader
from training.data import ReaderData, SpanExample, held_out, load_reader_data, nameless, title_of
from training.mining import main as mine
from training.model_folder import write_mean
from training.noise import TAKEN_BACK, disfluent, keywords, noisy, with_typos
from training.reader import (
    PLAIN_SHARE,
    SEP,
    TOGETHER,
    DrawnBatches,
    Row,
    batches,
    collate,
    fastest,
    freeze,
    group_rows,
    losses_of,
    passes,
    ranking_loss,
    save,
    schedule,
    seal_reader,
    span_loss,
    start_from,
    train,
)
from training.runs import Progress, load_progress, save_progress
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
TITLES = {"p1": "Home cover", "p2": "The-office"}
TEMPTING = [
    ("What is the excess for theft?", "p1", "0"),
    ("Must claims be made in writing?", "p1", None),
    ("When does the shop open?", "p2", "2"),
]
"""Questions that look answerable, their passage, and the question each was written against."""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_tables(
        tmp_path,
        passages=[
            {"passage_id": key, "title": TITLES[key], "text": text}
            for key, text in PASSAGES.items()
        ],
        questions=question_rows(QUESTIONS),
        distractors=[{"id": "0", "gold": "p1", "distractors": ["p2"]}],
        squad2_unanswerable=[
            {"id": f"u{n}", "question": question, "passage_ids": [passage], "answers": []}
            | ({"pair": pair} if pair else {})
            for n, (question, passage, pair) in enumerate(TEMPTING)
        ],
    )
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


def test_a_title_stands_with_the_question_as_the_reader_reads_it() -> None:
    tokenizer = load_tokenizer()
    question, title, text = "what opens?", "The office", "It opens at nine."
    ids = [
        tuple(tokenizer.encode(part, add_special_tokens=False).ids)
        for part in (question, title, text)
    ]
    batch = collate([Row(SpanExample(ids[0], ids[2], 3, 3, ids[1]), 0)], 64, random.Random(1))
    read = tokenizer.encode(f"{question} {SEPARATOR} {title}", text)
    size = len(read.ids)
    assert batch.input_ids[0, :size].tolist() == read.ids
    assert batch.token_type_ids[0, :size].tolist() == read.type_ids
    start = int(batch.positions[0, 0])
    assert tokenizer.decode([read.ids[start]]) == "nine"


def test_a_group_begins_with_the_passage_that_answers(data: Path) -> None:
    loaded, rng = reader_data(data), random.Random(3)
    seen, titles = set(), set()
    for _ in range(200):
        for place, example in enumerate(loaded.examples):
            rows = group_rows(example, loaded, place, rng)
            assert replace(rows[0].example, title=example.gold.title) == example.gold
            assert len({row.example.title for row in rows if row.group >= 0}) <= 2
            for row in rows[1:]:
                counterpart = example.counterpart and example.counterpart.passage
                own = row.example.passage == counterpart or (
                    set(row.example.passage) <= set(example.gold.passage)
                )
                # What is about the same thing says nothing against the passage's relevance.
                assert own == (row.group == -1)
                changed = row.example.question != example.gold.question
                exchanged = row.example.passage == counterpart
                if example.nameless and row.example.passage == example.nameless.passage:
                    # Only under its own title does it answer.
                    right = row.example.title == example.gold.title
                    assert (row.example.start >= 0) == right
                    titles.add(right)
                    continue
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
    assert titles == {True, False}


def test_titles_are_told_to_whole_groups_or_not_at_all(data: Path) -> None:
    loaded, rng = reader_data(data), random.Random(3)
    told = [
        {bool(row.example.title) for row in group_rows(example, loaded, 1, rng)}
        for _ in range(100)
        for example in loaded.examples
    ]
    assert all(len(one) == 1 for one in told)
    assert 0.6 < sum(one == {True} for one in told) / len(told) < 0.8


def test_a_question_that_looks_answerable_stands_beside_the_one_it_imitates(data: Path) -> None:
    tokenizer = load_tokenizer()
    found = {}
    for example in reader_data(data).examples:
        for row in example.unanswerable:
            assert row.start == -1 and row.passage == example.gold.passage
            answer = row.tempting and tokenizer.decode(
                list(row.passage[row.tempting[0] : row.tempting[1] + 1])
            )
            found[tokenizer.decode(list(row.question))] = answer
    # The one that imitates none stands where there are fewest, and nothing is known to tempt.
    assert sorted(answer or "" for answer in found.values()) == ["", "nine", "£350"]
    spread = sorted(len(example.unanswerable) for example in reader_data(data).examples)
    assert spread == [1, 1, 1]


def test_a_window_without_an_answer_holds_what_tempts() -> None:
    example = SpanExample((1,), tuple(range(100, 200)), -1, -1, (), (70, 71))
    for seed in range(20):
        tokens, first, last = example.window(8, random.Random(seed))
        assert (first, last) == (-1, -1) and {170, 171} <= set(tokens)


def test_a_passage_without_its_name_answers_under_its_title_alone() -> None:
    passage = (5, 9, 10, 6, 7, 9, 10, 8)
    made = nameless(SpanExample((1, 9, 10), passage, 4, 4, (9, 10)), (3,))
    assert made is not None
    assert made.passage == (5, 3, 6, 7, 3, 8)
    assert made.passage[made.start : made.end + 1] == (7,)
    assert nameless(SpanExample((1, 2), passage, 4, 4, (9, 10)), (3,)) is None
    assert nameless(SpanExample((1, 9, 10), passage, 2, 4, (9, 10)), (3,)) is None


def test_titles_are_plain_words() -> None:
    assert title_of({"title": "Saint_Barth%C3%A9lemy"}) == "Saint Barthélemy"
    assert title_of({"title": "three-dogs"}) == "three dogs"
    assert title_of({"title": "Semi-trailer trucks"}) == "Semi-trailer trucks"
    assert title_of({}) == ""


def test_one_pass_has_every_question_with_an_unanswerable_twin_and_some_others(data: Path) -> None:
    example = next(e for e in reader_data(data).examples if e.unanswerable)
    plain = replace(example, unanswerable=())
    examples = [example, plain] * 500
    order = passes(examples, random.Random(1))
    first = [next(order) for _ in range(500)]
    twins = [place for place in first if place % 2 == 0]
    assert len(set(twins)) == len(twins)
    assert len(twins) / len(first) == pytest.approx(1 / (1 + PLAIN_SHARE), abs=0.06)


def test_batches_share_rows_by_length_and_keep_groups_whole(data: Path) -> None:
    loaded, rng = reader_data(data), random.Random(3)
    drawn = batches(loaded, passes(loaded.examples, rng), 32, 200, rng)
    assert TOGETHER - 2 <= len(drawn) <= TOGETHER
    for rows in drawn:
        assert sum(len(row.example.question) + 32 for row in rows) >= 200 * 0.5
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
        DrawnBatches(reader_data(data), 400, 1),
        minutes=0.05,
        learning_rate=1e-4,
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
    seal_reader(tmp_path / "reader", Tuning(1.5, 0.5, 0.25), figures)
    tuned = Reader(tmp_path / "reader")
    tuned.warm_up()
    assert tuned.tuning == Tuning(1.5, 0.5, 0.25)


def test_a_stopped_training_goes_on_with_its_optimizer(data: Path, tmp_path: Path) -> None:
    def start(seed: int) -> tuple[PairModel, torch.optim.Optimizer]:
        torch.manual_seed(seed)
        model = new_pair_model(READER_HEADS, "eager")
        freeze(model, 2)
        trained = [p for p in model.parameters() if p.requires_grad]
        return model, torch.optim.AdamW(trained, lr=1e-3)

    def step(model: PairModel, optimizer: torch.optim.Optimizer) -> None:
        rows = [Row(reader_data(data).examples[0].gold, 0)]
        batch = collate(rows, 32, random.Random(1))
        losses_of(model, batch, torch.device("cpu"), half=False).sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()

    model, optimizer = start(1)
    step(model, optimizer)
    save_progress(tmp_path, model, optimizer, Progress(step=1, drawn=7, tokens=9, seconds=2.5))
    step(model, optimizer)
    again, other = start(2)
    assert load_progress(tmp_path, again, other) == Progress(1, 7, 0, 9, 2.5)
    step(again, other)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name
    assert load_progress(tmp_path / "none", again, other) == Progress()


def test_frozen_layers_stay_as_they_are() -> None:
    model = new_pair_model(READER_HEADS)
    freeze(model, 2)
    names = {name for name, p in model.named_parameters() if not p.requires_grad}
    layers = {name.split(".")[3] for name in names if name.startswith("encoder.encoder.")}
    assert layers == {"0", "1"}


def test_the_fastest_way_to_train_is_measured(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    small = partial(reader._tokens_per_second, rows=4, length=64)
    monkeypatch.setattr(reader, "_tokens_per_second", small)
    way = fastest(torch.device("cpu"))
    rates = {
        (words[0], words[1] == "bf16:"): int(words[2])
        for line in capsys.readouterr().out.splitlines()
        for words in [line.split()]
    }
    assert set(rates) == {("eager", True), ("sdpa", False)}
    assert rates[way] == max(rates.values())


def test_people_type_the_same_question_in_other_forms() -> None:
    rng = random.Random(2)
    question, other = "What is the excess for an escape of water?", "Who pays for theft?"
    assert keywords(question) == "excess escape water"
    assert keywords("Who was he?") == "Who was he?"
    for _ in range(20):
        misspelt = with_typos(question, rng)
        assert misspelt != question or "ss" in question
        assert len(misspelt.split()) == len(question.split())
        spoken = disfluent(question, other, rng)
        assert set(question.split()) <= set(spoken.split()) and spoken != question
    forms = {noisy(question, other, rng) for _ in range(60)}
    assert question.lower().rstrip("?") in forms and keywords(question) in forms
    assert any(mark in form for form in forms for mark in TAKEN_BACK)


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
    write_mean(first, second, tmp_path / "mean", share=0.25)
    assert load_tensors(tmp_path / "mean" / WEIGHTS)["encoder.w"].tolist() == [1.5, 1.5]
