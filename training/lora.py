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
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from torch import Tensor
from transformers import AutoTokenizer, GenerationConfig
from transformers.utils.logging import disable_progress_bar

from app.errors import (
    CountersignError,
    Invalid,
)
from app.files import sha256_file
from app.inference.networks.weights import TEXT_SUFFIXES, UNLISTED
from guardrails.contract import canonical_sha256
from training.lora_learner import Learner
from training.lora_rows import load_rows, readable
from training.lora_training import Plan, State, Training, Watcher, on_cpu, on_disk
from training.model_folder import write_manifest

CHECKPOINT = "checkpoint"
SMOKE_STEPS, SMOKE_ROWS, SMOKE_BATCH = 3, 16, 2


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
    with on_disk():
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
        with on_disk():
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
    adapters, figures = on_cpu(learner.adapters()), training.state.figures()
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
