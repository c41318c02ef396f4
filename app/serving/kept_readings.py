"""What the reader made of a question and a passage is kept: neither is read twice."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from hashlib import blake2b

from prometheus_client import Counter

from app.ports import Reading
from guardrails.contract import Passage

Unread = tuple[str, Sequence[Passage]]
"""A question and the passages to read with it."""
Read = Callable[[Sequence[Unread]], Sequence[list[Reading]]]
"""For each (question, passages) the readings, in order."""
Pair = tuple[str, Passage]


class KeptReadings:
    """One reader's newest readings in use, at most ``most``; for one thread, as a batcher's is.

    A reading is found by a hash of all that the reader sees, so a passage whose text or place has
    changed is read anew. Kept are scores and offsets: no text.
    """

    def __init__(self, read: Read, most: int, counter: Counter) -> None:
        self._read, self._most = read, most
        self._readings: OrderedDict[bytes, Reading] = OrderedDict()
        self._kept, self._new = counter.labels("kept"), counter.labels("reader")

    def read(self, requests: Sequence[Unread]) -> list[list[Reading]]:
        """As the reader's, and the same; what several of the requests share is read once."""
        keys = [[_key(asked, one) for one in passages] for asked, passages in requests]
        wanted: dict[bytes, Pair] = {}
        for (asked, passages), own in zip(requests, keys, strict=True):
            wanted |= {key: (asked, one) for key, one in zip(own, passages, strict=True)}
        known = {key: self._readings[key] for key in wanted if key in self._readings}
        unread = {key: pair for key, pair in wanted.items() if key not in known}
        known |= dict(zip(unread, self._read_pairs(list(unread.values())), strict=True))
        self._keep(known)
        self._new.inc(len(unread))
        self._kept.inc(sum(map(len, keys)) - len(unread))
        return [[known[key] for key in own] for own in keys]

    def _read_pairs(self, pairs: Sequence[Pair]) -> list[Reading]:
        """The reading of each pair; pairs of one question stand together."""
        requests: list[tuple[str, list[Passage]]] = []
        for asked, passage in pairs:
            if not requests or requests[-1][0] != asked:
                requests.append((asked, []))
            requests[-1][1].append(passage)
        read = self._read(requests) if requests else []
        return [reading for own in read for reading in own]

    def _keep(self, readings: dict[bytes, Reading]) -> None:
        for key, reading in readings.items():
            self._readings[key] = reading
            self._readings.move_to_end(key)
        while len(self._readings) > self._most:
            self._readings.popitem(last=False)


def _key(question: str, passage: Passage) -> bytes:
    told = "\0".join((question, passage.place, passage.text))
    return blake2b(told.encode("utf-8", "surrogatepass"), digest_size=20).digest()
