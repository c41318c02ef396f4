"""A run of a training: what it has seen, and what it needs to go on after a stop.

That is written as safetensors into a folder of its own; the file appears whole or not at all.
"""

import json
from collections import defaultdict, deque
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

STATE = "state.safetensors"
WEIGHT, MOMENT = "weight/", "optimizer/"


class Meter:
    """Counts of what a training has seen, and its recent losses by name."""

    def __init__(self, examples: int = 0, tokens: int = 0) -> None:
        self.examples, self.tokens = examples, tokens
        self._losses: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=200))

    def add(self, examples: int, tokens: int, **losses: float) -> None:
        """Count one batch."""
        self.examples += examples
        self.tokens += tokens
        for name, loss in losses.items():
            self._losses[name].append(loss)

    def figures(self, seconds: float, last: int = 200) -> dict[str, float]:
        """Examples, tokens, minutes, speed, and the means of the last losses (at most 200)."""
        recent = {name: list(losses)[-last:] for name, losses in self._losses.items()}
        return {
            "examples": self.examples,
            "tokens": self.tokens,
            "minutes": round(seconds / 60, 1),
            "tokens_per_second": round(self.tokens / max(seconds, 1e-9)),
            **{name: round(sum(some) / len(some), 4) for name, some in recent.items()},
        }

    def line(self, seconds: float) -> str:
        """For the log, while training: the losses of the last 50 batches."""
        return " ".join(f"{name} {value}" for name, value in self.figures(seconds, 50).items())


@dataclass
class Progress:
    """How far a training has come: ``seconds`` of its budget, ``drawn`` examples of its order."""

    step: int = 0
    drawn: int = 0
    rows: int = 0
    tokens: int = 0
    seconds: float = 0.0


def save_progress(
    folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer, progress: Progress
) -> None:
    """Write the trained parameters (full precision), the optimizer's moments and ``progress``."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {f"{WEIGHT}{name}": tensor for name, tensor in _trained(model).items()}
    for place, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"{MOMENT}{place}/{name}": tensor for name, tensor in moments.items()}
    # The count goes into the same file, so that no stop leaves weights of another moment.
    metadata = {"progress": json.dumps(asdict(progress))}
    fresh = folder / f"{STATE}.new"
    save_file({k: v.detach().cpu().contiguous() for k, v in tensors.items()}, fresh, metadata)
    fresh.replace(folder / STATE)


def load_progress(folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> Progress:
    """Load what ``save_progress`` wrote into ``model`` and ``optimizer``; a start if nothing."""
    path = folder / STATE
    if not path.is_file():
        return Progress()
    tensors = load_file(path)
    own = _trained(model)
    for name, tensor in own.items():
        tensor.data.copy_(tensors[f"{WEIGHT}{name}"])
    moments: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        if key.startswith(MOMENT):
            place, name = key.removeprefix(MOMENT).split("/")
            moments.setdefault(int(place), {})[name] = tensor
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": moments, "param_groups": groups})
    return Progress(**json.loads(_metadata(path)["progress"]))


def _trained(model: nn.Module) -> dict[str, Tensor]:
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def _metadata(path: Path) -> dict[str, str]:
    """The metadata in the header of a safetensors file."""
    with path.open("rb") as stream:
        header = json.loads(stream.read(int.from_bytes(stream.read(8), "little")))
    found: dict[str, str] = header["__metadata__"]
    return found
