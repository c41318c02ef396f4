"""Does the question or the answer hold personal data, or a secret such as a key?

Patterns propose, checksums decide: a number without a checksum counts only in a shape that nothing
else has, or beside a word that says what it is. Checksums are those that the issuers publish
(ISO/IEC 7812 for cards, ISO 13616 for accounts, and the national registers). Names of people are
not looked for: that needs a model. Time grows with the length of the text only (RE2).
"""

import ipaddress
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass

from guardrails.checks.wording import pattern
from guardrails.contract import Case, Draft, Finding, Outcome, Stage

KINDS = {
    "secret": "a password or key",
    "iban": "a bank account",
    "card": "a payment card",
    "national_id": "a personal identity number",
    "birth_date": "a date of birth",
    "ip_address": "a network address",
    "email": "an e-mail address",
    "phone": "a phone number",
    "address": "a postal address",
}
"""Each kind in words; where two overlap the earlier one counts."""
TYPED_BY_ACCIDENT = frozenset({"secret", "iban", "card", "national_id"})
"""What nobody needs to type to get an answer. Contact data in a question is ordinary."""
CONTEXT = 60
"""Characters before a number in which a word may say what it is."""
APART = "\n\n\n\n\n"
"""Between texts that are searched together: no pattern reaches over it."""

Offsets = tuple[int, int]
Finder = Callable[[str], Iterator[Offsets]]


@dataclass(frozen=True)
class Match:
    """One piece of personal data: its kind (a key of ``KINDS``) and ``text[start:end]``."""

    kind: str
    start: int
    end: int


def find_personal_data(text: str, kinds: Collection[str] = KINDS.keys()) -> list[Match]:
    """The personal data and secrets of ``text`` of these kinds, in order, none over another."""
    plain = _plain(text)
    taken = bytearray(len(plain))
    found = []
    for kind in _as_far_as(kinds):
        for start, end in _spans(kind, plain):
            if not any(taken[start:end]):
                taken[start:end] = b"\1" * (end - start)
                found.append(Match(kind, start, end))
    return sorted((match for match in found if match.kind in kinds), key=lambda one: one.start)


def _as_far_as(kinds: Collection[str]) -> tuple[str, ...]:
    """The kinds up to the last of these: only an earlier one can take its text from another."""
    names = tuple(KINDS)
    return names[: max((names.index(kind) + 1 for kind in kinds if kind in KINDS), default=0)]


def mask(text: str, kinds: Collection[str]) -> str:
    """``text`` with each piece of these kinds replaced by its kind: ``[card]``."""
    pieces, done = [], 0
    for match in find_personal_data(text, kinds):
        pieces += [text[done : match.start], f"[{match.kind}]"]
        done = match.end
    return "".join([*pieces, text[done:]])


def without_accidents(text: str) -> str:
    """A question as others than its asker read it: ``mask`` of what nobody needs to type."""
    # Most questions have no digit, and without one only a secret can be among them.
    return mask(text, TYPED_BY_ACCIDENT if any(map(str.isdigit, text)) else {"secret"})


class PersonalDataCheck:
    """Fails once for each kind of personal data in anything the asker would be shown."""

    name = "personal_data"
    stage: Stage = "draft"
    timeout_s = 3.0

    def run(self, case: Case) -> list[Finding]:
        """A fail for each kind, labelled with it, else one pass."""
        shown = _shown(case.draft) if case.draft else []
        return _findings(self.name, "The answer", shown, KINDS)


class QuestionPersonalDataCheck:
    """Fails for secrets, cards, accounts and identity numbers that the asker typed."""

    name = "personal_data_question"
    stage: Stage = "question"
    timeout_s = 3.0

    def run(self, case: Case) -> list[Finding]:
        """A fail for each such kind, labelled with it, else one pass."""
        return _findings(self.name, "The question", [case.question], TYPED_BY_ACCIDENT)


def _shown(draft: Draft) -> Iterable[str]:
    """Every text of the answer object once; quotes too, as a reader of the answer sees them."""
    texts = [sentence.text for sentence in draft.sentences]
    texts += [draft.short or "", *(citation.quote for citation in draft.citations)]
    return dict.fromkeys(texts)


def _findings(
    check: str, where: str, texts: Iterable[str], kinds: Collection[str]
) -> list[Finding]:
    excerpts: dict[str, str] = {}
    text = APART.join(texts)
    for match in find_personal_data(text):
        if match.kind in kinds and match.kind not in excerpts:
            # Masked: a finding is stored, and the secret need not be stored once more.
            excerpts[match.kind] = _masked_line(text, match)
    found = [
        Finding(check, Outcome.FAIL, f"{where} holds {KINDS[kind]}.", kind, excerpt)
        for kind, excerpt in excerpts.items()
    ]
    return found or [Finding(check, Outcome.PASS, f"{where} holds no personal data.")]


def _masked_line(text: str, match: Match) -> str:
    """What stands around a match, without it and all others."""
    begin = text.rfind(APART, 0, match.start) + 1
    end = text.find(APART, match.end)
    return mask(text[begin : end if end >= 0 else None].strip(), KINDS)[:200]


# Reading


class _Plain(dict[int, str]):
    """One ASCII character for each other digit, dash, space and wide letter; offsets stay."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        kind = unicodedata.category(char)
        if kind == "Pd" or char == "\u2212":
            plain = "-"
        elif char in "\u00b7\u2022\u2219\u2027":
            plain = "."
        elif kind in ("Zs", "Cf"):
            plain = " "
        elif kind == "Nd":
            plain = str(unicodedata.decimal(char))
        else:
            wide = unicodedata.normalize("NFKC", char)
            plain = wide if len(wide) == 1 and wide.isascii() else char
        self[code] = plain
        return plain


_PLAIN = _Plain()


def _plain(text: str) -> str:
    plain = text if text.isascii() else text.translate(_PLAIN)
    return _WRAP.sub(_joined, plain) if "\n" in plain else plain


_WRAP = re.compile(r"^[^\n|]*[^\n|\s][ \t\r]*\n(?=[^\n|]*[^\s|])", re.M)
_WORDS_OF_PROSE = 3


def _joined(line: re.Match[str]) -> str:
    """A line of prose with the line break after it as a space: it was wrapped there."""
    words = sum(word.isalpha() for word in line[0].split())
    return f"{line[0][:-1]} " if words >= _WORDS_OF_PROSE else line[0]


def _spans(kind: str, text: str) -> Iterator[Offsets]:
    for finder in _FINDERS[kind]:
        yield from finder(text)


def _digits(text: str) -> str:
    return "".join(char for char in text if "0" <= char <= "9")


def _stands_alone(text: str, start: int, end: int) -> bool:
    """Whether the span is no part of a longer word or number."""
    before, after = text[max(0, start - 2) : start], text[end : end + 2]
    if before[-1:].isalnum() or after[:1].isalnum():
        return False
    joined = before[-1:] in tuple(".,-/_") and before[:-1].isdigit()
    return not joined and not (after[:1] in tuple("-/_") and after[1:].isalnum())


def _finder(
    expression: str, valid: Callable[[str], bool] = bool, context: str = "", group: int = 0
) -> Finder:
    """Finds what ``expression`` matches alone, ``valid`` accepts, and a word of ``context`` leads
    to, if any is given."""
    wanted = pattern(expression)
    leading = pattern(rf"\b(?:{context})") if context else None

    def find(text: str) -> Iterator[Offsets]:
        for match in wanted.finditer(text):
            start, end = match.span(group)
            if not _stands_alone(text, start, end) or not valid(text[start:end]):
                continue
            if leading is None or leading.search(text[max(0, start - CONTEXT) : start]):
                yield start, end

    return find


# Checksums


def luhn(digits: str) -> bool:
    """The check digit of payment cards (ISO/IEC 7812-1)."""
    doubled = (int(digit) * 2 for digit in digits[-2::-2])
    total = sum(map(int, digits[-1::-2])) + sum(n - 9 * (n > 9) for n in doubled)
    return total % 10 == 0


def _weighted(digits: str, weights: Iterable[int]) -> int:
    return sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=False))


def _is_day(day: int, month: int) -> bool:
    return 1 <= day <= 31 and 1 <= month <= 12


# Cards: (lowest and highest first digits, lengths)

_ISSUERS = (
    ("4", "4", (13, 16, 19)),
    ("51", "55", (16,)),
    ("2221", "2720", (16,)),
    ("34", "34", (15,)),
    ("37", "37", (15,)),
    ("6011", "6011", range(16, 20)),
    ("644", "659", range(16, 20)),
    ("62", "62", range(16, 20)),
    ("300", "305", (14,)),
    ("3095", "3095", (14,)),
    ("36", "36", (14,)),
    ("38", "39", (14,)),
    ("3528", "3589", range(16, 20)),
    ("1800", "1800", (15,)),
    ("2131", "2131", (15,)),
    ("2200", "2204", (16,)),
    *((one, one, range(12, 20)) for one in "5018 5020 5038 5612 5893 6304 6390 0604".split()),
    ("6759", "6763", range(12, 20)),
)
_DIGIT_RUN = pattern(r"\d(?:[ ./_\-]{0,2}\d){11,}")
_SHAPES = ((4, 4, 4, 4), (4, 4, 4, 4, 3), (4, 6, 5), (4, 6, 4), (4, 3, 3, 3))
_GROUP = re.compile(r"\d+")
_CARD_WORDS = pattern(
    r"\b(?:card|cc\b|credit|debit|visa|mastercard|maestro|amex|karte|carte|tarjeta|carta|cart[aã]o)"
)


def _is_card(digits: str) -> bool:
    fits = any(
        low <= digits[: len(low)] <= high and len(digits) in lengths
        for low, high, lengths in _ISSUERS
    )
    return fits and luhn(digits) and len(set(digits)) > 1


def _cards(text: str) -> Iterator[Offsets]:
    for run in _DIGIT_RUN.finditer(text):
        groups = [(run.start() + g.start(), g[0]) for g in _GROUP.finditer(run.group(0))]
        done = 0
        for place, (start, _) in enumerate(groups):
            if start < done:
                continue
            end = _card_end(groups[place : place + 7])
            # Short card numbers without their shape look like any other number.
            if end and _stands_alone(text, start, end) and _is_plausible(text, start, end):
                yield start, end
                done = end


def _card_end(groups: list[tuple[int, str]]) -> int:
    """Where the card ends that begins with the first group; 0 for none."""
    digits, best = "", 0
    for start, group in groups:
        digits += group
        if len(digits) > 19:
            break
        if _is_card(digits):
            best = start + len(group)
    return best


def _is_plausible(text: str, start: int, end: int) -> bool:
    written = text[start:end]
    groups = tuple(map(len, _GROUP.findall(written)))
    if not written.replace(" ", "").replace("-", "").isdigit() and groups not in _SHAPES:
        return False
    if end - start >= 14:
        return True
    return bool(_CARD_WORDS.search(text[max(0, start - CONTEXT) : start]))


# Bank accounts

_IBAN_LENGTHS = {
    entry[:2]: int(entry[2:])
    for entry in (
        "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DK18 DO28 "
        "EE20 EG29 ES24 FI18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HR21 HU28 IE22 IL23 IQ23 IS26 "
        "IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MR27 MT31 MU30 "
        "NL18 NO15 PK24 PL28 PS29 PT25 QA29 RO24 RS22 SA24 SC31 SD18 SE24 SI19 SK24 SM27 ST25 SV28 "
        "TL23 TN24 TR26 UA29 VA22 VG24 XK20"
    ).split()
}
_IBAN_START = pattern(r"[A-Z]{2}[ -]?\d{2}[ ./_\-]{0,2}[A-Z0-9]")


def _ibans(text: str) -> Iterator[Offsets]:
    for match in _IBAN_START.finditer(text):
        start = match.start()
        wanted = _IBAN_LENGTHS.get(text[start : start + 2].upper(), 0)
        end, body = _collect(text, start, wanted)
        if len(body) == wanted > 0 and _stands_alone(text, start, end) and _is_iban(body):
            yield start, end


def _collect(text: str, start: int, wanted: int) -> tuple[int, str]:
    """(end, letters and digits) of the next ``wanted`` ones, one or two separators left out."""
    body, place = "", start
    while place < len(text) and len(body) < wanted:
        char = text[place]
        if char.isascii() and char.isalnum():
            body += char
        elif char not in " -./_" or not any(map(str.isalnum, text[place - 2 : place])):
            break
        place += 1
    return place, body


def _is_iban(body: str) -> bool:
    """The check digits of ISO 13616 (mod 97-10)."""
    moved = body[4:] + body[:4]
    return int("".join(str(int(char, 36)) for char in moved)) % 97 == 1


# National identity numbers


def _is_ssn(text: str) -> bool:
    area, group, serial = re.split("[- ]", text)
    return area not in ("000", "666") and area < "900" and group != "00" and serial != "0000"


def _is_nino(text: str) -> bool:
    return text[:2].upper() not in ("BG", "GB", "NK", "KN", "TN", "NT", "ZZ")


def _is_nhs(text: str) -> bool:
    digits = _digits(text)
    return (_weighted(digits, range(10, 1, -1)) + int(digits[9])) % 11 == 0


def _is_german_tax_id(text: str) -> bool:
    digits = _digits(text)
    most = Counter(digits[:10]).most_common(2)
    product = 10
    for digit in digits[:10]:
        product = ((int(digit) + product) % 10 or 10) * 2 % 11
    return (11 - product) % 10 == int(digits[10]) and most[0][1] in (2, 3) and most[1][1] < 3


def _is_nir(text: str) -> bool:
    body = re.sub("[ .-]", "", text).upper().replace("2A", "19").replace("2B", "18")
    return body.isdigit() and len(body) == 15 and 97 - int(body[:13]) % 97 == int(body[13:])


def _is_dni(text: str) -> bool:
    body = re.sub("[ -]", "", text).upper().translate(str.maketrans("XYZ", "012", ""))
    # Only the first place of a foreigner's number is such a letter; the last one stays as it is.
    return "TRWAGMYFPDXBNJZSQVHLCKE"[int(body[:8]) % 23] == text[-1].upper()


_ODD = dict(
    zip(
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        map(
            int,
            "1 0 5 7 9 13 15 17 19 21 1 0 5 7 9 13 15 17 19 21 2 4 18 20 11 3 6 8 12 14 16 10 "
            "22 25 24 23".split(),
        ),
        strict=True,
    )
)


def _is_codice_fiscale(text: str) -> bool:
    body = text.upper()
    odd = sum(_ODD[char] for char in body[:15:2])
    even = sum(int(c) if c.isdigit() else ord(c) - ord("A") for c in body[1:15:2])
    return chr(ord("A") + (odd + even) % 26) == body[15]


def _is_bsn(text: str) -> bool:
    digits = _digits(text)
    return _weighted(digits, (9, 8, 7, 6, 5, 4, 3, 2, -1)) % 11 == 0 and int(digits) > 0


def _is_pesel(text: str) -> bool:
    total = _weighted(text, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1))
    return total % 10 == 0 and _is_day(int(text[4:6]), int(text[2:4]) % 20)


def _is_personnummer(text: str) -> bool:
    digits = _digits(text)[-10:]
    return luhn(digits) and _is_day(int(digits[4:6]) % 60, int(digits[2:4]))


def _is_hetu(text: str) -> bool:
    number = int(text[:6] + text[7:10])
    checked = "0123456789ABCDEFHJKLMNPRSTUVWXY"[number % 31] == text[10].upper()
    return checked and _is_day(int(text[:2]), int(text[2:4]))


def _is_fodselsnummer(text: str) -> bool:
    digits = _digits(text)
    first = _weighted(digits, (3, 7, 6, 1, 8, 9, 4, 5, 2, 1)) % 11 == 0
    second = _weighted(digits, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1)) % 11 == 0
    return first and second and _is_day(int(digits[:2]) % 40, int(digits[2:4]) % 40)


def _is_rijksregister(text: str) -> bool:
    digits = _digits(text)
    checks = (97 - int(century + digits[:9]) % 97 for century in ("", "2"))
    return int(digits[9:]) in checks and _is_day(int(digits[4:6]), int(digits[2:4]))


def _is_ahv(text: str) -> bool:
    return _weighted(_digits(text), (1, 3) * 6 + (1,)) % 10 == 0


def _is_pps(text: str) -> bool:
    second = (ord(text[8].upper()) - ord("A") + 1) * 9 if len(text) == 9 else 0
    total = _weighted(text[:7], range(8, 1, -1)) + second
    return "WABCDEFGHIJKLMNOPQRSTUV"[total % 23] == text[7].upper()


def _is_cpf(text: str) -> bool:
    digits = _digits(text)
    first = _weighted(digits[:9], range(10, 1, -1)) * 10 % 11 % 10
    second = _weighted(digits[:10], range(11, 1, -1)) * 10 % 11 % 10
    return digits[9:] == f"{first}{second}" and len(set(digits)) > 1


def _is_cpr(text: str) -> bool:
    return _is_day(int(text[:2]), int(text[2:4]))


def _is_sin(text: str) -> bool:
    return luhn(_digits(text))


def _has_five_digits(text: str) -> bool:
    return len(_digits(text)) >= 5


def _is_aadhaar(text: str) -> bool:
    """The check digit after Verhoeff."""
    total = 0
    for place, digit in enumerate(reversed(_digits(text))):
        total = _DIHEDRAL[total][_PERMUTED[place % 8][int(digit)]]
    return total == 0


def _dihedral() -> list[list[int]]:
    """The table of the group of a pentagon's turns (0 to 4) and reflections (5 to 9)."""
    return [
        [(a + b) % 5 if b < 5 else 5 + (a + b) % 5 for b in range(10)]
        if a < 5
        else [5 + (a - b) % 5 if b < 5 else (a - b) % 5 for b in range(10)]
        for a in range(10)
    ]


def _permuted() -> list[list[int]]:
    rows = [list(range(10))]
    for _ in range(7):
        rows.append([rows[-1][one] for one in (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)])
    return rows


_DIHEDRAL, _PERMUTED = _dihedral(), _permuted()

_LICENCE = r"passport|passeport|reisepass|pasaporte|driv(?:er'?s|ing) licen[cs]e"
_NATIONAL_IDS = (
    _finder(r"\d{3}-\d{2}-\d{4}", _is_ssn),
    _finder(
        r"\d{3}[ .\-/|]{0,3}\d{2}[ .\-/|]{0,3}\d{4}",
        _has_five_digits,
        r"s\.?s\.?n\b|social security",
    ),
    _finder(r"[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d{2} ?\d{2} ?\d{2} ?[A-D]", _is_nino),
    _finder(
        r"[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z](?:[ .\-/|]{0,3}\d{2}){3}[ .\-/|]{0,3}[A-D]",
        _is_nino,
        r"national insurance|nino\b|ni n(?:o\b|umber)",
    ),
    _finder(r"\d{3}[ .\-/|]{0,3}\d{3}[ .\-/|]{0,3}\d{4}", _is_nhs, r"nhs"),
    _finder(
        r"\d{2}[ .\-/]?\d{3}[ .\-/]?\d{3}[ .\-/]?\d{3}",
        _is_german_tax_id,
        r"steuer|idnr|tax|tin\b|identifikation",
    ),
    _finder(r"[12][ .]?\d{2}[ .]?\d{2}[ .]?(?:\d{2}|2[AB])(?:[ .]?\d{3}){2}[ .]?\d{2}", _is_nir),
    _finder(r"(?:\d{8}|[XYZ][ -]?\d{7})[ -]?[A-HJ-NP-TV-Z]", _is_dni),
    _finder(r"[A-Z]{6}[\dL-V]{2}[A-EHLMPRST][\dL-V]{2}[A-Z][\dL-V]{3}[A-Z]", _is_codice_fiscale),
    _finder(r"\d{4}[. ]?\d{2}[. ]?\d{3}", _is_bsn, r"bsn|burgerservice|sofi"),
    _finder(r"\d{11}", _is_pesel),
    _finder(r"(?:19|20)?\d{6}[-+]\d{4}", _is_personnummer),
    _finder(r"\d{6}[-+A-F]\d{3}[\dA-Y]", _is_hetu),
    _finder(r"\d{6} ?\d{5}", _is_fodselsnummer),
    _finder(r"\d{2}\.?\d{2}\.?\d{2}-?\d{3}\.?\d{2}", _is_rijksregister),
    _finder(r"756\.?\d{4}\.?\d{4}\.?\d{2}", _is_ahv),
    _finder(r"\d{7}[A-W][A-I]?", _is_pps),
    _finder(r"\d{3}\.\d{3}\.\d{3}-\d{2}", _is_cpf),
    _finder(r"\d{6}-?\d{4}", _is_cpr, r"cpr"),
    _finder(r"\d{3}[ -]?\d{3}[ -]?\d{3}", _is_sin, r"sin\b|social insurance"),
    _finder(r"[2-9]\d{3}[ -]?\d{4}[ -]?\d{4}", _is_aadhaar, r"aadhaa?r|uidai"),
    _finder(
        r"(?-i:[A-Z]{3}[ABCFGHJLPT][A-Z]\d{4}[A-Z])", bool, r"pan\b|permanent account|income tax"
    ),
    _finder(r"(?-i:[A-Z9]{5}\d[0156]\d[0-3]\d\d[A-Z9]{2}\d[A-Z]{2})"),
    _finder(r"[A-Z]{0,2}\d[\dA-Z-]{4,17}", _has_five_digits, _LICENCE),
    _finder(r"[A-Z]{0,2} ?\d{2,4}(?:[ .\-]\d{2,4}){1,4}", _has_five_digits, _LICENCE),
)

# Secrets

_TOKEN = (
    r"(?-i:A[KS]IA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{30,251}|github_pat_[A-Za-z0-9_]{22,251}"
    r"|glpat-[\w-]{20,60}|xox[abeoprs]-[A-Za-z0-9-]{10,250}|AIza[\w-]{35}|npm_[A-Za-z0-9]{36}"
    r"|pypi-[\w-]{50,250}|[rs]k_(?:live|test)_[A-Za-z0-9]{16,250}|sk-[\w-]{20,250}"
    r"|hf_[A-Za-z0-9]{30,60}"
    r"|SG\.[\w-]{16,32}\.[\w-]{16,64}|eyJ[\w-]{8,999}\.eyJ[\w-]{4,999}\.[\w-]{8,999}"
    r"|cs_[\w-]{40,60})"
)
_SECRET_NAME = (
    r"(?:pass(?:word|wd|phrase|code)?|pwd|secret|(?:auth|access|api|bearer|security"
    r"|session)?[ _-]?token"
    r"|(?:wi-?fi|wlan|network|router)[ _-]?key|key (?:for|of|to) the (?:wi-?fi|wlan|network|router)"
    r"|(?:api|access|secret|private|account|encryption|storage)[ _-]?key|credentials?"
    r"|client[ _-]?secret"
    r"|passwor[td]|kennwort|mot de passe|contraseña|senha|parola)"
)
_ASSIGNED = (
    rf"\b\w*{_SECRET_NAME}['\"]?(?:\s(?:of|for|to|on|at|für|der|des|von|zum)(?:\s[\w'-]+){{1,6}}?)?"
    r"\s*(?:is|was|ist|lautet|reads|:=|[-=]>|→|[:=])\s*['\"]?([^\s'\"<>,;]{6,250})"
)
_BARE_PASSWORD = r"\b(?:pass(?:word|wd|phrase)|passwort|kennwort)\s+['\"]?([^\s'\"<>,;]{8,250})"
_GUARDED = r"(?:safe|vault|alarm|lock|padlock|key ?box|door|gate|entrance|cash ?box)"
_PIN = (
    rf"\b(?:pin(?: code| number)?|{_GUARDED} code|code (?:of|for|to) (?:the )?{_GUARDED})"
    r"(?:\s(?:of|for|to)(?:\s[\w'-]+){1,6}?)?\s*(?:is|was|[:=])"
    r"\s*(\d(?: ?\d){3,7})\b"
)
_BEARER = r"\bbearer\s+([\w.~+/-]{20,999}=*)"
_IN_ADDRESS = r"\b[a-z][a-z0-9+.-]{1,12}://[^\s/:@]{0,64}:([^\s/@]{3,128})@"
_PEM = pattern(r"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----")
_PEM_END = "-----END"
_PEM_LENGTH = 10_000
_PLACEHOLDER = pattern(
    r"^[^\w]*$|x{4,}|\*{3,}|\.{3}|^your|^my[_-]|example|placeholder|change[_-]?me|^[$%{\[<]"
)


def _looks_secret(value: str) -> bool:
    """Whether an assigned value is no plain word: letters with digits or signs, and varied."""
    value = value.rstrip(".!?)")
    kinds = [any(map(test, value)) for test in (str.isalpha, str.isdigit, _is_sign)]
    varied = _entropy(value) >= 2.5
    return len(value) >= 6 and sum(kinds) > 1 and varied and not _PLACEHOLDER.search(value)


def _looks_made_up(value: str) -> bool:
    """Whether what follows the word "password" is one: with digits, and with signs or long."""
    value = value.rstrip(".!?)")
    mixed = any(map(_is_sign, value)) or (len(value) >= 10 and value.lower() != value)
    return any(map(str.isdigit, value)) and mixed and _looks_secret(value)


def _is_sign(char: str) -> bool:
    return not char.isalnum() and char not in "-'/.()"


def _entropy(value: str) -> float:
    """Bits per character, by how often each character stands in ``value``."""
    counts = Counter(value).values()
    return -sum(n / len(value) * math.log2(n / len(value)) for n in counts)


def _within(expression: str, valid: Callable[[str], bool] = bool) -> Finder:
    """Finds the first group of ``expression``; it may stand inside other characters."""
    wanted = pattern(expression)

    def find(text: str) -> Iterator[Offsets]:
        for match in wanted.finditer(text):
            if valid(match.group(1)):
                yield match.span(1)

    return find


def _private_keys(text: str) -> Iterator[Offsets]:
    done = 0
    for match in _PEM.finditer(text):
        if match.start() >= done:
            done = text.find(_PEM_END, match.end(), match.end() + _PEM_LENGTH)
            done = text.find("\n", done) if done >= 0 else match.end()
            done = done if done >= 0 else len(text)
            yield match.start(), done


# Contact data

_MONTHS = (
    r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|januar|februar|märz|mai|juni|juli|okt|dez"
    r"|janv|févr|avril|juin|juil|août|gen|mag|giu|lug|ago|set|ott|dic|ene|abr)\p{L}*\.?"
)
_DATE = (
    r"(?:\d{1,4}[./-]\d{1,2}[./-]\d{1,4}"
    r"|\d{1,2}[./ -]{1,2}(?:i{1,3}|i?v|vi{1,3}|ix|xi{0,2})[./ -]{1,2}\d{4}"
    rf"|\d{{1,2}}(?:st|nd|rd|th|\.)? (?:of |de )?{_MONTHS},? (?:de )?\d{{4}}"
    rf"|{_MONTHS} \d{{1,2}}(?:st|nd|rd|th)?,? \d{{4}})"
)
_BORN = (
    r"\b(?:date of birth|d\.?o\.?b\b\.?|birth ?date|birthday|born|b\.|geboren am|geb\. ?(?:am)?"
    r"|geburtsdatum|née? le|date de naissance|nacid[oa] el|fecha de nacimiento|nat[oa] il"
    r"|data di nascita)"
)
_EMAIL = r"[\p{L}\d_.%+'-]+@(?:[\p{L}\d-]+\.)+\p{L}{2,}"
_IPV4 = r"\d{1,3}(?:(?:\.| \. |\[\.\]|\(\.\))\d{1,3}){3}"
_IPV6 = r"[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7}"
_VERSION = pattern(
    r"(?:\bv|version|release|section|clause|§|software|firmware|logiciel|build|update)\s*$"
)


def _is_public_address(text: str) -> bool:
    """Addresses of a local network name no person."""
    try:
        return ipaddress.ip_address(re.sub(r"[\s()\[\]]", "", text)).is_global
    except ValueError:
        return False


def _ip_addresses(text: str) -> Iterator[Offsets]:
    for start, end in _finder_ipv4(text):
        if not _VERSION.search(text[max(0, start - 12) : start]):
            yield start, end
    yield from _finder_ipv6(text)


def _emails(text: str) -> Iterator[Offsets]:
    if "@" in text:
        yield from _finder_email(text)
    if _MAY_BE_WRITTEN_OUT.search(text):
        yield from _finder_written_out(text)


_COMMON_END = (
    r"(?:com|org|net|edu|gov|info|biz|de|fr|uk|eu|ch|nl|es|pl|se|dk|io|ca|au|jp|br|in|it|ie|at|us)"
)
_AT_BETWEEN, _DOT_BETWEEN = (
    r" ?[\[({<] ?(?:at|@|ät) ?[\])}>] ?",
    r" ?[\[({<] ?(?:dot|punkt|\.) ?[\])}>] ?",
)
_LOCAL = r"[\p{L}\d_+-]+(?:(?:\.| dot )[\p{L}\d_+-]+)*"
_DOMAIN = r"[\p{L}\d-]+"
_MAY_BE_WRITTEN_OUT = pattern(r"[\[({<] ?(?:at|@|ät) ?[\])}>]|\bat [\p{L}\d-]+(?: dot |\.)\p{L}")
_WRITTEN_OUT = (
    rf"{_LOCAL}{_AT_BETWEEN}{_DOMAIN}(?:(?:{_DOT_BETWEEN}| ?dot |\.)[\p{{L}}\d-]+){{0,2}}"
    rf"(?:{_DOT_BETWEEN}| dot |\.)\p{{L}}{{2,6}}"
    rf"|{_LOCAL} at {_DOMAIN}(?: dot [\p{{L}}\d-]+)?"
    r" dot (?:com|org|net|edu|gov|info|biz|de|fr|uk|eu|ch|nl|es|pl|se|dk|io|ca|au|co dot uk)"
    rf"|[\p{{L}}\d]+[._-][\p{{L}}\d._-]+ at {_DOMAIN}(?:\.{_DOMAIN})?\.{_COMMON_END}"
)
"""An address as people spell it: h dot moreau at example dot org."""


_finder_email = _finder(_EMAIL)
_finder_written_out = _finder(_WRITTEN_OUT)
_finder_ipv4 = _finder(_IPV4, _is_public_address)
_finder_ipv6 = _finder(_IPV6, _is_public_address)
_NUMBER_RUN = pattern(
    r"(?:\+ ?)?\(?\d(?:(?:[ .-]|\) ?|\)[.-]| \(|/)?\d){5,20}(?: ?(?:x|ext\.? ?)\d{1,5})?"
)
_PHONE_WORDS = pattern(
    r"\b(?:(?:tele|cell)?phones?|tel|mobile|cell|fax|call|dial|ring|text|sms|whatsapp|contact"
    r"|hot-?line|help-?line|answering|reach|messages?|handy|telefon\w*|rufnummer|t[ée]l[ée]phone"
    r"|tel[ée]fon[oe]|m[óo]vil|cellulare|puhelin)\b[^?!\n]{0,24}[\s:(]$"
)
_PHONE_SHAPE = pattern(
    r"^(?:0[1-9][\d ().\-/]{7,14}|0[1-9]\d{8,9}"
    r"|(?:1[ .-])?\(?[2-9]\d{2}\)?[ .-]?[2-9]\d{2}[.-]\d{4}"
    r"|\(\d{2,5}\)[ -]?\d{3}[ -]?\d{3,5}|\d{2}(?:-\d{2}){3,4})$"
)
_PHONE_LABEL = pattern(
    r"\b(?:(?:(?:tele|cell)?phone|tel|mobile|cell|fax|whatsapp|desk|telefon|rufnummer)\b\.?"
    r"(?: (?:number|no\.?))?(?: is)?|(?:call|calling|reach\w*|answering|ring|text)"
    r"(?:(?: (?:me|us|him|her|them))? (?:at|under)| (?:me|us|him|her|them) on))[:\s]{1,3}\(?$"
)
_PHONE_AFTER = pattern(
    r"^[ ,(-]{1,3}(?:office|fax|mobile|cell|home|work|desk)\b ?(?:[\\,;.)]|\s*$|\s*\n)"
)
"""What kind of number it was: business cards and signatures write that behind it."""
_DATE_SHAPE = pattern(
    r"^\d{1,2}[.:]\d{2}-\d{1,2}[.:]\d{2}$"
    r"|^\d{1,2}[./-]\d{1,2}[./-]\d{2,4}$|^\d{4}[./-]\d{1,2}[./-]\d{1,2}\b"
)
_THOUSANDS = pattern(r"^\d{1,3}(?:[ .]\d{3}){1,2}$")


def _phones(text: str) -> Iterator[Offsets]:
    for match in _NUMBER_RUN.finditer(text):
        start, end = match.span()
        before = text[max(0, start - CONTEXT) : start]
        labelled = bool(_PHONE_AFTER.search(text[end : end + 20]))
        is_amount = before[-1:] in tuple("£$€#") or _VERSION.search(before)
        alone = _stands_alone(text, start, end)
        if is_amount or not (alone or (labelled and text[end] == "-")):
            continue
        if _is_phone(match.group(0), before, labelled):
            yield start, end


def _is_phone(written: str, before: str, labelled: bool = False) -> bool:
    number = re.split(" ?(?:x|ext)", written.lower())[0].rstrip()
    digits = len(_digits(number))
    if number[0] == "+" or re.match("00[1-9]", number):
        return 8 <= digits <= 17 and len(set(_digits(number))) > 2
    if _DATE_SHAPE.search(number):
        return False
    if _PHONE_SHAPE.search(number):
        return digits >= 8
    if labelled or _PHONE_LABEL.search(before):
        return 6 <= digits <= 15
    if digits < 9 and _THOUSANDS.search(number):
        return False
    return 6 <= digits <= 15 and bool(_PHONE_WORDS.search(before))


# Without an upper count: RE2 would write out the class of all letters once for each.
_NAMED = r"(?-i:\p{Lu})[\p{L}'’.-]*"
_SMALL = (
    r"(?:(?:de|du|des|da|do|dos|das|di|dei|degli|delle|del|della|la|le|les|los"
    r"|las|von|van|der|den|am|an|im) "
    r"|[dl]['’])"
)
_UNIT = r"(?:[,\s]{1,3}(?:apt|apartment|suite|unit|flat|floor)\.? ?#?\w{1,5})"
_TAIL = (
    rf"{_UNIT}?(?:[,\s]{{1,3}}{_NAMED}(?:[ ,]{{1,2}}{_NAMED}){{0,4}}[,\s]{{1,3}}"
    r"(?:[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}|\d{4,6}(?:-\d{3,4})?)\b)?"
)
_STREET_END = (
    r"(?:street|st|road|rd|avenue|ave|lane|ln|drive|dr|boulevard|blvd|court|ct|square|sq|squares"
    r"|place|pl|terrace|crescent|close|parade|highway|parkway|pkwy|way|parks|streets|union)\b\.?"
)
_STREET_SUFFIX = (
    r"(?:stra(?:ß|ss)en?|str\.|weg|gasse|gassli|allee|platz|ufer|damm|straat|laan|plein"
    r"|gracht|kade|dijk|brücke"
    r"|singel|gatan|gata|v[äa]gen|vej|vegen|veien|gaden?|all[eé]|stræde|vænget?|toften|str[aæ]ti"
    r"|katu|kuja|tie|tanja|polku)"
)
_STREET_LAST = r"(?:stra(?:ß|ss)e|weg|gasse|allee|platz|terrasse|gade|vej|väg|vei|tee|puiestee)"
_STREET_WORD = (
    r"(?:rue|avenue|av\.|boulevard|bd|chemin|impasse|all[ée]e|quai|place|route|via|viale"
    r"|piazza|corso|vicolo"
    r"|calle|c/|trg|r[uú]a|avenida|avda\.|plaza|paseo|carrera|travessa|pra[çc]a|largo|ul\.|ulica"
    r"|ulice|al\.|os\.|aleja)"
)
_HOUSE = r"\d{1,4}(?: ?[a-z]\b)?\b"
_NUMBER_FIRST = r"\d{1,6}[a-z]?,?"
_LIVES = (
    r"\b(?:(?:lives?|lived|living|resid(?:es?|ing)|delivered|arrived|off) at"
    r"|(?:new |my |home |billing |postal |mailing |street )?address(?: is| to|:| at| with)"
    r"|address\? it is|(?:moved?|deliver|ship|delivered|shipped) to|live in)[:\s]{1,3}"
)
_COUNTRY = (
    r"\b(?:argentina|australia|austria|belgium|brazil|bulgaria|canada|chile|croatia|cyprus|czechia"
    r"|czech republic|denmark|estonia|finland|france|germany|greece|greenland(?:er)?|hungary"
    r"|iceland|india|ireland|italy|japan|latvia|lithuania|luxembourg|malta|mexico|netherlands"
    r"|new zealand|norway|poland|portugal|romania|slovakia|slovenia|south africa|spain|sweden"
    r"|switzerland|tunisia|turkey|ukraine|united kingdom|united states|uruguay|usa)"
)
_DATED = pattern(
    r"\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|mon|tues|wednes|thurs|fri|satur|sun)"
    r"(?:uary|ruary|ch|il|e|y|ust|t?ember|ober|day)?\b"
)


def _has_no_date(text: str) -> bool:
    return not _DATED.search(text)


_HUNGARIAN = r"(?:utca|út|u\.|tér|körút|krt\.|sétány)"
_NAMES = rf"{_SMALL}{{0,3}}{_NAMED}(?: {_SMALL}{{0,2}}{_NAMED}){{0,3}}"
_ADDRESSES = (
    _finder(rf"\d{{1,5}}[A-Za-z]?,? (?:\d{{1,5}} )?(?:{_NAMED} ){{1,4}}{_STREET_END}{_TAIL}"),
    _finder(rf"(?:\d{{1,6}} )?{_NAMED}{_STREET_SUFFIX} {_HOUSE}{_TAIL}"),
    _finder(rf"\d{{1,6}} \p{{L}}{{2,}}{_STREET_SUFFIX} {_HOUSE}{_TAIL}"),
    _finder(rf"(?:\d{{1,6}} )?{_NAMED}(?: {_NAMED})? {_STREET_LAST} {_HOUSE}{_TAIL}"),
    _finder(
        rf"{_LIVES}({_NUMBER_FIRST} {_NAMED}(?: {_NAMED}){{0,3}} {_HOUSE}{_TAIL})",
        _has_no_date,
        group=1,
    ),
    _finder(
        rf"{_LIVES}({_NAMED}(?: {_NAMED}){{0,3}} {_HOUSE}, {_NAMED}{_TAIL})", _has_no_date, group=1
    ),
    _finder(
        rf"{_NAMED}(?: {_NAMED}){{0,3}} \d{{1,3}}[a-z]?(?:/\d{{1,3}})?, (?:[A-Z]{{1,2}}-)?"
        rf"(?:\d{{5}}|[3-9]\d{{3}}|1[0-8]\d{{2}}|2[1-9]\d{{2}}) {_NAMED}",
        _has_no_date,
    ),
    _finder(rf"(?m){_COUNTRY}[ ,]{{1,2}}(\d{{5,6}})[ \t\r]*$", group=1),
    _finder(rf"(?:\d{{1,6}},? )?{_STREET_WORD} {_NAMES},? \d{{1,5}}\b{_TAIL}"),
    _finder(rf"\d{{1,5}}(?: bis| ter)?,? {_STREET_WORD} {_NAMES}{_TAIL}"),
    _finder(rf"(?:\d{{1,6}} )?{_NAMED}(?: {_NAMED}){{0,2}} {_HUNGARIAN} \d{{1,4}}\.?{_TAIL}"),
    _finder(rf"\d{{1,6}} {_NAMED}(?: {_NAMED}){{0,3}}(?: \d{{1,5}})?{_UNIT}{_TAIL}"),
    _finder(
        r"(?:(?:h(?:ouse)?|flat|plot|door|shop)\.? ?)?no\.? ?[\w/-]{1,10}"
        r"(?:, ?[\p{L}\d .'-]{2,40}){1,6}[ ,-]{1,3}[1-9]\d{2} ?\d{3}"
    ),
    _finder(r"\bp\.? ?o\.? ?box \d{1,6}\b"),
    _finder(r"(?:apo|dpo|fpo),? a[aep] \d{5}"),
    _finder(r"apt\.? ?#?\d{1,5}[a-z]?"),
    _finder(r"(?:psc|cmr|unit) \d{1,5},? box \d{1,5}\s(?:[ad]po|fpo) a[aep] \d{5}"),
    _finder(rf"{_NAMED}(?: {_NAMED}){{0,3}}, (?-i:[A-Z]{{2}}) \d{{5}}(?:-\d{{4}})?"),
    _finder(r"(?-i:[A-Z]{1,2}\d[A-Z\d]? \d[ABD-HJLNP-UW-Z]{2})"),
    _finder(
        r"\b(?:zip|post(?:al)?)(?: ?code)?(?: is|:) ([A-Z\d]{2,8}(?:[ -][A-Z\d]{2,4})?)", group=1
    ),
)

_IS_BORN, _IS_DATE, _CELL = pattern(_BORN), pattern(_DATE), re.compile(r"[^|]+")


def _births_in_rows(text: str) -> Iterator[Offsets]:
    """Dates in the rows of a table, in a column that a row before calls dates of birth."""
    column, start = -1, 0
    for line in text.split("\n") if "|" in text else ():
        cells = list(_CELL.finditer(line)) if "|" in line else []
        named = [place for place, cell in enumerate(cells) if _IS_BORN.search(cell[0])]
        if named and not _IS_DATE.search(line):
            column = named[0]
        elif 0 <= column < len(cells) and (date := _IS_DATE.search(cells[column][0])):
            first = start + cells[column].start()
            yield first + date.start(), first + date.end()
        start += len(line) + 1


_born = _within(rf"{_BORN}[^\d\n]{{0,12}}?({_DATE})")
_NOBODY = pattern(
    r"\b(?:company|firm|brand|idea|club|band|team|project|product|society|magazine|movement|party"
    r"|nation|state|city|festival|association|church|school)\s(?:was|is)\s(?:re)?born\b[^\d]{0,12}$"
)


def _births(text: str) -> Iterator[Offsets]:
    """Dates on which somebody was born; companies are no persons."""
    for start, end in _born(text):
        if not _NOBODY.search(text[max(0, start - CONTEXT) : start]):
            yield start, end


_FINDERS: dict[str, tuple[Finder, ...]] = {
    "secret": (
        _private_keys,
        _finder(_TOKEN),
        _within(_IN_ADDRESS),
        _within(_BEARER, _looks_secret),
        _within(_ASSIGNED, _looks_secret),
        _within(_BARE_PASSWORD, _looks_made_up),
        _within(_PIN),
    ),
    "iban": (_ibans,),
    "card": (_cards,),
    "national_id": _NATIONAL_IDS,
    "birth_date": (
        _births,
        _within(
            r"\b(?:date of birth|d\.?o\.?b\b\.?|birth ?date)\s(?:of|for)(?:\s[\p{L}.'-]+){1,4}"
            rf"(?:\s(?:is|was)|\s?[:=])\s({_DATE})"
        ),
        _births_in_rows,
    ),
    "ip_address": (_ip_addresses,),
    "email": (_emails,),
    "phone": (_phones,),
    "address": _ADDRESSES,
}
