"""What differs between two policies, by what their files say."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MOST_TEXT = 400
RULE_KEY = ("check", "outcome", "label", "when")
"""What tells rules apart: the rest is what follows from them."""


@dataclass(frozen=True)
class PolicyChange:
    """One place that differs; ``before`` "" where something was added, ``after`` where it went."""

    where: str
    before: str
    after: str


def policy_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[PolicyChange]:
    """The places that differ, in the order of ``after``, then what only ``before`` had.

    Topics, screens and rules are told apart by what they are about, so that one that only moved
    is not named.
    """
    return list(_of_mappings((), before, after))


def _differences(path: tuple[str, ...], before: Any, after: Any) -> Iterator[PolicyChange]:
    if before == after:
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        yield from _of_mappings(path, before, after)
    elif isinstance(before, list) and isinstance(after, list):
        yield from _of_mappings(path, _keyed(before), _keyed(after))
    else:
        yield PolicyChange(" › ".join(path), _text(before), _text(after))


def _of_mappings(
    path: tuple[str, ...], before: Mapping[str, Any], after: Mapping[str, Any]
) -> Iterator[PolicyChange]:
    for name in {**after, **before}:
        yield from _differences((*path, name), before.get(name), after.get(name))


def _keyed(entries: Sequence[Any]) -> dict[str, Any]:
    """The entries of a list by what they are about; the second of a kind has a number."""
    seen: Counter[str] = Counter()
    found = {}
    for entry in entries:
        key = _key(entry)
        seen[key] += 1
        found[key if seen[key] == 1 else f"{key} ({seen[key]})"] = entry
    return found


def _key(entry: Any) -> str:
    if not isinstance(entry, Mapping):
        return _text(entry)
    if "name" in entry:
        return str(entry["name"])
    about = [str(entry[name]) for name in RULE_KEY if name in entry]
    return " ".join(about) or _text(entry)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Mapping):
        text = ", ".join(f"{name}: {_text(one)}" for name, one in value.items())
    else:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= MOST_TEXT else f"{text[:MOST_TEXT]}…"
