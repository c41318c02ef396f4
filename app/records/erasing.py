"""The words of an answer are erased; what was decided of it, and the hashes, stay.

The rows keep their ids, outcomes, figures and times, and the audit chain seals them as they are
then: an erasure without its link shows in ``countersign audit verify``.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Text, delete, or_, select, update
from sqlalchemy import cast as as_type
from sqlalchemy.orm import Session

from app.db import compact_json
from app.records.release import settle_erased
from app.records.tables import CitationRow, ConversationRow, FeedbackRow, RecordRow, ReleaseRow
from guardrails.contract import AnswerObject

NOBODY = ""
"""Whose answer it is, when its asker was erased; no principal can have this name."""


def no_answer() -> AnswerObject:
    """What stands where an answer was erased."""
    return {"text": "", "short": None, "sentences": [], "citations": []}


def erase_answer(session: Session, record: RecordRow, event: Mapping[str, Any]) -> None:
    """Blank a record and its release, with a link that says ``event``.

    With ``event["question_kept"]`` the question stays: a document was erased, not its asker.
    """
    if not event["question_kept"]:
        record.question, record.facts = "", None
    record.message = ""
    record.draft = None if record.draft is None else no_answer()
    record.evidence, record.inputs, record.shadow = [], None, None
    record.findings = [wordless_finding(finding) for finding in record.findings]
    record.verdict = wordless_verdict(record.verdict)
    record.searched = _wordless_search(record.searched, question_kept=event["question_kept"])
    _forget_what_askers_wrote(session, record, asker_kept=event.get("asker_kept", True))
    released = session.get(ReleaseRow, record.answer_id)
    if released is not None:
        released.answer = no_answer()
        session.execute(delete(CitationRow).where(CitationRow.answer_id == record.answer_id))
    settle_erased(session, record.answer_id, event)


def _forget_what_askers_wrote(session: Session, record: RecordRow, *, asker_kept: bool) -> None:
    """A title may repeat the question; then the first question is the title again."""
    session.execute(delete(FeedbackRow).where(FeedbackRow.answer_id == record.answer_id))
    of = ConversationRow.id == record.conversation
    if asker_kept:
        session.execute(update(ConversationRow).where(of).values(title=None))
    else:
        session.execute(delete(ConversationRow).where(of))


def wordless_finding(finding: Mapping[str, Any]) -> dict[str, Any]:
    """A finding without the words that it quotes."""
    return {**finding, "message": "", "label": "", "excerpt": ""}


def wordless_verdict(verdict: Mapping[str, Any]) -> dict[str, Any]:
    """A verdict without words that were made from the answer."""
    return {**verdict, "reasons": [], "message": ""}


def _wordless_search(searched: Mapping[str, Any], *, question_kept: bool) -> dict[str, Any]:
    kept = {**searched, "titles": []}
    kept.pop("choices", None)
    kept.pop("read_as", None)  # words of documents mended it
    if not question_kept:
        kept.pop("question", None)
    return kept


def forget_standalone_questions(session: Session, record: RecordRow) -> None:
    """Later turns keep their own words only: the form that stands alone was made from these."""
    query = select(RecordRow).where(RecordRow.principal == record.principal)
    unknown = query.where(RecordRow.conversation.is_(None)).limit(1)  # of a release before them
    if session.scalar(unknown) is None:  # one key may ask for a whole company: not all it asked
        query = query.where(RecordRow.conversation == record.conversation)
    after: dict[str, list[RecordRow]] = {}
    for turn in session.scalars(query):  # of any time: clocks do not tell what followed what
        after.setdefault(turn.searched.get("previous_answer_id") or "", []).append(turn)
    made, follows = ("question", "read_as", "choices"), [record.answer_id]
    for answer_id in follows:
        for turn in after.pop(answer_id, ()):
            follows.append(turn.answer_id)
            turn.searched = {k: v for k, v in turn.searched.items() if k not in made}


def answers_of(session: Session, principal: str) -> list[str]:
    """Ids of a principal's answers."""
    return list(
        session.scalars(select(RecordRow.answer_id).where(RecordRow.principal == principal))
    )


def answers_over(session: Session, document_id: str) -> list[str]:
    """Ids of the answers that had a passage of the document as evidence, or cite one."""
    holds = as_type(RecordRow.evidence, Text).contains(document_id)
    cites = select(CitationRow.answer_id).where(CitationRow.document_id == document_id)
    wanted = select(RecordRow.answer_id).where(or_(holds, RecordRow.answer_id.in_(cites)))
    return list(session.scalars(wanted))


def forget_title(session: Session, title: str) -> None:
    """Take a document's title out of what was searched for other answers."""
    spelled = compact_json(title)
    holds = as_type(RecordRow.searched, Text).contains(spelled, autoescape=True)
    for record in session.scalars(select(RecordRow).where(holds)):
        titles = [one for one in record.searched.get("titles", ()) if one != title]
        record.searched = {**record.searched, "titles": titles}
