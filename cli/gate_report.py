"""``gate report``: how good the risk is on labelled answers, as figures and as one HTML file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from app.errors import Invalid, from_os_error
from app.files import read_rows, replace_text
from guardrails.calibration import (
    Bin,
    RiskCoverage,
    auroc,
    brier,
    calibration_error,
    reliability,
    risk_coverage,
)
from guardrails.gate.binomial import GateInvalid, level_of
from guardrails.gate.certificate import NOT_MEASURED

SIZE, EDGE = 320, 40
"""Side of a drawing's square and the room around it for its labels, in pixels."""
STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse}td,th{padding:.2rem 1rem .2rem 0;text-align:left}"
    "figure{display:inline-block;margin:1rem 1rem 1rem 0}svg{border:1px solid #999}"
)


@dataclass(frozen=True)
class RiskOutcomes:
    """Risk scores in [0, 1] and what came true."""

    scores: list[float]
    wrong: list[bool]

    @classmethod
    def read(cls, path: Path) -> "RiskOutcomes":
        """Rows {score, wrong} of JSON lines; abstentions are left out. Raises ``Invalid``."""
        scores, wrong = [], []
        try:
            for number, row in enumerate(read_rows(path), start=1):
                if row.get("abstained"):
                    continue
                level_of(row["score"])
                if not isinstance(row["wrong"], bool):
                    raise Invalid(f"{path.name}: row {number}: wrong must be true or false.")
                scores.append(float(row["score"]))
                wrong.append(row["wrong"])
        except OSError as error:
            raise from_os_error(error, path) from error
        except KeyError as error:
            raise Invalid(f"{path.name}: a row lacks {error.args[0]}.") from error
        except (GateInvalid, ValueError, EOFError) as error:
            raise Invalid(f"{path.name}: {error}.") from error
        return cls(scores, wrong)

    def figures(self) -> dict[str, Any]:
        """All measures, as JSON types; raises ``Invalid`` when there is nothing to measure."""
        if not self.scores:
            raise Invalid("There are no labels to report on yet.")
        found = {
            "auroc": auroc(self.scores, self.wrong),
            "ece": calibration_error(self.scores, self.wrong),
            "brier": brier(self.scores, self.wrong),
            "aurc": risk_coverage(self.scores, self.wrong).aurc,
            "wrong": sum(self.wrong) / len(self.wrong),
        }
        rounded = {name: None if v is None else round(v, 4) for name, v in found.items()}
        return {**rounded, "n": len(self.scores)}


def reviewer_figures(report: Mapping[str, Any]) -> dict[str, str]:
    """What ``app.gate.reviewer_error.reviewer_report`` found, in words."""
    gold, second = report["gold"], report["second"]
    found = {"reviewer error": NOT_MEASURED}
    if gold is not None:
        bound = f"at most {report['miss_bound']:.1%} of wrong answers called right"
        found["reviewer error"] = f"{bound} ({1 - report['gold_delta']:.1%} confidence)"
        found["gold items missed"] = f"{gold['missed']} of {gold['n']}"
    for row in report["reviewers"]:
        missed = f"missed {row['missed']} of {row['wrong_items']}"
        found[row["reviewer"]] = f"{missed}, {row['false_alarms']} false alarms"
    if second is not None:
        found["second reviews agreed"] = f"{second['agreed']} of {second['n']}"
    return found


def write_page(
    outcomes: RiskOutcomes, title: str, path: Path, reviewers: Mapping[str, Any] | None = None
) -> None:
    """One HTML file without scripts or anything outside itself; ``reviewers`` as in
    ``reviewer_figures``."""
    told = {**outcomes.figures(), **(reviewer_figures(reviewers) if reviewers else {})}
    rows = "".join(
        f"<tr><th>{escape(name)}</th><td>{escape(str(value))}</td></tr>"
        for name, value in told.items()
    )
    curve = risk_coverage(outcomes.scores, outcomes.wrong)
    page = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{STYLE}</style><h1>{escape(title)}</h1><table>{rows}</table>"
        + _figure("Error among the released, by share released", _coverage(curve))
        + _figure("Share of wrong answers, by risk", _reliability_svg(outcomes))
        + "</html>\n"
    )
    replace_text(path, [page])


def _figure(caption: str, svg: str) -> str:
    return f"<figure>{svg}<figcaption>{escape(caption)}</figcaption></figure>"


def _coverage(curve: RiskCoverage) -> str:
    most = max(curve.error) or 1.0
    points = [(x, y / most) for x, y in zip(curve.coverage, curve.error, strict=True)]
    thinned = points[:: max(1, len(points) // 400)] + points[-1:]
    return _svg(_line(thinned), f"{most:.2f}")


def _reliability_svg(outcomes: RiskOutcomes) -> str:
    bins: Sequence[Bin] = reliability(outcomes.scores, outcomes.wrong)
    marks = "".join(
        f'<circle cx="{_x(b.score)}" cy="{_y(b.wrong)}" r="{2 + 8 * b.share**0.5:.1f}"'
        f' fill="#06c" fill-opacity=".6"/>'
        for b in bins
    )
    return _svg(_line([(0.0, 0.0), (1.0, 1.0)], "#999") + marks, "1.00")


def _line(points: Sequence[tuple[float, float]], colour: str = "#06c") -> str:
    path = " ".join(f"{_x(x)},{_y(y)}" for x, y in points)
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'


def _svg(inside: str, top: str) -> str:
    whole = SIZE + 2 * EDGE
    words = (
        f'<text x="4" y="{EDGE}">{escape(top)}</text><text x="4" y="{EDGE + SIZE}">0</text>'
        f'<text x="{EDGE}" y="{whole - 12}">0</text>'
        f'<text x="{EDGE + SIZE - 8}" y="{whole - 12}">1</text>'
    )
    frame = f'<rect x="{EDGE}" y="{EDGE}" width="{SIZE}" height="{SIZE}" fill="#f7f7f7"/>'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{whole}" height="{whole}" role="img"'
        f' font-size="12">{frame}{inside}{words}</svg>'
    )


def _x(share: float) -> float:
    return round(EDGE + share * SIZE, 1)


def _y(share: float) -> float:
    return round(EDGE + (1 - share) * SIZE, 1)
