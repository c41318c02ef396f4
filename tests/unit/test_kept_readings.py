"""Readings that are kept are the reader's own, and what has changed is read anew."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry, Counter

from app.ports import Reading
from app.serving.kept_readings import KeptReadings, Unread
from guardrails.contract import Passage

FEE = Passage("p1", "d1", "main", "Fees", "The fee is 12 pounds.", 0, 21)
RULE = Passage("p2", "d1", "main", "Fees", "Cancel within 14 days.", 22, 44)


class Noted:
    """A reader whose readings depend on all that it sees."""

    def __init__(self) -> None:
        self.pairs: list[tuple[str, str, str]] = []

    def read(self, requests: Sequence[Unread]) -> list[list[Reading]]:
        return [[self._one(asked, one) for one in passages] for asked, passages in requests]

    def _one(self, asked: str, one: Passage) -> Reading:
        self.pairs.append((asked, one.place, one.text))
        return Reading(float(sum(map(ord, asked + one.place + one.text))), None)


def kept(reader: Noted, most: int = 100) -> tuple[KeptReadings, CollectorRegistry]:
    registry = CollectorRegistry()
    counter = Counter("readings", "Pairs.", ["from"], registry=registry)
    return KeptReadings(reader.read, most, counter), registry


def test_what_was_read_is_not_read_again_nor_twice_in_one_batch() -> None:
    reader = Noted()
    readings, registry = kept(reader)
    first = readings.read([("fee?", [FEE, RULE]), ("fee?", [RULE]), ("days?", [FEE])])
    assert [len(own) for own in first] == [2, 1, 1]
    assert first[0][1] == first[1][0]
    assert len(reader.pairs) == len(set(reader.pairs)) == 3
    requests = [("days?", [RULE, FEE]), ("fee?", [FEE])]
    again = readings.read(requests)
    assert reader.pairs[3:] == [("days?", "Fees", RULE.text)]
    assert again == Noted().read(requests)
    counts = {
        one: registry.get_sample_value("readings_total", {"from": one})
        for one in ("reader", "kept")
    }
    assert counts == {"reader": 4, "kept": 3}


@pytest.mark.parametrize(
    "change", [{"text": "The fee is 13 pounds."}, {"title": "Old fees"}, {"headings": ("2019",)}]
)
def test_a_passage_that_changed_is_read_anew_whatever_its_id(change: dict[str, object]) -> None:
    reader = Noted()
    readings, _ = kept(reader)
    readings.read([("fee?", [FEE])])
    changed = replace(FEE, **change)  # type: ignore[arg-type]
    assert readings.read([("fee?", [changed])]) == Noted().read([("fee?", [changed])])
    assert len(reader.pairs) == 2


def test_only_the_newest_in_use_are_kept_also_when_a_batch_is_larger() -> None:
    reader = Noted()
    readings, _ = kept(reader, most=2)
    many = [(f"question {number}", [FEE]) for number in range(5)]
    assert readings.read(many) == Noted().read(many)
    readings.read(many[3:])
    assert len(reader.pairs) == 5
    readings.read([many[3], many[0]])
    assert len(reader.pairs) == 6


def test_a_reader_that_fails_leaves_nothing_behind() -> None:
    def broken(_requests: Sequence[Unread]) -> list[list[Reading]]:
        raise RuntimeError("no memory")

    reader = Noted()
    readings, _ = kept(reader)
    failing, readings._read = readings._read, broken
    with pytest.raises(RuntimeError):
        readings.read([("fee?", [FEE])])
    readings._read = failing
    assert readings.read([("fee?", [FEE])]) == Noted().read([("fee?", [FEE])])
