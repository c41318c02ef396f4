"""The reader as the embedded generator: it drafts without writing.

The draft is the evidence's own sentence around the best span, so it cannot say what the evidence
does not.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from app.inference.evidence_selection import stems
from app.inference.extremes import asks_extreme
from app.inference.limits import told_clauses
from app.inference.ranges import quantities
from app.inference.reader import MISPLACED, Reader, is_inside
from app.inference.tables import Offsets, named_cell, passed_over, told_row
from app.inference.writing.fitting import (
    IMPLIED,
    fits,
    implied,
    may_imply,
    of_unknown_risk,
    row_whether,
    says_besides,
    telling,
)
from app.inference.writing.joining import JOINED, both_answers, joined_draft, speaks_of_both
from app.inference.writing.question_types import (
    QuestionType,
    added_question,
    core,
    question_type,
    two_questions,
)
from app.inference.writing.units import named_list, span_answer, with_paragraph
from app.ports import DraftRequest, Reading, Span
from guardrails.checks.identifiers import CODE, SETTING, identifiers
from guardrails.contract import AnswerObject, Draft, Passage
from guardrails.words import WORD

RANK = 2.0
"""What an answer loses for each passage that the search put before its own."""
RIVAL = 5.0
"""What an answer loses under a title or heading that names another setting or model than asked."""
UNSURE = "reader:unsure"
"""The model of a draft under the least margin: of unknown risk, for a reviewer."""
LEAST_RELEVANCE, UNSURE_BELOW = -2.0, 10.0
"""Of the passage that such a draft is from, and how far its margin may be under the least one;
chosen on typed questions over small documents (benchmarks/LOG.md)."""
SURE_OF_NO_ROW = 5.0
"""From this margin on a draft stands beside a row that is told by its values alone."""
FIRST_FOUND = 2
"""So many passages may hold the list that is asked for in the words of its headings."""
SURE_MARGIN, SURE_LEAD = 2.0, 8.0
"""From these on an answer of the first passages stands, whatever the others say; chosen on public
development sets (benchmarks/LOG.md)."""
READ_WHOLE = (
    QuestionType.COMPARISON,
    QuestionType.SUMMARY,
    QuestionType.LIST,
    QuestionType.PROCEDURE,
)
"""What these ask for may stand in several passages."""
Candidate = tuple[Reading, Span, Passage]
"""Where a passage may answer."""
Told = tuple[Offsets, Draft]
"""A draft, and where in its passage it says it."""


class ReaderGenerator:
    """The reader behind the Generator port: it answers with the unit around the best span.

    Features: ``answers`` and ``relevance`` of the passage, ``margin``, ``span_lead`` and
    ``span_entropy`` of the chosen span, ``lead`` (its
    margin over that of the next passage with another answer) and ``agreement`` (share of the
    other passages' answers that are the same).
    """

    name = "reader"

    def __init__(self, reader: Reader, min_margin: float | None = None) -> None:
        """``min_margin`` overrides the shipped least margin (to measure others)."""
        self._reader, self._override = reader, min_margin

    def warm_up(self) -> None:
        """Load weights and tuning; raises ``ModelRefused``."""
        self._reader.warm_up()

    def draft(self, requests: Sequence[DraftRequest]) -> list[Draft]:
        """One extractive draft per request; what was read for the ranking is not read again."""
        for request in requests:
            request.deadline.remaining()
        unread = [request for request in requests if not _is_read(request)]
        read = iter(self._reader.read([(r.question, r.evidence) for r in unread]))
        return [
            self._best_draft(_as_read(request), request.readings)
            if _is_read(request)
            else self._best_draft(request, next(read))
            for request in requests
        ]

    def quotes(self, request: DraftRequest, seen: AnswerObject, most: int) -> list[Draft]:
        """At most ``most`` other places that may answer than those that ``seen`` cites, best first:
        each quoted as a draft from there would be, however unsure the reader is.

        What answers in the way that was asked comes before what does not; the question itself, a
        heading of what answers it, is none. All of the evidence is
        read again: several places of one passage may be among them.
        """
        question, kind = request.question, question_type(request.question)
        request.deadline.remaining()
        readings = self._reader.places(question, request.evidence, most)
        request.deadline.remaining()
        fitting, others = list[Told](), list[Told]()
        for (_, span, passage), _ in self._weighed(question, request.evidence, readings):
            place = _told(question, span, passage)
            draft = span_answer(passage, *place, question, self.name, {})
            if draft.sentences and not _repeats(question, draft):
                fit = fits(kind, question, draft, passage)
                (fitting if fit else others).append((place, draft))
        return _apart_from(seen, [*fitting, *others])[:most]

    def certain(
        self, question: str, passages: Sequence[Passage], readings: Sequence[Reading]
    ) -> bool:
        """Whether one of the passages, best found first, answers so surely that reading more of
        them would hardly change the draft: its answer stands in the first, and no other is near."""
        if question_type(question) in READ_WHOLE:
            return False
        found = self._ranked(question, passages, readings)
        if not found or found[0][2] is not passages[0]:
            return False
        margin = found[0][1].margin
        lead = _rivals(_answers(found)).get("lead", margin)
        return margin >= SURE_MARGIN and lead >= SURE_LEAD

    def _best_draft(self, request: DraftRequest, readings: Sequence[Reading]) -> Draft:
        """What is joined from several places, where the question asks for such; else the draft of
        the best candidate that answers in the way that was asked; at a second try, another one."""
        halves = two_questions(request.question)
        if halves is not None and request.misfit is None:
            both = self._both(halves, request, readings)
            if both is not None:
                return both
        draft = self._one_draft(request, readings)
        added = added_question(request.question)
        return self._with_added(added, draft, request, readings) if added else draft

    def _with_added(
        self, added: str, draft: Draft, request: DraftRequest, readings: Sequence[Reading]
    ) -> Draft:
        """The draft with what answers the question that was ``added``, where it does not say that
        itself and something else does."""
        if draft.abstained or request.misfit is not None or says_besides(added, draft):
            return draft
        alone = replace(request, question=added, readings=())
        other = self._one_draft(alone, self._reader.read([(added, request.evidence)])[0])
        if other.abstained or not says_besides(added, other):
            return draft
        return both_answers([draft, other], request.evidence, readings) or draft

    def _one_draft(self, request: DraftRequest, readings: Sequence[Reading]) -> Draft:
        """The draft that answers one question."""
        kind = question_type(request.question)
        joined = joined_draft(kind, request.question, request.evidence, readings)
        if joined is not None and request.misfit is None:
            return joined if joined.sentences else self._one_side(request, readings) or joined
        answers = (
            draft
            for draft, passage in self._drafts(request, readings)
            if draft.sentences and fits(kind, request.question, draft, passage)
        )
        if request.misfit is None:
            draft = next(answers, None) or self._otherwise(kind, request, readings)
            return self._told(request, draft) or draft
        if joined is None:
            next(answers, None)  # the first draft, which did not fit the schema
        return next(filter(request.misfit.fits, answers), Draft((), (), self.name))

    def _told(self, request: DraftRequest, draft: Draft) -> Draft | None:
        """For a reviewer, what rules over words find in the place of a draft that is unsure."""
        return (
            self._told_by_row(request, draft)
            or self._told_by_limit(request, draft)
            or self._told_whether(request, draft)
        )

    def _told_whether(self, request: DraftRequest, draft: Draft) -> Draft | None:
        """For a reviewer, the row of a table in the first passages that says yes or no, in the
        place of a draft that does not, or of none."""
        unsure = draft.abstained or draft.model in (UNSURE, IMPLIED)
        if not unsure or question_type(request.question) is not QuestionType.YES_NO:
            return None
        for passage in request.evidence[:FIRST_FOUND]:
            row = row_whether(request.question, passage, draft.text)
            if row is not None:
                told = span_answer(passage, *row, request.question, self.name, draft.features)
                return of_unknown_risk(told, UNSURE) if told.sentences else None
        return None

    def _told_by_row(self, request: DraftRequest, draft: Draft) -> Draft | None:
        """For a reviewer, the row of a table in the first passages that has the most or the least,
        or that a date or quantity falls into, in the place of a draft that is far from sure and
        says something else."""
        if draft.features.get("margin", -math.inf) >= SURE_OF_NO_ROW:
            return None
        asked, question = core(request.question), request.question
        extreme = asks_extreme(asked)
        if not extreme and question_type(question) is QuestionType.YES_NO:  # words tell that
            return None
        for passage in request.evidence[: FIRST_FOUND if extreme else 1]:
            row = told_row(asked, passage.text)
            if row is None:
                continue
            if any(
                one.passage_id == passage.id and row[0] <= one.start < row[1]
                for one in draft.citations
            ):
                return None
            told = span_answer(passage, *row, question, self.name, draft.features)
            return of_unknown_risk(told, UNSURE) if told.sentences else None
        return None

    def _told_by_limit(self, request: DraftRequest, draft: Draft) -> Draft | None:
        """For a reviewer, the sentence of the first passage whose limit holds what the question
        says, in the place of a draft that is far from sure: of another sentence of the same
        paragraph, or of none."""
        sure = draft.features.get("margin", -math.inf) >= SURE_OF_NO_ROW
        if sure or not request.evidence or draft.model == JOINED:
            return None
        passage, question = request.evidence[0], request.question
        found = [one for one in told_clauses(question, passage.text) if one.meant is not None]
        if len(found) != 1 or found[0].meant is None:
            return None
        begin, end = found[0].paragraph
        quoted = [(one.passage_id, one.start, one.end) for one in draft.citations]
        if any(one != passage.id or b <= begin or end <= a for one, a, b in quoted):
            return None
        meant = found[0].meant
        if any(a < meant[1] and meant[0] < b for _, a, b in quoted):
            return None
        about = f"{passage.place} {passage.text[begin:end]}"
        near = bool(stems(core(question)) & stems(about)) or (
            bool(request.readings) and request.readings[0].relevance >= LEAST_RELEVANCE
        )
        if not quoted and not (near and quantities(question)):
            return None
        told = span_answer(passage, *meant, question, self.name, draft.features)
        return of_unknown_risk(told, UNSURE) if told.sentences else None

    def _one_side(self, request: DraftRequest, readings: Sequence[Reading]) -> Draft | None:
        """For a reviewer, what the reader points at for a comparison that no two places make, where
        the evidence speaks of both sides."""
        draft, _ = next(self._drafts(request, readings), (None, None))
        if draft is None or not draft.sentences:
            return None
        known = speaks_of_both(request.question, request.evidence)
        return of_unknown_risk(draft, UNSURE) if known else None

    def _both(
        self, halves: tuple[str, str], request: DraftRequest, readings: Sequence[Reading]
    ) -> Draft | None:
        """What answers two questions that are asked at once, each read by itself; None where one of
        them finds nothing."""
        apart = self._reader.read([(half, request.evidence) for half in halves])
        drafts = [
            self._best_draft(replace(request, question=half, readings=()), read)
            for half, read in zip(halves, apart, strict=True)
        ]
        return both_answers(drafts, request.evidence, readings)

    def _otherwise(
        self, kind: QuestionType, request: DraftRequest, readings: Sequence[Reading]
    ) -> Draft:
        """Where no draft answers in the way that was asked: of a yes or no the best one, for a
        reviewer, if one can follow from it; else none, with its figures."""
        draft, passage = next(self._drafts(request, readings), (None, None))
        if draft is None or passage is None:
            return Draft((), (), self.name)
        implies = draft.sentences and may_imply(request.question, draft, passage)
        if kind is QuestionType.YES_NO and implies:
            return implied(with_paragraph(draft, passage))
        unsure = self._unsure(kind, request, readings)
        return unsure or replace(draft, sentences=(), citations=(), short=None)

    def _unsure(
        self, kind: QuestionType, request: DraftRequest, readings: Sequence[Reading]
    ) -> Draft | None:
        """For a reviewer, what stands in the passage that the search found first, where the reader
        takes that for relevant and is not sure that it answers."""
        found = self._ranked(request.question, request.evidence, readings)
        if not request.readings or not found or found[0][2] is not request.evidence[0]:
            return None
        reading, span, passage = found[0]
        if reading.relevance < LEAST_RELEVANCE or span.margin < self._least - UNSURE_BELOW:
            return None
        draft = self._draft(request.question, found, least=-math.inf)
        fitting = fits(kind, request.question, draft, passage) or (
            kind is QuestionType.YES_NO and may_imply(request.question, draft, passage)
        )
        if not draft.sentences or not fitting:
            return None
        return of_unknown_risk(with_paragraph(draft, passage), UNSURE)

    def _drafts(
        self, request: DraftRequest, readings: Sequence[Reading]
    ) -> Iterator[tuple[Draft, Passage]]:
        """The draft of each candidate, best first, and the passage it is from."""
        found = self._ranked(request.question, request.evidence, readings)
        for place, candidate in enumerate(found):
            request.deadline.remaining()
            order = [candidate, *found[:place], *found[place + 1 :]]
            yield self._draft(request.question, order), candidate[2]

    def _ranked(
        self, question: str, evidence: Sequence[Passage], readings: Sequence[Reading]
    ) -> list[Candidate]:
        """The answer candidate of each passage that has one, best first; where the passages hold
        questions, none to another question than the one that was asked, unless it is sure.

        ``evidence`` stands in the order of the search, which knows better what a text is about; a
        cell that is named comes before all others.
        """
        found = self._weighed(question, evidence, [[reading] for reading in readings])
        return [one for one, less in found if not less or one[1].margin - less >= self._least]

    def _weighed(
        self, question: str, evidence: Sequence[Passage], readings: Sequence[Sequence[Reading]]
    ) -> list[tuple[Candidate, float]]:
        """Every answer candidate of each passage, best first, and what it loses below another
        question than the one that was asked."""
        weight = self._reader.tuning.relevance_weight
        found: list[tuple[tuple[bool, float], Candidate]] = []
        for rank, (own, passage) in enumerate(zip(readings, evidence, strict=True)):
            for reading in own:
                if (span := reading.span) is not None:
                    named = is_inside(span, _named(question, passage, rank))
                    worth = span.margin + weight * reading.relevance - RANK * rank
                    worth -= RIVAL * _is_rival(question, passage)
                    found.append(((named, worth), (reading, span, passage)))
        places = [(passage.text, span.start) for _, (_, span, passage) in found]
        lost = [2 * MISPLACED * lacks for lacks in passed_over(question, places)]
        weighed = [
            ((named, worth - less), (one, less))
            for ((named, worth), one), less in zip(found, lost, strict=True)
        ]
        return [one for _, one in sorted(weighed, key=lambda both: both[0], reverse=True)]

    @property
    def _least(self) -> float:
        """The least margin of a draft."""
        return self._reader.tuning.min_margin if self._override is None else self._override

    def _draft(
        self,
        question: str,
        found: Sequence[Candidate],
        least: float | None = None,
    ) -> Draft:
        """The draft of the first candidate, from the margin ``least`` on, if not the usual one; the
        features compare it with the others."""
        reading, span, passage = found[0]
        features = {
            "margin": span.margin,
            "relevance": reading.relevance,
            "span_lead": span.lead,
            "span_entropy": span.entropy,
            **({} if reading.answers is None else {"answers": reading.answers}),
            **_rivals(_answers(found)),
        }
        if span.margin < (self._least if least is None else least):
            return Draft((), (), self.name, features=features)
        return span_answer(passage, *_told(question, span, passage), question, self.name, features)


class LargerReader(ReaderGenerator):
    """Another reader than the one that ranks, behind the Generator port: it reads the evidence
    itself, whatever the other one made of it."""

    def __init__(self, reader: Reader, name: str) -> None:
        super().__init__(reader)
        self.name = name

    def draft(self, requests: Sequence[DraftRequest]) -> list[Draft]:
        """One extractive draft per request."""
        unread = [replace(request, readings=()) for request in requests]
        for request in unread:
            request.deadline.remaining()
        read = self._reader.read([(request.question, request.evidence) for request in unread])
        return [
            self._best_draft(replace(request, readings=tuple(own)), own)
            for request, own in zip(unread, read, strict=True)
        ]


def _told(question: str, span: Span, passage: Passage) -> Offsets:
    """Where a draft for the span says it."""
    place = span.start, span.end
    if question_type(question) is QuestionType.YES_NO:
        return telling(question, passage, place)
    return place


def _apart_from(seen: AnswerObject, told: Sequence[Told]) -> list[Draft]:
    """The drafts whose place, and whose words, neither ``seen`` nor one before them quotes."""
    quoted = [(one["passage_id"], one["start"], one["end"]) for one in seen["citations"]]
    words = [_words([one["text"] for one in seen["sentences"]])]
    apart = []
    for (start, end), draft in told:
        passage_id = draft.citations[0].passage_id
        text = _words([one.text for one in draft.sentences])
        known = any(one == passage_id and a < end and start < b for one, a, b in quoted)
        if known or any(text in said for said in words):
            continue
        apart.append(draft)
        quoted += [(one.passage_id, one.start, one.end) for one in draft.citations]
        words.append(text)
    return apart


def _repeats(question: str, draft: Draft) -> bool:
    """Whether the draft is the question itself, as it stands over its answer."""
    return _words([one.text for one in draft.sentences]) == _words([question])


def _words(texts: Sequence[str]) -> str:
    """Their words, whatever their case and what stands between them."""
    return f" {' '.join(WORD.findall(' '.join(texts).casefold()))} "


def _is_rival(question: str, passage: Passage) -> bool:
    """Whether the place of ``passage`` names another code or setting of a kind that was asked for,
    and not the one that was."""
    asked = {one for one in identifiers(question) if one.kind.startswith((SETTING, CODE))}
    if not asked:
        return False
    kinds = {one.kind for one in asked}
    over = {(one.kind, one.value) for one in identifiers(passage.place) if one.kind in kinds}
    return bool(over) and not over & {(one.kind, one.value) for one in asked}


def _named(question: str, passage: Passage, rank: int) -> Offsets | None:
    """The cell of ``passage`` that the question names, or the list, if the search found the
    passage among the first."""
    cell = named_cell(question, passage.text, passage.place)
    listed = cell is None and rank < FIRST_FOUND
    return named_list(question, passage) if listed else cell


def _is_read(request: DraftRequest) -> bool:
    """Whether no passage need be read; a second try looks at all of them."""
    if len(request.readings) >= len(request.evidence):
        return True
    return request.certain and bool(request.readings) and request.misfit is None


def _as_read(request: DraftRequest) -> DraftRequest:
    """The request over those passages that were read."""
    return replace(request, evidence=request.evidence[: len(request.readings)])


def _answers(found: Sequence[Candidate]) -> list[tuple[float, str]]:
    """The margin and the words of each candidate."""
    return [(span.margin, passage.text[span.start : span.end]) for _, span, passage in found]


def _rivals(answers: Sequence[tuple[float, str]]) -> dict[str, float]:
    """``lead`` and ``agreement`` of the first of (margin, answer) pairs over the others."""
    margin, chosen = answers[0]
    same = [_same(chosen, text) for _, text in answers[1:]]
    others = [m for (m, _), equal in zip(answers[1:], same, strict=True) if not equal]
    features = {"agreement": sum(same) / len(same)} if same else {}
    return features | ({"lead": margin - max(others)} if others else {})


def _same(left: str, right: str) -> bool:
    left, right = left.casefold().strip(" .,"), right.casefold().strip(" .,")
    return left in right or right in left
