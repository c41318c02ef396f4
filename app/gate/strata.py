"""What a certificate is for: the collections an answer cites, and its risk class."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from guardrails.contract import Draft, Finding, Outcome, Passage

GATE = "gate"
"""Who ended a certificate or changed a mode when no person did."""
CHANGED = "passages changed"
"""How the reason begins of a certificate that ended for this."""
SERVICE = ""
"""The collection name under which the mode of the whole service is stored."""
STANDARD = "standard"
MAX_STRATUM = 400
BROKEN = "The error bound was broken; everything is reviewed until a new certificate."
DAMAGED = "The live index is damaged; an older one answers, which no certificate is for."


@dataclass(frozen=True)
class Stratum:
    """What one certificate speaks of: the collections an answer cites, and its risk class."""

    collection: str
    risk_class: str

    @classmethod
    def of(
        cls, draft: Draft, evidence: Sequence[Passage], findings: Iterable[Finding]
    ) -> "Stratum":
        """An answer that cites two collections is of neither: it has a stratum of its own."""
        cited = {citation.passage_id for citation in draft.citations}
        names = sorted({passage.collection for passage in evidence if passage.id in cited})
        topics = sorted(
            {f.label for f in findings if f.check == "topics" and f.outcome is not Outcome.PASS}
            - {""}
        )
        joined = "+".join(names)
        if len(joined) > MAX_STRATUM:
            joined = hashlib.sha256(joined.encode("utf-8")).hexdigest()
        return cls(joined, (topics[0] if topics else STANDARD)[:80])

    @property
    def collections(self) -> tuple[str, ...]:
        """The names under which a mode may be stored."""
        return tuple(dict.fromkeys([self.collection, *self.collection.split("+")]))
