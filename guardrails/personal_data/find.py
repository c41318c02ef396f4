"""Personal data and secrets in a text: found, or masked.

Patterns propose, checksums decide: a number without a checksum counts only in a shape that nothing
else has, or beside a word that says what it is. Checksums are those that the issuers publish
(ISO/IEC 7812 for cards, ISO 13616 for accounts, and the national registers). Names of people are
not looked for: that needs a model. Time grows with the length of the text only (RE2).
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from guardrails.personal_data.addresses import ADDRESSES
from guardrails.personal_data.contacts import BIRTHS, emails, ip_addresses, phones
from guardrails.personal_data.credentials import SECRETS
from guardrails.personal_data.matching import Finder, Offsets, plain_text
from guardrails.personal_data.national_ids import NATIONAL_IDS
from guardrails.personal_data.payments import cards, ibans

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
_FINDERS: dict[str, tuple[Finder, ...]] = {
    "secret": SECRETS,
    "iban": (ibans,),
    "card": (cards,),
    "national_id": NATIONAL_IDS,
    "birth_date": BIRTHS,
    "ip_address": (ip_addresses,),
    "email": (emails,),
    "phone": (phones,),
    "address": ADDRESSES,
}


@dataclass(frozen=True)
class Match:
    """One piece of personal data: its kind (a key of ``KINDS``) and ``text[start:end]``."""

    kind: str
    start: int
    end: int


def find_personal_data(text: str, kinds: Collection[str] = KINDS.keys()) -> list[Match]:
    """The personal data and secrets of ``text`` of these kinds, in order, none over another."""
    plain = plain_text(text)
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


def _spans(kind: str, text: str) -> Iterator[Offsets]:
    for finder in _FINDERS[kind]:
        yield from finder(text)
