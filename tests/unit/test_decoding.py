"""Search, constraints and features over tiny models with random weights."""

import itertools
import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from jsonschema import Draft202012Validator
from torch import Tensor
from transformers import GenerationConfig

from app.backends import build_generator
from app.deadline import Deadline
from app.errors import DeadlineExceeded, ModelRefused, SettingsInvalid
from app.inference.local_model import TransformersGenerator
from app.inference.model_server import OpenAIGenerator
from app.inference.writing.evidence_only import EvidenceOnly, EvidenceTokens, evidence_tokens
from app.inference.writing.figures import with_copied
from app.inference.writing.grounding import NO_ANSWER, draft_from_text
from app.inference.writing.json_form import JsonForm, answer_schema, text_from_json
from app.inference.writing.search import (
    MAX_BEAMS,
    Decoding,
    Search,
    UntilDeadline,
    Written,
    decoder_opening,
    opening_tokens,
)
from app.ports import DraftRequest
from app.settings import Settings
from guardrails.contract import Passage
from guardrails.words import STOP_WORDS
from tests.conformance.generators import TOKENIZERS, random_model, save_random, save_seq2seq

KINDS = sorted(TOKENIZERS)
PROMPTS = ["Parking is free.", "How long is the notice period of this contract, and from when?"]
EVIDENCE = [
    "Visitors bring a badge; see the list (page 4) at reception.",
    "The lift is repaired within 48 hours. NASA's deposit: 1,500 euros.",
]
QUESTION = "Who repairs the lift?"


def inputs_for(model: Any, tokenizer: Any, prompts: Sequence[str]) -> dict[str, Tensor]:
    causal = not model.config.is_encoder_decoder
    tokenizer.padding_side = "left" if causal else "right"
    batch = tokenizer(list(prompts), padding=True, return_tensors="pt", return_token_type_ids=False)
    inputs = dict(batch)
    if not causal:
        start = model.generation_config.decoder_start_token_id
        inputs["decoder_input_ids"] = torch.full((len(prompts), 1), start)
    return inputs


def write(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[str],
    beams: int = 1,
    tokens: int = 12,
    constraint: Any = None,
    seconds: float = 60,
) -> list[Written]:
    refusals = opening_tokens(tokenizer, NO_ANSWER)
    search = Search(model, Decoding(beams), tokens, tokenizer.pad_token_id, refusals)
    inputs = inputs_for(model, tokenizer, prompts)
    return search.write(inputs, constraint, UntilDeadline([Deadline(seconds)]))


def logprobs_of(model: Any, tokenizer: Any, prompt: str, tokens: Tensor) -> Tensor:
    """[tokens, vocabulary], by one pass over the unpadded prompt and what was written."""
    inputs = inputs_for(model, tokenizer, [prompt])
    name = "decoder_input_ids" if "decoder_input_ids" in inputs else "input_ids"
    read = {key: value for key, value in inputs.items() if key != "attention_mask"}
    read[name] = torch.cat([read[name], tokens[None]], dim=1)
    with torch.inference_mode():
        logits: Tensor = model(**read).logits[0]
    return logits.double().log_softmax(-1)[-len(tokens) - 1 : -1]


# --- search and features --------------------------------------------------------------------

MODELS = [("bpe", False), ("unigram", False), ("wordpiece", True)]


@pytest.mark.parametrize("beams", [1, 3])
@pytest.mark.parametrize(("kind", "seq2seq"), MODELS)
def test_features_are_those_of_the_chosen_text(kind: str, seq2seq: bool, beams: int) -> None:
    model, tokenizer = random_model(kind, seq2seq)
    written = write(model, tokenizer, PROMPTS, beams)
    for prompt, text in zip(PROMPTS, written, strict=True):
        rows = logprobs_of(model, tokenizer, prompt, text.tokens)
        chosen = [row[token].item() for row, token in zip(rows, text.tokens, strict=True)]
        entropy = [-(row.exp() * row).sum().item() for row in rows]
        refusal = max(rows[0][token].item() for token in opening_tokens(tokenizer, NO_ANSWER))
        assert text.features == pytest.approx(
            {
                "mean_logprob": sum(chosen) / len(chosen),
                "min_logprob": min(chosen),
                "entropy": sum(entropy) / len(entropy),
                "abstain_margin": chosen[0] - refusal,
                "tokens": len(chosen),
                "truncated": float(text.tokens[-1] != tokenizer.eos_token_id),
            },
            abs=1e-3,
        )


@pytest.mark.parametrize("beams", [1, 3])
@pytest.mark.parametrize(("kind", "seq2seq"), MODELS)
def test_a_batch_gives_what_each_prompt_gives_alone(kind: str, seq2seq: bool, beams: int) -> None:
    model, tokenizer = random_model(kind, seq2seq)
    for prompt, text in zip(PROMPTS, write(model, tokenizer, PROMPTS, beams), strict=True):
        [alone] = write(model, tokenizer, [prompt], beams)
        assert text.tokens.tolist() == alone.tokens.tolist()
        assert text.features == pytest.approx(alone.features, abs=1e-3)


@pytest.mark.parametrize("seed", range(6))
def test_greedy_takes_the_likeliest_token_each_time(seed: int) -> None:
    model, tokenizer = random_model("bpe", seed=seed)
    [text] = write(model, tokenizer, PROMPTS[:1])
    rows = logprobs_of(model, tokenizer, PROMPTS[0], text.tokens)
    assert rows.argmax(-1).tolist() == text.tokens.tolist()


@pytest.mark.parametrize("seed", range(6))
def test_beams_over_all_beginnings_find_the_likeliest_text(seed: int) -> None:
    model, tokenizer = random_model("bpe", seed=seed)
    few = tokenizer.encode("abcd")
    allowed = EvidenceOnly([set(few)], len(tokenizer), beams=MAX_BEAMS)
    [text] = write(model, tokenizer, PROMPTS[:1], MAX_BEAMS, 2, allowed)
    totals = {}
    for pair in itertools.product(few, repeat=2):
        rows = logprobs_of(model, tokenizer, PROMPTS[0], torch.tensor(pair))
        totals[pair] = rows[0][pair[0]].item() + rows[1][pair[1]].item()
    assert tuple(text.tokens.tolist()) == max(totals, key=lambda pair: totals[pair])


@pytest.mark.parametrize("seed", range(6))
def test_beams_find_a_text_at_least_as_likely_as_greedy_does(seed: int) -> None:
    model, tokenizer = random_model("unigram", seed=seed)
    totals = []
    for beams in (1, 6):
        # Without an end token both texts have the same length.
        words = set(range(len(tokenizer))) - set(tokenizer.all_special_ids)
        allowed = EvidenceOnly([words], len(tokenizer), beams)
        [text] = write(model, tokenizer, PROMPTS[1:], beams, 8, allowed)
        totals.append(text.features["mean_logprob"] * text.features["tokens"])
    assert totals[1] >= totals[0] - 1e-4


@pytest.mark.parametrize("beams", [1, 4])
def test_a_deadline_ends_the_search(beams: int) -> None:
    model, tokenizer = random_model("bpe")
    forever = EvidenceOnly([set(tokenizer.encode("ab"))], len(tokenizer), beams)
    with pytest.raises(DeadlineExceeded):
        write(model, tokenizer, PROMPTS[:1], beams, 1_500, forever, seconds=0.05)


@pytest.mark.parametrize("beams", [0, 9])
def test_beams_out_of_bounds_are_refused(beams: int) -> None:
    with pytest.raises(ValueError, match="beams"):
        Decoding(beams)


def test_a_forced_first_token_belongs_to_the_opening() -> None:
    settings = GenerationConfig(decoder_start_token_id=2, forced_bos_token_id=5)  # type: ignore[no-untyped-call]
    assert decoder_opening(settings) == [2, 5]
    with pytest.raises(ModelRefused):
        decoder_opening(GenerationConfig())  # type: ignore[no-untyped-call]


def test_copied_is_the_share_of_content_words_in_the_evidence() -> None:
    passage = Passage("p", "d", "c", "Repairs", EVIDENCE[1], 0, len(EVIDENCE[1]))
    draft = draft_from_text("The lift repair costs 1,500 euros [1].", "?", [passage], "m", {})
    # "costs" alone is new.
    assert with_copied(draft, [passage]).features["copied"] == pytest.approx(4 / 5)
    silent = draft_from_text(NO_ANSWER, "?", [passage], "m", {})
    assert with_copied(silent, [passage]).features["copied"] == 1.0


# --- only words of the evidence -------------------------------------------------------------


def allowed_for(tokenizer: Any) -> set[int]:
    source = evidence_tokens(tokenizer, [tokenizer.eos_token_id])
    return source.allowed([*EVIDENCE, QUESTION], len(EVIDENCE))


def stands_in(token: str, text: str) -> bool:
    """Whether a piece's words and marks, without signs of space, line and continuation, do."""
    piece = re.sub(r"^##|[\u0120\u010a\u2581]", "", token).lower()
    return all(part in text.lower() for part in re.findall(r"\w+|[^\w\s]", piece))


@pytest.mark.parametrize("beams", [1, 3])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("kind", "seq2seq"), [(kind, seq2seq) for kind in KINDS for seq2seq in (False, True)]
)
def test_every_token_written_stands_in_what_is_allowed(
    kind: str, seq2seq: bool, seed: int, beams: int
) -> None:
    model, tokenizer = random_model(kind, seq2seq, seed)
    allowed = allowed_for(tokenizer)
    constraint = EvidenceOnly([allowed] * 2, len(tokenizer), beams)
    source = " ".join([*EVIDENCE, QUESTION, *STOP_WORDS, NO_ANSWER, "[1] [2]. ,;:!?()'\"-"])
    seen = set()
    for text in write(model, tokenizer, PROMPTS, beams, 24, constraint):
        ended = text.tokens.tolist()
        seen |= {token for token in ended if token != tokenizer.eos_token_id}
    assert len(seen) > 3
    pieces = tokenizer.convert_ids_to_tokens(sorted(seen))
    assert [piece for piece in pieces if not stands_in(piece, source)] == []
    free = {t for text in write(model, tokenizer, PROMPTS, beams, 24) for t in text.tokens.tolist()}
    assert free - allowed, "without the constraint this model writes other tokens"


@pytest.mark.parametrize("kind", KINDS)
def test_words_of_the_evidence_can_be_written_anywhere(kind: str) -> None:
    _, tokenizer = random_model(kind)
    allowed = allowed_for(tokenizer)
    for text in (
        "The lift is repaired within 48 hours [2].",
        "Within 48 hours, at reception (page 4): a badge [1][2].",
        "Repaired for 1,500 euros; lift, reception, badge!",
        "hours Reception [1], Euros-badge [2]",
        NO_ANSWER,
    ):
        tokens = set(tokenizer.encode(text, add_special_tokens=False))
        assert tokens <= allowed, tokenizer.convert_ids_to_tokens(sorted(tokens - allowed))


@pytest.mark.parametrize("kind", KINDS)
def test_other_words_and_special_tokens_cannot_be_written(kind: str) -> None:
    _, tokenizer = random_model(kind)
    allowed = allowed_for(tokenizer)
    assert not set(tokenizer.encode("Sundays cleaning office", add_special_tokens=False)) <= allowed
    assert allowed & set(tokenizer.all_special_ids) == {tokenizer.eos_token_id}
    assert len(allowed) < len(tokenizer) * 0.9


def test_a_negation_must_come_from_the_evidence() -> None:
    words = ["the", "not", "lift", "never"]

    def encode(texts: list[str]) -> list[list[int]]:
        return [[words.index(w) for w in words if w in re.findall(r"\w+", t)] for t in texts]

    source = EvidenceTokens(encode, [])
    assert source.allowed(["the lift"], 1) == {0, 2}
    assert source.allowed(["never the lift"], 1) == {0, 2, 3}


@pytest.mark.parametrize("beams", [1, 3])
def test_each_row_keeps_to_its_own_tokens(beams: int) -> None:
    model, tokenizer = random_model("bpe")
    left, right = set(tokenizer.encode("abc")), set(tokenizer.encode("xyz"))
    constraint = EvidenceOnly([left, right], len(tokenizer), beams)
    first, second = write(model, tokenizer, PROMPTS, beams, 6, constraint)
    assert set(first.tokens.tolist()) <= left and set(second.tokens.tolist()) <= right


def test_a_boolean_tensor_does_what_sets_do() -> None:
    rows = torch.tensor([[True, False, True], [False, True, False]])
    scores = torch.randn(4, 3)
    by_rows = EvidenceOnly(rows, 3, beams=2)(None, scores)
    assert torch.equal(by_rows, EvidenceOnly([{0, 2, 99}, {1}], 3, beams=2)(None, scores))
    assert by_rows.isneginf().tolist() == [[False, True, False]] * 2 + [[True, False, True]] * 2


@pytest.mark.parametrize(
    "allowed", [[set()], [{7}], torch.ones(1, 4, dtype=torch.bool), torch.ones(1, 3)]
)
def test_a_constraint_that_cannot_hold_is_refused(allowed: Any) -> None:
    with pytest.raises(ValueError, match="allow"):
        EvidenceOnly(allowed, 3)


# --- only the JSON form ---------------------------------------------------------------------


@pytest.mark.parametrize("beams", [1, 2])
@pytest.mark.parametrize(("kind", "seed"), [("bpe", 2), ("bpe", 4), ("sentencepiece_bpe", 3)])
def test_a_random_model_writes_an_object_of_the_schema(kind: str, seed: int, beams: int) -> None:
    model, tokenizer = random_model(kind, seed=seed)
    form = JsonForm(tokenizer, len(tokenizer), [tokenizer.eos_token_id])
    begin = inputs_for(model, tokenizer, PROMPTS)["input_ids"].shape[1]
    constraint = form.processor([1, 12], begin, beams)
    texts = write(model, tokenizer, PROMPTS, beams, 1_300, constraint)
    for passages, text in zip((1, 12), texts, strict=True):
        assert text.features["truncated"] == 0.0
        assert all(math.isfinite(value) for value in text.features.values())
        written = tokenizer.decode(text.tokens, skip_special_tokens=True)
        answer = json.loads(written)
        Draft202012Validator(answer_schema(passages)).validate(answer)
        assert answer["sentences"] and f"[{answer['sentences'][0]['citations'][0]}]" in (
            text_from_json(written)
        )


def test_a_tokenizer_of_unknown_pieces_is_refused() -> None:
    with pytest.raises(ModelRefused, match="end token"):
        JsonForm(random_model("bpe")[1], 400, [])
    for tokenizer in (object(), random_model("unigram")[1]):
        with pytest.raises(ModelRefused, match="tokenizer"):
            JsonForm(tokenizer, 400, [1])


ANSWER = {
    "sentences": [
        {"text": "The period is 30 days. It starts on receipt.", "citations": [1, 2]},
        {"text": 'Write "by hand" [x], or {post}', "citations": [2]},
        {"text": "Fees apply!", "citations": [3]},
    ]
}
PIECES = [
    "The period is 30 days [1] [2].",
    "It starts on receipt [1] [2].",
    'Write "by hand" [x], or {post} [2]',
    "Fees apply [3]!",
]


def test_a_json_answer_becomes_text_with_markers() -> None:
    for spelled in (json.dumps(ANSWER), json.dumps(ANSWER, indent=2)):
        assert text_from_json(spelled).split("\n\n") == PIECES


def test_every_beginning_of_a_json_answer_keeps_its_whole_sentences() -> None:
    written = json.dumps(ANSWER)
    kept = {text_from_json(written[:end]) for end in range(len(written) + 1)}
    assert kept == {"\n\n".join(PIECES[:count]) for count in (0, 2, 3, 4)}


@pytest.mark.parametrize(
    "written",
    [
        "",
        "{}",
        '{"sentences": []}',
        '{"sentences": null}',
        '{"sentences": [{"text": 5, "citations": [1]}]}',
        '{"sentences": [{"text": "a"}]}',
        '{"sentences": ["a"]}',
        '{"sentences": [{"text": " ", "citations": [1]}]}',
        '{"sentences": [{"text":' + "[" * 100_000,
    ],
)
def test_json_without_a_sentence_abstains(written: str) -> None:
    assert text_from_json(written) == ""


def test_numbers_that_are_no_markers_are_dropped() -> None:
    written = '{"sentences": [{"text": "A b.", "citations": [true, 0, -1, 1000, "1", 2.0, 2]}]}'
    assert text_from_json(written) == "A b [2]."


@pytest.mark.parametrize("written", ["The period is 30 days [1].", "[]", "null", NO_ANSWER])
def test_words_that_are_no_json_object_are_an_error(written: str) -> None:
    with pytest.raises(ValueError, match="JSON"):
        text_from_json(written)


# --- settings -------------------------------------------------------------------------------

SERVER = {"generator": "http://127.0.0.1:1/v1", "generator_model": "m"}


def test_settings_for_local_search_are_refused_for_a_server() -> None:
    for wrong in ({"generator_beams": 2}, {"generator_constraint": "evidence"}):
        with pytest.raises(SettingsInvalid, match="model server"):
            build_generator(Settings.model_validate(SERVER | wrong))
    chosen = build_generator(Settings.model_validate(SERVER | {"generator_constraint": "json"}))
    assert isinstance(chosen, OpenAIGenerator)


def test_settings_reach_the_local_generator(tmp_path: Path) -> None:
    causal, seq2seq = save_random(tmp_path / "a", "bpe"), save_seq2seq(tmp_path / "b")
    local = {"generator": str(seq2seq), "device": "cpu", "generator_constraint": "json"}
    with pytest.raises(SettingsInvalid, match="generator_constraint"):
        build_generator(Settings.model_validate(local)).warm_up()
    passage = Passage("p", "d", "c", "", EVIDENCE[0], 0, len(EVIDENCE[0]))
    request = DraftRequest(QUESTION, (passage,), Deadline(60))
    searching = {"generator": str(causal), "device": "cpu", "generator_beams": 4}
    [chosen] = build_generator(Settings.model_validate(searching)).draft([request])
    [same] = TransformersGenerator(causal, "cpu", decoding=Decoding(4)).draft([request])
    [greedy] = TransformersGenerator(causal, "cpu").draft([request])
    assert chosen == same != greedy
