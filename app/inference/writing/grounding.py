"""From a model's words to a draft: every statement tied to a verbatim span of the evidence.

Pure text work, shared by all generators. Offsets are character offsets in ``Passage.text``,
end exclusive.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from guardrails.contract import Citation, Draft, Passage, Sentence, sentence_bounds
from guardrails.words import STOP_WORDS, WORD, content_words, covered, dice

NO_ANSWER = "NO_ANSWER"
"""What a model is told to write when its evidence does not answer."""

MAX_TEXT = 4_000
"""Characters of a model's text that are read; what follows is dropped, cut sentence included."""

MAX_QUOTE = 400
"""Characters of the longest span quoted whole; longer ones are cut at clause boundaries."""

OWN_CITATION_THRESHOLD = 0.75
"""Share of a statement's content words that one evidence sentence must hold before we attach it
to a statement the model left uncited. Three in four lets a copied sentence change a connective
or a verb; a sentence that adds a claim of its own falls below. Every number of the statement
must be there besides, and both must negate or neither: one digit or one "not" is another claim."""

_MIN_OWN_WORDS = 3

_NUMBERS = r"\d{1,3}(?:\s*[,;\u2013-]\s*\^?\d{1,3})*"
_MARKER = (
    rf"[ \t]*[\[【]\s*(?:passage|source|evidence|document|doc)?\s*\^?({_NUMBERS})(?:†\w*)?\s*[\]】]"
)
_MARKERS = re.compile(_MARKER, re.IGNORECASE)
_MARKERS_AFTER_END = re.compile(
    rf"([.!?][\"')\]\u2019\u201d]*)((?:{_MARKER.replace('(' + _NUMBERS + ')', _NUMBERS)})+)",
    re.IGNORECASE,
)
_THINKING = re.compile(r"<think>.*?(?:</think>|\Z)|\A.*?</think>", re.DOTALL)
_BULLET = re.compile(r"(?:[-*•‣◦\u2013]|\d{1,2}[.)]|\(?[a-z]\)|#{1,6}|>)[ \t]+(?=\S)")
_BULLET_LINE = re.compile(rf"^[ \t]*{_BULLET.pattern}", re.MULTILINE)
_ABSTAINS = re.compile(rf"^(?:[^\w\n]|_)*{NO_ANSWER}(?![^\W_])", re.MULTILINE)
_SOURCES = r"(?:evidence|passages?|context|documents?|sources?|texts?|information)"
_NEGATED = r"(?:do|does|did|is|are|was|were|can|could)(?: not|n't)"
_REFUSALS = re.compile(
    r"\b(?:i|we) (?:cannot|can not|can't|could not|couldn't|am unable to|are unable to) "
    r"(?:answer|determine|find|say|tell|provide)"
    r"|\b(?:i|we) (?:do not|don't) (?:know|have (?:enough|any|the|sufficient))"
    r"|\b(?:question|it|this) (?:cannot|can't|can not|could not) be (?:answered|determined)"
    rf"|\b{_SOURCES} (?:\w+ ){{0,2}}?{_NEGATED} (?:\w+ ){{0,2}}?"
    r"(?:answer|contain|say|mention|provide|provided|state|specify|include|address|available|given)"
    rf"|\b(?:no|not enough|insufficient|not sufficient) (?:\w+ )?{_SOURCES}\b"
    r"|\A\W*(?:unanswerable|unknown|no answer|not answerable|n/a)\W*\Z",
    re.IGNORECASE,
)
_INVISIBLE_LETTERS = frozenset("\u115f\u1160\u2800\u3164\uffa0")
_CLAUSE_END = re.compile(r"[;:]\s+|,\s+|\n\s*|(?<!\s)\s+[\u2013\u2014]\s+")
_ROW_END = re.compile(r"\n(?=[^\n]*[|\t])|(?<=\|)[ \t]*\n")
OUR_MARKER_SHAPE = re.compile(r"[ \t]*\[\d{1,3}\]")

Offsets = tuple[int, int]


def draft_from_text(
    text: str,
    question: str,
    evidence: Sequence[Passage],
    model: str,
    features: Mapping[str, float],
    truncated: bool = False,
) -> Draft:
    """A model's text with ``[n]`` markers (n = place in ``evidence``, from 1) as a draft.

    ``truncated`` says the model was stopped mid-way: its last sentence is dropped unless it is
    the only one. Markers to passages that do not exist are dropped; a sentence may so end up
    without a citation, which the citations check judges. Text that abstains, or that only says
    it cannot answer, gives a draft with no sentences.
    """
    text = visible(_THINKING.sub("", text))
    truncated = truncated or len(text) > MAX_TEXT
    statements = _statements(text[:MAX_TEXT])
    if truncated and len(statements) > 1:
        statements.pop()
    if _ABSTAINS.search(text) or all(_is_refusal(words, cited) for words, cited in statements):
        return Draft((), (), model, features=dict(features))
    book = CitationBook()
    sentences = []
    for words, numbers in statements:
        cited = [evidence[n - 1] for n in dict.fromkeys(numbers) if 1 <= n <= len(evidence)]
        spans = [(p, best_span(words, question, p.text)) for p in cited]
        if not spans:
            spans = _own_citation(words, question, evidence)
        sentences.append(Sentence(words, book.numbers(spans)))
    return Draft(tuple(sentences), tuple(book.citations), model, features=dict(features))


def visible(text: str) -> str:
    """``text`` without control, format, private-use, surrogate and other unseen characters.

    Tabs and line feeds stay; carriage returns and other line separators become line feeds.
    """
    if text.isascii() and text.isprintable():  # so is nearly every question and title
        return text
    text = re.sub("\r\n?|[\u0085\u2028\u2029]", "\n", text)
    return "".join(char for char in text if _is_seen(char))


def _is_seen(char: str) -> bool:
    if char in "\n\t":
        return True
    if char in _INVISIBLE_LETTERS or "\ufe00" <= char <= "\ufe0f" or char >= "\U000e0000":
        return False
    return unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Co", "Cn"}


def best_span(statement: str, question: str, text: str) -> Offsets:
    """The quotable span of ``text`` that shares most content words with ``statement``.

    Ties go to the span nearer the question and statement taken together (a bare "Yes." shares
    nothing with any), then to the first. An empty text gives (0, 0).
    """
    said, asked = content_words(statement), content_words(question)

    def rank(span: Offsets) -> tuple[float, float]:
        words = content_words(text[slice(*span)])
        return covered(said, words), dice(said | asked, words)

    return max(quotable_bounds(text), key=rank, default=(0, 0))


def quotable_bounds(text: str) -> list[Offsets]:
    """(start, end) of each span worth quoting: sentences, list items, table rows, clauses.

    None is longer than ``MAX_QUOTE``, none starts with a bullet or is blank.
    """
    spans = []
    for start, end in sentence_bounds(text):
        for row in _split(text, start, end, _ROW_END):
            for part in _parts(text, *row):
                spans.extend(_clauses(text, *part))
    return [span for span in spans if WORD.search(text, *span)]


def _statements(text: str) -> list[tuple[str, list[int]]]:
    """(sentence without markers, numbers it carries) in order; wordless pieces fall away."""
    text = _MARKERS_AFTER_END.sub(r" \2\1", text.replace("**", ""))
    text = _BULLET_LINE.sub("\n", text)
    found: list[tuple[str, list[int]]] = []
    for start, end in sentence_bounds(text):
        piece = text[start:end]
        numbers = [n for match in _MARKERS.finditer(piece) for n in _expand(match.group(1))]
        words = one_line(_MARKERS.sub("", piece))
        if WORD.search(words):
            found.append((words, numbers))
        elif found:
            found[-1][1].extend(numbers)
    return found


def _expand(numbers: str) -> Iterator[int]:
    """``1, 3-5`` as 1, 3, 4, 5."""
    for part in re.split(r"\s*[,;]\s*", numbers):
        ends = [int(number) for number in re.findall(r"\d+", part)]
        yield from range(ends[0], ends[-1] + 1)


def _is_refusal(words: str, cited: Sequence[int]) -> bool:
    """Uncited words that only say there is no answer.

    "The information is not provided to others [1]." is a statement, because it cites.
    """
    return not cited and bool(_REFUSALS.search(words.replace("\u2019", "'")))


def one_line(text: str) -> str:
    """The visible characters of ``text``, white space as single spaces."""
    return " ".join(visible(text).split())


def _own_citation(
    words: str, question: str, evidence: Sequence[Passage]
) -> list[tuple[Passage, Offsets]]:
    """The evidence sentence that plainly holds an uncited statement, or nothing."""
    said = content_words(words)
    if len(said) < _MIN_OWN_WORDS:
        return []
    best: list[tuple[Passage, Offsets]] = []
    best_share = 0.0
    for passage in evidence:
        span = best_span(words, question, passage.text)
        held = content_words(passage.text[slice(*span)])
        if (share := covered(said, held)) > best_share and _agrees(said, held):
            best, best_share = [(passage, span)], share
    return best if best_share >= OWN_CITATION_THRESHOLD else []


def _agrees(said: frozenset[str], held: frozenset[str]) -> bool:
    """True when every number said is held and both negate or neither does."""
    numbers = {word for word in said if word[0].isdigit()}
    return numbers <= held and ("not" in said) == ("not" in held)


class CitationBook:
    """Numbers citations from 1 in order of appearance; one span of one passage, one number."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, Offsets], int] = {}
        self.citations: list[Citation] = []

    def numbers(self, spans: Sequence[tuple[Passage, Offsets]]) -> tuple[int, ...]:
        """The citation numbers of ``spans``, each once; blank spans have none."""
        found = [self._number(p, s) for p, s in spans if p.text[slice(*s)].strip()]
        return tuple(dict.fromkeys(found))

    def _number(self, passage: Passage, span: Offsets) -> int:
        key = (passage.id, span)
        if key not in self._numbers:
            self._numbers[key] = len(self._numbers) + 1
            self.citations.append(_citation(self._numbers[key], passage, span))
        return self._numbers[key]


def _citation(number: int, passage: Passage, span: Offsets) -> Citation:
    return Citation(
        number=number,
        passage_id=passage.id,
        document_id=passage.document_id,
        title=passage.title,
        page=passage.page,
        quote=passage.text[slice(*span)],
        start=span[0],
        end=span[1],
        last_page=_last_page(passage, span),
    )


def _last_page(passage: Passage, span: Offsets) -> int | None:
    """Where the quote ends, if not where the passage begins: only its last sentence goes over."""
    reaches = span[1] >= len(passage.text.rstrip())
    return passage.last_page if reaches and passage.last_page != passage.page else None


def _parts(text: str, start: int, end: int) -> list[Offsets]:
    """``start:end`` without bullet or table rules, and a heading apart from what it heads."""
    if bullet := _BULLET.match(text, start, end):
        start = bullet.end()
    while start < end and text[start] in "| \t":
        start += 1
    while start < end and text[end - 1] in "| \t":
        end -= 1
    line_end = text.find("\n", start, end)
    if line_end == -1 or not _is_heading(text[start:line_end], text[line_end:end].strip()):
        return [(start, end)]
    return _split(text, start, end, re.compile(r"\n"), once=True)


def _is_heading(line: str, rest: str) -> bool:
    """A short unpunctuated line above a much longer one that starts afresh.

    A paragraph wrapped at a fixed width has lines of like length, so it is not taken for one.
    """
    line = line.strip()
    following = rest.split("\n", 1)[0]
    return (
        0 < len(line) <= 60
        and len(line) * 2 < len(following)
        and line[-1] not in ".,;:!?-"
        and following[0].isupper()
        and line.split()[-1].lower() not in STOP_WORDS
    )


def _clauses(text: str, start: int, end: int) -> list[Offsets]:
    """``start:end`` whole when short enough, else packed clause by clause up to ``MAX_QUOTE``."""
    spans: list[Offsets] = []
    for left, right in _split(text, start, end, _CLAUSE_END) if end - start > MAX_QUOTE else ():
        if spans and right - spans[-1][0] <= MAX_QUOTE:
            spans[-1] = (spans[-1][0], right)
        else:
            spans.extend(_blocks(text, left, right))
    return spans or [(start, end)]


def _blocks(text: str, start: int, end: int) -> list[Offsets]:
    """A clause in pieces of at most ``MAX_QUOTE`` characters, cut at white space if there is."""
    spans = []
    while end - start > MAX_QUOTE:
        space = max(text.rfind(white, start + 1, start + MAX_QUOTE) for white in " \n\t")
        cut = space if space != -1 else start + MAX_QUOTE
        spans.append((start, start + len(text[start:cut].rstrip())))
        start = cut + (len(text[cut:end]) - len(text[cut:end].lstrip()))
    return [*spans, (start, end)] if start < end else spans


def _split(
    text: str, start: int, end: int, at: re.Pattern[str], once: bool = False
) -> list[Offsets]:
    """``start:end`` cut after each match of ``at``, pieces stripped, blank ones left out."""
    cuts = [match.end() for match in at.finditer(text, start, end)]
    edges = [start, *(cuts[:1] if once else cuts), end]
    spans = []
    for left, right in pairwise(edges):
        piece = text[left:right]
        if stripped := piece.strip():
            first = left + len(piece) - len(piece.lstrip())
            spans.append((first, first + len(stripped)))
    return spans
