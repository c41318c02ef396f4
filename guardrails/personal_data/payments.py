"""Payment cards (ISO/IEC 7812) and bank accounts (ISO 13616), by their check digits."""

import re
from collections.abc import Iterator

from guardrails.checks.wording import pattern
from guardrails.personal_data.matching import CONTEXT, Offsets, luhn, stands_alone

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


def cards(text: str) -> Iterator[Offsets]:
    """The numbers of payment cards."""
    for run in _DIGIT_RUN.finditer(text):
        groups = [(run.start() + g.start(), g[0]) for g in _GROUP.finditer(run.group(0))]
        done = 0
        for place, (start, _) in enumerate(groups):
            if start < done:
                continue
            end = _card_end(groups[place : place + 7])
            # Short card numbers without their shape look like any other number.
            if end and stands_alone(text, start, end) and _is_plausible(text, start, end):
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


def ibans(text: str) -> Iterator[Offsets]:
    """The numbers of bank accounts."""
    for match in _IBAN_START.finditer(text):
        start = match.start()
        wanted = _IBAN_LENGTHS.get(text[start : start + 2].upper(), 0)
        end, body = _collect(text, start, wanted)
        if len(body) == wanted > 0 and stands_alone(text, start, end) and _is_iban(body):
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
