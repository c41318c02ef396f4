"""Builders of every generator for the conformance suite: tiny models, a model server, a fake."""

import json
import re
import string
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import torch
from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    trainers,
)
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

from app.inference.local_model import GREEDY, TransformersGenerator
from app.inference.model_server import OpenAIGenerator
from app.inference.writing.search import Decoding
from app.ports import DraftRequest, Generator
from guardrails.contract import Citation, Draft, Passage, Sentence, sentence_bounds

MODELS = Path(__file__).parents[2] / "models"
READER_FOLDER = MODELS / "reader"
SPECIAL_TOKENS = ["<pad>", "</s>", "<s>", "<|system|>", "<|user|>", "<|assistant|>"]
SCRIPT = ["The notice period is 30 days [1].", " It starts on receipt of the letter [1]."]
"""What the scripted models write, one token each, then the end token."""
JSON_SCRIPT = [
    '{"sentences": [{"text": "The notice period is 30 days.", "citations": [1]}',
    ', {"text": "It starts on receipt of the letter.", "citations": [1]}]}',
]
"""The same where a JSON object is asked for."""

CHAT_TEMPLATE = (
    "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}</s>{% endfor %}<|assistant|>"
)
WINDOW = 2_048
NEW_TOKENS = 24


def save_tokenizer(
    folder: Path, chat_template: str | None = None, script: Sequence[str] = SCRIPT
) -> PreTrainedTokenizerFast:
    """A tokenizer of one token per byte, the special tokens and the script's sentences."""
    pieces = [*SPECIAL_TOKENS, *sorted(ByteLevel.alphabet())]
    core = Tokenizer(BPE(vocab={piece: i for i, piece in enumerate(pieces)}, merges=[]))
    core.pre_tokenizer = ByteLevel(add_prefix_space=False)
    core.decoder = ByteLevelDecoder()
    core.add_special_tokens([AddedToken(t, special=True) for t in SPECIAL_TOKENS])
    core.add_tokens([AddedToken(text, normalized=False) for text in script])
    tokenizer = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=core, pad_token="<pad>", eos_token="</s>", bos_token="<s>"
    )
    tokenizer.chat_template = chat_template
    tokenizer.save_pretrained(folder)
    return tokenizer


def save_causal(
    folder: Path,
    chat_template: str | None = CHAT_TEMPLATE,
    scripted: bool = True,
    script: Sequence[str] = SCRIPT,
) -> Path:
    """A Llama of one layer that writes ``script``, or, not scripted, whatever chance gives."""
    tokenizer = save_tokenizer(folder, chat_template, script)
    size = len(tokenizer)
    model = _llama(tokenizer, hidden=size + size % 2 if scripted else 32)
    if scripted:
        _script(model, tokenizer, script, first_after=["<|assistant|>", ":"])
    model.save_pretrained(folder)
    return folder


def _llama(tokenizer: PreTrainedTokenizerFast, hidden: int, seed: int = 7) -> LlamaForCausalLM:
    torch.manual_seed(seed)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=hidden,
            intermediate_size=16,
            num_hidden_layers=1,
            num_attention_heads=1,
            max_position_embeddings=WINDOW,
            tie_word_embeddings=False,
            **_special_ids(tokenizer),
        )
    )


def save_seq2seq(folder: Path) -> Path:
    """A BART of one layer that writes ``SCRIPT``."""
    tokenizer = save_tokenizer(folder)
    model = _bart(tokenizer, hidden=len(tokenizer))
    _script(model, tokenizer, SCRIPT, first_after=["<s>"])
    model.save_pretrained(folder)
    return folder


def _bart(
    tokenizer: PreTrainedTokenizerFast, hidden: int, seed: int = 7
) -> BartForConditionalGeneration:
    torch.manual_seed(seed)
    config = BartConfig(
        vocab_size=len(tokenizer),
        d_model=hidden,
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
    return BartForConditionalGeneration(config)


def save_random(folder: Path, kind: str, seq2seq: bool = False) -> Path:
    """A folder with the model and tokenizer of ``random_model``."""
    for part in random_model(kind, seq2seq):
        part.save_pretrained(folder)
    return folder


def random_model(kind: str, seq2seq: bool = False, seed: int = 7) -> tuple[Any, Any]:
    """A model of one layer with random weights, and a tokenizer of ``TOKENIZERS[kind]``."""
    tokenizer = small_tokenizer(kind)
    model: Any = (_bart if seq2seq else _llama)(tokenizer, 32, seed)
    # Untouched weights give nearly even odds; larger ones make the model sure of some tokens.
    with torch.no_grad():
        model.get_output_embeddings().weight.mul_(50.0)
    return model.eval(), tokenizer


CORPUS = (
    "This contract covers office cleaning. The notice period is 30 days from receipt of the "
    "letter. It must be given in writing, by hand or by post. Parking is free on Sundays.",
    "The garage closes at 22:00. Visitors sign the list and bring a badge (one each).",
    "An engineer repairs the lift within 48 hours; the deposit is 1,500 euros or NO_ANSWER [1].",
)
"""What the small tokenizers take their pieces from."""


def small_tokenizer(kind: str) -> PreTrainedTokenizerFast:
    """A tokenizer of the kind, with some 300 pieces of the words of ``CORPUS``."""
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=TOKENIZERS[kind](),
        pad_token="<pad>",
        eos_token="</s>",
        bos_token="<s>",
        unk_token=None if kind == "bpe" else "<unk>",
    )


_SPECIAL = ["<pad>", "</s>", "<s>", "<unk>"]
_LETTERS = list(string.ascii_letters + string.digits + string.punctuation)


def _wordpiece() -> Tokenizer:
    core = Tokenizer(models.WordPiece(unk_token="<unk>"))
    core.normalizer = normalizers.Lowercase()
    core.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    core.decoder = decoders.WordPiece()
    core.train_from_iterator(
        CORPUS,
        trainers.WordPieceTrainer(
            vocab_size=300, special_tokens=_SPECIAL, initial_alphabet=_LETTERS
        ),
    )
    return core


def _bpe() -> Tokenizer:
    core = Tokenizer(BPE())
    core.pre_tokenizer = ByteLevel(add_prefix_space=False)
    core.decoder = ByteLevelDecoder()
    alphabet = ByteLevel.alphabet()
    core.train_from_iterator(
        CORPUS,
        trainers.BpeTrainer(vocab_size=400, special_tokens=_SPECIAL, initial_alphabet=alphabet),
    )
    return core


def _unigram() -> Tokenizer:
    """Words with their space, beginnings of words, and letters; longer pieces are likelier."""
    words = sorted({word for text in CORPUS for word in text.split()})
    pieces = {f"\u2581{word}": -5.0 for word in words}
    pieces |= {f"\u2581{word[:3]}": -6.0 for word in words if len(word) > 5}
    pieces |= dict.fromkeys([*_LETTERS, "\u2581"], -9.0)
    specials = [(token, 0.0) for token in _SPECIAL]
    core = Tokenizer(models.Unigram([*specials, *pieces.items()], unk_id=3))
    core.pre_tokenizer = pre_tokenizers.Metaspace()
    core.decoder = decoders.Metaspace()
    return core


def _sentencepiece_bpe() -> Tokenizer:
    """As Llama's first tokenizers have it, with the same decoder."""
    core = Tokenizer(BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    core.pre_tokenizer = pre_tokenizers.Metaspace()
    space, strip = decoders.Replace("\u2581", " "), decoders.Strip(" ", 1, 0)
    core.decoder = decoders.Sequence([space, decoders.ByteFallback(), decoders.Fuse(), strip])
    alphabet = [*_LETTERS, "\u2581"]
    core.train_from_iterator(
        CORPUS,
        trainers.BpeTrainer(vocab_size=400, special_tokens=_SPECIAL, initial_alphabet=alphabet),
    )
    return core


TOKENIZERS = {
    "bpe": _bpe,
    "sentencepiece_bpe": _sentencepiece_bpe,
    "unigram": _unigram,
    "wordpiece": _wordpiece,
}


def _special_ids(tokenizer: PreTrainedTokenizerFast) -> dict[str, Any]:
    return {
        "pad_token_id": tokenizer.pad_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "bos_token_id": tokenizer.bos_token_id,
    }


def _script(
    model: Any,
    tokenizer: PreTrainedTokenizerFast,
    script: Sequence[str],
    first_after: Sequence[str],
) -> None:
    """Set weights so that each token decides the next: start, the script's sentences, the end.

    Layers add nothing (zero weights), embeddings are one-hot, and the output row of a token
    answers to the one-hot of its predecessor.
    """
    vocabulary = tokenizer.get_vocab()
    first, second = (vocabulary[text] for text in script)
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
        answer = extract(body["messages"][-1]["content"])
        if "response_format" in body:
            answer = as_json(answer)
        self._reply(reply or completion(answer))

    @property
    def _state(self) -> ModelServer:
        state: ModelServer = self.server.state  # type: ignore[attr-defined]
        return state

    def _scripted(self) -> Reply | None:
        self._state.authorization.append(self.headers["Authorization"])
        return self._state.replies.pop(0) if self._state.replies else None

    def _reply(self, reply: Reply) -> None:
        if reply.hang:
            self._state.closing.wait(60)
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


def as_json(answer: str) -> str:
    """An answer of ``extract`` in the JSON form."""
    if answer == "NO_ANSWER":
        return json.dumps({"sentences": []})
    text, number = re.fullmatch(r"(.*) \[(\d+)\]\.", answer).groups()  # type: ignore[union-attr]
    return json.dumps({"sentences": [{"text": f"{text}.", "citations": [int(number)]}]})


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
    from app.inference.reader import Reader
    from app.inference.reader_generator import ReaderGenerator

    yield ReaderGenerator(Reader(READER_FOLDER, "cpu"))


@contextmanager
def _shipped_seq2seq(folder: Path) -> Iterator[Generator]:
    from app.inference.seq2seq import Seq2SeqGenerator

    yield Seq2SeqGenerator(MODELS / "seq2seq", "cpu")


@contextmanager
def _shipped_seq2seq_evidence(folder: Path) -> Iterator[Generator]:
    from app.inference.seq2seq import Seq2SeqGenerator

    yield Seq2SeqGenerator(MODELS / "seq2seq", "cpu", Decoding(3, "evidence"))


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
def _beams(folder: Path) -> Iterator[Generator]:
    yield tiny(save_causal(folder), decoding=Decoding(beams=3))


@contextmanager
def _seq2seq_beams(folder: Path) -> Iterator[Generator]:
    yield tiny(save_seq2seq(folder), decoding=Decoding(beams=3))


@contextmanager
def _json(folder: Path) -> Iterator[Generator]:
    yield tiny(save_causal(folder, script=JSON_SCRIPT), decoding=Decoding(constraint="json"))


@contextmanager
def _random_json_beams(folder: Path) -> Iterator[Generator]:
    model = save_causal(folder, scripted=False)
    yield tiny(model, decoding=Decoding(beams=2, constraint="json"))


@contextmanager
def _random_evidence(folder: Path) -> Iterator[Generator]:
    yield tiny(save_random(folder, "unigram"), decoding=Decoding(constraint="evidence"))


@contextmanager
def _random_evidence_beams(folder: Path) -> Iterator[Generator]:
    model = save_random(folder, "wordpiece", seq2seq=True)
    yield tiny(model, decoding=Decoding(beams=2, constraint="evidence"))


@contextmanager
def _openai_json(folder: Path) -> Iterator[Generator]:
    with model_server() as server:
        yield OpenAIGenerator(server.url, "served-model", None, timeout_s=60, as_json=True)


@contextmanager
def _openai(folder: Path) -> Iterator[Generator]:
    with model_server() as server:
        yield OpenAIGenerator(server.url, "served-model", "sk-conformance", timeout_s=60)


@contextmanager
def _fake(folder: Path) -> Iterator[Generator]:
    yield FakeGenerator()


def tiny(
    folder: Path, max_new_tokens: int = NEW_TOKENS, decoding: Decoding = GREEDY, **options: int
) -> TransformersGenerator:
    """The generator of a folder saved here, on the CPU."""
    return TransformersGenerator(folder, "cpu", max_new_tokens, decoding=decoding, **options)


BUILDERS: dict[str, Builder] = {
    "reader": _reader,
    "shipped_seq2seq": _shipped_seq2seq,
    "shipped_seq2seq_evidence": _shipped_seq2seq_evidence,
    "causal": _causal,
    "random_causal": _random_causal,
    "seq2seq": _seq2seq,
    "beams": _beams,
    "seq2seq_beams": _seq2seq_beams,
    "json": _json,
    "random_json_beams": _random_json_beams,
    "random_evidence": _random_evidence,
    "random_evidence_beams": _random_evidence_beams,
    "openai": _openai,
    "openai_json": _openai_json,
    "fake": _fake,
}
