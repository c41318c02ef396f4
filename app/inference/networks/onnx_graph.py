"""Builds an encoder as an ONNX graph in memory, in float32 or with int8 matrix products.

One text per run: its activations are measured and quantised alone, so that a score does not
depend on what else is in the batch, and nothing is padded. Operators of the domain
``com.microsoft`` are ONNX Runtime's own, fused for transformers.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from app.inference.networks.pair_tensors import DISTANCES, RANGES

Floats = NDArray[np.float32]
Precision = Literal["fp32", "int8"]
FUSED = "com.microsoft"
OPSET, IR_VERSION = 20, 9
"""Old enough for every ONNX Runtime since 1.17; 20 is the first with ``Gelu``."""

PLACE_AND_TYPE = ("position", "token_type")
TINY = 1e-6
"""Added to a row's maximum, which might be 0."""
EVENNESS, LEAST_RANGE = 0.8, 1e-3
"""How far channels are evened out before int8, from 0 (not at all) to 1 (all as large); chosen by
the error of spans (benchmarks/LOG.md). A channel counts as at least so large."""
PARTS = ("query", "key", "value")
FARTHEST = 128
"""Tokens that are so far apart count as those farther apart."""
KEPT = "kept"


class _Graph:
    """Nodes and constants in the order they are added; each output gets a fresh name."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def add(self, operator: str, inputs: Sequence[str], **attributes: Any) -> str:
        return self.add_many(operator, inputs, 1, **attributes)[0]

    def add_many(
        self, operator: str, inputs: Sequence[str], outputs: int, **attributes: Any
    ) -> list[str]:
        names = [f"{operator}_{len(self.nodes)}_{number}" for number in range(outputs)]
        self.nodes.append(helper.make_node(operator, inputs, names, **attributes))
        return names

    def constant(self, value: NDArray[Any]) -> str:
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name


class _Builder:
    """The layers of one encoder, written into a graph."""

    def __init__(
        self, tensors: Mapping[str, Floats], heads: int, epsilon: float, precision: Precision
    ) -> None:
        self._tensors, self._heads, self._epsilon = tensors, heads, epsilon
        self._int8 = precision == "int8"
        self._normed_by = "embeddings.LayerNorm"
        self._order = self._near = ""
        self.graph = _Graph()

    def embed(self) -> str:
        """Word vectors, which come from outside, plus place and type, normalised."""
        add, constant = self.graph.add, self.graph.constant
        place, kind = (self._tensor(f"embeddings.{n}_embeddings.weight") for n in PLACE_AND_TYPE)
        zero, one, two = (constant(np.array([n], np.int64)) for n in range(3))
        length = add("Slice", [add("Shape", ["words"]), one, two])
        if DISTANCES in self._tensors:
            none, step = (constant(np.array(n, np.int64)) for n in (0, 1))
            self._order = add("Range", [none, add("Squeeze", [length]), step])
            self._near = self._nearness(self._order)
        places = add("Slice", [place, zero, length, zero])
        summed = add("Add", [add("Add", ["words", add("Gather", [kind, "types"])]), places])
        norm = self._norm(self._normed_by)
        return add("LayerNormalization", [summed, *norm], epsilon=self._epsilon, axis=-1)

    def layer(self, number: int, states: str, kept: str = "") -> str:
        """Self-attention and feed-forward network, each added to its input and normalised.

        With ``kept`` [K] only those rows go on, after they have looked at all.
        """
        name = f"encoder.layer.{number}."
        mixed = self._attend(f"{name}attention.self.", states, kept)
        states = self._rows(states, kept)
        mixed = self._linear(f"{name}attention.output.dense", mixed)
        states = self._add_and_norm(f"{name}attention.output.LayerNorm", mixed, states)
        wide = self.graph.add("Gelu", [self._linear_of_normed(f"{name}intermediate.dense", states)])
        narrow = self._linear_by_row(f"{name}output.dense", wide)
        return self._add_and_norm(f"{name}output.LayerNorm", narrow, states)

    def _attend(self, name: str, states: str, kept: str) -> str:
        # Without a mask ONNX Runtime takes its flash kernel, 1.6 times as fast.
        query, *others = (name + part for part in PARTS)
        if self._int8:
            even, factor = self._evened([query, *others], states)
            read, *scale = self.graph.add_many("DynamicQuantizeLinear", [even], 3)
            asking = self._linear_of_quantised(query, factor, self._rows(read, kept), *scale)
            asked = [self._linear_of_quantised(one, factor, read, *scale) for one in others]
        else:
            asking = self._linear(query, self._rows(states, kept))
            asked = [self._linear(one, states) for one in others]
        near = self._nearness(kept) if self._near and kept else self._near
        inputs = [asking, *asked, *(["", "", near] if near else [])]
        return self.graph.add("MultiHeadAttention", inputs, domain=FUSED, num_heads=self._heads)

    def _nearness(self, asking: str) -> str:
        """What is added to the attention [1, heads, K, L] of the tokens numbered ``asking`` [K]."""
        add, constant = self.graph.add, self.graph.constant
        table = self._tensors[DISTANCES]
        most = len(self._tensors[f"embeddings.{PLACE_AND_TYPE[0]}_embeddings.weight"])
        apart = np.arange(1 - most, most)
        by_distance = constant(table[distance_buckets(apart, len(table))].T)
        first, second = (constant(np.array([n], np.int64)) for n in (0, 1))
        pairs = [add("Unsqueeze", [self._order, first]), add("Unsqueeze", [asking, second])]
        at = add("Add", [add("Sub", pairs), constant(np.array(most - 1, np.int64))])
        return add("Unsqueeze", [add("Gather", [by_distance, at], axis=1), first])

    def _rows(self, states: str, kept: str) -> str:
        return self.graph.add("Gather", [states, kept], axis=1) if kept else states

    def _evened(self, names: Sequence[str], states: str) -> tuple[str, Floats | None]:
        """``states`` with channels of more equal size, and by what the weights of ``names`` then
        must be multiplied; as they are where nobody measured how large they become."""
        ranges = self._tensors.get(RANGES + self._normed_by)
        if ranges is None:
            return states, None
        weights = [np.abs(self._tensors[f"{name}.weight"]).max(axis=0) for name in names]
        factor = evening(ranges, np.max(weights, axis=0))
        return self.graph.add("Mul", [states, self.graph.constant(1 / factor)]), factor

    def _linear_of_normed(self, name: str, states: str) -> str:
        """As ``_linear``, of what a normalisation gave."""
        if not self._int8:
            return self._linear(name, states)
        even, factor = self._evened([name], states)
        return self._linear(name, even, factor)

    def _linear(self, name: str, states: str, factor: Floats | None = None) -> str:
        add, bias = self.graph.add, self._tensor(f"{name}.bias")
        if self._int8:
            weight, scale = self._quantised(name, factor)
            inputs = [states, weight, scale, "", bias]
            return add("DynamicQuantizeMatMul", inputs, domain=FUSED)
        weight = self.graph.constant(self._tensors[f"{name}.weight"].T)
        return add("Add", [add("MatMul", [states, weight]), bias])

    def _linear_by_row(self, name: str, states: str) -> str:
        """As ``_linear``, each row brought to a maximum of 1 before it is quantised.

        What leaves ``Gelu`` has very different maxima from token to token, and one scale for all of
        them caused three fifths of the squared error of int8.
        """
        if not self._int8:
            return self._linear(name, states)
        add, constant = self.graph.add, self.graph.constant
        largest = add("ReduceMax", [states, constant(np.array([-1], np.int64))], keepdims=1)
        largest = add("Add", [largest, constant(np.array(TINY, np.float32))])
        # With fewer inputs ONNX Runtime aborts when it widens the products (see its options).
        inputs = [add("Div", [states, largest]), *self._quantised(name), "", ""]
        product = add("DynamicQuantizeMatMul", inputs, domain=FUSED)
        return add("Add", [add("Mul", [product, largest]), self._tensor(f"{name}.bias")])

    def _linear_of_quantised(
        self, name: str, factor: Floats | None, states: str, scale: str, zero: str
    ) -> str:
        weight, weight_scale = self._quantised(name, factor)
        inputs = [states, weight, scale, weight_scale, zero, "", self._tensor(f"{name}.bias")]
        return self.graph.add("MatMulIntegerToFloat", inputs, domain=FUSED)

    def _quantised(self, name: str, factor: Floats | None = None) -> tuple[str, str]:
        """The weight, each of its inputs multiplied by ``factor``, as int8, and its scales."""
        matrix = self._tensors[f"{name}.weight"].T
        weight, scale = quantise_columns(matrix if factor is None else matrix * factor[:, None])
        return self.graph.constant(weight), self.graph.constant(scale)

    def _add_and_norm(self, name: str, states: str, skip: str) -> str:
        self._normed_by = name
        inputs = [states, skip, *self._norm(name)]
        return self.graph.add("SkipLayerNormalization", inputs, domain=FUSED, epsilon=self._epsilon)

    def _norm(self, name: str) -> tuple[str, str]:
        return self._tensor(f"{name}.weight"), self._tensor(f"{name}.bias")

    def _tensor(self, name: str) -> str:
        return self.graph.constant(self._tensors[name])


def distance_buckets(apart: NDArray[np.int64], buckets: int) -> NDArray[np.int64]:
    """The bucket of each distance: single ones near by, ever wider ones up to 128 tokens away, and
    others for what stands before than for what comes after (T5; Raffel et al., 2020)."""
    half = buckets // 2
    single, size = half // 2, np.abs(apart)
    wide = np.log(np.maximum(size, 1) / single) / np.log(FARTHEST / single) * (half - single)
    far = np.minimum(single + wide.astype(np.int64), half - 1)
    found: NDArray[np.int64] = np.where(size < single, size, far) + half * (apart > 0)
    return found


def evening(ranges: Floats, weights: Floats) -> Floats:
    """By what each channel [H] is divided, on average by 1: the more, the larger it becomes
    (``ranges``) and the smaller the weights are that it meets."""
    large = np.maximum(ranges, LEAST_RANGE) ** EVENNESS
    factor = large / np.maximum(weights, LEAST_RANGE) ** (1 - EVENNESS)
    mean = np.exp(np.log(factor).mean())
    return np.asarray(factor / mean, np.float32)


def quantise_columns(weight: Floats) -> tuple[NDArray[np.int8], Floats]:
    """``weight`` [K, N] as int8, symmetric, and the scale [N] of each column."""
    scale = np.abs(weight).max(axis=0) / 127
    scale[scale == 0] = 1
    return np.rint(weight / scale).astype(np.int8), scale.astype(np.float32)


def encoder_graph(
    tensors: Mapping[str, Floats],
    heads: int,
    epsilon: float,
    precision: Precision,
    *,
    some: bool = False,
) -> bytes:
    """An ONNX model from BERT's tensors, named as transformers' ``BertModel`` names them.

    Inputs: ``words`` [1, L, H], the tokens' word vectors, and ``types`` [1, L]; output:
    ``states`` [1, L, H]. With ``some`` there is one input more, ``kept`` [K], and ``states``
    [1, K, H] are those of these tokens. Raises ``KeyError`` when a tensor is missing.
    """
    builder = _Builder(tensors, heads, epsilon, precision)
    states, last = builder.embed(), _depth(tensors) - 1
    for number in range(last):
        states = builder.layer(number, states)
    states = builder.layer(last, states, KEPT if some else "")
    graph = builder.graph
    graph.nodes.append(helper.make_node("Identity", [states], ["states"]))
    width = tensors["embeddings.LayerNorm.bias"].shape[0]
    shape = [1, "length", width]
    kept = [helper.make_tensor_value_info(KEPT, TensorProto.INT64, [KEPT])] if some else []
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "encoder",
            [
                helper.make_tensor_value_info("words", TensorProto.FLOAT, shape),
                helper.make_tensor_value_info("types", TensorProto.INT64, shape[:2]),
                *kept,
            ],
            [helper.make_tensor_value_info("states", TensorProto.FLOAT, [1, None, width])],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(FUSED, 1)],
    )
    model.ir_version = IR_VERSION
    return bytes(model.SerializeToString())


def _depth(tensors: Mapping[str, Floats]) -> int:
    numbers = (re.match(r"encoder\.layer\.(\d+)\.", name) for name in tensors)
    return 1 + max(int(match[1]) for match in numbers if match)
