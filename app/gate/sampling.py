"""Drawing by hash: anybody with the seed can check what was drawn."""

import hashlib
import os
import secrets
from functools import cache
from pathlib import Path

from app.errors import SettingsInvalid, from_os_error
from app.settings import Settings


def drawn(seed: str, name: str, share: float) -> bool:
    """Whether ``name`` is drawn: by a hash, so that anybody with the seed can check."""
    return fraction(seed, name) < share


def fraction(seed: str, name: str) -> float:
    """A number from 0 to 1 that only the seed and the name decide."""
    digest = hashlib.sha256(f"{seed}:{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def audit_chance(share: float, risk: float, threshold: float) -> float:
    """With which chance a released answer is audited: ``share`` on average where risks are spread
    evenly, less where the risk is low and more near the threshold, where it is unsure."""
    near = min(risk / threshold, 1.0) if threshold > 0 else 1.0
    return share + share * (1 - share) * (near - 0.5)


def audit_floor(share: float) -> float:
    """The least that ``audit_chance`` can be."""
    return audit_chance(share, 0.0, 1.0)


WELL_KNOWN, LITTLE_KNOWN = 0.05, 0.2
"""Bounds on what reviewers miss: under the first more gold items would change little, above the
second a certificate loses a fifth of alpha and more."""


def gold_chance(share: float, miss_bound: float) -> float:
    """With which chance a gold item is opened beside a task: ``share``, four times as much while
    little is known of the reviewers, and half of it when enough is."""
    if miss_bound > LITTLE_KNOWN:
        return min(4 * share, 1.0)
    return share if miss_bound > WELL_KNOWN else share / 2


def audit_seed(settings: Settings) -> str:
    """The seed that is set, or the random one of this installation, made when it is first needed.

    Raises ``SettingsInvalid`` for a damaged file, and the error of a folder that cannot be written.
    """
    return settings.audit_seed or _kept_seed(settings.data_dir.resolve() / "audit_seed")


@cache
def _kept_seed(path: Path) -> str:
    try:
        if not path.exists():
            _make_seed(path)
        seed = path.read_text("ascii").strip()
    except OSError as error:
        raise from_os_error(error) from error
    except UnicodeDecodeError as error:
        raise SettingsInvalid(f"The file {path} holds no seed.") from error
    if len(seed) < 32:
        raise SettingsInvalid(f"The file {path} holds no seed.")
    return seed


def _make_seed(path: Path) -> None:
    """Write it beside and link it into place, so that of several processes one seed wins, whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    made = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as target:
            target.write(secrets.token_hex(32) + "\n")
            target.flush()
            os.fsync(target.fileno())
        os.link(made, path)
    except FileExistsError:
        pass  # another process was first
    finally:
        made.unlink(missing_ok=True)
