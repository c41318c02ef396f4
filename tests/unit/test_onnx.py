"""The models through ONNX Runtime: the same figures as torch, int8 near enough, nothing sent."""

import json
import mmap
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from transformers import BertModel

from app.errors import ModelRefused
from app.inference import device
from app.inference.embedder import MiniLMEmbedder
from app.inference.networks.onnx_encoder import OnnxEncoder
from app.inference.networks.onnx_graph import Precision, quantise_columns
from app.inference.networks.pair_model import TorchNetwork, encoder_arrays, load_pair_model
from app.inference.networks.pair_runner import OnnxNetwork, PairRunner, PairScores, load_pair_runner
from app.inference.networks.pair_tensors import READER_HEADS
from app.inference.seq2seq import Seq2SeqGenerator
from app.settings import PROJECT

READER = PROJECT / "models" / "reader"
EXAMPLES = PROJECT / "examples"
CPU = "cpu"
LONGEST_SPAN = 30
TEXTS = [
    "The excess for water damage is £350. Claims must be made within 30 days.",
    "It opens at nine.",
    "You can cancel within 14 days of the start date and get a full refund. " * 8,
]
QUESTION = "What is the excess for water damage?"


def example_pairs() -> list[tuple[str, str]]:
    """Each labelled question with a passage of three different example documents."""
    lines = (EXAMPLES / "questions.jsonl").read_text("utf-8").splitlines()
    passages = [
        paragraph
        for path in sorted((EXAMPLES / "documents").rglob("*.md"))
        for paragraph in path.read_text("utf-8").split("\n\n")
        if 120 < len(paragraph) < 500
    ]
    questions = [json.loads(line)["question"] for line in lines]
    step = len(passages) // 3
    return [
        (question, passages[(number * 7 + turn * step) % len(passages)])
        for number, question in enumerate(questions)
        for turn in range(3)
    ]


def best_span(scores: PairScores) -> tuple[int, int]:
    """Start and end token with the highest sum, inside the second text."""
    inside = np.array(scores.encoding.type_ids) * np.array(scores.encoding.attention_mask)
    starts, ends = (np.where(inside == 1, scores.token[:, n], -np.inf) for n in (0, 1))
    sums = starts[:, None] + ends[None, :]
    allowed = np.tril(np.triu(np.ones_like(sums)), LONGEST_SPAN) > 0
    start, end = np.unravel_index(np.where(allowed, sums, -np.inf).argmax(), sums.shape)
    return int(start), int(end)


def span_score(scores: PairScores, span: tuple[int, int]) -> float:
    return float(scores.token[span[0], 0] + scores.token[span[1], 1])


def margin(scores: PairScores) -> float:
    """How far the best span outscores "no answer"."""
    return span_score(scores, best_span(scores)) - span_score(scores, (0, 0))


def rank_correlation(a: list[float], b: list[float]) -> float:
    ranks = [np.argsort(np.argsort(values)) for values in (a, b)]
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def compiled(model: BertModel, precision: Precision) -> OnnxEncoder:
    return OnnxEncoder(*encoder_arrays(model), precision)


@pytest.fixture(scope="module")
def encoder_of_reader() -> BertModel:
    return load_pair_model(READER, READER_HEADS).encoder


@pytest.fixture(scope="module")
def int8() -> PairRunner:
    return load_pair_runner(READER, READER_HEADS, "cpu")


@pytest.fixture(scope="module")
def in_torch() -> PairRunner:
    return PairRunner(TorchNetwork(READER, READER_HEADS, CPU, half=False))


def test_int8_scores_rank_as_those_of_torch(int8: PairRunner, in_torch: PairRunner) -> None:
    pairs = example_pairs()
    assert len(pairs) >= 200
    exact, quick = in_torch.run(pairs), int8.run(pairs)
    assert rank_correlation([margin(s) for s in exact], [margin(s) for s in quick]) >= 0.99
    best = [[span_score(s, best_span(s)) for s in scores] for scores in (exact, quick)]
    assert rank_correlation(*best) >= 0.99
    for head in range(READER_HEADS.pair):
        columns = [[float(s.pair[head]) for s in scores] for scores in (exact, quick)]
        if np.std(columns[0]) > 0:  # a head that was never trained says the same of all
            assert rank_correlation(*columns) >= 0.99
    lost = [
        span_score(a, best_span(a)) - span_score(a, best_span(b))
        for a, b in zip(exact, quick, strict=True)
    ]
    assert np.mean(np.array(lost) < 0.5) >= 0.95
    # Not equal to the last digit, or it was not int8 that ran.
    assert max(abs(a - b) for a, b in zip(*best, strict=True)) > 1e-3


def test_float32_scores_are_those_of_torch(in_torch: PairRunner) -> None:
    pairs = [(QUESTION, text) for text in TEXTS]
    runner = load_pair_runner(READER, READER_HEADS, "cpu", "fp32")
    for mine, theirs in zip(runner.run(pairs), in_torch.run(pairs), strict=True):
        used = np.array(mine.encoding.type_ids) == READER_HEADS.text
        used[0] = True
        assert np.abs(mine.token - theirs.token)[used].max() < 1e-4
        assert np.abs(mine.pair - theirs.pair).max() < 1e-4


def test_half_precision_in_torch_stays_near(in_torch: PairRunner) -> None:
    pairs = [(QUESTION, TEXTS[0])]
    half = PairRunner(TorchNetwork(READER, READER_HEADS, CPU, half=True)).run(pairs)[0]
    assert half.token.dtype == np.float32
    assert 0 < np.abs(half.token - in_torch.run(pairs)[0].token).max() < 0.1


def test_int8_is_for_a_cpu_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "_driver_present", lambda: True)
    monkeypatch.setattr(device, "_torch_sees_cuda", lambda: True)
    with pytest.raises(ValueError, match="CPU"):
        load_pair_runner(READER, READER_HEADS, "cuda", "int8")


def test_a_score_does_not_depend_on_what_runs_beside_it(int8: PairRunner) -> None:
    together = int8.run([(QUESTION, text) for text in TEXTS])
    for text, beside in zip(TEXTS, together, strict=True):
        (alone,) = int8.run([(QUESTION, text)])
        length = len(alone.encoding.ids)
        # The encoder's states are the same bits; the heads' sums may differ in the last one.
        assert np.abs(alone.token - beside.token[:length]).max() < 1e-4
        assert np.abs(alone.pair - beside.pair).max() < 1e-4


def test_many_threads_get_what_one_gets(int8: PairRunner) -> None:
    network = int8._network
    rng = np.random.default_rng(1)
    ids = rng.integers(1000, 20000, (6, 24))
    mask = np.ones_like(ids)
    mask[3:, 20:] = 0
    types = np.zeros_like(ids)
    expected = network(ids, mask, types)[0]
    with ThreadPoolExecutor(6) as pool:
        for found in pool.map(lambda _: network(ids, mask, types)[0], range(24)):
            assert np.array_equal(found, expected)


def test_states_are_zero_beyond_a_text(encoder_of_reader: BertModel) -> None:
    ids = np.array([[101, 2023, 2003, 102], [101, 102, 0, 0]])
    states = compiled(encoder_of_reader, "fp32")(ids, (ids > 0) * 1, np.zeros_like(ids))
    assert not states[1, 2:].any() and states[1, :2].all()


def test_tokens_that_are_not_wanted_are_looked_at_and_no_more(encoder_of_reader: BertModel) -> None:
    ids = np.array([[101, 2023, 2003, 102, 2023, 102], [101, 2003, 102, 0, 0, 0]])
    wanted = np.array(
        [[True, False, False, False, True, True], [True, False, True, True, True, True]]
    )
    given = ids, (ids > 0) * 1, np.zeros_like(ids)
    full = compiled(encoder_of_reader, "fp32")(*given)
    part = OnnxEncoder(*encoder_arrays(encoder_of_reader), "fp32", some=True)(*given, wanted)
    assert np.abs(part - full)[wanted].max() < 1e-5
    assert not part[~wanted].any() and full[0].all()


def test_the_longest_text_fits(encoder_of_reader: BertModel) -> None:
    ids = np.full((1, 512), 2023)
    states = compiled(encoder_of_reader, "int8")(ids, np.ones_like(ids), np.zeros_like(ids))
    assert np.isfinite(states).all()


def test_a_damaged_model_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "reader"
    shutil.copytree(READER, folder)
    weights = folder / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(ModelRefused):
        OnnxNetwork(folder, READER_HEADS, "int8")


def test_quantised_columns_are_off_by_half_a_step_at_most() -> None:
    weight = np.random.default_rng(1).normal(size=(64, 5)).astype(np.float32)
    weight[:, 2] *= 1000
    weight[:, 3] = 0
    whole, scale = quantise_columns(weight)
    assert whole.dtype == np.int8 and scale.shape == (5,)
    assert (np.abs(whole * scale - weight) <= scale * 0.5001).all()


def test_vectors_are_those_of_torch() -> None:
    texts = [*TEXTS, "", "Ünïcödé, 中文, and an emoji 🙂."]
    mine = MiniLMEmbedder("cpu", batch_size=3).embed(texts)
    theirs = MiniLMEmbedder("cpu", runtime="torch").embed(texts)
    assert mine.dtype == np.float32
    assert np.abs(mine - theirs).max() < 1e-4


def test_the_generator_reads_as_its_torch_network_does() -> None:
    generator = Seq2SeqGenerator(PROJECT / "models" / "seq2seq", "cpu")
    generator.warm_up()
    ids = torch.randint(1000, 20000, (1, 3, 24), generator=torch.Generator().manual_seed(1))
    mask, types = torch.ones_like(ids), torch.zeros_like(ids)
    mask[0, 1, 15:], types[:, :, 8:] = 0, 1
    mine = generator._read(ids, mask, types)
    with torch.inference_mode():
        theirs = generator._model.read(ids, mask, types)
    assert torch.equal(mine.mask, theirs.mask) and torch.equal(mine.source, theirs.source)
    assert (mine.states - theirs.states)[mine.mask == 1].abs().max() < 1e-3


def test_onnx_runtime_has_no_code_that_reports_to_its_makers() -> None:
    assert os.environ["ORT_DISABLE_TELEMETRY"] == "1"
    folder = Path(onnxruntime.__file__).parent / "capi"
    libraries = [*folder.glob("onnxruntime_pybind11_state*"), *folder.glob("libonnxruntime*")]
    assert libraries
    for library in libraries:
        with (
            library.open("rb") as stream,
            mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content,
        ):
            assert content.find(b"events.data.microsoft.com") == -1, library


def test_a_service_on_a_cpu_needs_no_torch(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from app.settings import Settings\n"
        "from app.wiring import open_services\n"
        "import app.main\n"
        f"services = open_services(Settings(data_dir={str(tmp_path)!r}, device='cpu'))\n"
        "services.warm_up()\n"
        "services.close()\n"
        "print([name for name in ('torch', 'transformers') if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
