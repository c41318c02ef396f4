"""Texts to unit vectors: the packaged all-MiniLM-L6-v2, or a sentence-transformers folder."""

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from tokenizers import Tokenizer

from app.errors import ModelRefused
from app.inference.device import pick_device
from app.inference.networks.onnx_encoder import Ids, OnnxEncoder
from app.inference.networks.onnx_graph import Floats, Precision
from app.inference.networks.pair_tensors import base_encoder_arrays, base_shape
from app.inference.networks.weights import base_folder, refuse_code
from app.ports import Vectors

Runtime = Literal["auto", "torch", "fp32", "int8"]
MAX_TOKENS = 256
"""What all-MiniLM-L6-v2 was trained with, [CLS] and [SEP] included."""
EACH = 2
"""Threads for one text: what a question takes is to read the weights, twice as fast by two."""


class MiniLMEmbedder:
    """all-MiniLM-L6-v2 loaded directly: sentence_transformers alone takes seconds to import.

    On a CPU through ONNX Runtime in float32: int8, as it is without ranges, loses a tenth of the
    best ten hits.
    """

    name = "all-MiniLM-L6-v2"
    dimension = 384

    def __init__(
        self, device: str = "auto", batch_size: int = 32, runtime: Runtime = "auto"
    ) -> None:
        """``runtime`` other than ``auto`` is for comparing: torch anywhere, the others on a CPU."""
        self._wanted, self._batch_size, self._runtime = device, batch_size, runtime
        self._states: Callable[[Ids, Ids], Floats] | None = None

    def warm_up(self) -> None:
        """Load the packaged weights once, after checking their SHA-256."""
        if self._states is not None:
            return
        self._tokenizer = load_tokenizer(MAX_TOKENS)
        device = pick_device(self._wanted)
        runtime = self._runtime
        if runtime == "auto":
            runtime = "fp32" if device == "cpu" else "torch"
        self._states = _torch_states(device) if runtime == "torch" else _onnx_states(runtime)

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Shape [len(texts), 384]: mean of the token states, then unit length."""
        if self._states is None:
            self.warm_up()
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for first in range(0, len(order), self._batch_size):
            chosen = order[first : first + self._batch_size]
            vectors[chosen] = self._embed_batch([texts[i] for i in chosen])
        return vectors

    def _embed_batch(self, texts: list[str]) -> Vectors:
        assert self._states is not None
        encoded = self._tokenizer.encode_batch(texts)
        ids, mask = (
            np.array([getattr(e, column) for e in encoded], np.int64)
            for column in ("ids", "attention_mask")
        )
        summed = (self._states(ids, mask) * mask[:, :, None]).sum(axis=1, dtype=np.float32)
        unit: Vectors = summed / np.maximum(np.linalg.norm(summed, axis=1, keepdims=True), 1e-12)
        return unit


def _onnx_states(precision: Precision) -> Callable[[Ids, Ids], Floats]:
    """From ids and mask [B, L] the token states [B, L, H], on the CPU."""
    encoder = OnnxEncoder(base_encoder_arrays(), base_shape(), precision, each=EACH)
    return lambda ids, mask: encoder(ids, mask, np.zeros_like(ids))


def _torch_states(device: str) -> Callable[[Ids, Ids], Floats]:
    """The same in torch, on any device."""
    import torch
    from transformers import BertConfig, BertModel

    from app.inference.networks.pair_model import base_encoder_tensors

    model = BertModel(BertConfig.from_pretrained(base_folder()), add_pooling_layer=False)
    model.load_state_dict(base_encoder_tensors(), strict=True)
    model.to(torch.device(device)).train(False)  # type: ignore[arg-type]

    def states(ids: Ids, mask: Ids) -> Floats:
        with torch.inference_mode():
            output = model(
                input_ids=torch.from_numpy(ids).to(device),
                attention_mask=torch.from_numpy(mask).to(device),
            )
        result: Floats = output.last_hidden_state.float().cpu().numpy()
        return result

    return states


class SentenceTransformerEmbedder:
    """Any local sentence-transformers folder with safetensors weights."""

    def __init__(self, path: Path, device: str = "auto") -> None:
        self.name = path.name
        self.dimension = 0
        self._path, self._wanted = path, device
        self._model: Any = None

    def warm_up(self) -> None:
        """Load the folder; raises ``ModelRefused`` for code, pickles, anything that is not local,
        and for what is no model."""
        refuse_code(self._path)
        self._model = self._loaded()
        self.dimension = int(self._model.get_embedding_dimension())

    def _loaded(self) -> Any:
        from safetensors import SafetensorError
        from sentence_transformers import SentenceTransformer

        try:
            return SentenceTransformer(
                str(self._path),
                device=pick_device(self._wanted),
                local_files_only=True,
                trust_remote_code=False,
                model_kwargs={"use_safetensors": True},
            )
        except (OSError, ValueError, KeyError, RuntimeError, ImportError, SafetensorError) as error:
            raise ModelRefused(f"{self._path} cannot be loaded: {error}") from error

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Shape [len(texts), dimension], unit length."""
        if self._model is None:
            self.warm_up()
        vectors: Vectors = self._model.encode(
            list(texts), normalize_embeddings=True, convert_to_numpy=True, show_progress_bar=False
        )
        return vectors.astype(np.float32).reshape(-1, self.dimension)


@cache
def shared_tokenizer() -> Tokenizer:
    """One that neither pads nor truncates, for whoever changes neither: each takes a while to
    load."""
    return load_tokenizer()


def load_tokenizer(max_tokens: int | None = None) -> Tokenizer:
    """MiniLM's tokenizer: padding to the longest and truncating, or with None neither."""
    tokenizer = Tokenizer.from_file(str(base_folder() / "tokenizer.json"))
    if max_tokens is None:
        tokenizer.no_truncation()
        tokenizer.no_padding()
    else:
        tokenizer.enable_truncation(max_tokens)
        tokenizer.enable_padding()
    return tokenizer
