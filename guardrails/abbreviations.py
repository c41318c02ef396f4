"""Full stops that belong to a word and end no sentence: "approx. 15", "Nr. 5", "z. B."."""

import re

TITLES = frozenset(
    "approx aprox bijv blz bspw bzw ca capt circa col dhr dott env evtl exkl gen ggf hon inkl lt"
    " mevr mlle mme mmes np např núm pág prof resp rev sgt sig sog sr sra tzv ul vgl viz"
    " zzgl".split()
)
"""Abbreviations that a name or figure follows, never the next sentence."""
BEFORE_FIGURES = frozenset(
    "abb abs anm art bd cap cca ch chap chaps cl eq ext fig figs godz jan feb mar apr jun jul aug"
    " sep sept oct okt nov dec dez kap kl max min nr nrs nos ok p para paras pg pp rd rm sec sect"
    " str tab tel v ver vol vols ziff č čl".split()
)
"""Abbreviations only before a figure: "para. 7", "Jan. 20"; else the full stop ends a sentence."""
COMPANY = re.compile(r"\s+(?:Ltd|Inc|LLC|LLP|KG|Corp|Limited)\b")
SPACED_LETTERS = re.compile(r"(?:^|[\s(])(?:[a-zöä]\.\s?)+[a-zöä]$")
NEXT_LETTER = re.compile(r"\s+[A-ZÖÄ]\.")
LETTER = re.compile(r"(?:^|[\s(])[a-zö]$")
MONTH = re.compile(
    r"\s+(?:Jan|Feb|März|Mär|Apr|Mai|Jun|Jul|Aug|Sep|Okt|Nov|Dez)\w*\b|\s+(?:Jahrhundert|Auflage)"
)
LAST_WORD = re.compile(r"[^\W\d_]+$")


def abbreviates(text: str, at: int) -> bool:
    """Whether the full stop at ``at`` belongs to a word, and no sentence ends there."""
    before = text[max(0, at - 24) : at]
    if text[at] != "." or not before:
        return False
    if before[-1].isdigit():
        # "22. August" is a date wherever ordinals are written so.
        return re.search(r"(?<![\d.,])\d{1,2}$", before) is not None and bool(
            MONTH.match(text, at + 1)
        )
    if LETTER.search(before) and NEXT_LETTER.match(text, at + 1):
        return True  # "z. B."
    if SPACED_LETTERS.search(before):
        return True  # "u. a."
    found = LAST_WORD.search(before)
    word = found[0].lower() if found else ""
    if word in TITLES:
        return True
    if word == "co" and COMPANY.match(text, at + 1):
        return True
    return word in BEFORE_FIGURES and text[at + 1 : at + 9].lstrip()[:1].isdigit()
