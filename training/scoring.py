"""Is an answer right? SQuAD's exact match and F1 against reference answers."""

import re
import string
from collections import Counter
from collections.abc import Sequence

ARTICLES = re.compile(r"\b(a|an|the)\b")
PUNCTUATION = str.maketrans("", "", string.punctuation)
LONG_REFERENCE = 12
"""Words of a reference, at least, that answers in sentences."""
DIGITS = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?")
SPELLED = {
    word: str(number)
    for number, word in enumerate(
        "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
        "sixteen seventeen eighteen nineteen twenty".split(),
        start=1,
    )
}
RIGHT_F1 = 0.5
"""An answer is wrong below this F1 against every reference, or when the question has none."""


def normalise(text: str) -> str:
    """SQuAD's normal form: lower case, no punctuation, no articles, single spaces."""
    return " ".join(ARTICLES.sub(" ", text.lower().translate(PUNCTUATION)).split())


def exact_match(answer: str, references: Sequence[str]) -> float:
    """1.0 when the answer equals any reference in normal form."""
    return float(any(normalise(answer) == normalise(reference) for reference in references))


def f1(answer: str, references: Sequence[str]) -> float:
    """The best token F1 against any reference, in [0, 1]."""
    return max((_f1(answer, reference) for reference in references), default=0.0)


def _f1(answer: str, reference: str) -> float:
    found, wanted = normalise(answer).split(), normalise(reference).split()
    if not found or not wanted:
        return float(found == wanted)
    shared = sum((Counter(found) & Counter(wanted)).values())
    return 2 * shared / (len(found) + len(wanted))


def is_wrong(answer: str, references: Sequence[str], answerable: bool) -> bool:
    """Whether an answer that was given is wrong; any answer to an unanswerable question is.

    A short answer shares few words with a reference of whole sentences, so that F1 says nothing:
    there it is right when it stands in the reference word for word. With another number it is
    wrong whatever else it shares: "10 working days" is no answer where "15 working days" is one.
    """
    if not answerable:
        return True
    fitting = [reference for reference in references if _same_numbers(answer, reference)]
    return f1(answer, fitting) < RIGHT_F1 and not any(_told(answer, r) for r in fitting)


def _same_numbers(answer: str, reference: str) -> bool:
    """Whether they share a number, where both have some."""
    said, told = _numbers(answer), _numbers(reference)
    return not said or not told or bool(said & told)


def _numbers(text: str) -> set[str]:
    words = re.findall(r"[a-z]+", text.lower())
    spelled = {SPELLED[word] for word in words if word in SPELLED}
    return spelled | {found.replace(",", "") for found in DIGITS.findall(text)}


def _told(answer: str, reference: str) -> bool:
    said, told = normalise(answer), normalise(reference)
    return bool(said) and len(told.split()) >= LONG_REFERENCE and f" {said} " in f" {told} "
