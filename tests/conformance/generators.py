"""Builders of every generator for the conformance suite: tiny models, a model server, a fake."""

import json
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

from app.inference.generator import OpenAIGenerator, TransformersGenerator
from app.ports import DraftRequest, Generator
from guardrails.contract import Citation, Draft, Passage, Sentence, sentence_bounds

READER_FOLDER = Path(__file__).parents[2] / "models" / "reader"
SPECIAL_TOKENS = ["<pad>", "</s>", "<s>", "<|system|>", "<|user|>", "<|assistant|>"]
SCRIPT = ["The notice period is 30 days [1].", " It starts on receipt of the letter [1]."]
"""What the scripted models write, one token each, then the end token."""

CHAT_TEMPLATE = (
    "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}</s>{% endfor %}<|assistant|>"
)
WINDOW = 2_048
NEW_TOKENS = 24


def save_tokenizer(folder: Path, chat_template: str | None = None) -> PreTrainedTokenizerFast:
    """A tokenizer of one token per byte, the special tokens and the script's sentences."""
    pieces = [*SPECIAL_TOKENS, *sorted(ByteLevel.alphabet())]
    core = Tokenizer(BPE(vocab={piece: i for i, piece in enumerate(pieces)}, merges=[]))
    core.pre_tokenizer = ByteLevel(add_prefix_space=False)
    core.decoder = ByteLevelDecoder()
    core.add_special_tokens([AddedToken(t, special=True) for t in SPECIAL_TOKENS])
    core.add_tokens([AddedToken(text, normalized=False) for text in SCRIPT])
    tokenizer = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=core, pad_token="<pad>", eos_token="</s>", bos_token="<s>"
    )
    tokenizer.chat_template = chat_template
    tokenizer.save_pretrained(folder)
    return tokenizer


def save_causal(
    folder: Path, chat_template: str | None = CHAT_TEMPLATE, scripted: bool = True
) -> Path:
    """A Llama of one layer that writes ``SCRIPT``, or, not scripted, whatever chance gives."""
    tokenizer = save_tokenizer(folder, chat_template)
    size = len(tokenizer)
    config = LlamaConfig(
        vocab_size=size,
        hidden_size=size + size % 2 if scripted else 32,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=1,
        max_position_embeddings=WINDOW,
        tie_word_embeddings=False,
        **_special_ids(tokenizer),
    )
    torch.manual_seed(7)
    model = LlamaForCausalLM(config)
    if scripted:
        _script(model, tokenizer, first_after=["<|assistant|>", ":"])
    model.save_pretrained(folder)
    return folder


def save_seq2seq(folder: Path) -> Path:
    """A BART of one layer that writes ``SCRIPT``."""
    tokenizer = save_tokenizer(folder)
    size = len(tokenizer)
    config = BartConfig(
        vocab_size=size,
        d_model=size,
        encoder_layers=1,
        decoder_layers=1,
        encoder_ffn_dim=16,
        decoder_ffn_dim=16,
        encoder_attention_heads=1,
        decoder_attention_heads=1,
        max_position_embeddings=WINDOW,
        tie_word_embeddings=False,
        decoder_start_token_id=tokenizer.bos_token_id,
        forced_eos_token_id=None,
        **_special_ids(tokenizer),
    )
    model = BartForConditionalGeneration(config)
    _script(model, tokenizer, first_after=["<s>"])
    model.save_pretrained(folder)
    return folder


def _special_ids(tokenizer: PreTrainedTokenizerFast) -> dict[str, Any]:
    return {
        "pad_token_id": tokenizer.pad_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "bos_token_id": tokenizer.bos_token_id,
    }


def _script(model: Any, tokenizer: PreTrainedTokenizerFast, first_after: Sequence[str]) -> None:
    """Set weights so that each token decides the next: start, the script's sentences, the end.

    Layers add nothing (zero weights), embeddings are one-hot, and the output row of a token
    answers to the one-hot of its predecessor.
    """
    vocabulary = tokenizer.get_vocab()
    first, second = (vocabulary[text] for text in SCRIPT)
    follows = {vocabulary[text]: first for text in first_after}
    follows |= {first: second, second: vocabulary["</s>"]}
    with torch.no_grad():
        for name, weights in model.named_parameters():
            weights.fill_(float("norm" in name and name.endswith("weight")))
        for module in model.modules():
            if isinstance(module, torch.nn.Embedding) and module.num_embeddings == len(vocabulary):
                module.weight.copy_(torch.eye(*module.weight.shape))
        for before, after in follows.items():
            model.get_output_embeddings().weight[after, before] = 10.0


@dataclass(frozen=True)
class Reply:
    """A scripted HTTP reply; ``hang`` keeps the caller waiting until the server closes."""

    status: int = 200
    body: bytes = b""
    hang: bool = False
    headers: tuple[tuple[str, str], ...] = ()


def completion(text: str | None, finish_reason: str = "stop") -> Reply:
    """A chat completion as the wire has it."""
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": finish_reason}
    return Reply(body=json.dumps({"object": "chat.completion", "choices": [choice]}).encode())


@dataclass
class ModelServer:
    """A chat-completions server on 127.0.0.1: scripted replies first, then extractive answers."""

    url: str
    replies: list[Reply] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    authorization: list[str | None] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)


@contextmanager
def model_server() -> Iterator[ModelServer]:
    """The server, running until the block ends."""
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    httpd.daemon_threads = True
    state = ModelServer(f"http://127.0.0.1:{httpd.server_port}/v1")
    httpd.state = state  # type: ignore[attr-defined]
    # The default of half a second would be waited for at every shutdown.
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield state
    finally:
        state.closing.set()
        httpd.shutdown()
        thread.join()
        httpd.server_close()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._reply(self._scripted() or Reply(body=b'{"object": "list", "data": []}'))

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._state.bodies.append(body)
        reply = self._scripted()
        if self.path != "/v1/chat/completions":
            reply = Reply(404)
        self._reply(reply or completion(extract(body["messages"][-1]["content"])))

    @property
    def _state(self) -> ModelServer:
        state: ModelServer = self.server.state  # type: ignore[attr-defined]
        return state

    def _scripted(self) -> Reply | None:
        self._state.authorization.append(self.headers["Authorization"])
        return self._state.replies.pop(0) if self._state.replies else None

    def _reply(self, reply: Reply) -> None:
        if reply.hang:
            self._state.closing.wait(10)
            return
        self.send_response(reply.status)
        for name, value in reply.headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def extract(prompt: str) -> str:
    """The evidence sentence that shares most words with the question, and its number."""
    evidence, _, question = prompt.rpartition("\n\nQuestion: ")
    asked = _words(question)
    best, most = "NO_ANSWER", 0
    for number, line in re.findall(r"^\[(\d+)\] (?:[^:\n]*: )?(.+)$", evidence, re.MULTILINE):
        for start, end in sentence_bounds(line):
            if (shared := len(asked & _words(line[start:end]))) > most:
                best, most = f"{line[start:end].rstrip('.')} [{number}].", shared
    return best


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w{3,}", text.lower()))


class FakeGenerator:
    """Cites the first evidence sentence that shares two words with the question, else abstains."""

    name = "fake"

    def warm_up(self) -> None:
        """Nothing to load."""

    def draft(self, requests: Sequence[DraftRequest]) -> list[Draft]:
        """One draft per request; raises ``DeadlineExceeded``."""
        for request in requests:
            request.deadline.remaining()
        return [self._draft(request) for request in requests]

    def _draft(self, request: DraftRequest) -> Draft:
        for passage in request.evidence:
            for start, end in sentence_bounds(passage.text):
                if len(_words(request.question) & _words(passage.text[start:end])) >= 2:
                    return self._quoting(passage, start, end)
        return Draft((), (), self.name)

    def _quoting(self, passage: Passage, start: int, end: int) -> Draft:
        quote = passage.text[start:end]
        where = (passage.id, passage.document_id, passage.title, passage.page)
        citation = Citation(1, *where, quote, start, end)
        words = " ".join(re.sub(r"\[\d+\]", "", quote).split())
        return Draft((Sentence(words, (1,)),), (citation,), self.name, features={"overlap": 2.0})


Builder = Callable[[Path], AbstractContextManager[Generator]]


@contextmanager
def _reader(folder: Path) -> Iterator[Generator]:
    from app.inference.reader import SpanReader

    yield SpanReader(folder=READER_FOLDER, device="cpu")


@contextmanager
def _causal(folder: Path) -> Iterator[Generator]:
    yield tiny(save_causal(folder))


@contextmanager
def _random_causal(folder: Path) -> Iterator[Generator]:
    yield tiny(save_causal(folder, chat_template=None, scripted=False))


@contextmanager
def _seq2seq(folder: Path) -> Iterator[Generator]:
    yield tiny(save_seq2seq(folder))


@contextmanager
def _openai(folder: Path) -> Iterator[Generator]:
    with model_server() as server:
        yield OpenAIGenerator(server.url, "served-model", "sk-conformance", timeout_s=10)


@contextmanager
def _fake(folder: Path) -> Iterator[Generator]:
    yield FakeGenerator()


def tiny(folder: Path, max_new_tokens: int = NEW_TOKENS, **options: int) -> TransformersGenerator:
    """The generator of a folder saved here, on the CPU."""
    return TransformersGenerator(folder, "cpu", max_new_tokens, **options)


BUILDERS: dict[str, Builder] = {
    "reader": _reader,
    "causal": _causal,
    "random_causal": _random_causal,
    "seq2seq": _seq2seq,
    "openai": _openai,
    "fake": _fake,
}
