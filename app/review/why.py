"""Why a draft waits for a person, in one line that a person understands."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from app.review.priority import EMPTY, GATE, cause_of, shown_risk
from guardrails.checks.citations import UNCITED
from guardrails.contract import URGENCIES, Finding, Outcome

DRIVERS: Mapping[str, str] = {
    "margin": "the reader is hardly surer of it than of “no answer”",
    "span_lead": "other places of the passage fit nearly as well",
    "span_entropy": "the reader does not see where the answer begins and ends",
    "lead": "another passage gives nearly as good an answer",
    "agreement": "the passages do not agree",
    "answers": "the passage may not answer the question",
    "relevance": "the passage is hardly about the question",
    "mean_logprob": "the model was unsure of its words",
    "min_logprob": "the model was unsure of one word",
    "entropy": "the model had several ways to go on",
    "copied": "few of its words stand in the source",
    "abstain_margin": "the model nearly said that there is no answer",
    "support": "the source may not support it",
    "similarity": "the passages are far from the question",
    "similarity_margin": "no passage stands out",
    "rank": "it comes from a passage far down",
    "answer_words": "it is long",
    "sentence_overlap": "few words of the question stand near it",
    "passage_overlap": "few words of the question stand in the passage",
    "names_met": "a name or number of the question is not in the source",
    "near_overlap": "few words of the question stand around it",
    "echo": "it repeats the question",
    "kind_fits": "it is not the kind of thing that was asked for",
}
"""What a high risk comes from, by the figures of ``guardrails.features``."""
EVERY = "The gate sends every answer to a person: it is set to review everything."
WEIGHED = (
    "The gate asks a person: what no rule holds goes out by itself only where it is unlikely to be "
    "wrong, and a few of those answers are looked at too. The risk rises where the reader is "
    "unsure, the passages do not agree, or the source hardly supports the answer."
)
"""The same for what the gate held and for audits, which are not to be told apart."""
UNWEIGHED = (
    "No rule holds it; it is looked at as a sample, or because a part of the service failed."
)
"""Where the gate is off, so that nothing waits for how likely it is to be wrong."""
LET_PASS = "The policy lets the failed checks below pass, so they did not hold it."
NO_DRAFT = "The documents gave no draft."
URGENT = "Nothing was drafted: to what is urgent a person writes the answer."
ESTIMATED = "Estimated, not measured on these documents: risk"
"""The risk is a model's; how often its answers are wrong here only labels can tell."""


COMPARED = frozenset({"numbers", "terms", "support"})
"""Checks that compare a sentence with what it cites: where that is nothing, they find only that."""


def faults_line(problems: Sequence[Finding]) -> str:
    """What the checks found of a reviewer's text, each fault once, with the sentences it is in.

    Of a sentence that cites nothing only that is said: nobody has looked whether a source holds it.
    """
    uncited = {one.excerpt for one in problems if one.message == UNCITED}
    said: dict[str, list[str]] = {}
    for one in problems:
        if one.check not in COMPARED or one.excerpt not in uncited:
            said.setdefault(one.message, []).append(one.excerpt)
    return " ".join(_fault(message, excerpts) for message, excerpts in said.items())


def _fault(message: str, excerpts: Iterable[str]) -> str:
    quoted = " ".join(f"“{text}”" for text in dict.fromkeys(excerpts) if text)
    return f"{message.rstrip('.')}: {quoted}" if quoted else message


def why_line(
    draft: Mapping[str, Any] | None,
    findings: Iterable[Mapping[str, Any]],
    verdict: Mapping[str, Any],
    gate: Mapping[str, Any] | None,
    policy: Mapping[str, Any] | None,
) -> str:
    """One line: the reason with its rule, the risk beside the threshold, and what drove it.

    Of what no rule held it says how the gate chooses, and no figure: that, and what drove it, would
    tell apart what the gate held and what went out and is audited. ``policy`` is the content of the
    one that judged; None where it is unknown.
    """
    found = list(findings)
    cause = cause_of(draft, found, verdict)
    if cause == GATE:
        return _asked_by_the_gate(found, gate)
    reason = _reason(found, verdict, policy)
    none = URGENT if verdict.get("urgency") == URGENCIES[0] else NO_DRAFT
    more = [none] if cause == EMPTY else [_risk(verdict, gate), _drivers(gate)]
    return " ".join(filter(None, [reason, *more]))


def _asked_by_the_gate(findings: list[Mapping[str, Any]], gate: Mapping[str, Any] | None) -> str:
    mode = (gate or {}).get("mode")
    said = {"review_everything": EVERY, "off": UNWEIGHED}.get(str(mode), WEIGHED)
    failed = any(one["outcome"] != Outcome.PASS for one in findings)
    return f"{said} {LET_PASS}" if failed else said


def _reason(
    findings: list[Mapping[str, Any]], verdict: Mapping[str, Any], policy: Mapping[str, Any] | None
) -> str:
    reasons = list(verdict["reasons"])
    if not reasons:
        return ""
    said = reasons[0].rstrip(".")
    failed = [one for one in findings if one["outcome"] != Outcome.PASS]
    rule = next((n for one in failed if (n := rule_of(one, policy)) is not None), None)
    more = f" and {len(reasons) - 1} more" if len(reasons) > 1 else ""
    where = f" (rule {rule} of the policy{more})" if rule else f" ({more[5:]})" if more else ""
    return f"{said}{where}."


def rule_of(finding: Mapping[str, Any], policy: Mapping[str, Any] | None) -> int | None:
    """The number of the first rule that holds drafts with this finding, whatever else is found."""
    for number, rule in enumerate((policy or {}).get("rules", ()), start=1):
        same = rule.get("check") == finding["check"]
        same = same and rule.get("outcome", "fail") == finding["outcome"]
        same = same and rule.get("label") in (None, finding.get("label"))
        if same and "when" not in rule and rule["then"] == "review":
            return number
    return None


def _risk(verdict: Mapping[str, Any], gate: Mapping[str, Any] | None) -> str:
    risk, threshold = shown_risk(verdict, gate), (gate or {}).get("threshold")
    if risk is None:
        return ""
    if threshold is None:
        return f"{ESTIMATED} {risk:.0%}."
    return f"{ESTIMATED} {risk:.0%}; up to {threshold:.0%} goes out without a person."


def _drivers(gate: Mapping[str, Any] | None) -> str:
    words = [DRIVERS[name] for name in (gate or {}).get("drivers") or () if name in DRIVERS]
    return f"What drove it: {', and '.join(words)}." if words else ""
