"""What a certificate is for: the collections an answer cites, and its risk class."""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from guardrails.contract import Draft, Finding, Outcome, Passage, Topic

GATE = "gate"
"""Who ended a certificate or changed a mode when no person did."""
CHANGED = "passages changed"
"""How the reason begins of a certificate that ended for this."""
SERVICE = ""
"""The collection name under which the mode of the whole service is stored."""
STANDARD = "standard"
UNION = "|"
"""Stands between the collections of a union in the name of its stratum."""
MAX_STRATUM = 400
BROKEN = "The error bound was broken; everything is reviewed until a new certificate."
DAMAGED = "The live index is damaged; an older one answers, which no certificate is for."


@dataclass(frozen=True)
class Stratum:
    """What one certificate speaks of: the collections an answer cites, and its risk class.

    ``collection`` is ``a+b`` where an answer cites both, and ``a|b`` for a union of collections,
    one of which it cites. ``cited`` are the collections of the answer, where there is one.
    """

    collection: str
    risk_class: str
    cited: tuple[str, ...] = field(default=(), compare=False)

    @classmethod
    def of(
        cls,
        draft: Draft,
        evidence: Sequence[Passage],
        findings: Iterable[Finding],
        topics: Sequence[Topic] = (),
        unions: Iterable[Sequence[str]] = (),
    ) -> "Stratum":
        """An answer that cites two collections is of neither: it has a stratum of its own, unless
        both are in one of the ``unions``.

        ``topics`` are those of the policy; several may have one risk class.
        """
        cited = {citation.passage_id for citation in draft.citations}
        names = sorted({passage.collection for passage in evidence if passage.id in cited})
        named = {topic.name: topic.risk_class or topic.name for topic in topics}
        classes = sorted(named.get(name, name) for name in _touched(findings))
        union = next((one for one in unions if names and set(names) <= set(one)), None)
        joined = "+".join(names) if union is None else UNION.join(sorted(union))
        if len(joined) > MAX_STRATUM:
            joined = hashlib.sha256(joined.encode("utf-8")).hexdigest()
        return cls(joined, (classes[0] if classes else STANDARD)[:80], tuple(names))

    @property
    def collections(self) -> tuple[str, ...]:
        """The names under which a mode may be stored: of an answer in a union those of the
        collections that it cites, and of the union."""
        if self.cited and UNION in self.collection:
            return tuple(dict.fromkeys([self.collection, *self.cited]))
        return parts_of(self.collection)


def parts_of(stratum: str) -> tuple[str, ...]:
    """The collections in the name of a stratum; a name that holds such signs itself comes first."""
    return tuple(dict.fromkeys([stratum, *re.split(r"[+|]", stratum)]))


def united(stratum: str) -> list[str]:
    """The stratum, and if it is a union its collections."""
    return list(dict.fromkeys([stratum, *stratum.split(UNION)]))


def members_of(stratum: str) -> list[str]:
    """The collections that one must be allowed to see to see a stratum."""
    return list(parts_of(stratum)[1:]) or [stratum]


def loss_of(findings: Iterable[Finding], topics: Sequence[Topic]) -> float:
    """How much a wrong answer counts, above 0 and at most 1: the most of the topics of the policy
    that it touches, and 1 if it touches none."""
    losses = {topic.name: topic.loss for topic in topics}
    return max((losses.get(name, 1.0) for name in _touched(findings)), default=1.0)


def _touched(findings: Iterable[Finding]) -> set[str]:
    """The topics that an answer touches and the policy lets pass."""
    found = {f.label for f in findings if f.check == "topics" and f.outcome is not Outcome.PASS}
    return found - {""}
