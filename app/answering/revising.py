"""What a review asks of the models: judge a reviewer's text, and draft once more for a task."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from app.access.principals import Principal
from app.access.standing import asker_of
from app.answering.answerer import Answerer
from app.answering.policies import Policies
from app.answering.stages import Ask
from app.corpus.corpus import Corpus
from app.db import Database
from app.deadline import Deadline
from app.records.recording import Trail, recorded_case, searched_for
from app.records.tables import RecordRow
from guardrails.contract import (
    Action,
    AnswerObject,
    Case,
    Citation,
    Draft,
    Finding,
    Outcome,
    Passage,
    Sentence,
)
from guardrails.policy.decide import Policy

WRITER = "reviewer"
"""The model of a draft that a person wrote."""


class Reviser:
    """Judges and drafts for reviewers; no transaction is open while it does."""

    def __init__(
        self, database: Database, corpus: Corpus, policies: Policies, answerer: Answerer
    ) -> None:
        self._database, self._corpus = database, corpus
        self._policies, self._answerer = policies, answerer

    def problems(
        self, record: RecordRow, answer: AnswerObject, added: Sequence[Passage]
    ) -> list[Finding]:
        """The findings on a reviewer's text for which the policy in force would hold it.

        ``added`` are passages that it cites and the record does not have. What was found of the
        question is not said again: the reviewer has it before them.
        """
        judge = self._policies.current().judge
        draft = Draft(
            tuple(Sentence(s["text"], tuple(s["citations"])) for s in answer["sentences"]),
            tuple(map(_citation, answer["citations"])),
            WRITER,
        )
        case = recorded_case(record)
        known = {passage.id for passage in case.evidence}
        evidence = (*case.evidence, *(p for p in added if p.id not in known))
        case = replace(case, draft=draft, evidence=evidence, risk=None, gated=True)
        found = judge.judge_text(case)
        return [one for one in found if _holds(one, case.question, judge.policy)]

    def draft_again(
        self, reviewer: Principal, record: RecordRow, deadline: Deadline | None = None
    ) -> Trail:
        """What a new run over the question comes to, within what asker and reviewer may read.

        Raises like ``Answerer.answer``; ``Forbidden`` when the asker may ask no more.
        """
        asker, readable = self._asker(record), self.readable(reviewer, record)
        wanted = [name for name in record.searched["collections"] if name in readable]
        schema = (record.inputs or {}).get("answer_schema")
        return self._answerer.rehearse(asker, Ask(searched_for(record), wanted, schema), deadline)

    def readable(self, reviewer: Principal, record: RecordRow) -> list[str]:
        """The collections that both the reviewer and the asker may read."""
        asker = self._asker(record)
        names = self._corpus.documents.collections()
        return [name for name in names if asker.may_read(name) and reviewer.may_read(name)]

    def _asker(self, record: RecordRow) -> Principal:
        with self._database.reading() as session:
            return asker_of(session, record.principal, record.searched["collections"])


def _citation(stored: Mapping[str, Any]) -> Citation:
    return Citation(**stored)


def _holds(finding: Finding, question: str, policy: Policy) -> bool:
    if finding.outcome is Outcome.PASS:
        return False
    return policy.decide([finding], Case(question), screening=True).action is not Action.RELEASE
