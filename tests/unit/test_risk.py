"""The risk score: monotone, never optimistic about what is missing, and refused when broken."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import ModelRefused
from app.files import sha256_file
from app.inference.risk import (
    CERTIFICATE,
    RISK,
    RISK_FOLDER,
    generator_identity,
    load_certificate,
    load_risk,
)
from app.ports import DraftRequest
from app.settings import Settings
from guardrails.calibration import auroc
from guardrails.contract import Citation, Draft, Passage, Sentence
from guardrails.features import DIRECTIONS, LOWERS, RAISES, risk_features
from guardrails.gate.binomial import level_of
from guardrails.risk import NOBODY, UNKNOWN, RiskInvalid, RiskModel
from tests.fakes import HashEmbedder
from training.fitting import fit_model
from training.outcomes import draft_outcomes
from training.scoring import is_wrong

MODELS = Settings().models_dir
FINITE = st.floats(-50, 50, allow_nan=False)


def content() -> dict[str, Any]:
    """A small valid model of one generator."""
    model = {
        "needs": ["margin"],
        "terms": [
            {"feature": "margin", "knots": [-1.0, 2.0, 7.0], "values": [3.0, 1.0, 0.0]},
            {"feature": "answer_words", "knots": [1.0, 9.0], "values": [0.0, 0.7]},
        ],
        "calibration": {"knots": [0.0, 1.0, 4.0], "values": [0.02, 0.2, 0.9]},
    }
    return {"format": 1, "generators": {"reader": model}}


def shipped() -> RiskModel:
    return load_risk(MODELS / RISK_FOLDER)


SMALL = RiskModel.parse(content())


@given(FINITE, FINITE, FINITE)
def test_more_margin_never_raises_the_risk_and_longer_answers_never_lower_it(
    one: float, other: float, third: float
) -> None:
    low, high = sorted((one, other))
    for fixed in (3.0, third):
        less = SMALL.risk("reader", {"margin": low, "answer_words": fixed})
        more = SMALL.risk("reader", {"margin": high, "answer_words": fixed})
        assert more <= less
        short = SMALL.risk("reader", {"margin": fixed, "answer_words": low})
        assert short <= SMALL.risk("reader", {"margin": fixed, "answer_words": high})


@given(st.dictionaries(st.sampled_from(sorted(DIRECTIONS)), FINITE), FINITE, FINITE)
def test_the_shipped_model_is_monotone_in_every_figure(
    features: dict[str, float], one: float, other: float
) -> None:
    low, high = sorted((one, other))
    for name, direction in DIRECTIONS.items():
        left = shipped_risk(features | {name: low})
        right = shipped_risk(features | {name: high})
        assert right <= left if direction == LOWERS else left <= right, name


SHIPPED: list[RiskModel] = []


def shipped_risk(features: dict[str, float]) -> float:
    if not SHIPPED:
        SHIPPED.append(shipped())
    return SHIPPED[0].risk("reader", features)


@given(st.dictionaries(st.sampled_from(sorted(DIRECTIONS)), FINITE, min_size=3))
def test_a_missing_figure_is_the_worst_case_and_fails_closed(features: dict[str, float]) -> None:
    whole = shipped_risk(features)
    for name in features:
        without = {key: value for key, value in features.items() if key != name}
        assert shipped_risk(without) >= whole, name


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, None, "3", True])
def test_a_figure_that_is_no_number_fails_closed(value: Any) -> None:
    assert SMALL.risk("reader", {"margin": value, "answer_words": 1.0}) == UNKNOWN
    odd = SMALL.risk("reader", {"margin": 3.0, "answer_words": value})
    assert odd == SMALL.risk("reader", {"margin": 3.0, "answer_words": 1e9})


def test_an_unknown_generator_fails_closed() -> None:
    assert SMALL.risk("somebody", {"margin": 99.0}) == UNKNOWN
    assert NOBODY.risk("reader", {"margin": 99.0}) == UNKNOWN
    assert SMALL.risk("reader", {}) == UNKNOWN


@given(st.dictionaries(st.sampled_from(["margin", "answer_words"]), FINITE))
def test_the_risk_is_always_a_probability(features: dict[str, float]) -> None:
    assert 0 <= level_of(SMALL.risk("reader", features)) <= 1000


def spoilt(*path: Any, value: Any) -> dict[str, Any]:
    whole: dict[str, Any] = {"root": content()}
    place: Any = whole
    for key in ("root", *path[:-1]) if path else ():
        place = place[key]
    place[path[-1] if path else "root"] = value
    return whole["root"]  # type: ignore[no-any-return]


READER = ("generators", "reader")


@pytest.mark.parametrize(
    "broken",
    [
        spoilt(value=None),
        spoilt(value=[]),
        spoilt("format", value=2),
        spoilt("generators", value=[]),
        spoilt(*READER, value=None),
        spoilt(*READER, "needs", value=[]),
        spoilt(*READER, "needs", value=["similarity"]),
        spoilt(*READER, "terms", value=[]),
        spoilt(*READER, "terms", 0, "feature", value="wisdom"),
        spoilt(*READER, "terms", 1, "feature", value="margin"),
        spoilt(*READER, "terms", 0, "knots", value=[-1.0, 2.0]),
        spoilt(*READER, "terms", 0, "knots", value=[-1.0, 2.0, 2.0]),
        spoilt(*READER, "terms", 0, "knots", value=[-1.0, math.nan, 7.0]),
        spoilt(*READER, "terms", 0, "values", value=[1.0, 2.0, 3.0]),
        spoilt(*READER, "terms", 1, "values", value=[0.7, 0.0]),
        spoilt(*READER, "calibration", "values", value=[0.2, 0.02, 0.9]),
        spoilt(*READER, "calibration", "values", value=[-0.1, 0.2, 0.9]),
        spoilt(*READER, "calibration", "values", value=[0.1, 0.2, 1.1]),
        spoilt(*READER, "calibration", "knots", value=[]),
    ],
)
def test_a_broken_risk_model_is_refused(broken: Any) -> None:
    with pytest.raises(RiskInvalid) as raised:
        RiskModel.parse(broken)
    assert raised.value.code == "risk_invalid"
    assert str(raised.value).startswith("$")


# The figures

PASSAGE = Passage("p1", "d1", "main", "Water", "The excess for water damage is £350 a year.", 0, 43)
OTHER = Passage("p2", "d2", "main", "Theft", "Report a theft.", 0, 15)


def draft(short: str = "£350", **features: float) -> Draft:
    citation = Citation(1, "p1", "d1", "Water", None, PASSAGE.text, 0, len(PASSAGE.text))
    return Draft((Sentence(PASSAGE.text, (1,)),), (citation,), "reader", short, features)


def test_figures_of_a_draft() -> None:
    question = "How much is the excess for water damage?"
    found = risk_features(question, draft(margin=4.5, secret=1.0), [OTHER, PASSAGE], [0.2, 0.7])
    assert (found["margin"], found["rank"], found["similarity"]) == (4.5, 1.0, 0.7)
    assert found["similarity_margin"] == pytest.approx(0.5)
    assert "secret" not in found
    assert found["sentence_overlap"] == found["near_overlap"] == pytest.approx(3 / 4)
    assert (found["kind_fits"], found["answer_words"], found["echo"]) == (1.0, 1.0, 0.0)
    assert risk_features(question, draft("a lot"), [PASSAGE])["kind_fits"] == 0.0
    assert set(found) <= set(DIRECTIONS)


def test_the_similarity_is_that_of_what_is_cited() -> None:
    found = risk_features("What is the excess?", draft(), [OTHER, PASSAGE], [0.9, 0.7])
    assert (found["similarity"], found["rank"]) == (0.7, 1.0)
    assert "similarity" not in risk_features("Why?", draft(), [OTHER, PASSAGE], [0.9, None])


def test_names_and_numbers_that_the_source_lacks() -> None:
    for question, share in (
        ("What does Northmere pay for water?", 0.0),
        ("What is the excess in 1066?", 0.0),
        ("What is the excess?", 1.0),
    ):
        assert risk_features(question, draft(), [PASSAGE])["names_met"] == share


def test_figures_that_are_not_known_are_left_out() -> None:
    found = risk_features("Why?", draft(margin=math.nan), [PASSAGE], [None])
    assert not {"margin", "similarity", "similarity_margin"} & set(found)
    assert all(math.isfinite(value) for value in found.values())
    assert "rank" not in risk_features("Why?", Draft((), (), "reader"), [PASSAGE])


def test_without_a_rival_the_lead_is_over_no_answer() -> None:
    assert risk_features("Why?", draft(margin=4.5), [PASSAGE])["lead"] == 4.5
    assert risk_features("Why?", draft(margin=4.5, agreement=1.0), [PASSAGE, OTHER])["lead"] == 4.5
    assert "lead" not in risk_features("Why?", draft(margin=4.5), [PASSAGE, OTHER])
    assert risk_features("Why?", draft(margin=4.5, lead=1.0), [PASSAGE])["lead"] == 1.0


def test_every_direction_is_one_of_two() -> None:
    assert set(DIRECTIONS.values()) == {LOWERS, RAISES}


# Fitting


def world(n: int, seed: int) -> tuple[list[dict[str, float]], Any]:
    rng = np.random.default_rng(seed)
    margin, words = rng.normal(3, 2, n), rng.integers(1, 12, n)
    wrong = rng.random(n) < 1 / (1 + np.exp(margin - words / 4))
    rows = [
        {"margin": float(m), "answer_words": float(w), "copied": 1.0}
        for m, w in zip(margin, words, strict=True)
    ]
    return rows, wrong


def test_a_fitted_model_separates_and_is_calibrated() -> None:
    rows, wrong = world(1500, 0)
    fitted = fit_model(rows, wrong, [str(n // 3) for n in range(len(rows))])
    model = RiskModel.parse({"format": 1, "generators": {"reader": fitted}})
    assert fitted["needs"] == ["margin"]
    fresh, truth = world(2000, 1)
    scores = [model.risk("reader", row) for row in fresh]
    best = auroc([-row["margin"] + row["answer_words"] / 4 for row in fresh], truth)
    found = auroc(scores, truth)
    assert found is not None and best is not None
    assert found >= best - 0.01
    assert abs(float(np.mean(scores)) - float(truth.mean())) < 0.04


def test_what_cannot_be_learned_from_is_refused() -> None:
    rows, wrong = world(50, 0)
    for labels in (np.zeros(50, bool), np.ones(50, bool)):
        with pytest.raises(ValueError, match="wrong ones"):
            fit_model(rows, labels, ["g"] * 50)
    with pytest.raises(ValueError, match="no figures"):
        fit_model([{}] * 50, wrong, ["g"] * 50)


@dataclass
class FirstWord:
    """Answers with the first word of its first passage; without a passage it abstains."""

    name: str = "first-word"

    def warm_up(self) -> None:
        """There is nothing to load."""

    def draft(self, requests: Sequence[DraftRequest]) -> list[Draft]:
        """One draft for each request."""
        return [self._one(request) for request in requests]

    def _one(self, request: DraftRequest) -> Draft:
        if not request.evidence:
            return Draft((), (), self.name)
        passage = request.evidence[0]
        end = passage.text.index(" ")
        word = passage.text[:end]
        citation = Citation(
            1, passage.id, passage.document_id, passage.title, None, word, 0, len(word)
        )
        return Draft((Sentence(word, (1,)),), (citation,), self.name, word, {"margin": 1.0})


def test_outcomes_are_right_wrong_or_abstained() -> None:
    context = ["Tarnbridge is the seat."]
    base = {"title": "Seat", "contexts": context, "answers": ["Tarnbridge"], "answerable": True}
    rows = [
        {**base, "question": "Where is the seat?"},
        {**base, "question": "Who?", "answers": ["somebody else"]},
        {**base, "question": "Where?", "answers": [], "answerable": False},
        {**base, "question": "Where?", "contexts": [" "]},
    ]
    found = list(draft_outcomes(rows * 20, FirstWord(), HashEmbedder()))
    assert len(found) == 80
    assert [outcome.wrong for outcome in found[-4:-1]] == [False, True, True]
    assert [outcome.draft.abstained for outcome in found[-4:]] == [False, False, False, True]
    assert 0 < found[0].features["similarity"] <= 1
    assert found[0].features["margin"] == 1.0


def test_an_answer_is_wrong_below_half() -> None:
    assert not is_wrong("in October 1973", ["October 1973"], True)
    assert is_wrong("the month of October in the autumn", ["October"], True)
    assert is_wrong("October", ["October"], False)


def test_an_answer_with_another_number_is_wrong() -> None:
    assert is_wrong("10 working days", ["15 working days"], True)
    assert is_wrong("two days", ["three days"], True)
    assert not is_wrong("two days", ["2 days"], True)
    assert not is_wrong("1,000 pounds", ["1000 pounds", "£1,000"], True)
    assert not is_wrong("1115 to 1234", ["1115"], True)
    assert not is_wrong("the big house", ["big house of 1850"], True)
    assert not is_wrong("15 working days", ["10 working days", "15 working days"], True)


def test_a_short_answer_that_a_long_reference_tells_is_right() -> None:
    told = "The O2 Arena is on the Greenwich peninsula, in South East London, on the river's bank."
    assert not is_wrong("South East London", [told], True)
    assert is_wrong("South London", [told], True)  # other words between
    assert not is_wrong("East", ["North East"], True)  # by F1, as before
    assert is_wrong("on", ["It is in London, on the river's bank"], True)  # a short reference
    assert is_wrong("the", [told], True) and is_wrong("", [told], True)
    assert is_wrong("South East London", [told], False)


# What ships


def test_the_shipped_model_and_certificate_fit_the_shipped_reader() -> None:
    certificate = load_certificate(MODELS / RISK_FOLDER)
    identity = generator_identity("reader", MODELS / "reader")
    assert "@" in identity
    stored = json.loads((MODELS / RISK_FOLDER / RISK).read_text("utf-8"))
    assert stored["generators"]["reader"]["fitted_for"] == identity, (
        "the reader's weights changed: run python -m training.calibrate again"
    )
    assert certificate is not None
    assert certificate.provisional
    assert certificate.lineage == {"generator": identity, "risk_sha256": shipped().sha256}


def folder(tmp_path: Path, risk: str, certificate: str | None = None) -> Path:
    (tmp_path / RISK).write_text(risk, "utf-8")
    if certificate is not None:
        (tmp_path / CERTIFICATE).write_text(certificate, "utf-8")
    files = {
        name: sha256_file(tmp_path / name)
        for name in (RISK, CERTIFICATE)
        if (tmp_path / name).is_file()
    }
    (tmp_path / "manifest.json").write_text(json.dumps({"files": files}), "utf-8")
    return tmp_path


@pytest.mark.parametrize("risk", ["[]", "{}", json.dumps(spoilt("format", value=9))])
def test_a_broken_file_fails_closed(tmp_path: Path, risk: str) -> None:
    with pytest.raises(ModelRefused):
        load_risk(folder(tmp_path, risk))
    (tmp_path / RISK).write_text(json.dumps(content()), "utf-8")
    with pytest.raises(ModelRefused, match="SHA-256"):
        load_risk(tmp_path)


def test_only_a_provisional_certificate_ships_and_others_fail_closed(tmp_path: Path) -> None:
    stored = json.loads((MODELS / RISK_FOLDER / CERTIFICATE).read_text("utf-8"))
    good = folder(tmp_path, json.dumps(content()), json.dumps(stored))
    assert load_certificate(good) is not None
    unfit: list[Any] = [stored | {"provisional": False}, stored | {"alpha": -1}, []]
    for broken in unfit:
        with pytest.raises(ModelRefused):
            load_certificate(folder(tmp_path, json.dumps(content()), json.dumps(broken)))
    (tmp_path / CERTIFICATE).unlink()
    assert load_certificate(folder(tmp_path, json.dumps(content()))) is None
