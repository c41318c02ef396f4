"""Passwords, keys, tokens and PINs."""

import math
from collections import Counter
from collections.abc import Iterator

from guardrails.checks.wording import pattern
from guardrails.personal_data.matching import Finder, Offsets, finder, within

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


def private_keys(text: str) -> Iterator[Offsets]:
    """Private keys in PEM, whole or cut off."""
    done = 0
    for match in _PEM.finditer(text):
        if match.start() >= done:
            done = text.find(_PEM_END, match.end(), match.end() + _PEM_LENGTH)
            done = text.find("\n", done) if done >= 0 else match.end()
            done = done if done >= 0 else len(text)
            yield match.start(), done


SECRETS: tuple[Finder, ...] = (
    private_keys,
    finder(_TOKEN),
    within(_IN_ADDRESS),
    within(_BEARER, _looks_secret),
    within(_ASSIGNED, _looks_secret),
    within(_BARE_PASSWORD, _looks_made_up),
    within(_PIN),
)
