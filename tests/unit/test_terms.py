"""Named terms, numbers and units of a claim against its evidence, with the place of each."""

import pytest

from guardrails.checks.figures import read_figures
from guardrails.checks.terms import TermsCheck, unmatched, unmatched_terms
from guardrails.contract import Case, Citation, Draft, Finding, Outcome, Passage, Sentence

CHECK = TermsCheck()


def lacking(claim: str, source: str) -> list[str]:
    return [piece.text for piece in unmatched(claim, [source])]


@pytest.mark.parametrize(
    ("claim", "source"),
    [
        ("It was written by Ada Lovelace.", "Ada Lovelace wrote it."),
        ("It was written by Lovelace's friend.", "Lovelace had a friend."),
        ("Teams must report to the NHS.", "Report to the National Health Service."),
        ("She was born in Germany.", "A German poet."),
        ("She was born in Zürich.", "ZURICH, her birthplace."),
        ("Payment is due within 30 days.", "Pay in thirty days."),
        ("Sales rose in Q4.", "In the fourth quarter sales rose."),
        ("It was the 4th season.", "The fourth season."),
        ("It is 5 km away.", "Five kilometres."),
        ("It needs 8 GB of memory.", "Memory: 8 gigabytes."),
        ("It is 1 - 2 % of people.", "1 - 2 % of people"),
        ('It is called a "night owl" here.', "A  Night Owl sleeps late."),
        ("It opens in May.", "It opens on 3 May."),
        ("However, nothing else changes.", "Nothing changes."),
        ("no capitals here", "None there."),
    ],
)
def test_what_the_source_holds_in_another_form_is_matched(claim: str, source: str) -> None:
    assert lacking(claim, source) == []


@pytest.mark.parametrize(
    ("claim", "source", "missing"),
    [
        ("It was written by Ada Byron.", "Ada Lovelace wrote it.", ["Byron"]),
        ("Grace Hopper wrote it.", "Ada Lovelace wrote it.", ["Grace", "Hopper"]),
        ("BBC reporters said so.", "Reporters said so.", ["BBC"]),
        ("Report to the FBI.", "Report to the National Health Service.", ["FBI"]),
        ("On Friday it rained.", "It rained on Thursday.", ["Friday"]),
        ("It is 5 km away.", "It is 5 miles away.", ["5 km"]),
        ("It needs 8 GB.", "It needs 8 MB.", ["8 GB"]),
        ("It cost £350 in 2019.", "It cost £350 in 2018.", ["2019"]),
        ('He called it "a disgrace".', "He called it an outrage.", ["a disgrace"]),
        ("The phone, an iPhone, rang.", "The phone rang.", ["iPhone"]),
    ],
)
def test_what_the_source_lacks_is_found_where_it_stands(
    claim: str, source: str, missing: list[str]
) -> None:
    pieces = unmatched(claim, [source])
    assert [piece.text for piece in pieces] == missing
    assert [claim[piece.start : piece.end] for piece in pieces] == missing


def test_a_number_in_words_marks_the_whole_claim() -> None:
    claim = "It takes thirty days."
    (piece,) = unmatched(claim, ["It takes 20 days."])
    assert (piece.start, piece.end, piece.kind) == (0, len(claim), "number")


def test_the_words_of_several_sources_count_together() -> None:
    assert unmatched_terms("So said Ada Lovelace.", ["Lovelace spoke.", "Ada it was."]) == []


def judged(said: str, source: str, title: str = "") -> list[Finding]:
    passage = Passage("p1", "d1", "main", title, source, 0, len(source))
    citation = Citation(1, "p1", "d1", title, None, source, 0, len(source))
    draft = Draft((Sentence(said, (1,)),), (citation,), "fake")
    return CHECK.run(Case("Who?", draft, (passage,)))


def test_the_check_names_each_term_and_the_title_counts_as_source() -> None:
    (found,) = judged("So says Ada Byron.", "Ada said so.")
    assert found.outcome is Outcome.FAIL
    assert "Byron" in found.message and found.excerpt == "So says Ada Byron."
    (found,) = judged("So says Ada Byron.", "Ada said so.", "Life of Lord Byron")
    assert found.outcome is Outcome.PASS


def test_without_a_draft_the_check_fails() -> None:
    assert CHECK.run(Case("Who?"))[0].outcome is Outcome.FAIL


def test_a_source_is_read_once_however_many_sentences_cite_it() -> None:
    """An edited answer may have two hundred sentences over eight long passages."""
    sources = [f"The fee of branch {place} is £{place + 20}." for place in range(8)]
    before = read_figures.cache_info().misses
    for number in range(200):
        assert unmatched(f"It costs £{number + 1000}.", sources)
    assert read_figures.cache_info().misses - before == len(sources) + 200
