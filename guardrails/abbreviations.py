"""Abbreviations: does a full stop end a sentence here?

Libraries know titles and English references, and none knows "approx.", "max." or "para." before a
number, which is where an answer must not be cut (decision 0006).
"""

import re

GO_ON = frozenset(
    """mr mrs ms mx dr prof st hon messrs mme mlle sgt capt lt cpl fr frl
    approx appr ca circa vs cf viz esp incl inkl excl exkl bzw resp vgl sog ggf evtl zzgl ggü
    e.g i.e z.b d.h u.a i.d.r s.o s.u o.ä v.a z.t p.ej""".split()
)
"""What comes after these belongs to them."""
NUMBERED = frozenset(
    """no nos nr nrn art arts sec sect fig figs para paras vol vols ch chap p pp pg eq ref refs
    tab abb abs kap anm bd ziff rdnr rn lfd ext tel mio mrd ed eds temp avg qty ft mt al max min
    jan feb febr mar apr jun jul aug sep sept oct nov dec okt dez mär""".split()
)
"""These go on before a number or a letter, else as ``MAY_END``."""
WORDS_TOO = frozenset("no art fig tab ref ed mar jun p".split())
"""Of these, what is also a word: before anything else than a number they end a sentence."""
MAY_END = frozenset(
    """etc usw inc ltd co corp llc plc jr sr std a.m p.m u.s u.k u.s.a e.u ph.d b.c a.d rev col gen
    bros assn govt univ dept est""".split()
)
"""These end a sentence when a word follows that mostly begins one."""
OPENERS = frozenset(
    """the a an this that these those it its he she they we you i there here in on at for from by
    with if when while after before since as to all any each every no not some most many more but
    and or so then however also please his her their our your my who what where how why which is
    are was were do does did can could will would should may must both such other another only
    during under although because once until without write call ask see use
    der die das ein eine es er sie wir ihr ich dies diese dieser dieses im in am auf bei mit von
    zu nach für wenn als auch und aber oder bitte alle jede jeder kein keine nicht hier dort
    le la les un une il elle nous vous ce cette el los las una en lo""".split()
)
"""Words that begin sentences, and seldom names."""
_KNOWN = GO_ON | NUMBERED | MAY_END
_LABEL = re.compile(r"\d+\w{0,3}|[A-Z]|[IVXL]{2,6}")
_AFTER_ORDINAL = re.compile(
    r"(?:jan|feb|mar|mär|apr|may|mai|jun|jul|aug|sep|oct|okt|nov|dec|dez)\w*\b"
    r"|jahrhundert|etage|stock|klasse|woche|lebensjahr",
    re.I,
)
_BEFORE_ORDINAL = frozenset(
    "am im der die das dem den des vom zum zur bis ab seit beim ins jeder jede jedes".split()
)
_BRACKETS = "\"'([{\u201c\u2018\u201e\u00ab*_"
REACH = 40
"""Characters before a full stop that are looked at."""


def ends_sentence(before: str, following: str) -> bool:
    """Whether the full stop after ``before`` ends a sentence; ``following`` is the next word."""
    last = [] if before[-1:].isspace() else before[-REACH:].rsplit(None, 2)
    word = last[-1].strip(_BRACKETS) if last else ""
    if len(word) > 1 and word.isalpha() and word.lower() not in _KNOWN:
        return True  # nearly always: neither an abbreviation nor the last letter of one
    if word.isdigit():
        return not _is_ordinal(word, last[-2].lower() if len(last) > 1 else "", following)
    words = before[-REACH:].split()
    plain = _with_earlier_letters(words, word).lower()
    if plain in GO_ON:
        return False
    if plain in NUMBERED and (_LABEL.fullmatch(following) or plain in WORDS_TOO):
        return _LABEL.fullmatch(following) is None
    if plain in NUMBERED or plain in MAY_END or _is_initial(word):
        return following.lower() in OPENERS
    return True


def _with_earlier_letters(words: list[str], word: str) -> str:
    """``z. B`` as one word: the letters with full stops that stand before a last letter."""
    place = len(words) - 2
    while len(word) < 5 and place >= 0 and _is_initial(words[place].strip(_BRACKETS).rstrip(".")):
        if not words[place].endswith(".") or not _is_initial(word):
            break
        word = words[place].strip(_BRACKETS) + word
        place -= 1
    return word


def _is_ordinal(number: str, earlier: str, following: str) -> bool:
    """German writes "3. Oktober" and "der 2. Stock"."""
    if len(number) > 2:
        return False
    return earlier in _BEFORE_ORDINAL or _AFTER_ORDINAL.match(following) is not None


def _is_initial(word: str) -> bool:
    """Whether a word is a letter, or several with full stops between."""
    if "." not in word:  # nearly always, and each full stop of a text asks
        return len(word) == 1 and word.isalpha()
    return 0 < len(word) < 10 and all(len(p) == 1 and p.isalpha() for p in word.split("."))
