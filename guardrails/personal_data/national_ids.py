"""Personal identity numbers, by the checksums of the national registers."""

import re
from collections import Counter

from guardrails.personal_data.matching import digits_of, finder, is_day, luhn, weighted


def _is_ssn(text: str) -> bool:
    area, group, serial = re.split("[- ]", text)
    return area not in ("000", "666") and area < "900" and group != "00" and serial != "0000"


def _is_nino(text: str) -> bool:
    return text[:2].upper() not in ("BG", "GB", "NK", "KN", "TN", "NT", "ZZ")


def _is_nhs(text: str) -> bool:
    digits = digits_of(text)
    return (weighted(digits, range(10, 1, -1)) + int(digits[9])) % 11 == 0


def _is_german_tax_id(text: str) -> bool:
    digits = digits_of(text)
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
    digits = digits_of(text)
    return weighted(digits, (9, 8, 7, 6, 5, 4, 3, 2, -1)) % 11 == 0 and int(digits) > 0


def _is_pesel(text: str) -> bool:
    total = weighted(text, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1))
    return total % 10 == 0 and is_day(int(text[4:6]), int(text[2:4]) % 20)


def _is_personnummer(text: str) -> bool:
    digits = digits_of(text)[-10:]
    return luhn(digits) and is_day(int(digits[4:6]) % 60, int(digits[2:4]))


def _is_hetu(text: str) -> bool:
    number = int(text[:6] + text[7:10])
    checked = "0123456789ABCDEFHJKLMNPRSTUVWXY"[number % 31] == text[10].upper()
    return checked and is_day(int(text[:2]), int(text[2:4]))


def _is_fodselsnummer(text: str) -> bool:
    digits = digits_of(text)
    first = weighted(digits, (3, 7, 6, 1, 8, 9, 4, 5, 2, 1)) % 11 == 0
    second = weighted(digits, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1)) % 11 == 0
    return first and second and is_day(int(digits[:2]) % 40, int(digits[2:4]) % 40)


def _is_rijksregister(text: str) -> bool:
    digits = digits_of(text)
    checks = (97 - int(century + digits[:9]) % 97 for century in ("", "2"))
    return int(digits[9:]) in checks and is_day(int(digits[4:6]), int(digits[2:4]))


def _is_ahv(text: str) -> bool:
    return weighted(digits_of(text), (1, 3) * 6 + (1,)) % 10 == 0


def _is_pps(text: str) -> bool:
    second = (ord(text[8].upper()) - ord("A") + 1) * 9 if len(text) == 9 else 0
    total = weighted(text[:7], range(8, 1, -1)) + second
    return "WABCDEFGHIJKLMNOPQRSTUV"[total % 23] == text[7].upper()


def _is_cpf(text: str) -> bool:
    digits = digits_of(text)
    first = weighted(digits[:9], range(10, 1, -1)) * 10 % 11 % 10
    second = weighted(digits[:10], range(11, 1, -1)) * 10 % 11 % 10
    return digits[9:] == f"{first}{second}" and len(set(digits)) > 1


def _is_cpr(text: str) -> bool:
    return is_day(int(text[:2]), int(text[2:4]))


def _is_sin(text: str) -> bool:
    return luhn(digits_of(text))


def _has_five_digits(text: str) -> bool:
    return len(digits_of(text)) >= 5


def _is_aadhaar(text: str) -> bool:
    """The check digit after Verhoeff."""
    total = 0
    for place, digit in enumerate(reversed(digits_of(text))):
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
NATIONAL_IDS = (
    finder(r"\d{3}-\d{2}-\d{4}", _is_ssn),
    finder(
        r"\d{3}[ .\-/|]{0,3}\d{2}[ .\-/|]{0,3}\d{4}",
        _has_five_digits,
        r"s\.?s\.?n\b|social security",
    ),
    finder(r"[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d{2} ?\d{2} ?\d{2} ?[A-D]", _is_nino),
    finder(
        r"[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z](?:[ .\-/|]{0,3}\d{2}){3}[ .\-/|]{0,3}[A-D]",
        _is_nino,
        r"national insurance|nino\b|ni n(?:o\b|umber)",
    ),
    finder(r"\d{3}[ .\-/|]{0,3}\d{3}[ .\-/|]{0,3}\d{4}", _is_nhs, r"nhs"),
    finder(
        r"\d{2}[ .\-/]?\d{3}[ .\-/]?\d{3}[ .\-/]?\d{3}",
        _is_german_tax_id,
        r"steuer|idnr|tax|tin\b|identifikation",
    ),
    finder(r"[12][ .]?\d{2}[ .]?\d{2}[ .]?(?:\d{2}|2[AB])(?:[ .]?\d{3}){2}[ .]?\d{2}", _is_nir),
    finder(r"(?:\d{8}|[XYZ][ -]?\d{7})[ -]?[A-HJ-NP-TV-Z]", _is_dni),
    finder(r"[A-Z]{6}[\dL-V]{2}[A-EHLMPRST][\dL-V]{2}[A-Z][\dL-V]{3}[A-Z]", _is_codice_fiscale),
    finder(r"\d{4}[. ]?\d{2}[. ]?\d{3}", _is_bsn, r"bsn|burgerservice|sofi"),
    finder(r"\d{11}", _is_pesel),
    finder(r"(?:19|20)?\d{6}[-+]\d{4}", _is_personnummer),
    finder(r"\d{6}[-+A-F]\d{3}[\dA-Y]", _is_hetu),
    finder(r"\d{6} ?\d{5}", _is_fodselsnummer),
    finder(r"\d{2}\.?\d{2}\.?\d{2}-?\d{3}\.?\d{2}", _is_rijksregister),
    finder(r"756\.?\d{4}\.?\d{4}\.?\d{2}", _is_ahv),
    finder(r"\d{7}[A-W][A-I]?", _is_pps),
    finder(r"\d{3}\.\d{3}\.\d{3}-\d{2}", _is_cpf),
    finder(r"\d{6}-?\d{4}", _is_cpr, r"cpr"),
    finder(r"\d{3}[ -]?\d{3}[ -]?\d{3}", _is_sin, r"sin\b|social insurance"),
    finder(r"[2-9]\d{3}[ -]?\d{4}[ -]?\d{4}", _is_aadhaar, r"aadhaa?r|uidai"),
    finder(
        r"(?-i:[A-Z]{3}[ABCFGHJLPT][A-Z]\d{4}[A-Z])", bool, r"pan\b|permanent account|income tax"
    ),
    finder(r"(?-i:[A-Z9]{5}\d[0156]\d[0-3]\d\d[A-Z9]{2}\d[A-Z]{2})"),
    finder(r"[A-Z]{0,2}\d[\dA-Z-]{4,17}", _has_five_digits, _LICENCE),
    finder(r"[A-Z]{0,2} ?\d{2,4}(?:[ .\-]\d{2,4}){1,4}", _has_five_digits, _LICENCE),
)
