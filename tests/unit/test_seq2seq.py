"""The generator that writes: its mixture, its copying, its text, and a tiny training run."""

import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer

from app.deadline import Deadline
from app.errors import DeadlineExceeded, ModelRefused
from app.inference.embedder import load_tokenizer
from app.inference.networks.seq2seq_model import CLOSE, NO_ANSWER, OPEN, SEP, new_seq2seq_model
from app.inference.seq2seq import Seq2SeqGenerator
from app.inference.writing.search import Decoding
from app.ports import DraftRequest, Misfit
from guardrails.contract import Passage
from tests.training_rows import question_rows, write_tables
from training.data import FusedData, load_fused_data
from training.generator import Plan, answer_item, collate, denoise_item, loss_of, save, train
from training.statements import state, statement

SHIPPED = Path(__file__).parents[2] / "models" / "seq2seq"
TEXTS = {
    "p1": "The excess for water damage is £350. Claims must be made within 30 days.",
    "p2": "The office opens at nine. It closes at five on weekdays and at noon on Saturdays.",
    "p3": "Ada Lovelace wrote the first program in 1843.",
}
QUESTIONS = [
    ("What is the excess for water damage?", "p1", ["£350"]),
    ("When does the office open?", "p2", ["nine"]),
    ("Who wrote the first program?", "p3", ["Ada Lovelace"]),
    ("What is the excess for theft?", "p2", []),
    ("Why did she write it?", "p3", ["out of curiosity"]),
]


@pytest.fixture
def tokenizer() -> Tokenizer:
    return load_tokenizer()


@pytest.fixture
def data(tmp_path: Path, tokenizer: Tokenizer) -> FusedData:
    write_tables(
        tmp_path,
        passages=[{"passage_id": k, "title": "", "text": text} for k, text in TEXTS.items()],
        questions=question_rows(QUESTIONS),
        distractors=[{"id": "2", "gold": "p3", "distractors": ["p1", "p2"]}],
    )
    return load_fused_data(tmp_path, tokenizer, seed=1)


def passage(number: int, text: str) -> Passage:
    return Passage(f"p{number}", f"d{number}", "c", "Title", text, 0, len(text))


def ask(question: str, *texts: str, seconds: float = 60) -> DraftRequest:
    evidence = tuple(passage(n, text) for n, text in enumerate(texts))
    return DraftRequest(question, evidence, Deadline(seconds))


@pytest.mark.parametrize(
    ("question", "answer", "wanted"),
    [
        ("Who wrote the letter?", "Ada", "Ada wrote the letter."),
        ("When was the treaty signed?", "1839", "The treaty was signed in 1839."),
        ("When was the treaty signed?", "May 5, 1839", "The treaty was signed on May 5, 1839."),
        ("What is the name of the ship?", "Erebus", "The name of the ship is Erebus."),
        ("What event caused the war?", "a raid", "A raid caused the war."),
        ("How many rooms are there in the inn?", "12", "There are 12 rooms in the inn."),
        ("When did she win the prize?", "1903", "1903."),
        ("What was the book written by?", "Ada", "Ada."),
    ],
)
def test_a_statement_is_a_sentence_or_the_answer_alone(
    question: str, answer: str, wanted: str
) -> None:
    assert statement(question, answer) == wanted
    assert state(question, answer).answer == answer


def test_every_copied_target_stands_where_it_is_said_to(data: FusedData) -> None:
    for seed in range(40):
        rng = random.Random(seed)
        for example in data.examples:
            item = answer_item(example, data, rng.choice([1, 2, 3]), rng.choice([8, 16, 64]), rng)
            for target, places in zip(item.targets, item.places, strict=True):
                assert all(item.rows[row][index] == target for row, index in places)


def test_a_span_is_copied_from_its_own_place_only(data: FusedData) -> None:
    example = next(e for e in data.examples if e.answer and e.answer.span and e.gold == "p1")
    item = answer_item(example, data, 1, 64, random.Random(1))
    start, end = item.targets.index(OPEN) + 1, item.targets.index(CLOSE)
    assert [len(places) for places in item.places[start:end]] == [1] * (end - start)
    assert item.targets[-1] == SEP


def test_an_unanswerable_question_has_one_target(data: FusedData) -> None:
    example = next(e for e in data.examples if e.answer is None)
    assert answer_item(example, data, 2, 64, random.Random(1)).targets == [NO_ANSWER, SEP]


def test_denoising_hides_what_it_asks_for() -> None:
    for seed in range(30):
        item = denoise_item(list(range(2000, 2040)), 32, random.Random(seed))
        for target, places in zip(item.targets, item.places, strict=True):
            assert all(item.rows[row][index] == target for row, index in places)
        hidden = [t for t, places in zip(item.targets, item.places, strict=True) if not places]
        assert len(hidden) > 1 and not set(hidden[:-1]) & set(item.rows[0])


def test_the_mixture_is_a_distribution_and_agrees_with_the_loss(data: FusedData) -> None:
    torch.manual_seed(1)
    model = new_seq2seq_model(1)
    batch = collate([answer_item(data.examples[0], data, 2, 64, random.Random(1))])
    with torch.no_grad():
        reading = model.read(batch.input_ids, batch.attention_mask, batch.token_type_ids)
        writing, _ = model.write(reading, batch.tokens)
        log_probs = writing.log_probs(reading.source)
        written = batch.weights > 0
        # Every occurrence counts when all places of a token may be copied from.
        everywhere = reading.source.unsqueeze(1) == batch.targets.unsqueeze(-1)
        targets = model.target_log_probs(reading, batch.tokens, batch.targets, everywhere, written)
    assert torch.allclose(log_probs.exp().sum(-1), torch.ones(1), atol=1e-3)
    chosen = log_probs.gather(-1, batch.targets.unsqueeze(-1)).squeeze(-1)[written]
    assert torch.allclose(chosen, targets, atol=1e-3)


def test_a_batch_gives_the_same_loss_with_more_padding(data: FusedData) -> None:
    model = new_seq2seq_model(1)
    short = answer_item(data.examples[0], data, 1, 64, random.Random(1))
    long = answer_item(data.examples[1], data, 1, 64, random.Random(1))
    with torch.no_grad():
        alone = [loss_of(model, collate([item]), frozen=True).item() for item in (short, long)]
        weights = [sum(item.weights) for item in (short, long)]
        together = loss_of(model, collate([short, long]), frozen=True).item()
    mean = sum(a * w for a, w in zip(alone, weights, strict=True)) / sum(weights)
    assert together == pytest.approx(mean, rel=1e-3)


def test_a_short_run_learns_and_ships_a_generator_that_loads(
    data: FusedData, tmp_path: Path
) -> None:
    torch.manual_seed(1)
    model = new_seq2seq_model(1, "eager")
    frozen = model.encoder.embeddings.word_embeddings.weight.clone()
    first = model.query.weight.clone()
    plan = Plan(0.04, 5e-4, 1e-4, 0.5, 300, 1)
    figures = train(model, data, plan, tmp_path / "out", torch.device("cpu"))
    save(model, tmp_path / "out", figures)
    assert figures["examples"] > 0
    assert torch.equal(frozen, model.encoder.embeddings.word_embeddings.weight)
    assert not torch.equal(first, model.query.weight)
    Seq2SeqGenerator(tmp_path / "out", "cpu").warm_up()


@pytest.fixture(scope="module")
def shipped() -> Seq2SeqGenerator:
    generator = Seq2SeqGenerator(SHIPPED, "cpu")
    generator.warm_up()
    return generator


def test_the_shipped_generator_answers_and_cites_the_right_passage(
    shipped: Seq2SeqGenerator,
) -> None:
    (draft,) = shipped.draft([ask("Who wrote the first program?", *TEXTS.values())])
    assert draft.short == "Ada Lovelace"
    assert [c.passage_id for c in draft.citations] == ["p2"]
    assert draft.features["copied"] > 0 and draft.features["abstain_margin"] > 0
    assert draft.features["min_logprob"] <= draft.features["mean_logprob"] <= 0


def test_a_batch_gives_what_single_requests_give(shipped: Seq2SeqGenerator) -> None:
    requests = [
        ask("When does the office open?", *TEXTS.values()),
        ask("What is the excess for water damage?", TEXTS["p1"]),
        ask("Who wrote the first program?", *TEXTS.values()),
    ]
    together = [draft.text for draft in shipped.draft(requests)]
    assert together == [shipped.draft([request])[0].text for request in requests]


def test_a_second_try_gives_the_likeliest_other_text_that_fits(shipped: Seq2SeqGenerator) -> None:
    request = ask("When does the office open?", *TEXTS.values())
    (first,) = shipped.draft([request])
    other = Misfit("", lambda draft: draft.text != first.text)
    again, plain, none = shipped.draft(
        [
            replace(request, misfit=other),
            request,
            replace(request, misfit=Misfit("", lambda _draft: False)),
        ]
    )
    assert again.sentences and again.text != first.text
    assert set(again.features) == set(first.features)
    assert plain.text == first.text and none.abstained


def test_nothing_asked_and_nothing_to_read_abstains(shipped: Seq2SeqGenerator) -> None:
    drafts = shipped.draft([ask("  ", "Text."), ask("Who?"), ask("Who?", " ", "\u200b")])
    assert all(draft.abstained for draft in drafts)


def test_a_deadline_that_passed_ends_the_batch(shipped: Seq2SeqGenerator) -> None:
    with pytest.raises(DeadlineExceeded):
        shipped.draft([ask("Who wrote it?", TEXTS["p3"], seconds=-1)])


def test_held_to_the_evidence_no_other_word_is_written() -> None:
    generator = Seq2SeqGenerator(SHIPPED, "cpu", Decoding(2, "evidence"))
    (draft,) = generator.draft([ask("Who wrote the first program?", TEXTS["p3"])])
    assert draft.short == "Ada Lovelace"


def test_a_folder_of_another_shape_is_refused(tmp_path: Path) -> None:
    model = new_seq2seq_model(1)
    save(model, tmp_path, {})
    config = tmp_path / "config.json"
    config.write_text('{"decoder_layers": 2}', "utf-8")
    with pytest.raises(ModelRefused):
        Seq2SeqGenerator(tmp_path, "cpu").warm_up()
