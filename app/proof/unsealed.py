"""Rows from before there were seals: what links without seals say of them, as far as that goes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from app.records.recording import content_hash
from guardrails.contract import canonical_sha256

NAMED: Mapping[str, tuple[tuple[str, tuple[str, ...]], ...]] = {
    "recorded": (("records", ("answer_id",)),),
    "released": (("releases", ("answer_id",)), ("settlements", ("answer_id",))),
    "corrected": (("releases", ("answer_id",)), ("settlements", ("answer_id",))),
    "withdrawn": (("releases", ("answer_id",)), ("settlements", ("answer_id",))),
    "refused": (("settlements", ("answer_id",)),),
    "expired": (("settlements", ("answer_id",)), ("review_tasks", ("task_id",))),
    "held": (("review_tasks", ("task_id",)),),
    "audit": (("review_tasks", ("task_id",)),),
    "probe": (("review_tasks", ("task_id",)), ("probes", ("task_id",))),
    "probe_decided": (
        ("review_tasks", ("task_id",)),
        ("probes", ("task_id",)),
        ("reviewer_checks", ("task_id",)),
    ),
    "task_expired": (("review_tasks", ("task_id",)),),
    "decided": (
        ("decisions", ("task_id",)),
        ("review_tasks", ("task_id",)),
        ("labels", ("answer_id",)),
    ),
    "approved": (("approvals", ("task_id", "reviewer", "answer_sha256")),),
    "gold_added": (("gold_items", ("gold_item",)),),
    "gate_mode": (("gate_modes", ("collection",)),),
    "certified": (("certificates", ("certificate",)),),
    "certificate_revoked": (("certificates", ("certificate",)),),
    "certificate_violated": (("certificates", ("certificate",)),),
    "principal_created": (("principals", ("name",)),),
    "principal_changed": (("principals", ("name",)),),
    "password_reset": (("principals", ("name",)),),
    "password_changed": (("principals", ("name",)),),
    "key_created": (("api_keys", ("key_id",)),),
    "key_revoked": (("api_keys", ("key_id",)),),
}
"""Which rows a kind of link speaks of: the table, and the fields of the event that name the row."""
MAKES: Mapping[str, frozenset[str]] = {
    "recorded": frozenset({"records"}),
    "released": frozenset({"releases"}),
    "held": frozenset({"review_tasks"}),
    "audit": frozenset({"review_tasks"}),
    "decided": frozenset({"decisions"}),
    "approved": frozenset({"approvals"}),
    "gold_added": frozenset({"gold_items"}),
    "certified": frozenset({"certificates"}),
    "principal_created": frozenset({"principals"}),
    "key_created": frozenset({"api_keys"}),
}
"""After a link of the kind there is a row in these tables, and it stays."""
NUMBERED = frozenset({"settlements", "labels", "certificates"})
"""Tables whose rows have the number of a link; some came into being without a link of their own."""


@dataclass
class Said:
    """What links without seals say of one row, and the number of the newest of them."""

    number: int
    said: dict[str, Any] = field(default_factory=dict)


@dataclass
class Told:
    """What all links without seals say; ``first_seal`` is the first link that has seals."""

    first_seal: int = 0
    rows: dict[str, dict[str, Said]] = field(default_factory=dict)
    made: dict[str, dict[str, int]] = field(default_factory=dict)
    alarms: set[tuple[str, str, str]] = field(default_factory=set)

    def take_in(self, number: int, kind: str, event: Mapping[str, Any]) -> None:
        """Note what one link says."""
        if kind == "drift_alarm":
            self.alarms.add((event["collection"], event["monitor"], event["detail"]))
        for table, fields in NAMED.get(kind, ()):
            if not all(name in event for name in fields):
                continue
            key = "/".join(str(event[name]) for name in fields)
            row = self.rows.setdefault(table, {}).setdefault(key, Said(number))
            row.number = number
            row.said |= _columns(table, kind, event)
            if table in MAKES.get(kind, ()):
                self.made.setdefault(table, {})[key] = number

    def of(self, table: str, key: str) -> Said | None:
        """What is said of a row; None: nothing."""
        return self.rows.get(table, {}).get(key)

    def expected(self, table: str) -> Iterator[tuple[str, int]]:
        """Keys of the rows that must be there, with the number of the link that says so."""
        yield from self.made.get(table, {}).items()

    def excuses(self, table: str, row: Mapping[str, Any]) -> bool:
        """Whether a row that no link names can be from before there were seals."""
        if not self.rows and not self.alarms:
            return False
        if table == "gate_alarms":
            return (row["collection"], row["monitor"], row["detail"]) in self.alarms
        if table in NUMBERED:
            number = row["number"]  # of any kind, where somebody else wrote it
            return not self.first_seal or (isinstance(number, int) and number < self.first_seal)
        if table == "reviewer_checks":
            return row["task_id"] in self.rows.get("probes", {})
        return False

    @staticmethod
    def differences(table: str, row: Mapping[str, Any], said: Mapping[str, Any]) -> list[str]:
        """The columns of a row that are not as the links say."""
        if table == "settlements" and row["number"] == 0:
            return []  # made by a migration, which did not know of corrections
        found = [name for name, value in said.items() if name in row and row[name] != value]
        hashed = said.get("answer_sha256") if table in ("releases", "approvals") else None
        if hashed is not None and canonical_sha256(row["answer"]) != hashed:
            found.append("answer")
        if table == "records":
            parts = (row[name] for name in ("question", "draft", "evidence", "lineage"))
            if content_hash(*parts) != row["content_sha256"]:
                found.append("question, draft, evidence or lineage")
        return found


def _columns(table: str, kind: str, event: Mapping[str, Any]) -> dict[str, Any]:
    """What an event says of a row's columns, by their names."""
    if table == "review_tasks":
        return _of_task(kind, event)
    if table == "settlements":
        return {"state": kind}
    if table == "principals":
        after = event.get("after", event)
        return {name: after[name] for name in ("roles", "scope") if name in after}
    if table == "releases" and kind == "corrected":
        answer_sha256 = event.get("answer_sha256")  # of the new words; None: not compared
        return {"released_by": "reviewer", "edited": True, "answer_sha256": answer_sha256}
    if table == "gate_modes":
        names = {"mode": "mode", "reason": "reason", "changed_by": "by"}
        return {column: event[name] for column, name in names.items() if name in event}
    if table in ("labels", "certificates", "reviewer_checks"):
        return {}
    renamed = {"added_by" if name == "by" else name: value for name, value in event.items()}
    renamed.pop("at", None)
    return renamed


def _of_task(kind: str, event: Mapping[str, Any]) -> dict[str, Any]:
    if kind in ("held", "audit"):
        return {"kind": kind, "answer_id": event.get("answer_id")}
    if kind == "probe":
        return {"kind": event.get("kind")}
    states = {"decided": "decided", "probe_decided": "decided"}
    return {"state": states.get(kind, "expired")}
