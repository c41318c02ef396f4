"""The reader: it ranks passages, points within them, and nothing is read twice."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest

from app.backends import read_ahead
from app.deadline import Deadline
from app.inference.embedder import load_tokenizer
from app.inference.reader import MOST_LEAD, NAMED, Reader, Tuning, best_span
from app.inference.reader_generator import LEAST_RELEVANCE, UNSURE, UNSURE_BELOW, ReaderGenerator
from app.ports import DraftRequest, Misfit, Reading, Span
from app.retrieval.passage_index import FUSION_DEPTH
from app.retrieval.retriever import Hit, Rerank, search_scores
from app.settings import PROJECT
from guardrails.contract import AnswerObject, Passage, answer_object

QUESTION = "How long is the warranty of the kettle?"
TEXTS = [
    "Parcels are delivered on weekdays between nine and five.",
    "The kettle has a warranty of two years from the day of purchase.",
    "The kettle is made of steel. It boils a litre in three minutes.",
]
PRICES = "Ticket | Until May | At the door\nStudent | €12 | not sold\nAdult | €20 | €25"


def passage(number: int, text: str) -> Passage:
    return Passage(f"p{number}", f"d{number}", "c", "Title", text, 0, len(text))


PASSAGES = [passage(number, text) for number, text in enumerate(TEXTS)]


@pytest.fixture(scope="module")
def reader() -> Reader:
    shipped = Reader(PROJECT / "models" / "reader", "cpu")
    shipped.warm_up()
    return shipped


class Deaf(Reader):
    """A reader that must not be asked; its tuning takes every answer."""

    def __init__(self) -> None:
        self.tuning = Tuning(-100.0, 0.0, 0.5)

    def warm_up(self) -> None:
        pass

    def read(self, requests: Sequence[tuple[str, Sequence[Passage]]]) -> list[list[Reading]]:
        assert not requests, "it was read already"
        return []


def test_the_passage_that_answers_is_the_most_relevant(reader: Reader) -> None:
    readings = reader.read([(QUESTION, PASSAGES)])[0]
    best = max(range(3), key=lambda n: readings[n].relevance)
    assert best == 1
    span = readings[1].span
    assert span is not None and "two years" in TEXTS[1][span.start : span.end]
    assert all(span.margin > one.span.margin for one in readings if one.span and one.span != span)


def test_each_request_gets_its_own_readings_in_order(reader: Reader) -> None:
    together = reader.read([(QUESTION, PASSAGES), ("When are parcels delivered?", PASSAGES[:1])])
    alone = reader.read([(QUESTION, PASSAGES)])[0]
    assert [len(one) for one in together] == [3, 1]
    assert [one.relevance for one in together[0]] == pytest.approx(
        [one.relevance for one in alone], abs=0.3
    )
    assert reader.read([]) == [] and reader.read([(QUESTION, [])]) == [[]]


def test_what_is_typed_is_read_as_a_question(reader: Reader) -> None:
    typed, asked = reader.read(
        [("warranty of the kettle", PASSAGES), ("What is the warranty of the kettle?", PASSAGES)]
    )
    assert typed == asked


def test_a_cell_that_is_named_is_the_span_and_a_heading_is_none(reader: Reader) -> None:
    prices = passage(
        0, "Ticket | Until May | At the door\nStudent | €12 | not sold\nAdult | €20 | €25"
    )
    dogs = replace(passage(1, "Dogs\n\nDogs are welcome on the first floor."), headings=("Dogs",))
    (cell,), (rule,) = reader.read([("student ticket at the door", [prices]), ("dogs", [dogs])])
    assert cell.span is not None and rule.span is not None
    assert prices.text[cell.span.start : cell.span.end] == "not sold"
    assert cell.span.margin >= reader.tuning.min_margin + NAMED
    assert rule.span.start > len("Dogs")


def test_a_passage_without_words_has_no_span(reader: Reader) -> None:
    empty, blank = reader.read([(QUESTION, [passage(0, ""), passage(1, " \n ")])])[0]
    assert empty.span is None and blank.span is None


def test_a_long_question_leaves_room_for_the_passage(reader: Reader) -> None:
    question = "Please tell me, as I have wondered for a very long time: " * 60 + QUESTION
    assert reader.read([(question, PASSAGES)])[0][1].span is not None


def test_a_title_is_read_but_never_pointed_at_and_leaves_room_for_the_passage() -> None:
    text = "It has a warranty of two years from the day of purchase."
    taught = Reader(PROJECT / "models" / "reader", "cpu")
    taught.warm_up()
    taught.tuning = replace(taught.tuning, titles=True)
    plain = replace(passage(0, text), title="")
    for title in ("Kettle K2: warranty of nine years", "the manual of the kettle, " * 200):
        titled, untitled = taught.read([(QUESTION, [replace(plain, title=title), plain])])[0]
        assert titled.span is not None and untitled.span is not None
        assert "two years" in text[titled.span.start : titled.span.end]
        assert titled.relevance != untitled.relevance
        taught.tuning = replace(taught.tuning, titles=False)
        unread, same = taught.read([(QUESTION, [replace(plain, title=title), plain])])[0]
        assert unread == same
        taught.tuning = replace(taught.tuning, titles=True)


def span_of(text: str, favoured: Mapping[str, float]) -> Span:
    """The best span of ``text`` when each of the words starts and ends an answer so much more."""
    encoding = load_tokenizer().encode("which one?", text)
    logits = np.zeros((len(encoding.ids), 2), np.float32)
    for word, more in favoured.items():
        logits[encoding.tokens.index(word)] = more
    span = best_span(logits, encoding, text)
    assert span is not None
    return span


def test_a_span_leads_over_the_best_one_elsewhere_in_its_passage() -> None:
    text = "red blue green gold"
    span = span_of(text, {"red": 5, "gold": 3})
    assert text[span.start : span.end] == "red"
    assert span.lead == 4  # "red blue green gold" shares a word with it
    assert span_of("red", {"red": 5}).lead == MOST_LEAD


def test_the_entropy_of_a_span_grows_with_the_places_it_could_be_at() -> None:
    text = "red blue green gold"
    assert span_of(text, {}).entropy == pytest.approx(2 * math.log(4))
    sure, torn = (span_of(text, {"red": 9, "gold": other}).entropy for other in (0, 9))
    assert sure < 0.1 and torn == pytest.approx(2 * math.log(2), abs=0.1)
    assert span_of("red", {}).entropy == 0


def test_the_draft_says_what_the_reader_knows_of_the_span() -> None:
    readings = [Reading(2, Span(0, 7, 4, 1.5, 0.25)), reading(0, 1), reading(0, 0)]
    features = ReaderGenerator(Deaf()).draft([request_with(readings)])[0].features
    known = {"margin": 4, "span_lead": 1.5, "span_entropy": 0.25}
    assert {name: features[name] for name in known} == known


def request_with(readings: Sequence[Reading]) -> DraftRequest:
    return DraftRequest(QUESTION, tuple(PASSAGES), Deadline(60), tuple(readings))


def reading(relevance: float, margin: float, start: int = 0, end: int = 7) -> Reading:
    return Reading(relevance, Span(start, end, margin, 1.0, 0.5))


def test_what_was_read_for_the_ranking_is_not_read_again() -> None:
    drafts = ReaderGenerator(Deaf()).draft(
        [request_with([reading(0, 1), reading(0, 9), reading(0, 2)])]
    )
    assert drafts[0].citations[0].passage_id == "p1"
    assert drafts[0].features["margin"] == 9


def test_relevance_counts_when_the_passage_to_answer_from_is_chosen() -> None:
    readings = [reading(10, 5), reading(0, 9), reading(0, 2)]  # 5 + 10 / 2 beats 9
    draft = ReaderGenerator(Deaf()).draft([request_with(readings)])[0]
    assert draft.citations[0].passage_id == "p0"
    assert draft.features["lead"] == -4


def test_of_answers_nearly_alike_that_in_the_passage_found_first_counts() -> None:
    near = [reading(0, 5), reading(0, 6.5), reading(0, 2)]
    far = [reading(0, 5), reading(0, 7.5), reading(0, 2)]
    drafts = ReaderGenerator(Deaf()).draft([request_with(near), request_with(far)])
    assert [draft.citations[0].passage_id for draft in drafts] == ["p0", "p1"]


def test_a_cell_that_is_named_comes_before_all_other_answers() -> None:
    table = passage(1, PRICES)
    cell = table.text.index("not sold")
    readings = (reading(9, 9), reading(0, 1, cell, cell + len("not sold")))
    request = DraftRequest(
        "student ticket at the door", (PASSAGES[0], table), Deadline(60), readings
    )
    assert ReaderGenerator(Deaf()).draft([request])[0].short == "not sold"


def test_other_passages_with_the_same_answer_agree() -> None:
    kettle = [(TEXTS[n].index("kettle"), TEXTS[n].index("kettle") + 6) for n in (1, 2)]
    readings = [reading(0, 1), reading(0, 9, *kettle[0]), reading(0, 8, *kettle[1])]
    features = ReaderGenerator(Deaf()).draft([request_with(readings)])[0].features
    assert features["agreement"] == 0.5
    assert features["lead"] == 8  # over "Parcels", not over the other "kettle"


def test_it_abstains_under_the_least_margin_and_where_there_is_nothing_to_read() -> None:
    low = LEAST_RELEVANCE - 0.1
    readings = [reading(low, 1), reading(low, 2), Reading(low, None)]
    assert ReaderGenerator(Deaf(), 2.5).draft([request_with(readings)])[0].abstained
    assert not ReaderGenerator(Deaf(), 2.0).draft([request_with(readings)])[0].abstained
    nothing = [Reading(9.0, None)] * 3
    assert ReaderGenerator(Deaf()).draft([request_with(nothing)])[0].abstained


def test_under_the_least_margin_the_first_passage_is_drafted_for_a_reviewer() -> None:
    at_first = [reading(LEAST_RELEVANCE, 1), reading(-9, 0), Reading(-9.0, None)]
    unsure = ReaderGenerator(Deaf(), 1 + UNSURE_BELOW).draft([request_with(at_first)])[0]
    assert (unsure.model, unsure.features["margin"]) == (UNSURE, -math.inf)
    assert unsure.citations[0].passage_id == "p0"
    further = [reading(-9, -9), reading(LEAST_RELEVANCE, 4), Reading(-9.0, None)]
    for least, readings in ((1.5 + UNSURE_BELOW, at_first), (6.5, further)):
        assert ReaderGenerator(Deaf(), least).draft([request_with(readings)])[0].abstained


def test_a_comparison_that_nothing_makes_is_drafted_for_a_reviewer_where_both_sides_are_known() -> (
    None
):
    text = "Parcels go by road from the depot in Leeds. Letters are heavier in winter."
    spans = (reading(0, 5, text.index("by road"), text.index("by road") + 7),)
    for question, known in (
        ("How do parcels differ from letters in speed?", True),
        ("How do parcels differ from pigeons in speed?", False),
    ):
        request = DraftRequest(question, (passage(0, text),), Deadline(60), spans)
        draft = ReaderGenerator(Deaf()).draft([request])[0]
        assert draft.abstained is not known
        assert not known or (draft.model, draft.features["margin"]) == (UNSURE, -math.inf)


def test_a_second_try_gives_the_best_other_answer_that_fits() -> None:
    readings = [reading(0, 1), reading(0, 9, 4, 10), reading(0, 6)]
    steel = Misfit("", lambda draft: "steel" in draft.text)
    draft = ReaderGenerator(Deaf()).draft([replace(request_with(readings), misfit=steel)])[0]
    assert draft.citations[0].passage_id == "p2"
    assert (draft.features["margin"], draft.features["lead"]) == (6, -3)
    anything = Misfit("", lambda draft: True)
    draft = ReaderGenerator(Deaf()).draft([replace(request_with(readings), misfit=anything)])[0]
    assert draft.citations[0].passage_id == "p2"
    weak = replace(request_with(readings), misfit=anything)
    assert ReaderGenerator(Deaf(), 7.0).draft([weak])[0].abstained
    unfit = replace(request_with(readings), misfit=Misfit("", lambda draft: False))
    assert ReaderGenerator(Deaf()).draft([unfit])[0].abstained


NOTHING: AnswerObject = {"text": "", "short": None, "sentences": [], "citations": []}


class Pointing(Deaf):
    """A reader that finds these spans in the passages, best first, each as sure as it is told."""

    def __init__(self, *spans: Sequence[tuple[str, float]]) -> None:
        super().__init__()
        self.tuning = Tuning(50.0, 0.0, 0.5)  # what it finds makes no draft
        self._spans = spans

    def places(self, question: str, passages: Sequence[Passage], most: int) -> list[list[Reading]]:
        return [
            [
                reading(0, margin, one.text.index(words), one.text.index(words) + len(words))
                for words, margin in found[:most]
            ]
            for one, found in zip(passages, self._spans, strict=True)
        ]


def quoted(reader: Reader, question: str, texts: Sequence[str], seen: AnswerObject) -> list[str]:
    evidence = tuple(passage(number, text) for number, text in enumerate(texts))
    request = DraftRequest(question, evidence, Deadline(60))
    found = ReaderGenerator(reader).quotes(request, seen, 3)
    for draft in found:
        for one in draft.citations:
            text = next(p.text for p in evidence if p.id == one.passage_id)
            assert text[one.start : one.end] == one.quote
    return [" ".join(one.text for one in draft.sentences) for draft in found]


def test_quotes_are_other_places_than_the_draft_and_than_each_other() -> None:
    texts = ["It takes two days. Express takes one. Ask us.", "It takes  TWO days!", "No post."]
    spans = Pointing(
        [("two days", 9), ("one", 3), ("takes two", 8)], [("TWO", 8)], [("No post", -90)]
    )
    assert quoted(spans, QUESTION, texts, NOTHING) == [
        "It takes two days.",
        "Express takes one.",
        "No post.",
    ]
    (draft,) = ReaderGenerator(Deaf()).draft(
        [DraftRequest(QUESTION, (passage(0, texts[0]),), Deadline(60), (reading(0, 1, 9, 17),))]
    )
    assert draft.text == "It takes two days [1]."
    others = ["Express takes one.", "No post."]
    assert quoted(spans, QUESTION, texts, answer_object(draft)) == others
    # What another generator wrote is told by its words and by what it cites.
    written: AnswerObject = {**answer_object(draft), "sentences": []}
    assert quoted(spans, QUESTION, texts, written)[0] == "It takes TWO days!"
    said: AnswerObject = {**answer_object(draft), "citations": []}
    assert quoted(spans, QUESTION, texts, said) == others


def test_another_row_below_the_same_names_is_another_quote() -> None:
    spans = Pointing([("€25", 9), ("€12", 8), ("At the door", 7)])
    names, student, adult = PRICES.split("\n")
    found = quoted(spans, "What does a ticket cost?", [PRICES], NOTHING)
    assert found == [f"{names} {adult}", f"{names} {student}"]


def test_quotes_that_answer_in_the_way_that_was_asked_come_first() -> None:
    texts = ["Rooms are on the first floor. There are 12 of them in all."]
    spans = Pointing([("first floor", 9), ("12", 1)])
    counted = quoted(spans, "How many rooms are there?", texts, NOTHING)
    assert counted[0] == "There are 12 of them in all."
    assert len(counted) == 2
    assert (
        quoted(spans, "Where are the rooms?", texts, NOTHING)[0] == "Rooms are on the first floor."
    )


def test_the_question_itself_over_its_answer_is_not_quoted() -> None:
    texts = ["How many rooms are there?\nThere are 12 of them.", "There are rooms upstairs."]
    spans = Pointing([("How many", 9), ("12", 8)], [("upstairs", 1)])
    found = quoted(spans, "How many  rooms are THERE?", texts, NOTHING)
    assert found == ["There are 12 of them.", "There are rooms upstairs."]


def test_the_reader_points_at_several_places_of_one_passage(reader: Reader) -> None:
    text = " ".join(TEXTS)
    (found,) = reader.places(QUESTION, [passage(0, text)], 3)
    (alone,) = reader.read([(QUESTION, [passage(0, text)])])[0]
    assert found[0] == alone and len(found) == 3
    sentences = [text.count(".", 0, one.span.start) for one in found if one.span]
    assert len(set(sentences)) == 3
    margins = [one.span.margin for one in found if one.span]
    assert margins == sorted(margins, reverse=True)
    (few,) = reader.places(QUESTION, [passage(0, "The warranty is two years.")], 3)
    assert len(few) == 1
    assert reader.places(QUESTION, [passage(0, " ")], 3) == [[]]


def test_reranking_puts_the_most_relevant_first_and_leaves_what_was_not_read() -> None:
    def read(question: str, passages: Sequence[Passage], deadline: Deadline) -> list[Reading]:
        assert question == QUESTION and deadline.remaining() > 0
        return [Reading(float(number), None) for number, _ in enumerate(passages)]

    hits = [Hit(one, 0.5) for one in PASSAGES]
    order = Rerank(read, 2)(QUESTION, hits, Deadline(60))
    assert [hit.passage.id for hit in order] == ["p1", "p0", "p2"]
    assert [hit.reading.relevance for hit in order if hit.reading] == [1.0, 0.0]


def test_a_document_that_is_called_what_is_asked_about_comes_before_its_namesake() -> None:
    def read(question: str, passages: Sequence[Passage], deadline: Deadline) -> list[Reading]:
        return [Reading(5.0, None), Reading(4.0, None)]

    namesake, meant = PASSAGES[:2]
    titles = ["Triple A tickets", "Triple X tickets"]
    hits = [
        Hit(replace(one, title=title), 0.5)
        for one, title in zip((namesake, meant), titles, strict=True)
    ]
    order = Rerank(read, 2)("Who may use triple X tickets?", hits, Deadline(60))
    assert [hit.passage.title for hit in order] == titles[::-1]
    order = Rerank(read, 2)("Who may use tickets?", hits, Deadline(60))
    assert [hit.passage.title for hit in order] == titles


def test_no_more_is_read_where_the_first_passages_answer_for_certain() -> None:
    asked: list[list[str]] = []

    def read(question: str, passages: Sequence[Passage], deadline: Deadline) -> list[Reading]:
        asked.append([one.id for one in passages])
        return [reading(0, {"p0": 9, "p1": 0, "p2": 8}[one.id]) for one in passages]

    hits = [Hit(one, 0.5) for one in PASSAGES]
    certain = ReaderGenerator(Deaf()).certain
    stopping = Rerank(read, 3, 2, certain)
    order = stopping(QUESTION, hits, Deadline(60))
    assert asked == [["p0", "p1"]]
    assert stopping.stopped(order)
    assert [hit.reading is None for hit in order] == [False, False, True]
    # A list may go on elsewhere, and the first passage must hold the answer.
    turned = [hits[1], hits[0], hits[2]]
    for question, first in (("List the things.", hits), (QUESTION, turned)):
        asked.clear()
        order = stopping(question, first, Deadline(60))
        assert len(asked) == 2
        assert not stopping.stopped(order)
    asked.clear()
    assert Rerank(read, 3)(QUESTION, hits, Deadline(60)) and len(asked) == 1


def test_what_is_read_ahead_changes_neither_what_is_certain_nor_the_order() -> None:
    asked: list[int] = []
    margins = {"p0": 0.0, "p1": 0.0, "p2": 8.0}

    def read(question: str, passages: Sequence[Passage], deadline: Deadline) -> list[Reading]:
        asked.append(len(passages))
        return [reading(0, margins[one.id]) for one in passages]

    hits, certain = [Hit(one, 0.5) for one in PASSAGES], ReaderGenerator(Deaf()).certain
    for margin, ahead_asked in ((9.0, [2]), (4.0, [2, 1])):
        margins["p0"] = margin
        plain = Rerank(read, 3, 1, certain)(QUESTION, hits, Deadline(60))
        asked.clear()
        ahead = Rerank(read, 3, 1, certain, ahead=1)(QUESTION, hits, Deadline(60))
        assert (ahead, asked) == (plain, ahead_asked)


@pytest.mark.parametrize(("threads", "ahead"), [(1, 0), (2, 1), (3, 0), (4, 1), (8, 0)])
def test_one_more_is_read_where_a_thread_would_have_nothing_to_do(
    monkeypatch: pytest.MonkeyPatch, threads: int, ahead: int
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", str(threads))
    assert read_ahead(3) == ahead


@pytest.mark.parametrize(
    ("margins", "sure"), [((9, 0), True), ((9, 2), False), ((1, -9), False), ((0, 9), False)]
)
def test_what_is_certain(margins: tuple[float, float], sure: bool) -> None:
    readings = [reading(0, margins[0]), reading(0, margins[1])]
    assert ReaderGenerator(Deaf()).certain(QUESTION, PASSAGES[:2], readings) is sure
    assert not ReaderGenerator(Deaf()).certain(QUESTION, PASSAGES[:1], [Reading(9.0, None)])


def test_a_certain_answer_is_drafted_from_what_was_read_and_a_second_try_reads_all() -> None:
    few = replace(request_with([reading(0, 9)]), evidence=tuple(PASSAGES), certain=True)
    draft = ReaderGenerator(Deaf()).draft([few])[0]
    assert draft.citations[0].passage_id == "p0"
    with pytest.raises(AssertionError):  # nothing is left unread where it is not certain
        ReaderGenerator(Deaf()).draft([replace(few, certain=False)])
    with pytest.raises(AssertionError):
        ReaderGenerator(Deaf()).draft([replace(few, misfit=Misfit("", lambda draft: True))])


def test_what_the_search_found_first_counts_beside_relevance() -> None:
    def read(question: str, passages: Sequence[Passage], deadline: Deadline) -> list[Reading]:
        return [Reading(0.0, None), Reading(1.0, None), Reading(3.0, None)]

    hits = [
        Hit(PASSAGES[0], 0.8, fused=0.033),
        Hit(PASSAGES[1], 0.4, fused=0.032),
        Hit(PASSAGES[2], 0.7, fused=0.031),
    ]
    order = Rerank(read, 3)(QUESTION, hits, Deadline(60))
    assert [hit.passage.id for hit in order] == ["p2", "p0", "p1"]
    hits[1] = replace(hits[1], bm25=90.0)
    order = Rerank(read, 3)(QUESTION, hits, Deadline(60))
    assert [hit.passage.id for hit in order] == ["p1", "p2", "p0"]


def test_each_hit_has_the_scores_of_both_searches() -> None:
    found = search_scores([(3, 0.9), (4, 0.8)], [(3, 7.0), (5, 2.0)])
    assert {position: scores[:2] for position, scores in found.items()} == {
        3: (0.9, 7.0),
        4: (0.8, 0.0),
        5: (None, 2.0),
    }
    assert next(iter(found)) == 3 and found[3][2] == pytest.approx(2 / 61)
    deep = [(position, 1.0) for position in range(FUSION_DEPTH + 1)]
    assert len(search_scores(deep, [])) == FUSION_DEPTH


def test_a_reader_that_loses_a_passage_is_an_error() -> None:
    with pytest.raises(ValueError, match="zip"):
        Rerank(lambda *_: [], 2)(QUESTION, [Hit(PASSAGES[0], None)], Deadline(60))


def test_two_questions_at_once_are_read_each_by_itself(reader: Reader) -> None:
    question = "How long is the warranty of the kettle, and when are parcels delivered?"
    found = DraftRequest(question, tuple(PASSAGES), Deadline(60))
    quotes = [one.quote for one in ReaderGenerator(reader).draft([found])[0].citations]
    assert quotes == [TEXTS[1], TEXTS[0]]


@pytest.mark.parametrize(("question", "first"), [("default of size_max", "p1"), ("default", "p0")])
def test_an_answer_under_the_name_of_another_setting_counts_less(question: str, first: str) -> None:
    both = [
        replace(one, headings=(name,))
        for one, name in zip(PASSAGES, ("old_size_max (number)", "size_max (number)"), strict=False)
    ]
    readings = (reading(0, 6), reading(0, 4))
    draft = ReaderGenerator(Deaf()).draft(
        [DraftRequest(question, tuple(both), Deadline(60), readings)]
    )
    assert draft[0].citations[0].passage_id == first


class Second(Deaf):
    """A reader that is asked the second question once, and finds the words in the first passage."""

    def __init__(self, words: str = "") -> None:
        super().__init__()
        self._words, self.asked = words, list[str]()

    def read(self, requests: Sequence[tuple[str, Sequence[Passage]]]) -> list[list[Reading]]:
        for question, (first, *rest) in requests:
            self.asked.append(question)
            start = first.text.index(self._words)
            found = reading(0, 4, start, start + len(self._words))
            return [[found, *(Reading(-9.0, None) for _ in rest)]]
        return []


def drafted(reader: Reader, question: str, text: str, *readings: Reading) -> tuple[str, list[str]]:
    """The model of the draft and its sentences."""
    request = DraftRequest(question, (passage(0, text),), Deadline(60), readings)
    draft = ReaderGenerator(reader).draft([request])[0]
    return draft.model, [one.text for one in draft.sentences]


@pytest.mark.parametrize(
    ("question", "second", "said"),
    [
        ("May we use the hall, and how much?", "£40", ["You may use the hall.", "A day is £40."]),
        # Neither says how long.
        ("May we use the hall, and how long?", "by the sea", ["You may use the hall."]),
    ],
)
def test_what_is_asked_besides_is_added_where_something_says_it(
    question: str, second: str, said: list[str]
) -> None:
    text = "You may use the hall. It stands by the sea.\n\nA day is £40."
    reader, first = Second(second), reading(0, 9, text.index("use"), text.index("use") + 12)
    model, found = drafted(reader, question, text, first)
    assert (len(reader.asked), found) == (1, said)
    assert (model == "reader:joined") is (len(said) > 1)


def test_what_a_draft_says_already_is_not_read_again() -> None:
    text = "You may use the hall for £40."
    assert drafted(Deaf(), "May we use the hall, and how much?", text, reading(0, 9, 4, 20)) == (
        "reader",
        [text],
    )


SEASONS = (
    "Season | Garden\nMarch to May | 9 to 17\nJune to August | 9 to 20\n\n"
    "The garden is shut on 24 December. Dogs may come in, except in July."
)


@pytest.mark.parametrize(
    ("question", "margin", "told"),
    [
        ("closing time in july", 2, True),
        ("closing time in july", 6, False),  # sure enough of another place
        ("closing time in december", 2, False),  # no row is told
        ("may my dog come in july", 2, False),  # words say yes or no
    ],
)
def test_a_row_told_by_its_values_stands_for_an_unsure_draft(
    question: str, margin: float, told: bool
) -> None:
    start = SEASONS.index("shut") if "dog" not in question else SEASONS.index("Dogs")
    model, said = drafted(Deaf(), question, SEASONS, reading(0, margin, start, start + 4))
    assert (said[-1] == "June to August | 9 to 20", model == UNSURE) == (told, told)


def test_a_draft_from_the_row_that_is_told_stays() -> None:
    start = SEASONS.index("9 to 20")
    model, said = drafted(Deaf(), "closing time in july", SEASONS, reading(0, 2, start, start + 7))
    assert (model, said[-1]) == ("reader", "June to August | 9 to 20")
