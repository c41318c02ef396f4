"""What a new installation releases of labelled questions, and how much of that is wrong."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.wiring import Services
from benchmarks.gate import score_questions
from benchmarks.metrics import rounded, share
from benchmarks.pipeline import ask_questions, temporary_service
from guardrails.gate.binomial import upper_limit

DELTA = 0.05
"""How often the upper bound of the wrong share may be too low."""


@dataclass(frozen=True)
class Released:
    """Whether one question was answered at once, wrongly, and whether it has an answer."""

    released: bool
    wrong: bool
    answerable: bool


def measure_shipped(
    questions: Path, corpus: Path | None = None, limit: int | None = None
) -> dict[str, Any]:
    """Shares of ``questions`` under the shipped models, policy and default gate.

    Without ``corpus`` each row's own contexts are the evidence; with it the whole service looks
    in it. ``upper_95`` is the upper bound of the wrong share with 95 % confidence; shares that
    nothing stands behind are None. Raises ``Invalid`` or ``ModelRefused``.
    """
    if corpus is not None:
        return summary(_asked(corpus, questions, limit))
    with temporary_service() as (services, _):
        releases = default_gate(services)
    rows = score_questions(questions, limit=limit)
    return summary(
        [
            Released(
                not row["abstained"] and not row["held"] and releases(row["score"]),
                row["wrong"],
                row["answerable"],
            )
            for row in rows
        ]
    )


def default_gate(services: Services) -> Callable[[float], bool]:
    """Whether a draft with this risk, which the policy lets pass, goes out unseen."""
    mode, certificate = services.gate.mode(), services.gate.certificates.shipped
    if mode == "off":
        return lambda _: True
    if mode != "provisional" or certificate is None:
        return lambda _: False
    return certificate.releases


def _asked(corpus: Path, questions: Path, limit: int | None) -> list[Released]:
    return [
        Released(one["status"] == "released", one["wrong"], one["answerable"])
        for one in ask_questions(corpus, questions, limit)[1]
    ]


def summary(found: list[Released]) -> dict[str, Any]:
    """The figures over all questions."""
    released = [one for one in found if one.released]
    answerable = [one for one in found if one.answerable]
    wrong = sum(one.wrong for one in released)
    return {
        "n": len(found),
        "released": len(released),
        "released_share_answerable": share(sum(o.released for o in answerable), len(answerable)),
        "wrong_among_released": share(wrong, len(released)),
        "upper_95": rounded(upper_limit(wrong, len(released), DELTA)) if released else None,
    }
