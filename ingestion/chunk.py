"""Cuts a document's text into passages with exact offsets.

None goes over the end of a page, but for a sentence that does: it stays whole. None holds text of
two sections, so that its headings are those of all that it says.

What is new of a page is tokenised once; everything else is arithmetic on offsets, so the time is
linear in the length of the document.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, pairwise

from tokenizers import Tokenizer

from guardrails.contract import sentence_bounds
from ingestion.formats.document import Extracted

Offsets = tuple[int, int]


@dataclass(frozen=True)
class Cut:
    """A passage to be: ``text`` is the document's text from ``start`` to ``end``, exactly.

    ``page`` is where it starts and ``last_page`` where it ends, None without pages. ``headings``
    is the path of headings that it stands under, from the outermost; ``doubt`` says why people
    may not see some of it, empty when they do.
    """

    text: str
    start: int
    end: int
    page: int | None
    last_page: int | None = None
    headings: tuple[str, ...] = ()
    doubt: str = ""


def cut_passages(
    extracted: Extracted,
    tokenizer: Tokenizer,
    max_tokens: int = 254,
    target_tokens: int = 160,
    overlap_tokens: int = 40,
) -> list[Cut]:
    """Passages of at most ``max_tokens`` tokens (special tokens not counted), in order.

    Short paragraphs of a section are merged up to ``target_tokens``; a longer one is split at
    sentences, and each part repeats the last sentence before it if that has at most
    ``overlap_tokens``. Every visible character is in at least one passage. The tokenizer must not
    truncate, and must not join words across white space (WordPiece does not).
    """
    text, places = extracted.text, _Places(extracted)
    cuts = []
    for start, end in _regions(extracted):
        known = places.headings_in(start, end)
        cutter = _Cutter(
            text[start:end], known, tokenizer, max_tokens, target_tokens, overlap_tokens
        )
        for left, right in cutter.passages():
            cuts.append(places.cut(left + start, right + start))
    return cuts


LEAST_ASKED, LONGEST_QUESTION = 3, 200
"""Paragraphs of a text that begin with a question, from which on they are entries of a list if they
are a quarter of it: a story has some too; and characters of such a line."""
NEAR_PAGE_END = 4000
"""Characters on either side of a page end in which its sentence is looked for."""


def _regions(extracted: Extracted) -> list[Offsets]:
    """The runs of text that passages stay in: pages, each with the end of its last sentence."""
    text, pages = extracted.text, [page for page in extracted.pages if page.end > page.start]
    if not pages:
        return [(0, len(text))]
    regions, start = [], pages[0].start
    for page, after in pairwise(pages):
        end = max(page.end, start)
        if "\n\n" not in text[page.end : after.start]:
            end = max(_sentence_end(text, page.end, after.start), start)
        regions.append((start, end))
        start = max(end, after.start)
    return [*regions, (start, max(pages[-1].end, start))]


def _sentence_end(text: str, page_end: int, next_start: int) -> int:
    """Where the sentence ends that goes on after ``page_end``."""
    left = text.rfind("\n\n", max(0, page_end - NEAR_PAGE_END), page_end)
    left = max(left, page_end - NEAR_PAGE_END, 0)
    right = text.find("\n\n", next_start, next_start + NEAR_PAGE_END)
    right = right if right >= 0 else min(len(text), next_start + NEAR_PAGE_END)
    for start, end in sentence_bounds(text[left:right]):
        if start + left < page_end and end + left > next_start:
            return end + left
    return page_end


class _Places:
    """What a passage is told about where it stands: pages, headings, doubts."""

    def __init__(self, extracted: Extracted) -> None:
        self._text, self._doubts = extracted.text, extracted.doubts
        self._headings = extracted.headings
        self._pages = [page for page in extracted.pages if page.end > page.start]
        self._page_starts = [page.start for page in self._pages]
        self._starts: list[int] = []
        self._paths: list[tuple[str, ...]] = []
        path: list[tuple[int, str]] = []
        for heading in extracted.headings:
            path = [one for one in path if one[0] < heading.level]
            path.append((heading.level, heading.text))
            self._starts.append(heading.start)
            self._paths.append(tuple(text for _, text in path if text))

    def headings_in(self, start: int, end: int) -> dict[int, str]:
        """The texts of the headings from ``start`` to ``end``, by their offsets from ``start``."""
        first, last = bisect_left(self._starts, start), bisect_left(self._starts, end)
        return {one.start - start: one.text for one in self._headings[first:last]}

    def cut(self, start: int, end: int) -> Cut:
        """The passage from ``start`` to ``end``."""
        at = self._lowest(bisect_right(self._starts, start) - 1, end)
        headings = self._paths[at] if at >= 0 else ()
        doubt = next((d.reason for d in self._doubts if d.start < end and start < d.end), "")
        pages = self._page(start), self._page(end - 1)
        return Cut(self._text[start:end], start, end, *pages, headings, doubt)

    def _lowest(self, at: int, end: int) -> int:
        """The last of the headings that stand directly below each other from ``at`` on."""
        while 0 <= at < len(self._starts) - 1 and self._starts[at + 1] < end:
            between = self._text[self._starts[at] : self._starts[at + 1]]
            if not _is_alone(between, self._headings[at].text):
                break
            at += 1
        return at

    def _page(self, offset: int) -> int | None:
        at = bisect_right(self._page_starts, offset) - 1
        return self._pages[max(at, 0)].number if self._pages else None


# WordPiece makes one unknown token of a very long word; such a word must not smuggle a whole
# page into one passage, so it counts a token for each character.
LONGEST_WORD = 64


PRINT = re.compile(r"[^ \t\n\r]+")
"""What stands between white space, of which every tokenizer knows these kinds."""
MOST_KNOWN, LONGEST_KNOWN = 20_000, 40
Word = tuple[int, int, int]
"""Start, end, and the number of tokens."""


class _Known:
    """The words of each print that was seen before: most of a text was, in it or in another.

    Words never join across white space, so that a print always has the same.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._known: dict[str, list[Word]] = {}

    def words(self, text: str) -> list[tuple[int, list[Word]]]:
        """The words of each print of a text, and where in the text it begins."""
        prints = [(found[0], found.start()) for found in PRINT.finditer(text)]
        known = self._known
        new = {one for one, _ in prints if one not in known}
        own = self._learn([*new]) if new else {}
        return [(at, own[one] if one in own else known[one]) for one, at in prints]

    def _learn(self, prints: Sequence[str]) -> dict[str, list[Word]]:
        """The words of each, which are kept where they are short."""
        text = " ".join(prints)
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        starts = [0, *accumulate(len(one) + 1 for one in prints)]
        found: dict[str, list[Word]] = {one: [] for one in prints}
        for start, end, count in _words(encoding.word_ids, encoding.offsets):
            at = bisect_right(starts, start) - 1
            found[prints[at]].append((start - starts[at], end - starts[at], count))
        if len(self._known) > MOST_KNOWN:
            self._known = {}
        self._known.update({one: found[one] for one in prints if len(one) <= LONGEST_KNOWN})
        return found


_known_to = lru_cache(maxsize=4)(_Known)


class _Words:
    """Where the words of a text start, and how many tokens lie between any two points."""

    def __init__(self, text: str, tokenizer: Tokenizer, max_tokens: int) -> None:
        self.starts: list[int] = []
        counts: list[int] = []
        for at, words in _known_to(tokenizer).words(text):
            for start, end, count in words:
                if end - start > LONGEST_WORD or count > max_tokens:
                    self.starts.extend(range(at + start, at + end))
                    counts.extend([1] * (end - start))
                else:
                    self.starts.append(at + start)
                    counts.append(count)
        self._before = [0, *accumulate(counts)]

    def count(self, span: Offsets) -> int:
        """Tokens of a span that begins and ends at word boundaries."""
        first, last = bisect_left(self.starts, span[0]), bisect_left(self.starts, span[1])
        return self._before[last] - self._before[first]

    def reach(self, start: int, end: int, tokens: int) -> int:
        """The furthest word boundary in (start, end] with at most ``tokens`` tokens before it."""
        first = bisect_left(self.starts, start)
        last = bisect_left(self._before, self._before[first] + tokens + 1) - 1
        last = max(last, first + 1)
        return min(end, self.starts[last]) if last < len(self.starts) else end


def _words(ids: list[int | None], offsets: list[Offsets]) -> Iterator[Word]:
    """The words of an encoding."""
    current, start, end, count = None, 0, 0, 0
    for word, (left, right) in zip(ids, offsets, strict=True):
        if count and word == current:
            end, count = max(end, right), count + 1
            continue
        if count:
            yield start, end, count
        current, start, end, count = word, left, right, 1
    if count:
        yield start, end, count


class _Cutter:
    """Cuts one region. Spans are offsets in the region, without surrounding white space."""

    def __init__(
        self,
        text: str,
        headings: Mapping[int, str],
        tokenizer: Tokenizer,
        max_tokens: int,
        target: int,
        overlap: int,
    ) -> None:
        """``headings`` are those that the document's reader found, by their offsets."""
        self.text, self.headings = text, headings
        self.words = _Words(text, tokenizer, max_tokens)
        self.max_tokens = max_tokens
        self.target = min(target, max_tokens)
        self.overlap = overlap
        self._sections: set[int] = set()

    def passages(self) -> list[Offsets]:
        """The spans of the passages, in order."""
        parts = (part for block in self._blocks() for part in self._parts(block))
        return _merge(_merge(parts, self._belongs), self._is_remnant)

    def _belongs(self, before: Offsets, part: Offsets) -> bool:
        """Whether a part joins the one before it: up to the target, but not another section."""
        if part[0] in self._sections or self.words.count((before[0], part[1])) > self.target:
            return False
        starts_section = _is_heading(self.text[slice(*part)].split("\n", 1)[0])
        return not starts_section or self.words.count(before) < self.target // 2

    def _is_remnant(self, before: Offsets, part: Offsets) -> bool:
        """Whether a passage is too small to stand alone and fits into the one before it."""
        small = self.words.count(part) < self.target // 6 and part[0] not in self._sections
        return small and self.words.count((before[0], part[1])) <= self.max_tokens

    def _blocks(self) -> Iterator[Offsets]:
        """Paragraphs, each with the headings that stand directly before it; those with headings
        that are known are sections, and so are questions with their answers."""
        paragraphs = list(_paragraphs(self.text))
        asked = paragraphs if "?" in self.text else []
        asking = [span for span in asked if _asks(self.text[slice(*span)])]
        listed = asking if len(asking) >= max(LEAST_ASKED, len(paragraphs) / 4) else []
        known_starts = {*self.headings, *(start for start, _ in listed)}
        pending: list[Offsets] = []
        for left, right in paragraphs:
            if left in self.headings and self._ends_section(pending):
                yield self._block(pending, known_starts)
                pending = []
            pending.append((left, right))
            if not self._only_leads(left, right, known_starts):
                yield self._block(pending, known_starts)
                pending = []
        if pending:
            yield pending[0][0], pending[-1][1]

    def _block(self, paragraphs: Sequence[Offsets], known: Set[int]) -> Offsets:
        start = paragraphs[0][0]
        if any(left in known for left, _ in paragraphs):
            self._sections.add(start)
        return start, paragraphs[-1][1]

    def _ends_section(self, pending: Sequence[Offsets]) -> bool:
        """Whether what seems to lead to a known heading, and is none, ends the section before it:
        a link, or a short line of facts."""
        if not pending or pending[-1][0] in self.headings:
            return False
        return len(pending) > 1 or pending[0][0] > 0

    def _only_leads(self, left: int, right: int, known: Set[int]) -> bool:
        """Whether a paragraph is a heading, or a question above its answer."""
        paragraph = self.text[left:right]
        if _is_heading(paragraph) or _is_alone(paragraph, self.headings.get(left, "")):
            return True
        return left in known and "\n" not in paragraph and _asks(paragraph)

    def _parts(self, block: Offsets) -> Iterator[Offsets]:
        """The block itself if it fits, else runs of its sentences, with a small overlap."""
        if self.words.count(block) <= self.max_tokens:
            yield block
            return
        current: Offsets | None = None
        last: Offsets | None = None
        for sentence in self._sentences(block):
            if current is None:
                current = sentence
            elif self.words.count((current[0], sentence[1])) <= self.target:
                current = (current[0], sentence[1])
            else:
                yield current
                current = (self._overlap_start(last, current, sentence), sentence[1])
            last = sentence
        if current is not None:
            yield current

    def _overlap_start(self, last: Offsets | None, current: Offsets, sentence: Offsets) -> int:
        """Where the next part starts: at the sentence before it, if that is short enough."""
        if last is None or last == current or self.words.count(last) > self.overlap:
            return sentence[0]
        fits = self.words.count((last[0], sentence[1])) <= self.max_tokens
        return last[0] if fits else sentence[0]

    def _sentences(self, block: Offsets) -> Iterator[Offsets]:
        """Sentences, headings joined to what follows, none longer than ``max_tokens``."""
        held: int | None = None
        start = end = 0
        for left, right in sentence_bounds(self.text[slice(*block)]):
            start, end = block[0] + left, block[0] + right
            start = start if held is None else held
            held = start if _is_heading(self.text[block[0] + left : end]) else None
            if held is None:
                yield from self._hard_split(start, end)
        if held is not None:
            yield from self._hard_split(held, end)

    def _hard_split(self, start: int, end: int) -> Iterator[Offsets]:
        while self.words.count((start, end)) > self.max_tokens:
            limit = self.words.reach(start, end, self.max_tokens)
            cut = self._nice_break(start, limit)
            yield start, start + len(self.text[start:cut].rstrip())
            start = cut
        if self.text[start:end].strip():
            yield start, end

    def _nice_break(self, start: int, limit: int) -> int:
        """The last line end in the second half of the window, else the last space, else its end."""
        window = self.text[start:limit]
        for pattern in (r"\n\s*", r"\s+"):
            ends = [match.end() for match in re.finditer(pattern, window)]
            if ends and ends[-1] > len(window) // 2:
                return start + ends[-1]
        return limit


def _merge(spans: Iterable[Offsets], joins: Callable[[Offsets, Offsets], bool]) -> list[Offsets]:
    merged: list[Offsets] = []
    for span in spans:
        if merged and joins(merged[-1], span):
            merged[-1] = (merged[-1][0], span[1])
        else:
            merged.append(span)
    return merged


def _paragraphs(text: str) -> Iterator[Offsets]:
    edges = [(0, 0), *(m.span() for m in re.finditer(r"\n\s*\n", text)), (len(text), len(text))]
    for (_, left), (right, _) in pairwise(edges):
        piece = text[left:right]
        if piece.strip():
            start = left + len(piece) - len(piece.lstrip())
            yield start, start + len(piece.strip())


def _is_alone(text: str, heading: str) -> bool:
    """Whether ``text`` is this heading, of which the first characters are known, and no more."""
    if not heading or "\n" in text.strip():
        return False
    return " ".join(text.split()).startswith(heading)


def _asks(paragraph: str) -> bool:
    """Whether a paragraph begins with a line that is a question."""
    first = paragraph.split("\n", 1)[0].rstrip()
    return first.endswith("?") and len(first) <= LONGEST_QUESTION


def _is_heading(text: str) -> bool:
    """A short line of its own that does not end like a sentence and is no list item or row."""
    return (
        0 < len(text) <= 120
        and "\n" not in text
        and text[-1] not in ".!?,;|"
        and len(text.split()) <= 14
        and " | " not in text
        and not re.match(r"(?:[-*•]|\d+\))\s", text)
        and any(c.isalpha() for c in text)
    )
