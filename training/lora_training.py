"""One run of LoRA training: batches, checkpoints, and how far it is; it can stop and go on."""

import json
import math
import random
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from app.errors import (
    DependencyFailed,
    Invalid,
    NotFound,
    from_os_error,
)
from training.lora_learner import Example, Learner
from training.lora_rows import Rows

POOL = 16
"""Batches that are made together, from rows sorted by length, so that little is padding."""
WARM_UP = 20
"""Steps, at most a tenth of a run that is counted in steps."""


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
        with on_disk():
            shutil.rmtree(writing, ignore_errors=True)
            writing.mkdir(parents=True)
            save_file(on_cpu(self._adapters), writing / "adapter.safetensors")
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


def on_cpu(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors without gradients, as files hold them."""
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
def on_disk() -> Iterator[None]:
    """Raises ``DependencyFailed`` where the block cannot read or write."""
    try:
        yield
    except OSError as error:
        raise from_os_error(error) from error
    except SafetensorError as error:
        raise DependencyFailed(f"A file could not be written ({error}).") from error
