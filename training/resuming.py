"""What a training needs to go on after a stop: weights, optimizer and how far it has come.

Written as safetensors and JSON into a folder of its own; each file appears whole or not at all.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

STATE = "state.safetensors"
WEIGHT, MOMENT = "weight/", "optimizer/"


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
