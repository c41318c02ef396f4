"""Drawing by hash: anybody with the seed can check what was drawn."""

import hashlib


def drawn(seed: str, name: str, share: float) -> bool:
    """Whether ``name`` is drawn: by a hash, so that anybody with the seed can check."""
    return fraction(seed, name) < share


def fraction(seed: str, name: str) -> float:
    digest = hashlib.sha256(f"{seed}:{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
