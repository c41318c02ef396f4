"""Judge a recorded answer again, from its record alone, with its own policy or another one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.db import Database
from app.errors import NotFound, NotReplayable
from app.records.recording import policy_content, recorded_case, recorded_findings
from app.records.tables import RecordRow, SettlementRow
from guardrails.contract import SEVERITY, Case, Finding, Verdict
from guardrails.judge import Judge
from guardrails.policy.decide import Policy
from guardrails.policy.load import PolicyInvalid, parse_policy

JudgeFor = Callable[[Policy], Judge]
MODELS = ("embedder", "generator", "models_sha256")
"""What of the lineage must be the same for a replay to mean anything."""


@dataclass(frozen=True)
class Side:
    """One of the two verdicts that a replay compares."""

    action: str
    reasons: list[str]
    policy_sha256: str


@dataclass(frozen=True)
class ReplayFinding:
    """A finding that only one of the two judgements has."""

    check: str
    outcome: str
    label: str
    message: str


@dataclass(frozen=True)
class ReplayWarning:
    """Why a replay may mean less, with a code."""

    code: str
    message: str


@dataclass(frozen=True)
class Replayed:
    """What was recorded, what judging says now, and what differs.

    ``same`` is whether action and findings are equal.
    """

    answer_id: str
    question: str
    same: bool
    recorded: Side
    replayed: Side
    findings_added: list[ReplayFinding]
    findings_gone: list[ReplayFinding]
    warnings: list[ReplayWarning]


class Replayer:
    """Judges records anew; ``lineage`` names the models as they are now."""

    def __init__(self, database: Database, judge_for: JudgeFor, lineage: Mapping[str, str]) -> None:
        self._database, self._judge_for, self._lineage = database, judge_for, lineage

    def replay(self, answer_id: str, policy: Policy | None = None) -> Replayed:
        """Judge the record again; ``policy`` takes the place of the recorded one.

        Raises ``NotFound`` or ``NotReplayable``.
        """
        with self._database.reading() as session:
            record = session.get(RecordRow, answer_id)
            if record is None:
                raise NotFound("There is no such answer.")
            if record.inputs is None:
                raise NotReplayable(_without_inputs(session.get(SettlementRow, answer_id)))
            content = policy_content(session, record.verdict["policy_sha256"])
        used = policy or _own_policy(content, record.verdict["policy_sha256"])
        judge = self._judge_for(used)
        try:
            findings, verdict = judge_again(judge, record)
        finally:
            judge.close()
        return _comparison(record, findings, verdict, self._warnings(record))

    def _warnings(self, record: RecordRow) -> list[ReplayWarning]:
        now = {name: self._lineage.get(name, "") for name in MODELS}
        then = {name: record.lineage.get(name, "") for name in MODELS}
        changed = [name for name in MODELS if now[name] != then[name]]
        if not changed:
            return []
        message = f"These are not the models of the record: {', '.join(changed)} changed."
        return [ReplayWarning("models_changed", message)]


def _without_inputs(settled: SettlementRow | None) -> str:
    if settled is not None and settled.state == "erased":
        return "Its words were erased."
    return "It was recorded before replay was possible."


def judge_again(judge: Judge, record: RecordRow) -> tuple[list[Finding], Verdict]:
    """Findings and verdict on the question and, where one was written, the draft."""
    case = recorded_case(record)
    asked, meant = record.question, case.question
    scores = (record.inputs or {}).get("scores", {})
    findings, verdict = judge.screen_question(_screened(case, asked, scores))
    if meant != asked:
        more, second = judge.screen_question(_screened(case, meant, scores))
        findings += [finding for finding in more if finding not in findings]
        verdict = max(verdict, second, key=lambda one: SEVERITY[one.action])
    if case.draft is None or case.draft.abstained:
        return findings, verdict
    return judge.judge(case, findings)


def _screened(case: Case, text: str, scores: Mapping[str, Any]) -> Case:
    """The case as it was when only its question was known."""
    return Case(text, None, (), case.caller_schema, case.asker, scores=scores.get(text))


def _own_policy(content: Mapping[str, Any] | None, sha256: str) -> Policy:
    if content is None:
        raise NotReplayable("The policy it was judged by is not stored.")
    try:
        policy = parse_policy(content, "the recorded policy")
    except PolicyInvalid as error:
        raise NotReplayable(f"The policy it was judged by cannot be used: {error}") from error
    if policy.sha256 != sha256:
        raise NotReplayable("The stored policy is not the one it was judged by.")
    return policy


def _comparison(
    record: RecordRow, findings: Sequence[Finding], verdict: Verdict, warnings: list[ReplayWarning]
) -> Replayed:
    then, stored = recorded_findings(record), record.verdict
    added = [one for one in findings if one not in then]
    gone = [one for one in then if one not in findings]
    return Replayed(
        answer_id=record.answer_id,
        question=record.question,
        same=str(stored["action"]) == verdict.action and not added and not gone,
        recorded=Side(str(stored["action"]), list(stored["reasons"]), stored["policy_sha256"]),
        replayed=Side(str(verdict.action), list(verdict.reasons), verdict.policy_sha256),
        findings_added=[_shown(one) for one in added],
        findings_gone=[_shown(one) for one in gone],
        warnings=warnings,
    )


def _shown(finding: Finding) -> ReplayFinding:
    return ReplayFinding(finding.check, finding.outcome.value, finding.label, finding.message)
