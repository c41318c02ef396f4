"""Fine-tune a local causal or seq2seq model on answering from evidence, with LoRA.

Run as:
    python -m training.generator lora --model FOLDER --data DATA --out FOLDER --minutes 60
    python -m training.generator lora --model FOLDER --data DATA --out FOLDER --edits FILE
    python -m training.generator lora ... --resume   # go on after a stop, with the same options

The base stays frozen; small low-rank matrices beside its linear layers are trained (Hu et al.,
2021) and merged at the end, so that ``COUNTERSIGN_GENERATOR=OUT`` serves the result. Prompts
come from the code that serves, and ``countersign review edits`` writes FILE.
"""

import json
import math
import random
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from inspect import signature
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import Parameter, functional
from transformers import AutoTokenizer, GenerationConfig
from transformers.utils.logging import disable_progress_bar

from app.deadline import Deadline
from app.errors import (
    CountersignError,
    DependencyFailed,
    Invalid,
    ModelRefused,
    NotFound,
    from_os_error,
)
from app.files import sha256_file
from app.inference import local_model
from app.inference.networks.weights import TEXT_SUFFIXES, UNLISTED
from app.inference.writing.prompt import Chat, build_prompt, passage_line
from app.inference.writing.search import Decoding, as_tokens, decoder_opening
from app.ports import DraftRequest
from guardrails.contract import canonical_sha256
from training.lora_rows import Row, Rows, load_rows, readable
from training.model_folder import write_manifest

MAX_NEW_TOKENS = 160
"""Longest target; the service stops a model there."""

POOL = 16
"""Batches that are made together, from rows sorted by length, so that little is padding."""

WARM_UP = 20
"""Steps, at most a tenth of a run that is counted in steps."""

DROPOUT = 0.05
IGNORED = -100
CHECKPOINT = "checkpoint"
SMOKE_STEPS, SMOKE_ROWS, SMOKE_BATCH = 3, 16, 2


@dataclass(frozen=True)
class Example:
    """Token ids of a prompt, and of what to write after it, the closing token included."""

    prompt: list[int]
    target: list[int]


class Learner:
    """A model loaded as the service loads it, with LoRA adapters that start as no change."""

    def __init__(self, folder: Path, rank: int, max_tokens: int, device: str = "auto") -> None:
        sizes = local_model.Sizes(MAX_NEW_TOKENS, max_tokens)
        self._served = local_model.load_model(folder, device, sizes, Decoding())
        self.model: Any = self._served.model
        self.device = torch.device(self.model.device)
        self._tokenizer = self._served.tokenizer
        self._chat = Chat(self._tokenizer)
        settings = self.model.generation_config
        self._causal = not self.model.config.is_encoder_decoder
        self._opening = [] if self._causal else decoder_opening(settings)
        self._end = _closing(self._tokenizer, as_tokens(settings.eos_token_id))
        self._keeps_logits = "logits_to_keep" in signature(self.model.forward).parameters
        self._adapted = attach(self.model, rank)

    def adapters(self) -> dict[str, Parameter]:
        """The trained matrices by name."""
        return {k: p for k, p in self.model.named_parameters() if p.requires_grad}

    def load_adapters(self, tensors: Mapping[str, Tensor]) -> None:
        """Set all adapters; raises ``Invalid`` when ``tensors`` belong to another model."""
        adapters = self.adapters()
        if {k: p.shape for k, p in adapters.items()} != {k: t.shape for k, t in tensors.items()}:
            raise Invalid("The checkpoint was made with another model or rank.")
        with torch.no_grad():
            for name, parameter in adapters.items():
                parameter.copy_(tensors[name])

    def merged(self) -> Any:
        """The base with the adapters added to its weights; the learner is used up."""
        return self._adapted.merge_and_unload()

    def example(self, row: Row) -> Example | None:
        """``row`` in tokens; None when answer, or a passage it cites, does not fit whole."""
        request = DraftRequest(row.question, row.evidence, Deadline(math.inf))
        prompt = build_prompt(request, self._served.count, self._served.room)
        text = self._chat.text(prompt.messages)
        if max(row.cited, default=0) > len(prompt.evidence):
            return None
        # Only the first passage may have been cut.
        if 1 in row.cited and passage_line(1, row.evidence[0]) not in text:
            return None
        tokens = self._served.encode([text])[0]
        target = [*self._continuation(text, tokens, row.answer), self._end]
        if len(target) > MAX_NEW_TOKENS or len(tokens) > self._served.window:
            return None
        return Example(tokens, target)

    def _continuation(self, text: str, tokens: list[int], answer: str) -> list[int]:
        """The answer's tokens where it follows the prompt, as a causal model would write them."""
        gap = " " if self._causal and self._chat.special_tokens else ""
        if self._causal:
            joined: list[int] = self._served.encode([f"{text}{gap}{answer}"])[0]
            if joined[: len(tokens)] == tokens:
                return joined[len(tokens) :]
        alone: list[int] = self._tokenizer.encode(
            f"{gap}{answer}", add_special_tokens=False, verbose=False
        )
        return alone

    def loss(self, examples: Sequence[Example]) -> Tensor:
        """Mean cross-entropy of the target tokens in nats; a scalar."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=fast_bf16(self.device)):
            logits, labels = self._read(examples)
        return functional.cross_entropy(
            logits.float().flatten(0, 1), labels.flatten(), ignore_index=IGNORED
        )

    def _read(self, examples: Sequence[Example]) -> tuple[Tensor, Tensor]:
        """Logits [batch, length, vocabulary] and the labels [batch, length] they should predict."""
        if not self._causal:
            return self._read_seq2seq(examples)
        inputs = self._padded([[*e.prompt, *e.target] for e in examples])
        rows = [[*[IGNORED] * len(e.prompt), *e.target] for e in examples]
        labels = self._pad(rows, IGNORED)
        # Logits of the prompts would cost vocabulary x prompt floats, and are not needed.
        kept = labels.shape[1] - min(len(e.prompt) for e in examples) + 1
        few = {"logits_to_keep": kept} if self._keeps_logits else {}
        logits = self.model(**inputs, **few, use_cache=False).logits
        return logits[:, -kept:-1], labels[:, 1 - kept :]

    def _read_seq2seq(self, examples: Sequence[Example]) -> tuple[Tensor, Tensor]:
        opening = self._opening
        inputs = self._padded([e.prompt for e in examples])
        written = [[*opening, *e.target[:-1]] for e in examples]
        rows = [[*[IGNORED] * (len(opening) - 1), *e.target] for e in examples]
        decoder = self._pad(written, self._tokenizer.pad_token_id)
        logits = self.model(**inputs, decoder_input_ids=decoder, use_cache=False).logits
        return logits, self._pad(rows, IGNORED)

    def _padded(self, rows: Sequence[Sequence[int]]) -> dict[str, Tensor]:
        mask = self._pad([[1] * len(row) for row in rows], 0)
        return {"input_ids": self._pad(rows, self._tokenizer.pad_token_id), "attention_mask": mask}

    def _pad(self, rows: Sequence[Sequence[int]], filler: int) -> Tensor:
        width = max(map(len, rows))
        padded = [[*row, *[filler] * (width - len(row))] for row in rows]
        return torch.tensor(padded, device=self.device)


def attach(model: Any, rank: int) -> Any:
    """Add trainable adapters to every linear layer of ``model``, in place, but the output's.

    Raises ``DependencyFailed`` without peft, ``ModelRefused`` for a model without such layers.
    """
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError as error:
        raise DependencyFailed("LoRA needs peft: install countersign[train].") from error
    config = LoraConfig(
        r=rank, lora_alpha=2 * rank, lora_dropout=DROPOUT, target_modules="all-linear"
    )
    try:
        return get_peft_model(model, config)
    except ValueError as error:
        raise ModelRefused(f"no adapters fit this model: {error}") from error


def fast_bf16(device: torch.device) -> bool:
    """Whether bfloat16 saves time: on CUDA, and on a CPU with instructions for it."""
    if device.type != "cpu":
        return device.type == "cuda"
    able = torch.cpu.get_capabilities()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))


def _closing(tokenizer: Any, ends: Sequence[int]) -> int:
    """The token that ends an answer: the tokenizer's own where generation stops at it."""
    if not ends:
        raise ModelRefused("the model has no end token, so its answers would never end")
    return int(tokenizer.eos_token_id if tokenizer.eos_token_id in ends else ends[0])


# --- training that can stop and go on --------------------------------------------------------


@dataclass(frozen=True)
class Plan:
    """All that decides a run besides model and rows. One of ``minutes`` and ``steps`` is None.

    ``inputs`` is a fingerprint of model and data: a checkpoint fits its own plan only.
    """

    inputs: str
    minutes: float | None
    steps: int | None
    seed: int
    rank: int
    batch_size: int
    learning_rate: float
    max_tokens: int

    def progress(self, state: "State") -> float:
        """How much of the budget is used, 0 to 1 and beyond."""
        if self.steps is not None:
            return state.step / self.steps
        return state.seconds / (60 * (self.minutes or 1e-9))

    def factor(self, state: "State") -> float:
        """Of the learning rate: a linear warm-up, then a linear way down with the budget."""
        warm_up = WARM_UP if self.steps is None else min(WARM_UP, max(1, self.steps // 10))
        return min(1.0, (state.step + 1) / warm_up) * max(0.02, 1 - self.progress(state))


@dataclass
class State:
    """How far a run is; ``pool`` and ``place`` are the next batch's, ``losses`` the last ones."""

    pool: int = 0
    place: int = 0
    step: int = 0
    seconds: float = 0.0
    examples: int = 0
    tokens: int = 0
    first_loss: float = 0.0
    losses: list[float] = field(default_factory=list)

    def add(self, group: Sequence[Example], loss: float) -> None:
        """Count one batch that was learnt."""
        self.first_loss = self.first_loss or loss
        self.losses = [*self.losses, loss][-50:]
        self.step += 1
        self.place += 1
        self.examples += len(group)
        self.tokens += sum(len(e.prompt) + len(e.target) for e in group)

    def figures(self) -> dict[str, float]:
        """Steps, examples, tokens, minutes, speed; loss at first and over the last 50 steps."""
        return {
            "steps": self.step,
            "examples": self.examples,
            "tokens": self.tokens,
            "minutes": round(self.seconds / 60, 2),
            "tokens_per_second": round(self.tokens / max(self.seconds, 1e-9)),
            "first_loss": round(self.first_loss, 4),
            "final_loss": round(sum(self.losses) / max(1, len(self.losses)), 4),
        }


Watcher = Callable[[State, float], None]
"""Told after every step how far the run is, and the share of the budget that is used."""


class Training:
    """One run: the same plan over the same rows makes the same batches, stopped or not."""

    def __init__(self, learner: Learner, rows: Rows, plan: Plan, folder: Path) -> None:
        self.state = State()
        self._learner = learner
        self._rows = rows
        self._plan = plan
        self._folder = folder
        self._adapters = learner.adapters()
        self._optimizer = torch.optim.AdamW(
            self._adapters.values(), lr=plan.learning_rate, weight_decay=0.01
        )
        self._order = lru_cache(maxsize=2)(self._shuffled)

    def run(self, checkpoint_s: float, watch: Watcher) -> None:
        """Train until the budget is used; a checkpoint every ``checkpoint_s`` and at the end.

        Raises ``Invalid`` when the loss is no longer a number, ``DependencyFailed`` when memory
        or disk is full; the last checkpoint stays.
        """
        began = saved = time.monotonic()
        before = self.state.seconds
        self._learner.model.train()
        for group in self._batches():
            if self._plan.progress(self.state) >= 1:
                break
            self._learn(group)
            self.state.seconds = before + time.monotonic() - began
            if time.monotonic() - saved >= checkpoint_s:
                self.save()
                saved = time.monotonic()
            watch(self.state, self._plan.progress(self.state))
        self.save()

    def _learn(self, group: Sequence[Example]) -> None:
        for settings in self._optimizer.param_groups:
            settings["lr"] = self._plan.learning_rate * self._plan.factor(self.state)
        try:
            loss = self._learner.loss(group)
            loss.backward()  # type: ignore[no-untyped-call]
        except torch.OutOfMemoryError:
            raise DependencyFailed(
                "The device ran out of memory; take a smaller --batch-size or --max-tokens."
            ) from None
        if not math.isfinite(loss.item()):
            raise Invalid("The loss is not a number any more; take a lower --learning-rate.")
        torch.nn.utils.clip_grad_norm_(self._adapters.values(), 1.0)
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        self.state.add(group, loss.item())

    def _batches(self) -> Iterator[list[Example]]:
        """Endless batches from where ``state`` is; ``state.pool`` moves on here."""
        while True:
            groups = self._pool(self.state.pool)
            yield from groups[self.state.place :]
            self.state.pool, self.state.place = self.state.pool + 1, 0

    def _pool(self, number: int) -> list[list[Example]]:
        """The batches of one pool: rows of like length together, in random order."""
        size = self._plan.batch_size
        rng = random.Random(f"{self._plan.seed}/{number}")
        places = range(number * POOL * size, (number + 1) * POOL * size)
        drawn = [self._example(self._index(place), rng) for place in places]
        examples = sorted(filter(None, drawn), key=lambda e: len(e.prompt) + len(e.target))
        if not examples:
            raise Invalid("No row of the training data fits into the model's window.")
        groups = [examples[i : i + size] for i in range(0, len(examples), size)]
        rng.shuffle(groups)
        return groups

    def _example(self, index: int, rng: random.Random) -> Example | None:
        """The row with distractors, else alone, else not at all: as the window allows."""
        full = self._learner.example(self._rows.draw(index, rng))
        return full or self._learner.example(self._rows.draw(index, rng, most=0))

    def _index(self, place: int) -> int:
        epoch, place = divmod(place, len(self._rows))
        return self._order(epoch)[place]

    def _shuffled(self, epoch: int) -> list[int]:
        order = list(range(len(self._rows)))
        random.Random(f"{self._plan.seed}/epoch {epoch}").shuffle(order)
        return order

    def save(self) -> None:
        """Write a checkpoint beside the last one, then remove that: there is always a whole one."""
        writing = self._folder / "writing"
        with _on_disk():
            shutil.rmtree(writing, ignore_errors=True)
            writing.mkdir(parents=True)
            save_file(_on_cpu(self._adapters), writing / "adapter.safetensors")
            save_file(self._momenta(), writing / "optimizer.safetensors")
            state = {"plan": asdict(self._plan), "state": asdict(self.state), "rng": _rng()}
            (writing / "state.json").write_text(json.dumps(state), "utf-8")
            older = _checkpoints(self._folder)
            target = self._folder / f"{self.state.step:09d}"
            if target in older:
                shutil.rmtree(target)
            writing.rename(target)
            for folder in older:
                if folder != target:
                    shutil.rmtree(folder)

    def resume(self) -> None:
        """Go on where the newest checkpoint is; raises ``NotFound`` or ``Invalid``."""
        found = _checkpoints(self._folder)
        if not found:
            raise NotFound(f"There is no checkpoint in {self._folder}.")
        try:
            kept = json.loads((found[-1] / "state.json").read_text("utf-8"))
            adapters = load_file(found[-1] / "adapter.safetensors")
            momenta = load_file(found[-1] / "optimizer.safetensors")
        except (OSError, ValueError, SafetensorError) as error:
            raise Invalid(f"The checkpoint {found[-1]} is damaged: {error}") from error
        if other := [k for k, v in asdict(self._plan).items() if kept["plan"].get(k) != v]:
            raise Invalid(f"The checkpoint belongs to a run with other {', '.join(other)}.")
        self._learner.load_adapters(adapters)
        self._set_momenta(momenta)
        self.state = State(**kept["state"])
        _set_rng(kept["rng"])

    def _momenta(self) -> dict[str, Tensor]:
        """The optimizer's tensors as ``name/kind``."""
        return {
            f"{name}/{kind}": tensor.detach().cpu().contiguous()
            for name, parameter in self._adapters.items()
            for kind, tensor in self._optimizer.state[parameter].items()
        }

    def _set_momenta(self, tensors: Mapping[str, Tensor]) -> None:
        for key, tensor in tensors.items():
            name, kind = key.rsplit("/", 1)
            # The optimizer keeps its count of steps on the CPU.
            device = "cpu" if kind == "step" else self._learner.device
            self._optimizer.state[self._adapters[name]][kind] = tensor.to(device)


def _checkpoints(folder: Path) -> list[Path]:
    """Whole checkpoints, oldest first."""
    return sorted(p for p in folder.glob("*") if p.name.isdigit()) if folder.is_dir() else []


def _on_cpu(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}


def _rng() -> dict[str, str]:
    """The state of the random generators that dropout uses, as hexadecimal text."""
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state()
    return {name: bytes(state.tolist()).hex() for name, state in states.items()}


def _set_rng(states: Mapping[str, str]) -> None:
    for name, state in states.items():
        tensor = torch.tensor(list(bytes.fromhex(state)), dtype=torch.uint8)
        if name == "cpu":
            torch.set_rng_state(tensor)
        elif torch.cuda.is_available():
            torch.cuda.set_rng_state(tensor)


@contextmanager
def _on_disk() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise from_os_error(error) from error
    except SafetensorError as error:
        raise DependencyFailed(f"A file could not be written ({error}).") from error


# --- the finished model ----------------------------------------------------------------------


def ship(
    base: Path, adapters: Mapping[str, Tensor], plan: Plan, out: Path, figures: Mapping[str, float]
) -> None:
    """Merge into ``base``, in float32 on the CPU, and write a model folder that can be served.

    Weights are float16, or bfloat16 where a number is too large for that.
    """
    learner = Learner(base, plan.rank, plan.max_tokens, "cpu")
    learner.load_adapters(adapters)
    model = learner.merged()
    model.generation_config = _plain(model.generation_config)
    limit = torch.finfo(torch.float16).max
    fits = all(bool((p.abs() <= limit).all()) for p in model.parameters())
    tokenizer = AutoTokenizer.from_pretrained(base, local_files_only=True, trust_remote_code=False)
    with _on_disk():
        out.mkdir(parents=True, exist_ok=True)
        model.to(torch.float16 if fits else torch.bfloat16).save_pretrained(out)
        # A chat template in a file of its own would be no text file to the manifest's check.
        tokenizer.save_pretrained(out, save_jinja_files=False)
        _copy_licences(base, out)
        options = {k: v for k, v in asdict(plan).items() if k not in ("inputs", "minutes", "steps")}
        seal(out, base.resolve().name, {**figures, **options})


def _plain(settings: GenerationConfig) -> GenerationConfig:
    """The token ids only: the service decodes its own way, and the rest may not be valid."""
    names = (
        "bos_token_id eos_token_id pad_token_id decoder_start_token_id forced_bos_token_id".split()
    )
    kept = {name: getattr(settings, name) for name in names}
    return GenerationConfig(  # type: ignore[no-untyped-call]
        **{name: value for name, value in kept.items() if value is not None}
    )


def _copy_licences(base: Path, out: Path) -> None:
    """A merged model is the base changed: its licence goes with it, as a text file."""
    for path in sorted(base.iterdir()):
        if path.is_file() and path.stem.upper() in {"LICENSE", "LICENCE", "NOTICE"}:
            name = path.name if path.suffix in TEXT_SUFFIXES else f"{path.name}.txt"
            shutil.copyfile(path, out / name)


def seal(out: Path, base: str, figures: Mapping[str, float]) -> None:
    """Write the manifest with every file's SHA-256; checkpoints are no part of the model."""
    files = sorted(p for p in out.iterdir() if p.is_file() and p.name.lower() not in UNLISTED)
    for path in files:
        path.chmod(0o644)
    write_manifest(out, out.resolve().name, figures, (path.name for path in files), base)


# --- the command -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Paths:
    """What a run reads and writes."""

    model: Path
    data: Path
    out: Path
    edits: Path | None = None

    def fingerprint(self, limit: int | None) -> str:
        """SHA-256 over the data, the edits, and names and sizes of the model's files."""
        data = [self.data / f"train/qa/{name}.jsonl.gz" for name in ("passages", "questions")]
        data.append(self.data / "train/qa/distractors.jsonl.gz")
        with readable("training data"):
            hashes = [sha256_file(path) for path in [*data, *filter(None, [self.edits])]]
        with _on_disk():
            files = sorted(p for p in self.model.rglob("*") if p.is_file())
            model = [[p.relative_to(self.model).as_posix(), p.stat().st_size] for p in files]
        return canonical_sha256({"data": hashes, "model": model, "limit": limit})


def fine_tune(
    paths: Paths,
    plan: Plan,
    *,
    resume: bool = False,
    limit: int | None = None,
    checkpoint_s: float = 600.0,
    watch: Watcher = lambda state, progress: None,
) -> dict[str, float]:
    """Train, merge and write ``paths.out``; returns the figures of its manifest.

    Raises a ``CountersignError``: ``ModelRefused`` for an unsafe or unfit model, ``Invalid`` for
    data, options or an ``out`` that is in use, ``NotFound`` without a checkpoint to resume.
    """
    _check_out(paths, resume)
    checkpoints = paths.out / CHECKPOINT
    rows = load_rows(paths.data, paths.edits, plan.seed, limit)
    torch.manual_seed(plan.seed)
    learner = Learner(paths.model, plan.rank, plan.max_tokens)
    training = Training(learner, rows, plan, checkpoints)
    if resume:
        training.resume()
    training.run(checkpoint_s, watch)
    adapters, figures = _on_cpu(learner.adapters()), training.state.figures()
    del learner, training  # the merge needs the memory
    ship(paths.model, adapters, plan, paths.out, figures)
    shutil.rmtree(checkpoints)
    return figures


def _check_out(paths: Paths, resume: bool) -> None:
    """Nothing that is there is overwritten, but what a run that is resumed left itself."""
    out = paths.out
    if out.resolve() == paths.model.resolve():
        raise Invalid("The model to write needs a folder of its own.")
    if not resume and out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise Invalid(f"{out} is not an empty folder; go on there with --resume, or take another.")


def make_plan(
    inputs: str, minutes: float | None, steps: int | None, smoke: bool, **options: Any
) -> Plan:
    """The plan of the command's options; one hour when no budget is given."""
    if minutes is not None and steps is not None:
        raise Invalid("Give --minutes or --steps, not both.")
    if smoke:
        minutes, steps = None, SMOKE_STEPS
        options["batch_size"] = min(SMOKE_BATCH, options["batch_size"])
    if minutes is None and steps is None:
        minutes = 60.0
    return Plan(inputs, minutes, steps, **options)


@contextmanager
def _bar() -> Iterator[Watcher]:
    """A progress bar on standard error."""
    columns = [TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()]
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("loading", total=1.0)

        def show(state: State, progress: float) -> None:
            speed = state.tokens / max(state.seconds, 1e-9)
            text = f"step {state.step} loss {state.losses[-1]:.3f} {speed:.0f} tokens/s"
            bar.update(task, completed=min(1.0, progress), description=text)

        yield show


def lora(
    model: Annotated[Path, typer.Option(help="Folder of a causal or seq2seq model.")],
    data: Annotated[Path, typer.Option(help="Folder with train/qa.")],
    out: Annotated[Path, typer.Option(help="Model folder to write; new or empty.")],
    edits: Annotated[Path | None, typer.Option(help="What `review edits` wrote.")] = None,
    minutes: Annotated[float | None, typer.Option(min=0.01, help="Budget; default 60.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Budget in steps instead.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from a checkpoint.")] = False,
    smoke: Annotated[bool, typer.Option("--smoke", help="Three steps on a few rows.")] = False,
    seed: int = 7,
    rank: Annotated[int, typer.Option(min=1, help="Rank of the adapters.")] = 16,
    batch_size: Annotated[int, typer.Option(min=1)] = 8,
    learning_rate: Annotated[float, typer.Option(min=0.0)] = 2e-4,
    max_tokens: Annotated[int, typer.Option(min=1, help="Longest prompt.")] = 2_048,
    checkpoint_minutes: Annotated[float, typer.Option(min=0.0)] = 10.0,
) -> None:
    """Fine-tune a local transformers model with LoRA; serve it by COUNTERSIGN_GENERATOR=OUT."""
    disable_progress_bar()  # type: ignore[no-untyped-call]  # ours says more
    paths, limit = Paths(model, data, out, edits), SMOKE_ROWS if smoke else None
    options = {
        "seed": seed,
        "rank": rank,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "max_tokens": max_tokens,
    }
    try:
        plan = make_plan(paths.fingerprint(limit), minutes, steps, smoke, **options)
        with _bar() as show:
            figures = fine_tune(
                paths,
                plan,
                resume=resume,
                limit=limit,
                checkpoint_s=60 * checkpoint_minutes,
                watch=show,
            )
    except CountersignError as error:
        typer.echo(f"{error.code}: {error.message}", err=True)
        raise typer.Exit(1) from error
    typer.echo(json.dumps(figures))
