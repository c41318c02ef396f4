"""Where models run, and on how many threads; torch is asked only where there may be a GPU."""

import ctypes.util
import os
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Literal

from app.errors import SettingsInvalid
from app.settings import processors

Device = Literal["cpu", "cuda"]
PassageNumbers = Literal["float32", "bfloat16", "int8"]
THREADS_VARIABLE = "OMP_NUM_THREADS"
"""What torch and other libraries read as well, so one figure counts for all."""
_MULTIPLIES: Mapping[PassageNumbers, frozenset[str]] = {
    "bfloat16": frozenset({"amx_bf16"}),
    "int8": frozenset({"avx512_vnni", "avx_vnni"}),
}
"""In the order of how fast many passages are embedded: what a processor has for it, any of these,
as Linux names them. Without AMX bfloat16 takes half as long again as int8."""


def pick_device(wanted: str) -> Device:
    """``auto`` prefers CUDA; raises ``SettingsInvalid`` where ``cuda`` is wanted and not there."""
    there = wanted != "cpu" and _driver_present() and _torch_sees_cuda()
    if wanted not in ("auto", "cpu") and not there:
        raise SettingsInvalid("The setting device is cuda, and torch finds no GPU here.")
    return "cuda" if there else "cpu"


def _driver_present() -> bool:
    # Importing torch takes seconds; without a driver its answer is known.
    return Path("/dev/nvidiactl").exists() or ctypes.util.find_library("cuda") is not None


def _torch_sees_cuda() -> bool:
    import torch

    return torch.cuda.is_available()


def cpu_threads() -> int:
    """Threads for models on a CPU: what ``use_threads`` or the environment says, else each core."""
    stated = os.environ.get(THREADS_VARIABLE, "")
    return int(stated) if stated.isdigit() and int(stated) > 0 else processors()


@cache
def passage_numbers() -> PassageNumbers:
    """In what numbers this processor embeds many passages fastest."""
    try:
        able = set(Path("/proc/cpuinfo").read_text("utf-8").split())
    except OSError:  # not Linux
        return "float32"
    return next((numbers for numbers, any_of in _MULTIPLIES.items() if able & any_of), "float32")


def use_threads(count: int) -> None:
    """Let models on a CPU take ``count`` threads, also those that torch runs later."""
    os.environ[THREADS_VARIABLE] = str(count)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(count)
