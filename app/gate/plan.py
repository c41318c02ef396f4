"""How many more labels a certificate needs, in plain words and in days."""

import math
import shlex
from dataclasses import dataclass

from app.gate.certify import Certifier, Standing
from guardrails.gate.certificate import Certificate
from guardrails.gate.certify import LABELS_THAT_TELL, NotCertifiable

MINUTES_EACH = 1.0
"""What a label is taken to cost a reviewer."""


@dataclass(frozen=True)
class LabelPlan:
    """What stands between a collection and its certificate.

    ``first_test`` and ``errors`` are the labels under the ceiling, or the certificate's threshold,
    and the wrong ones among them. ``more_labels`` is 0 when it can be certified now and None when
    more of these labels will not help; ``days`` follows from it. Rough: they can be off by a
    factor of two.
    """

    collection: str
    risk_class: str
    labels: int
    first_test: int
    errors: int
    more_labels: int | None
    days: int | None
    message: str


@dataclass(frozen=True)
class LabelProgressView:
    """How far a collection's labels are on the way to a certificate.

    ``curve`` says after each label (or each of at most ``MOST_POINTS`` steps) how much of the
    evidence for a first threshold there is: 0 none, 1 enough. It may fall below 0. ``more_labels``
    as in a plan. ``certified``: they are enough now. Nothing is certified by looking.
    """

    collection: str
    risk_class: str
    labels: int
    wrong: int
    more_labels: int | None
    certified: bool
    message: str
    curve: list[float]


DEFAULT_LOOK = 150
"""Labels of a first planned look where nobody says: a week and a half at twenty minutes a day."""
MOST_POINTS = 200
MINUTES = 20.0
"""What a day of labelling is taken to be where nobody says."""


def label_progress(
    certifier: Certifier, collection: str, risk_class: str, alpha: float, delta: float
) -> LabelProgressView:
    """The way to a certificate, with its betting curve; it puts nothing in force."""
    found = certifier.tried(collection, risk_class, alpha, delta)
    curve, wrong = certifier.curve(collection, risk_class, alpha, delta)
    planned = _plan_of(found, collection, risk_class, MINUTES)
    step = max(1, -(-len(curve) // MOST_POINTS))
    shown = (
        curve[::step] if not curve or (len(curve) - 1) % step == 0 else [*curve[::step], curve[-1]]
    )
    return LabelProgressView(
        collection,
        risk_class,
        planned.labels,
        wrong,
        planned.more_labels,
        isinstance(found, Certificate),
        planned.message,
        [round(point, 3) for point in shown],
    )


def plan_labels(
    certifier: Certifier,
    collection: str,
    risk_class: str,
    alpha: float,
    delta: float,
    minutes_a_day: float,
) -> LabelPlan:
    """The plan for a stratum if reviewers label so long each day; it puts nothing in force.

    Raises ``Invalid`` for figures that cannot be.
    """
    found = certifier.tried(collection, risk_class, alpha, delta)
    return _plan_of(found, collection, risk_class, minutes_a_day)


def _plan_of(
    found: Certificate | NotCertifiable, collection: str, risk_class: str, minutes_a_day: float
) -> LabelPlan:
    more = 0 if isinstance(found, Certificate) else found.more_labels
    days = None if more is None else math.ceil(more * MINUTES_EACH / minutes_a_day)
    return LabelPlan(
        collection,
        risk_class,
        found.labels,
        found.n,
        found.errors,
        more,
        days,
        _in_words(found, more, days, minutes_a_day),
    )


def _in_words(
    found: Certificate | NotCertifiable, more: int | None, days: int | None, minutes: float
) -> str:
    labels = found.labels
    if more == 0:
        return f"The {labels} labels are enough: certify now."
    if isinstance(found, NotCertifiable) and found.code == "look_awaited":
        return (
            f"The planned look needs {more} more labels, beside the {labels} there are: with "
            f"{minutes:g} minutes a day and a minute for each {_time(days)}. Certify every day; "
            "it may pass earlier."
        )
    if not labels:
        return (
            f"There are no labels yet. If none of the first is wrong, about {more} are enough: "
            f"with {minutes:g} minutes a day and a minute for each about {_time(days)}. What it "
            "takes here, the first labels will tell."
        )
    if more is None and labels < LABELS_THAT_TELL:
        return (
            f"Wrong so far: {found.errors} of {found.n}; at most {100 * found.alpha:g} % may "
            f"be. Fewer than {LABELS_THAT_TELL} labels do not tell how it will go on: label on, "
            f"{LABELS_THAT_TELL - labels} more."
        )
    if more is None:
        return (
            f"After {labels} labels more than {100 * found.alpha:g} % are wrong even among the "
            "answers that look safest. While that is so, more labels of this kind will not help. "
            "What may: better documents, another model, or a certificate that allows more wrong "
            "answers."
        )
    return (
        f"About {more} more labels are needed, beside the {labels} there are: with "
        f"{minutes:g} minutes a day and a minute for each about {_time(days)}. Certify every day; "
        "it may pass earlier."
    )


def _time(days: int | None) -> str:
    return "one day" if days == 1 else f"{days} days"


def next_step(found: LabelPlan, standing: Standing) -> str:
    """What somebody who wants a certificate does next, with the commands."""
    named = f"--collection {shlex.quote(found.collection)}"
    if found.more_labels == 0:
        return f"Next: `countersign gate certify {named}`."
    if found.labels:
        return f"Next: label on at /label; try `countersign gate certify {named}` on any day."
    steps = []
    if standing.mode != "review_everything":
        hold = f'countersign gate mode review_everything {named} --reason "no labels yet"'
        steps.append(f"hold every draft, so that each can be labelled: `{hold}`")
    if standing.look is None:
        look = f"countersign gate look {named} --labels {DEFAULT_LOOK}"
        steps.append(f"if you know how many you will label, say so before the first: `{look}`")
    steps.append("ask questions as they will come, and label their answers at /label")
    return f"Next: {'; then '.join(steps)}."


def look_advice(collection: str, standing: Standing, minutes_a_day: float) -> str:
    """What stands of a planned look, or how one is planned."""
    if standing.look is not None:
        more = standing.look.awaits(standing.labels)
        told = f"{more} more are needed" if more else "it was had, or labels were moved"
        return f"A look at {standing.look.total} labels is planned: {told}."
    if standing.labels:
        return (
            f"There are {standing.labels} labels already: a look is planned before the first one. "
            f"Try `countersign gate certify --collection {shlex.quote(collection)}` on any day."
        )
    days = _time(math.ceil(DEFAULT_LOOK * MINUTES_EACH / minutes_a_day))
    look = f"countersign gate look --collection {shlex.quote(collection)} --labels {DEFAULT_LOOK}"
    return (
        "No look is planned. One exact look at a number of labels that you fix now releases more "
        f"at that number, and less before it. {DEFAULT_LOOK} labels take {days} at "
        f"{minutes_a_day:g} minutes a day: `{look}`. It cannot be changed afterwards."
    )
