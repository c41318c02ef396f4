"""LoRA: what is taught is what is served, a run can stop and go on, and the result is a model."""

import gzip
import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoTokenizer,
    BartConfig,
    BartForConditionalGeneration,
    T5Config,
    T5ForConditionalGeneration,
)
from typer.testing import CliRunner

from app.deadline import Deadline
from app.errors import CountersignError, Invalid, ModelRefused, NotFound
from app.inference.local_model import TransformersGenerator
from app.inference.networks.weights import verify_model
from app.inference.writing.grounding import NO_ANSWER
from app.inference.writing.prompt import INSTRUCTIONS
from app.ports import DraftRequest
from tests.conformance.generators import CHAT_TEMPLATE, save_causal, save_tokenizer
from tests.training_rows import question_rows, write_tables
from training.generator import app
from training.lora import CHECKPOINT, Paths, fine_tune, make_plan
from training.lora_learner import IGNORED, Learner
from training.lora_rows import Row, load_rows
from training.lora_training import Plan, State

PASSAGES = {
    "p1": ("Water", "The excess for water damage is £350. Claims close after 30 days."),
    "p2": ("Office", "The office opens at nine. It closes at five on weekdays."),
    "p3": ("Lift", "The lift is inspected every spring by the insurer."),
}
QUESTIONS = [
    ("q1", "What is the excess?", "p1", ["£350"]),
    ("q2", "When does the office open?", "p2", ["nine"]),
    ("q3", "Who inspects the lift?", "p3", ["the insurer"]),
    ("q4", "When does the moon rise?", "p2", []),
]
EDIT = {
    "question": "When do claims close?",
    "titles": ["Office", "Water"],
    "evidence": [PASSAGES["p2"][1], PASSAGES["p1"][1]],
    "answer": "Claims close after 30 days [2].",
    "task_id": "t1",
    "decided_at": "2026-01-01T00:00:00.000Z",
}
SIZES: dict[str, Any] = {
    "n_positions": 2_048,
    "d_model": 32,
    "num_heads": 2,
    "d_kv": 16,
    "d_ff": 64,
    "num_layers": 1,
}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    passages = [{"passage_id": k, "title": t, "text": x} for k, (t, x) in PASSAGES.items()]
    questions = [
        {**row, "id": key}
        for (key, *_), row in zip(
            QUESTIONS, question_rows([asked[1:] for asked in QUESTIONS]), strict=True
        )
    ]
    distractors = [{"id": "q1", "gold": "p1", "distractors": ["p2", "p3", "gone"]}]
    write_tables(folder, passages=passages, questions=questions, distractors=distractors)
    return folder


@pytest.fixture
def edits(tmp_path: Path) -> Path:
    path = tmp_path / "edits.jsonl"
    uncited = {**EDIT, "answer": "Please call us."}
    path.write_text(json.dumps(EDIT) + "\n" + json.dumps(uncited) + "\n", "utf-8")
    return path


def causal(folder: Path) -> Path:
    folder.mkdir()
    (folder / "LICENSE").write_text("Free for all.", "utf-8")
    return save_causal(folder, CHAT_TEMPLATE, scripted=False)


def plain_causal(folder: Path) -> Path:
    return save_causal(folder, None, scripted=False)


def t5(folder: Path) -> Path:
    tokenizer = save_tokenizer(folder)
    config = T5Config(
        vocab_size=len(tokenizer),
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        **{**SIZES, "decoder_start_token_id": tokenizer.pad_token_id},
    )
    torch.manual_seed(7)
    T5ForConditionalGeneration(config).save_pretrained(folder)
    return folder


def bart(folder: Path) -> Path:
    """Its answers open with two tokens: the decoder's start and a forced first one."""
    tokenizer = save_tokenizer(folder)
    config = BartConfig(
        vocab_size=len(tokenizer),
        d_model=32,
        encoder_layers=1,
        decoder_layers=1,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        max_position_embeddings=2_048,
        decoder_start_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=tokenizer.bos_token_id,
    )
    torch.manual_seed(7)
    model = BartForConditionalGeneration(config)
    model.generation_config.forced_bos_token_id = tokenizer.bos_token_id
    model.save_pretrained(folder)
    return folder


KINDS = [causal, plain_causal, t5, bart]
OPENINGS: dict[Any, int] = {t5: 1, bart: 2}
PLAN = Plan("x", None, 4, seed=7, rank=4, batch_size=2, learning_rate=5e-3, max_tokens=2_048)


def request_for(row: Row) -> DraftRequest:
    return DraftRequest(row.question, row.evidence, Deadline(60))


# --- rows ------------------------------------------------------------------------------------


def test_answers_cite_the_place_of_their_passage_and_the_rest_abstain(data: Path) -> None:
    rows = load_rows(data, None, seed=1)
    seen = set()
    for index in range(len(rows)):
        for attempt in range(60):
            row = rows.draw(index, random.Random(attempt))
            texts = [passage.text for passage in row.evidence]
            assert len(texts) == len(set(texts)) <= 3
            holds = {"What is the excess?": "£350", "Who inspects the lift?": "insurer"}
            wanted = holds.get(row.question)
            if row.answer == NO_ANSWER:
                assert wanted is None or all(wanted not in text for text in texts)
            elif wanted:
                (number,) = row.cited
                assert wanted in texts[number - 1] and wanted in row.answer
                assert row.answer.endswith(f"[{number}].")
            seen.add((row.question, row.answer == NO_ANSWER, len(texts)))
    assert {("What is the excess?", False, n) for n in (1, 2, 3)} <= seen
    assert {("What is the excess?", True, n) for n in (1, 2)} <= seen
    assert not any(asked == "When does the moon rise?" and not none for asked, none, _ in seen)
    assert not any(asked == "Who inspects the lift?" and none for asked, none, _ in seen)


def test_edits_are_rows_as_the_reviewer_wrote_them(data: Path, edits: Path) -> None:
    rows = load_rows(data, edits, seed=1)
    row = rows.draw(len(rows) - 1, random.Random(1))
    assert (row.question, row.answer, row.cited) == (EDIT["question"], EDIT["answer"], {2})
    assert [passage.title for passage in row.evidence] == ["Office", "Water"]
    assert len(rows) > len(load_rows(data, None, seed=1))
    assert all(rows.draw(n, random.Random(1)).answer != "Please call us." for n in range(len(rows)))


@pytest.mark.parametrize(
    "change",
    [
        {"answer": "After 30 days [3]."},
        {"evidence": [5]},
        {"evidence": None},
        {"titles": ["one"]},
        {"question": None},
    ],
)
def test_an_edit_of_another_form_is_invalid(
    data: Path, tmp_path: Path, change: dict[str, Any]
) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text(json.dumps({**EDIT, **change}), "utf-8")
    with pytest.raises(Invalid, match="file of edits"):
        load_rows(data, path, seed=1)


def remove(path: Path) -> None:
    path.unlink()


def garble(path: Path) -> None:
    path.write_bytes(b"no gzip at all")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-12])


def rename_a_field(path: Path) -> None:
    text = gzip.decompress(path.read_bytes()).replace(b'"id"', b'"key"')
    path.write_bytes(gzip.compress(text.replace(b'"text"', b'"body"')))


@pytest.mark.parametrize("damage", [remove, garble, cut, rename_a_field])
@pytest.mark.parametrize("name", ["passages", "questions", "distractors"])
def test_data_that_cannot_be_used_are_invalid(
    data: Path, damage: Callable[[Path], None], name: str
) -> None:
    damage(data / f"train/qa/{name}.jsonl.gz")
    with pytest.raises(Invalid, match="training data"):
        load_rows(data, None, seed=1)


# --- examples and loss -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_prompt_in_training_is_the_prompt_in_service(
    kind: Callable[[Path], Path], data: Path, tmp_path: Path
) -> None:
    folder = kind(tmp_path / "model")
    row = load_rows(data, None, seed=1).draw(0, random.Random(2))
    learner = Learner(folder, 2, 2_048, "cpu")
    example = learner.example(row)
    assert example is not None
    served: Any = TransformersGenerator(folder, "cpu", 160, 2_048)._load()
    watched: list[dict[str, Any]] = []
    real = served.model.generate

    def generate(**inputs: Any) -> Any:
        watched.append(inputs)
        return real(**inputs)

    served.model.generate = generate
    served.write([request_for(row)])
    (seen,) = watched
    assert seen["input_ids"].tolist() == [example.prompt]
    opening = seen.get("decoder_input_ids", torch.zeros(1, 0))[0].tolist()
    assert (learner._opening, len(opening)) == (opening, OPENINGS.get(kind, 0))
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    assert INSTRUCTIONS in tokenizer.decode(example.prompt)
    assert tokenizer.decode(example.target[:-1]).strip() == row.answer
    assert example.target[-1] == tokenizer.eos_token_id


def test_a_row_whose_citation_would_not_be_seen_whole_is_no_example(
    data: Path, tmp_path: Path
) -> None:
    learner = Learner(causal(tmp_path / "model"), 2, 2_048, "cpu")
    row = load_rows(data, None, seed=1).draw(0, random.Random(2), most=0)
    (gold,) = row.evidence
    long = replace(gold, id="long", text="A word. " * 400)
    assert learner.example(row) is not None
    assert learner.example(replace(row, evidence=(gold, long))) is not None
    assert learner.example(replace(row, evidence=(replace(gold, text=gold.text * 40),))) is None
    behind = Row(row.question, (long, gold), row.answer.replace("[1]", "[2]"))
    assert learner.example(behind) is None
    assert learner.example(replace(row, answer="word " * 60 + "[1].")) is None


@pytest.mark.parametrize("kind", KINDS)
def test_only_the_target_tokens_are_learnt(
    kind: Callable[[Path], Path], data: Path, tmp_path: Path
) -> None:
    learner = Learner(kind(tmp_path / "model"), 2, 2_048, "cpu")
    rows = load_rows(data, None, seed=1)
    drawn = [learner.example(rows.draw(n, random.Random(n))) for n in range(len(rows))]
    examples = [example for example in drawn if example is not None]
    logits, labels = learner._read(examples)
    assert logits.shape[:2] == labels.shape
    for example, row in zip(examples, labels.tolist(), strict=True):
        assert [label for label in row if label != IGNORED] == example.target
    together = learner.model.eval() and learner.loss(examples)
    counts = [len(example.target) for example in examples]
    alone = [
        learner.loss([example]).item() * n for example, n in zip(examples, counts, strict=True)
    ]
    assert together.item() == pytest.approx(sum(alone) / sum(counts), rel=2e-2)


def teachable(folder: Path) -> Path:
    """A causal model whose output layer, which stays frozen, has rows long enough to choose by."""
    path = causal(folder) / "model.safetensors"
    tensors = load_file(path)
    tensors["lm_head.weight"] *= 12
    save_file(tensors, path, metadata={"format": "pt"})
    return folder


@pytest.mark.parametrize("kind", [teachable, t5])
def test_the_loss_falls_on_a_few_rows(
    kind: Callable[[Path], Path], data: Path, tmp_path: Path
) -> None:
    paths = Paths(kind(tmp_path / "model"), data, tmp_path / "out")
    plan = replace(PLAN, steps=30, batch_size=4, rank=16, learning_rate=0.02)
    figures = fine_tune(paths, plan)
    assert figures["final_loss"] < 0.8 * figures["first_loss"]


# --- runs ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_smoke_run_makes_a_model_that_serves(
    kind: Callable[[Path], Path], data: Path, edits: Path, tmp_path: Path
) -> None:
    base, out = kind(tmp_path / "model"), tmp_path / "out"
    arguments = ["--model", base, "--data", data, "--edits", edits, "--out", out, "--smoke"]
    done = CliRunner().invoke(app, ["lora", *map(str, arguments)])
    assert done.exit_code == 0, done.output
    figures = json.loads(done.stdout.strip().splitlines()[-1])
    assert (figures["steps"], figures["examples"]) == (3, 6)

    manifest = verify_model(out)
    assert (manifest["name"], manifest["base"]) == ("out", "model")
    assert manifest["training"]["final_loss"] == figures["final_loss"]
    assert {"config.json", "generation_config.json", "tokenizer.json"} <= set(manifest["files"])
    assert not (out / CHECKPOINT).exists()
    assert ("LICENSE.txt" in manifest["files"]) == (base / "LICENSE").exists()
    before, after = load_file(base / "model.safetensors"), load_file(out / "model.safetensors")
    assert before.keys() == after.keys()
    assert {tensor.dtype for tensor in after.values()} == {torch.float16}
    moved = {k for k in before if not torch.equal(before[k].half(), after[k])}
    assert moved and not any("embed" in k or "shared" in k or "lm_head" in k for k in moved)

    generator = TransformersGenerator(out, "cpu", max_new_tokens=24)
    row = load_rows(data, edits, seed=1).draw(0, random.Random(1))
    (draft,) = generator.draft([request_for(row)])
    assert draft.model == "out" and draft.features["tokens"] >= 1
    for tokenizer in (AutoTokenizer.from_pretrained(folder) for folder in (base, out)):
        assert tokenizer.encode("Is it [1]?") == AutoTokenizer.from_pretrained(base).encode(
            "Is it [1]?"
        )
        assert tokenizer.chat_template == AutoTokenizer.from_pretrained(base).chat_template


@pytest.mark.parametrize("kind", [causal, t5])
def test_a_run_that_was_cut_off_goes_on_as_if_it_had_not_been(
    kind: Callable[[Path], Path], data: Path, edits: Path, tmp_path: Path
) -> None:
    base = kind(tmp_path / "model")
    whole = Paths(base, data, tmp_path / "whole", edits)
    fine_tune(whole, PLAN)
    parts = Paths(base, data, tmp_path / "parts", edits)

    def stop(state: State, progress: float) -> None:
        assert progress == state.step / 4
        if state.step == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fine_tune(parts, PLAN, checkpoint_s=0, watch=stop)
    assert not (parts.out / "model.safetensors").exists()
    (kept,) = (parts.out / CHECKPOINT).iterdir()
    assert sorted(path.name for path in kept.iterdir()) == [
        "adapter.safetensors",
        "optimizer.safetensors",
        "state.json",
    ]
    steps: list[int] = []
    fine_tune(parts, PLAN, resume=True, watch=lambda state, _: steps.append(state.step))
    assert steps == [3, 4]
    weights = [(paths.out / "model.safetensors").read_bytes() for paths in (whole, parts)]
    assert weights[0] == weights[1]


def test_a_checkpoint_is_for_its_own_run_only(data: Path, tmp_path: Path) -> None:
    paths = Paths(causal(tmp_path / "model"), data, tmp_path / "out")

    def stop(state: State, progress: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fine_tune(paths, PLAN, checkpoint_s=0, watch=stop)
    with pytest.raises(Invalid, match="--resume"):
        fine_tune(paths, PLAN)
    with pytest.raises(Invalid, match="learning_rate"):
        fine_tune(paths, replace(PLAN, learning_rate=1.0), resume=True)
    (kept,) = (paths.out / CHECKPOINT).iterdir()
    (kept / "optimizer.safetensors").write_bytes(b"half")
    with pytest.raises(Invalid, match="damaged"):
        fine_tune(paths, PLAN, resume=True)
    with pytest.raises(NotFound):
        fine_tune(replace(paths, out=tmp_path / "other"), PLAN, resume=True)


def test_a_run_by_the_clock_ends_in_time_with_a_model(data: Path, tmp_path: Path) -> None:
    paths = Paths(causal(tmp_path / "model"), data, tmp_path / "out")
    plan = replace(PLAN, steps=None, minutes=0.03)
    figures = fine_tune(paths, plan)
    assert 0.03 <= figures["minutes"] < 0.3
    assert verify_model(paths.out)["training"]["steps"] == figures["steps"] >= 1


def test_the_learning_rate_warms_up_and_falls() -> None:
    plan = replace(PLAN, steps=100)
    factors = [plan.factor(State(step=step)) for step in range(100)]
    assert factors[0] < factors[5] < factors[9] and factors[9] > factors[50] > factors[99] > 0
    clock = replace(PLAN, steps=None, minutes=1.0)
    assert clock.factor(State(step=500, seconds=59)) < clock.factor(State(step=500, seconds=6))


def test_a_loss_that_is_no_number_ends_the_run(data: Path, tmp_path: Path) -> None:
    paths = Paths(causal(tmp_path / "model"), data, tmp_path / "out")
    with pytest.raises(Invalid, match="learning-rate"):
        fine_tune(paths, replace(PLAN, steps=40, learning_rate=1e30))


def add_code(folder: Path) -> None:
    (folder / "modeling_own.py").write_text("raise SystemExit", "utf-8")


def name_code(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text("utf-8"))
    config["auto_map"] = {"AutoModelForCausalLM": "modeling_own.Own"}
    (folder / "config.json").write_text(json.dumps(config), "utf-8")


def remove_the_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


@pytest.mark.parametrize("change", [add_code, name_code, remove_the_weights])
def test_a_model_that_is_unsafe_or_broken_is_refused(
    data: Path, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    folder = causal(tmp_path / "model")
    change(folder)
    with pytest.raises(ModelRefused):
        fine_tune(Paths(folder, data, tmp_path / "out"), PLAN)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"--data": "nowhere"}, "invalid"),
        ({"--model": "nowhere"}, "model_refused"),
        ({"--edits": "nowhere"}, "invalid"),
        ({"--minutes": "1", "--steps": "1"}, "invalid"),
        ({"--out": "model"}, "invalid"),
        ({"--max-tokens": "100"}, "model_refused"),
    ],
)
def test_a_run_that_cannot_be_is_one_coded_line(
    data: Path, tmp_path: Path, changed: dict[str, str], code: str
) -> None:
    options = {"--model": "model", "--data": "data", "--out": "out", **changed}
    causal(tmp_path / "model")
    named = {"--model", "--data", "--out", "--edits"}
    values = {k: str(tmp_path / v) if k in named else v for k, v in options.items()}
    done = CliRunner().invoke(app, ["lora", *(part for pair in values.items() for part in pair)])
    assert done.exit_code == 1
    assert done.stdout == ""
    assert any(line.startswith(f"{code}: ") for line in done.stderr.splitlines()), done.stderr
    assert not (tmp_path / "out").exists()


def test_without_a_budget_a_run_takes_an_hour() -> None:
    options = {"seed": 1, "rank": 2, "batch_size": 8, "learning_rate": 1.0, "max_tokens": 9}
    assert make_plan("x", None, None, False, **options).minutes == 60
    smoke = make_plan("x", None, None, True, **options)
    assert (smoke.minutes, smoke.steps, smoke.batch_size) == (None, 3, 2)
    with pytest.raises(CountersignError):
        make_plan("x", 1.0, 1, False, **options)
