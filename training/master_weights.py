"""AdamW for weights in bf16: what is added up in a step is kept in full precision.

A step is often smaller than the distance to the next bf16 number, and would be lost.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn


class MasterAdamW(torch.optim.AdamW):
    """AdamW over fp32 copies of ``parameters``, which are set to the copies after each step."""

    def __init__(self, parameters: Iterable[nn.Parameter], **settings: Any) -> None:
        self._own = list(parameters)
        copies = [nn.Parameter(p.detach().float()) for p in self._own]
        super().__init__(copies, **settings)
        self._copies = copies

    def take(self) -> None:
        """Start from the parameters as they are now."""
        for copy, own in zip(self._copies, self._own, strict=True):
            copy.data.copy_(own.data)

    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One step by the gradients of the parameters."""
        for copy, own in zip(self._copies, self._own, strict=True):
            copy.grad = None if own.grad is None else own.grad.float()
        super().step(closure)
        for copy, own in zip(self._copies, self._own, strict=True):
            copy.grad = None
            own.data.copy_(copy.data)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of the parameters."""
        for own in self._own:
            own.grad = None


def adamw(parameters: list[nn.Parameter], learning_rate: float) -> torch.optim.AdamW:
    """AdamW as the trainings here use it, for weights of either precision."""
    settings = {"lr": learning_rate, "weight_decay": 0.01, "fused": True}
    if any(parameter.dtype == torch.bfloat16 for parameter in parameters):
        return MasterAdamW(parameters, **settings)
    return torch.optim.AdamW(parameters, **settings)  # type: ignore[arg-type]
