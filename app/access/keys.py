"""API keys: random, stored hashed, shown once."""

import hashlib

KEY_PREFIX = "cs_"


def sha256(secret: str) -> str:
    # A random 32-byte secret needs no slow hash.
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
