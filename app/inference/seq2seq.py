"""The shipped generator that writes: one short sentence, its words mostly taken from the evidence.

The network points at the words it takes. So the text keeps the source's own spelling, and the
passage it took the answer from is the one that is cited.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import torch
from tokenizers import Encoding, Tokenizer
from torch import Tensor
from transformers import GenerationConfig, LogitsProcessorList, StoppingCriteriaList
from transformers.modeling_outputs import BaseModelOutput

from app.inference.device import pick_device
from app.inference.embedder import load_tokenizer, shared_tokenizer
from app.inference.networks.onnx_encoder import OnnxEncoder
from app.inference.networks.pair_model import encoder_arrays
from app.inference.networks.seq2seq_model import (
    CLOSE,
    CLS,
    NO_ANSWER,
    OPEN,
    PAD,
    SEP,
    Encoded,
    Seq2SeqModel,
    Writing,
    encoded_of,
    load_seq2seq_model,
)
from app.inference.writing.evidence_only import EvidenceOnly, EvidenceTokens
from app.inference.writing.figures import draft_features, token_figures
from app.inference.writing.grounding import OUR_MARKER_SHAPE, draft_from_text, visible
from app.inference.writing.search import Decoding, UntilDeadline
from app.ports import DraftRequest, Misfit
from guardrails.contract import Draft, Sentence, sentence_bounds, with_markers

MAX_TOKENS = 384
"""Of question and passage together; a longer passage is cut."""
MAX_QUESTION_TOKENS = 96
MAX_NEW_TOKENS = 64
"""Tokens written at most, the marks around the short answer included."""
SECOND_TRY_BEAMS = 4
"""Texts to choose from when the first did not fit the schema of the answer."""
QUESTION_MARK = 1029
_GLUED_BEFORE = frozenset(".,;:!?)]}%'’”")
_GLUED_AFTER = frozenset("([{$£€“#")


@dataclass(frozen=True)
class Trace:
    """How one text of T tokens came about, [CLS] left out and the closing token included.

    ``copied`` [T] says whether a token was copied rather than spoken, and ``places`` [T] from
    which of the S = K * L tokens read; ``mass`` [T, K] is the probability of copying from each
    passage; ``figures`` [T, 3] as in ``token_figures``.
    """

    tokens: list[int]
    copied: list[bool]
    places: list[int]
    mass: Tensor
    figures: Tensor
    abstain_margin: float

    @property
    def abstained(self) -> bool:
        """Whether "no answer" was written first."""
        return self.tokens[:1] == [NO_ANSWER]


@dataclass(frozen=True)
class Piece:
    """One token as text. ``row`` is the pair (passage number, 0 question or 1 passage) it was
    copied from, ``place`` its index there; None and -1 when it was not copied."""

    text: str
    row: tuple[int, int] | None = None
    place: int = -1
    start: int = 0
    end: int = 0


class Seq2SeqGenerator:
    """The shipped encoder-decoder behind the Generator port.

    Features: those of ``draft_features`` (``mean_logprob``, ``min_logprob``, ``entropy``,
    ``tokens``, ``truncated``); ``copied``, the share of the text's tokens that were copied from
    evidence or question; and ``abstain_margin``, the log-probability of the best first token
    other than "no answer" minus that of "no answer" (negative when it abstains).
    """

    name = "seq2seq"

    def __init__(
        self, folder: Path, device: str = "auto", decoding: Decoding | None = None
    ) -> None:
        self._folder, self._wanted = folder, device
        self._decoding = decoding or Decoding()
        self._lock = threading.Lock()
        self._model: Any = None

    def warm_up(self) -> None:
        """Load the weights once; raises ``ModelRefused``."""
        with self._lock:
            if self._model is not None:
                return
            model = load_seq2seq_model(self._folder)
            self._device = pick_device(self._wanted)
            self._plain = shared_tokenizer()
            self._tokenizer = load_tokenizer()
            self._tokenizer.enable_truncation(MAX_TOKENS, strategy="only_second")
            self._tokenizer.enable_padding()
            self._allowed = EvidenceTokens(self._encode_plain, [SEP, NO_ANSWER, OPEN, CLOSE])
            self._encoder = self._compiled(model)
            self._model = model.to(self._device)  # type: ignore[arg-type]

    def _compiled(self, model: Seq2SeqModel) -> OnnxEncoder | None:
        """The half that reads, for a CPU; most of an answer's time is spent in it."""
        if self._device != "cpu":
            return None
        return OnnxEncoder(*encoder_arrays(model.encoder), "fp32")

    def draft(self, requests: Sequence[DraftRequest]) -> list[Draft]:
        """One draft per request; requests over equally many passages share a batch.

        Ends with ``DeadlineExceeded`` at the earliest deadline, looked at before every token.
        """
        for request in requests:
            request.deadline.remaining()
        self.warm_up()
        drafts = [Draft((), (), self.name) for _ in requests]
        asked = [
            (n, replace(request, evidence=evidence))
            for n, request in enumerate(requests)
            if request.question.strip()
            and (evidence := tuple(p for p in request.evidence if visible(p.text).strip()))
        ]
        first = [pair for pair in asked if pair[1].misfit is None]
        first.sort(key=lambda pair: len(pair[1].evidence))
        for _, group in groupby(first, key=lambda pair: len(pair[1].evidence)):
            places, batch = zip(*group, strict=True)
            for n, draft in zip(places, self._draft_batch(batch), strict=True):
                drafts[n] = draft
        for n, request in asked:
            if request.misfit is not None:
                drafts[n] = self._draft_again(request, request.misfit)
        return drafts

    def _draft_again(self, request: DraftRequest, misfit: Misfit) -> Draft:
        """The likeliest of several texts that fits; abstains when none does."""
        row = self._pairs(request)
        encoded = self._tokenizer.encode_batch(row)
        with torch.inference_mode():
            reading = self._read(*self._tensors(encoded, 1))
            for text in self._generate(reading, [request], SECOND_TRY_BEAMS, SECOND_TRY_BEAMS):
                request.deadline.remaining()
                writing, _ = self._model.write(reading, text[None, :-1])
                (trace,) = _traces(reading, writing, text[None, 1:], len(row))
                draft = self._read_out(request, row, encoded, trace)
                if draft.sentences and misfit.fits(draft):
                    return draft
        return Draft((), (), self.name)

    def _pairs(self, request: DraftRequest) -> list[tuple[str, str]]:
        """The question beside each passage, as the model reads them."""
        question = self._cut_question(request.question)
        return [(question, passage.text) for passage in request.evidence]

    def _draft_batch(self, requests: Sequence[DraftRequest]) -> list[Draft]:
        rows = [self._pairs(request) for request in requests]
        encoded = self._tokenizer.encode_batch([pair for row in rows for pair in row])
        passages = len(rows[0])
        return [
            self._read_out(request, row, encoded[n * passages : (n + 1) * passages], trace)
            for n, (request, row, trace) in enumerate(
                zip(requests, rows, self._trace(encoded, requests), strict=True)
            )
        ]

    def _trace(self, encoded: list[Encoding], requests: Sequence[DraftRequest]) -> list[Trace]:
        with torch.inference_mode():
            reading = self._read(*self._tensors(encoded, len(requests)))
            output = self._generate(reading, requests, self._decoding.beams)
            # One pass over the finished texts gives the figures of the chosen beam too.
            writing, _ = self._model.write(reading, output[:, :-1])
            return _traces(reading, writing, output[:, 1:], len(requests[0].evidence))

    def _read(self, ids: Tensor, mask: Tensor, types: Tensor) -> Encoded:
        if self._encoder is None:
            reading: Encoded = self._model.read(ids, mask, types)
        else:
            states = self._encoder(*(rows.flatten(0, 1).numpy() for rows in (ids, mask, types)))
            reading = encoded_of(torch.from_numpy(states), ids, mask, types)
        return replace(reading, keys=self._model.key(reading.states))

    def _generate(
        self, reading: Encoded, requests: Sequence[DraftRequest], beams: int, texts: int = 1
    ) -> Tensor:
        """The likeliest ``texts`` of each request: [requests * texts, T], opening included."""
        processors = LogitsProcessorList()
        if self._decoding.constraint == "evidence":
            allowed = [
                self._allowed.allowed([r.question, *(p.text for p in r.evidence)], 0)
                for r in requests
            ]
            size = self._model.encoder.config.vocab_size
            processors.append(EvidenceOnly(allowed, size, beams))
        tokens: Tensor = self._model.generate(
            encoder_outputs=BaseModelOutput(last_hidden_state=reading.states),
            attention_mask=reading.mask,
            source=reading.source,
            keys=reading.keys,
            generation_config=_generation_config(beams, texts),
            stopping_criteria=StoppingCriteriaList([UntilDeadline([r.deadline for r in requests])]),
            logits_processor=processors,
        )
        return tokens

    def _tensors(self, encoded: list[Encoding], count: int) -> tuple[Tensor, Tensor, Tensor]:
        """Ids, mask and types, [count, passages, length] each."""
        columns = ("ids", "attention_mask", "type_ids")
        ids, mask, types = (
            torch.tensor([getattr(e, column) for e in encoded], device=self._device).view(
                count, len(encoded) // count, -1
            )
            for column in columns
        )
        return ids, mask, types

    def _cut_question(self, question: str) -> str:
        question = visible(question)
        offsets = self._plain.encode(question, add_special_tokens=False).offsets
        if len(offsets) <= MAX_QUESTION_TOKENS:
            return question
        return question[: offsets[MAX_QUESTION_TOKENS - 1][1]]

    def _encode_plain(self, texts: list[str]) -> list[list[int]]:
        return [e.ids for e in self._plain.encode_batch(texts, add_special_tokens=False)]

    def _read_out(
        self,
        request: DraftRequest,
        texts: Sequence[tuple[str, str]],
        encodings: Sequence[Encoding],
        trace: Trace,
    ) -> Draft:
        truncated = SEP not in trace.tokens
        features = draft_features(trace.figures, truncated)
        features["abstain_margin"] = trace.abstain_margin
        if trace.abstained:
            return Draft((), (), self.name, features=features)
        before, short, after = _parts(_pieces(trace, texts, encodings, self._tokenizer))
        features["copied"] = sum(trace.copied) / max(1, len(trace.copied))
        said = _join([*before, *short, *after], texts)
        cited = _cited(trace) + 1
        draft = draft_from_text(
            _with_marker(said, cited), request.question, request.evidence, self.name, features
        )
        return replace(draft, short=_join(short, texts) or None) if draft.sentences else draft


def _generation_config(beams: int, texts: int) -> GenerationConfig:
    return GenerationConfig(  # type: ignore[no-untyped-call]
        do_sample=False,
        num_beams=beams,
        num_return_sequences=texts,
        max_new_tokens=MAX_NEW_TOKENS,
        decoder_start_token_id=CLS,
        eos_token_id=SEP,
        pad_token_id=PAD,
        # A small decoder that is lost goes round in circles, or copies the question's end.
        no_repeat_ngram_size=6,
        suppress_tokens=[QUESTION_MARK],
    )


def _traces(reading: Encoded, writing: Writing, tokens: Tensor, passages: int) -> list[Trace]:
    """``tokens`` [B, T] with how each came about; padding after the closing token is cut."""
    gate = torch.sigmoid(writing.gate).unsqueeze(-1)
    pointer = writing.pointer * gate
    here = pointer * (reading.source.unsqueeze(1) == tokens.unsqueeze(-1))
    words = writing.vocabulary.softmax(-1) * (1 - gate)
    spoken = words.gather(-1, tokens.unsqueeze(-1)).squeeze(-1)
    copied = (here.sum(-1) > spoken).cpu()
    places = here.argmax(-1).cpu()
    mass = pointer.view(*tokens.shape, passages, -1).sum(-1).cpu()
    log_probs = writing.log_probs(reading.source)
    figures = token_figures(log_probs, tokens, [NO_ANSWER]).cpu()
    margins = _abstain_margins(log_probs[:, 0])
    traces = []
    for n, row in enumerate(tokens.tolist()):
        length = row.index(SEP) + 1 if SEP in row else len(row)
        traces.append(
            Trace(
                row[:length],
                copied[n, :length].tolist(),
                places[n, :length].tolist(),
                mass[n, :length],
                figures[n, :length],
                margins[n],
            )
        )
    return traces


def _abstain_margins(first: Tensor) -> list[float]:
    """The best first token's log-probability minus that of "no answer", from [B, V]."""
    others = first.clone()
    others[:, NO_ANSWER] = -torch.inf
    margins: list[float] = (others.amax(-1) - first[:, NO_ANSWER]).tolist()
    return margins


def _cited(trace: Trace) -> int:
    """The passage most of the short answer was copied from."""
    tokens = trace.tokens
    start = tokens.index(OPEN) + 1 if OPEN in tokens else 0
    end = tokens.index(CLOSE) if CLOSE in tokens[start:] else len(tokens)
    return int(trace.mass[start : max(end, start + 1)].sum(0).argmax())


def _pieces(
    trace: Trace,
    texts: Sequence[tuple[str, str]],
    encodings: Sequence[Encoding],
    tokenizer: Tokenizer,
) -> list[tuple[int, Piece]]:
    """Each token with its text: the source's own spelling where it was copied."""
    length = len(encodings[0].ids)
    pieces = []
    for token, copied, place in zip(trace.tokens, trace.copied, trace.places, strict=True):
        if not copied or token in (OPEN, CLOSE):
            pieces.append((token, Piece(tokenizer.id_to_token(token) or "")))
            continue
        number, index = divmod(place, length)
        encoding = encodings[number]
        row = number, encoding.type_ids[index]
        start, end = encoding.offsets[index]
        pieces.append((token, Piece(texts[number][row[1]][start:end], row, index, start, end)))
    return pieces


def _parts(pieces: list[tuple[int, Piece]]) -> tuple[list[Piece], list[Piece], list[Piece]]:
    """The pieces before, inside and after the marks of the short answer.

    Without an opening mark all of it is the short answer.
    """
    parts: tuple[list[Piece], list[Piece], list[Piece]] = ([], [], [])
    inside = 0 if any(token == OPEN for token, _ in pieces) else 1
    for token, piece in pieces:
        if token == OPEN:
            inside = 1
        elif token == CLOSE:
            inside = 2
        elif token not in (SEP, PAD, CLS, NO_ANSWER):
            parts[inside].append(piece)
    return parts


def _join(pieces: Sequence[Piece], texts: Sequence[tuple[str, str]]) -> str:
    """One line: neighbours of the source keep what stood between them, other words a space."""
    text = ""
    last: Piece | None = None
    for piece in pieces:
        if last is not None:
            text += _between(last, piece, texts)
        text += piece.text.removeprefix("##") if piece.row is None else piece.text
        last = piece
    # A bracketed number of the source's own would read as a marker of ours.
    return " ".join(OUR_MARKER_SHAPE.sub("", visible(text)).split())


def _between(last: Piece, piece: Piece, texts: Sequence[tuple[str, str]]) -> str:
    if piece.row is not None and piece.row == last.row and piece.place == last.place + 1:
        number, side = piece.row
        return texts[number][side][last.end : piece.start]
    if piece.row is None and piece.text.startswith("##"):
        return ""
    glued = piece.text[:1] in _GLUED_BEFORE or last.text[-1:] in _GLUED_AFTER
    return "" if glued else " "


def _with_marker(said: str, cited: int) -> str:
    """``said`` as sentences, the first letter large, each with the marker of its passage."""
    said = said[:1].upper() + said[1:]
    sentences = [said[start:end] for start, end in sentence_bounds(said)]
    return " ".join(with_markers(Sentence(_closed(text), (cited,))) for text in sentences)


def _closed(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else text + "."
