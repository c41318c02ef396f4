"""For programs that receive notices: is a request really from the service, and new?

from countersign.webhooks import check_signature

check_signature(secret, request.headers["Countersign-Signature"], request.body)
"""

import hashlib
import hmac
import time

__all__ = ["SignatureInvalid", "check_signature"]
TOLERANCE_S = 300


class SignatureInvalid(ValueError):
    """The request is not from the service, was changed on its way, or is too old."""


def check_signature(
    secret: str,
    header: str,
    body: bytes,
    *,
    tolerance_s: float = TOLERANCE_S,
    now: float | None = None,
) -> None:
    """Raise ``SignatureInvalid`` unless ``header`` signs exactly this body, and did so lately.

    ``now`` is in seconds since 1970. Within the tolerance the same request may come twice: keep the
    ``id`` of what was handled.
    """
    fields = dict(part.partition("=")[::2] for part in header.split(","))
    seconds, signed = fields.get("t", ""), fields.get("v1", "")
    if not (seconds.isascii() and seconds.isdigit()):
        raise SignatureInvalid("The signature has no time.")
    expected = hmac.new(secret.encode("utf-8"), f"{seconds}.".encode() + body, hashlib.sha256)
    if not hmac.compare_digest(expected.hexdigest().encode(), signed.encode("utf-8")):
        raise SignatureInvalid("The signature does not fit.")
    if abs((time.time() if now is None else now) - int(seconds)) > tolerance_s:
        raise SignatureInvalid("The request is too old.")
