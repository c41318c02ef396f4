"""The reader's teacher: its tokens, its scores kept as files, and what is learned from them."""

import random
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from transformers import MPNetConfig, MPNetModel

from app.errors import ModelRefused
from training.data import SpanExample
from training.master_weights import MasterAdamW, adamw
from training.reader import (
    Batch,
    Row,
    Taught,
    TaughtBatches,
    collate,
    save_taught,
    shuffled_passes,
    taught_answer_loss,
    taught_span_loss,
)
from training.resuming import Progress
from training.teacher import Teacher, own_ids


def a_batch(rows: int = 2) -> Batch:
    row = SpanExample((2054, 2003), (2009, 2003, 5417), 2, 2)
    return collate([Row(row, place) for place in range(rows)], 64, random.Random(0))


def test_tokens_keep_their_words_and_special_tokens_their_part() -> None:
    ids = own_ids(torch.tensor([[101, 2054, 102, 0]]))
    assert ids.tolist() == [[0, 2058, 2, 1]]


def test_a_base_of_other_weights_is_refused(tmp_path: Path) -> None:
    save_file({"x": torch.zeros(1)}, tmp_path / "model.safetensors")
    with pytest.raises(ModelRefused, match="SHA-256"):
        Teacher(tmp_path)


def test_padding_changes_nothing_of_what_a_small_encoder_says() -> None:
    torch.manual_seed(0)
    config = MPNetConfig(
        hidden_size=24, num_hidden_layers=1, num_attention_heads=2, intermediate_size=24
    )
    encoder = MPNetModel(config, add_pooling_layer=False)
    encoder.train(False)
    batch = a_batch(1)
    length = int(batch.attention_mask.sum())
    whole, cut = (
        encoder(own_ids(ids), attention_mask=mask).last_hidden_state[0, :length]
        for ids, mask in (
            (batch.input_ids, batch.attention_mask),
            (batch.input_ids[:, :length], batch.attention_mask[:, :length]),
        )
    )
    assert torch.allclose(whole, cut, atol=1e-5)


def test_what_is_learned_is_least_where_the_teacher_is_met() -> None:
    batch = a_batch()
    torch.manual_seed(1)
    token = torch.randn(*batch.input_ids.shape, 2)
    taught = Taught(token, torch.tensor([3.0, -3.0]))
    met = taught_span_loss(token, batch, taught)
    assert met.item() == pytest.approx(0, abs=1e-5)
    outside = token.clone()
    outside[batch.token_type_ids == 0] += 9  # the question's tokens take no part but [CLS]
    outside[:, 0] = token[:, 0]
    assert taught_span_loss(outside, batch, taught).item() == pytest.approx(0, abs=1e-5)
    assert taught_span_loss(-token, batch, taught) > 0.1
    assert taught_answer_loss(taught.answers, taught) < taught_answer_loss(-taught.answers, taught)


def test_batches_come_back_from_their_files_and_go_on_where_they_ended(tmp_path: Path) -> None:
    batches = []
    for rows in (1, 2, 3):
        batch = a_batch(rows)
        taught = Taught(torch.full((*batch.input_ids.shape, 2), float(rows)), torch.ones(rows))
        batches.append(batch.taught_by(taught))
    save_file(save_taught(batches[:2]), tmp_path / "0000.safetensors")
    save_file(save_taught(batches[2:]), tmp_path / "0001.safetensors")
    source, done = TaughtBatches(tmp_path, seed=5), Progress()
    source.start(done)
    first = [source.next(64) for _ in range(6)]
    assert sorted(len(batch.groups) for batch in first[:3]) == [1, 2, 3]
    for batch in first:
        meant = batches[len(batch.groups) - 1]
        assert batch.taught is not None and meant.taught is not None
        assert torch.equal(batch.taught.token, meant.taught.token)
        for name in ("input_ids", "attention_mask", "token_type_ids", "positions", "groups"):
            assert torch.equal(getattr(batch, name), getattr(meant, name))
    later = TaughtBatches(tmp_path, seed=5)
    later.start(replace(done, drawn=4))
    assert [len(later.next(64).groups) for _ in range(2)] == [len(b.groups) for b in first[4:]]
    assert len(set(islice(shuffled_passes(50, random.Random(1)), 50))) == 50


def test_steps_smaller_than_a_bf16_number_add_up() -> None:
    def moved(dtype: torch.dtype) -> float:
        weight = torch.nn.Parameter(torch.ones(1, dtype=dtype))
        optimizer = adamw([weight], 1e-4)
        for _ in range(200):
            (weight * 2).sum().backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            optimizer.zero_grad()
        return 1 - weight.item()

    assert moved(torch.bfloat16) == pytest.approx(moved(torch.float32), abs=0.004)
    assert moved(torch.float32) > 0.015


def test_copies_start_from_weights_that_were_loaded() -> None:
    weight = torch.nn.Parameter(torch.ones(1, dtype=torch.bfloat16))
    optimizer = adamw([weight], 1e-4)
    weight.data.fill_(3)
    assert isinstance(optimizer, MasterAdamW)
    optimizer.take()
    weight.sum().backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    assert weight.item() == pytest.approx(3, abs=0.02)
