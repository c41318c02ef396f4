"""What must hold of a database and its folder whatever happened: the invariants of the design.

It reads the audit chain from its beginning, knows from that what stood at each link, and compares
it with all rows. It shares no code with what it judges but the tables and the hashes.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.access.tables import PrincipalRow
from app.corpus.tables import (
    DELETED,
    PENDING,
    READY,
    CollectionRow,
    DocumentRow,
    IndexVersionRow,
    LiveIndexRow,
    PassageRow,
)
from app.db import Database
from app.gate.modes import MODES
from app.gate.strata import GATE
from app.gate.tables import CertificateRow, GateModeRow, LabelRow
from app.records.audit import broken_audit_link
from app.records.recording import content_hash
from app.records.tables import AuditRow, RecordRow, ReleaseRow, SettlementRow
from app.review.tables import ApprovalRow, DecisionRow, ProbeRow, ReviewTaskRow
from app.settings import Settings
from guardrails.contract import AnswerObject, canonical_sha256
from guardrails.redaction import redacted

Kind = Literal["unsigned", "chain", "lost", "doubled", "left over"]
"""unsigned: released without gate or signature; lost and doubled: rows and links do not agree."""
RELEASING = ("off", "provisional", "certified")
SETTLED = {("held", "approve"): "released", ("held", "edit"): "released"}
SETTLED |= {("held", "reject"): "refused", ("audit", "edit"): "corrected"}
SETTLED |= {("audit", "reject"): "withdrawn"}
"""What a decision on a task of that kind does to the answer."""
SETTLING = frozenset({*SETTLED.values(), "expired", "reopened"})


@dataclass(frozen=True)
class Broken:
    """An invariant that does not hold."""

    kind: Kind
    what: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.what}"


@dataclass
class Stand:
    """What the links up to one say: modes, deleted documents, principals and ended certificates."""

    service_mode: str
    modes: dict[str, str] = field(default_factory=dict)
    by_gate: set[str] = field(default_factory=set)
    deleted: set[str] = field(default_factory=set)
    people: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)

    def follow(self, kind: str, event: Mapping[str, Any]) -> None:
        """Take in one link more."""
        if kind == "gate_mode":
            self.modes[event["collection"]] = event["mode"]
            self.by_gate.discard(event["collection"])
            self.by_gate |= {event["collection"]} if event["by"] == GATE else set()
        elif kind == "certified" and event["collection"] in self.by_gate:
            self.by_gate.discard(event["collection"])
            del self.modes[event["collection"]]
        elif kind == "document_deleted":
            self.deleted.add(event["document_id"])
        elif kind == "document_ready":
            self.deleted.discard(event["document_id"])
        elif kind == "principal_created":
            self.people[event["name"]] = {**event, "disabled": False}
        elif kind == "principal_changed":
            self.people[event["name"]] = event["after"]
        elif kind in ("certificate_revoked", "certificate_violated"):
            self.ended.add(event["certificate"])

    def least_mode(self, collections: Sequence[str]) -> int:
        """The place in ``MODES`` of the strictest mode of the service and of ``collections``."""
        names = ["+".join(sorted(set(collections))), *collections]
        found = [self.modes.get("", self.service_mode)]
        found += [self.modes[name] for name in names if name in self.modes]
        return max(MODES.index(mode) for mode in found)

    def may(self, name: str, role: str, collections: Sequence[str]) -> bool:
        """Whether that principal has the role, and a scope that holds all ``collections``."""
        person = self.people.get(name)
        if person is None:
            return True  # the command line has no account
        scope = person["scope"]
        inside = scope is None or set(collections) <= set(scope)
        return role in person["roles"] and inside and not person["disabled"]


class Books:
    """All rows that matter, by their keys, and the links of each answer and task."""

    def __init__(self, session: Session) -> None:
        self.links = self._all(session, AuditRow, AuditRow.number)
        self.records = {row.answer_id: row for row in self._all(session, RecordRow)}
        self.releases = {row.answer_id: row for row in self._all(session, ReleaseRow)}
        self.settlements = {row.answer_id: row for row in self._all(session, SettlementRow)}
        self.decisions = {row.task_id: row for row in self._all(session, DecisionRow)}
        self.probes = {row.task_id: row for row in self._all(session, ProbeRow)}
        self.labels = {row.answer_id: row for row in self._all(session, LabelRow)}
        self.certificates = {row.id: row for row in self._all(session, CertificateRow)}
        self.approvals: dict[str, list[ApprovalRow]] = defaultdict(list)
        for row in self._all(session, ApprovalRow, ApprovalRow.number):
            self.approvals[row.task_id].append(row)
        tasks = self._all(session, ReviewTaskRow)
        self.tasks = {task.id: task for task in tasks if task.kind in ("held", "audit")}
        self.probe_tasks = {task.id: task for task in tasks if task.id not in self.tasks}
        self.of_answer: dict[str, list[AuditRow]] = defaultdict(list)
        self.of_task: dict[str, list[AuditRow]] = defaultdict(list)
        for link in self.links:
            if "answer_id" in link.event:
                self.of_answer[link.event["answer_id"]].append(link)
            if "task_id" in link.event:
                self.of_task[link.event["task_id"]].append(link)

    def task_of(self, answer_id: str) -> ReviewTaskRow | None:
        """The review task of an answer, if it has one."""
        return next((t for t in self.tasks.values() if t.answer_id == answer_id), None)

    @staticmethod
    def _all(session: Session, table: type[Any], *order: Any) -> list[Any]:
        return list(session.scalars(select(table).order_by(*order)))


def broken_invariants(database: Database, settings: Settings) -> list[Broken]:
    """Every invariant that the rows do not keep; [] when all hold."""
    with database.reading() as session:
        number = broken_audit_link(session)
        if number is not None:
            return [Broken("chain", f"link {number} does not fit")]
        books = Books(session)
        parts: list[Callable[[], Iterator[Broken]]] = [
            lambda: _records(books),
            lambda: _releases(books, settings),
            lambda: _tasks(books),
            lambda: _settlements(books),
            lambda: _labels(books),
            lambda: _documents(session, books),
            lambda: _switches(session, books),
            lambda: _versions(session, books),
        ]
        return [one for part in parts for one in part()]


def _links(found: Sequence[AuditRow], *kinds: str) -> list[AuditRow]:
    return [link for link in found if link.kind in kinds]


def _records(books: Books) -> Iterator[Broken]:
    """A record and its link come together, once, and the record is as it was written."""
    linked = Counter(link.event["answer_id"] for link in _links(books.links, "recorded"))
    for answer_id in linked.keys() - books.records.keys():
        yield Broken("lost", f"the record of answer {answer_id}")
    for answer_id, row in books.records.items():
        if linked[answer_id] != 1:
            yield Broken("doubled", f"answer {answer_id} has {linked[answer_id]} links")
            continue
        (link,) = _links(books.of_answer[answer_id], "recorded")
        actual = content_hash(row.question, row.draft, row.evidence, row.lineage)
        stated = link.event["content_sha256"], link.event["outcome"]
        if {actual, row.content_sha256} != {stated[0]} or row.outcome != stated[1]:
            yield Broken("chain", f"record {answer_id} is not what its link says")
        kinds = Counter(t.kind for t in books.tasks.values() if t.answer_id == answer_id)
        audited = row.outcome == "released" and bool((row.gate or {}).get("audited"))
        expected = {"held": 1} if row.outcome == "held" else {"audit": 1} if audited else {}
        if dict(kinds) != expected:
            yield Broken("lost", f"answer {answer_id} ({row.outcome}) has the tasks {dict(kinds)}")


# What was released


def _releases(books: Books, settings: Settings) -> Iterator[Broken]:
    """Nothing is out without a record, and without the gate or a signature as of that moment."""
    stand = Stand(settings.gate_mode)
    signed = set()
    for link in books.links:
        stand.follow(link.kind, link.event)
        answer_id = link.event.get("answer_id", "")
        if link.kind not in ("released", "corrected") or answer_id not in books.records:
            continue
        record = books.records[answer_id]
        if link.kind == "released" and link.event["released_by"] == "policy":
            why = _without_gate(record, stand)
        else:
            why = _without_signature(books, record, stand, settings)
        if why:
            yield Broken("unsigned", f"answer {answer_id}: {why}")
        signed.add(answer_id)
    for answer_id in books.releases.keys() - signed:
        yield Broken("unsigned", f"answer {answer_id} was released without a link")
    for answer_id in signed - books.releases.keys():
        yield Broken("lost", f"the release of answer {answer_id}")
    for answer_id in signed & books.releases.keys():
        said = _links(books.of_answer[answer_id], "released", "corrected")[-1]
        if said.event["answer_sha256"] != canonical_sha256(books.releases[answer_id].answer):
            yield Broken("unsigned", f"answer {answer_id} shows another text than was released")


def _cited(record: RecordRow, answer: Mapping[str, Any]) -> tuple[set[str], list[str]]:
    """(documents, collections) that an answer cites."""
    collections = {passage["id"]: passage["collection"] for passage in record.evidence}
    documents = {citation["document_id"] for citation in answer["citations"]}
    names = {collections[c["passage_id"]] for c in answer["citations"]}
    return documents, sorted(names)


def _without_gate(record: RecordRow, stand: Stand) -> str:
    """Why the policy and the gate cannot have let this out; "" when they can."""
    gate, draft = record.gate or {}, record.draft
    mode = gate.get("mode", "")
    if record.verdict["action"] != "release" or draft is None or not draft["sentences"]:
        return "the policy did not let it pass"
    documents, collections = _cited(record, draft)
    if not gate.get("admitted") or not gate.get("asked") or mode not in RELEASING:
        return f"the gate did not admit it ({mode})"
    if MODES.index(mode) < stand.least_mode(collections):
        return f"it went out in the mode {mode}, while a stricter one was set"
    if mode != "off":
        threshold = gate["threshold"]
        if not gate["certificate"] or threshold is None or not gate["risk"] <= threshold:
            return "no certificate covers its risk"
        if gate["certificate"] in stand.ended:
            return "its certificate had ended"
    if gone := documents & stand.deleted:
        return f"it cites the deleted documents {sorted(gone)}"
    if not stand.may(record.principal, "asker", collections):
        return f"it cites {collections}, which {record.principal} may not read"
    return ""


def _without_signature(books: Books, record: RecordRow, stand: Stand, settings: Settings) -> str:
    """Why no decision let this out; "" when one did."""
    task = books.task_of(record.answer_id)
    decision = books.decisions.get(task.id) if task is not None else None
    if task is None or decision is None or decision.kind == "reject":
        return "nobody decided to release it"
    _, collections = _cited(record, {"citations": _as_citations(record)})
    by = decision.reviewer
    if not stand.may(by, "reviewer", collections):
        return f"{by} may not decide about {collections}"
    if by == record.principal and (task.four_eyes or not settings.self_review):
        return f"{by} decided an answer to their own question"
    answer = books.releases[record.answer_id].answer if record.answer_id in books.releases else {}
    if {one["document_id"] for one in answer.get("citations", ())} & stand.deleted:
        return "it was approved after a source that it cites was deleted"
    return _wrong_text(books, record, task, decision, answer)


def _as_citations(record: RecordRow) -> list[dict[str, str]]:
    return [{"document_id": p["document_id"], "passage_id": p["id"]} for p in record.evidence]


def _wrong_text(
    books: Books,
    record: RecordRow,
    task: ReviewTaskRow,
    decision: DecisionRow,
    answer: Mapping[str, Any],
) -> str:
    """Whether what is out is what was signed."""
    kinds = record.verdict.get("redact", ())
    approvals = books.approvals[task.id]
    signed: AnswerObject | None
    if task.four_eyes:
        last = approvals[-1].answer_sha256 if approvals else ""
        eyes = {one.reviewer for one in approvals if one.answer_sha256 == last}
        if len(eyes) < 2 or record.principal in eyes:
            return f"four eyes were needed, but {sorted(eyes)} approved"
        signed = approvals[-1].answer
    else:
        if decision.content_sha256 != record.content_sha256:
            return "the decision is about another content"
        signed = record.draft if decision.kind == "approve" else None
    if signed is not None:
        same = redacted(signed, kinds) == answer
    else:
        edited = cast("AnswerObject", {**answer, "text": decision.text})
        same = redacted(edited, kinds)["text"] == answer.get("text")
    return "" if same else "its text is not the one that was decided"


# Review


def _tasks(books: Books) -> Iterator[Broken]:
    """Each task is decided once, or expired, or waits."""
    for task_id, task in books.tasks.items():
        links = books.of_task[task_id]
        decided = len(_links(links, "decided"))
        expired = len(_links(links, "task_expired")) - len(_links(links, "task_reopened"))
        opened = len(_links(links, "held", "audit"))
        has_row = task_id in books.decisions
        expected = {"decided": (1, 0, True), "expired": (0, 1, False)}
        wanted = expected.get(task.state, (0, 0, False))
        if opened != 1 or (decided, expired, has_row) != wanted:
            kind: Kind = "doubled" if max(opened, decided, expired) > 1 else "lost"
            found = f"{opened} openings, {decided} decisions, {expired} expiries, row {has_row}"
            yield Broken(kind, f"task {task_id} is {task.state} with {found}")
        if task.undecided != (task.state in ("open", "claimed")):
            yield Broken("lost", f"task {task_id} is {task.state}, undecided {task.undecided}")
        if has_row and books.decisions[task_id].reviewer != task.claimed_by:
            yield Broken("lost", f"task {task_id} was decided by somebody who did not hold it")
    for task_id, task in books.probe_tasks.items():
        decided = len(_links(books.of_task[task_id], "probe_decided"))
        probe = books.probes.get(task_id)
        done = task.state == "decided"
        if probe is None or decided != int(done) or (probe.decision is not None) != done:
            yield Broken("lost", f"probe {task_id} is {task.state} with {decided} decisions")
        if task_id in books.decisions or task.answer_id in books.records:
            yield Broken("unsigned", f"probe {task_id} touches an answer")


def _settlements(books: Books) -> Iterator[Broken]:
    """An answer is settled by its decision or its expiry, and by nothing else."""
    for task in books.tasks.values():
        decision = books.decisions.get(task.id)
        state = SETTLED.get((task.kind, decision.kind)) if decision is not None else None
        if task.state == "expired" and task.kind == "held":
            state = "expired"
        settled = books.settlements.get(task.answer_id)
        links = _links(books.of_answer[task.answer_id], *SETTLING)
        links = [link for link in links if link.event.get("released_by") != "policy"]
        found = settled.state if settled is not None else None
        kinds = [link.kind for link in links]
        while kinds[:2] == ["expired", "reopened"]:  # a clock was ahead, and came back
            kinds = kinds[2:]
        if found == "reopened":
            found = None
        if found != state or kinds != ([state] if state else []):
            yield Broken("lost", f"task {task.id}: settled {found}, links {kinds}, not {state}")
        elif settled is not None and settled.number != links[-1].number:
            yield Broken("lost", f"the settlement of {task.answer_id} names another link")
        release = books.releases.get(task.answer_id)
        withdrawn = release is not None and release.withdrawn_at is not None
        if withdrawn != (state == "withdrawn"):
            yield Broken("lost", f"the withdrawal of answer {task.answer_id}")
        if task.kind == "held" and (release is not None) != (state == "released"):
            yield Broken("unsigned", f"answer {task.answer_id} is {state}, release: {release}")
    for answer_id in books.settlements.keys() - {t.answer_id for t in books.tasks.values()}:
        yield Broken("unsigned", f"answer {answer_id} was settled without a task")


def _labels(books: Books) -> Iterator[Broken]:
    """Each decision on what the gate was asked is one label; an audit moves its test once."""
    expected = {}
    for task in books.tasks.values():
        asked = (books.records[task.answer_id].gate or {}).get("asked")
        if task.id in books.decisions and asked:
            expected[task.answer_id] = "audit" if task.kind == "audit" else "review"
    found = {answer_id: label.source for answer_id, label in books.labels.items()}
    if found != expected:
        differ = sorted(set(found.items()) ^ set(expected.items()))
        yield Broken("lost", f"labels differ from decisions: {differ}")
    audits = [label for label in books.labels.values() if label.source == "audit"]
    seen = Counter(label.certificate for label in audits if label.certificate)
    for row in books.certificates.values():
        if row.process["seen"] != seen[row.id]:
            told = f"{row.process['seen']} audits, {seen[row.id]} labels"
            yield Broken("doubled", f"the running test of {row.id} saw {told}")


# Documents and index


def _documents(session: Session, books: Books) -> Iterator[Broken]:
    """A revision for each link, its passages once; a deleted document has none."""
    passages: dict[str, list[tuple[int, int]]] = defaultdict(list)
    columns = PassageRow.document_id, PassageRow.revision, PassageRow.ordinal
    for document, revision, ordinal in session.execute(select(*columns)):
        passages[document].append((revision, ordinal))
    made = Counter(link.event["document_id"] for link in _links(books.links, "document_ready"))
    newest = {
        link.event["document_id"]: link
        for link in _links(books.links, "document_ready", "document_deleted")
    }
    counted: Counter[str] = Counter()
    for row in session.scalars(select(DocumentRow)):
        held = sorted(passages[row.id])
        counted[row.collection] += row.state != DELETED
        last = newest.get(row.id)
        if row.revision != made[row.id] or row.number != (last.number if last else 0):
            yield Broken("lost", f"{row.source}: revision {row.revision}, {made[row.id]} links")
        if row.state == DELETED and held:
            yield Broken("left over", f"{row.source} is deleted and has {len(held)} passages")
        current = [ordinal for revision, ordinal in held if revision == row.revision]
        if row.state == READY and (not current or current != list(range(len(current)))):
            yield Broken("lost", f"{row.source} has the passages {current}")
        deleted = last is not None and last.kind == "document_deleted"
        if row.state == READY and deleted:
            yield Broken("lost", f"the deletion of {row.source}")
    stored = {row.name: row.documents for row in session.scalars(select(CollectionRow))}
    if {name: n for name, n in stored.items() if n} != {
        name: n for name, n in counted.items() if n
    }:
        yield Broken("lost", f"collections count {stored}, not {dict(counted)}")


def _switches(session: Session, books: Books) -> Iterator[Broken]:
    """Modes and accounts are what their last link says."""
    stand = Stand("")
    for link in books.links:
        stand.follow(link.kind, link.event)
    modes = {row.collection: row.mode for row in session.scalars(select(GateModeRow))}
    if modes != stand.modes:
        yield Broken("lost", f"the modes are {modes}, not {stand.modes}")
    for person in session.scalars(select(PrincipalRow)):
        said = stand.people.get(person.name)
        state: dict[str, Any] = {"roles": person.roles, "scope": person.scope}
        state["disabled"] = person.disabled_at is not None
        if said is None or any(said[name] != value for name, value in state.items()):
            yield Broken("lost", f"the account {person.name} is not what its link says")


def _versions(session: Session, books: Books) -> Iterator[Broken]:
    """One version is live: the one that was promoted last."""
    promoted = [link.event["version_id"] for link in _links(books.links, "index_promoted")]
    live = session.scalars(select(IndexVersionRow.id).where(IndexVersionRow.state == "live")).all()
    pointer = session.scalar(select(LiveIndexRow.version_id))
    expected = promoted[-1:] if promoted else []
    if list(live) != expected or pointer != (expected[0] if expected else None):
        yield Broken("lost", f"live: {live}, pointer: {pointer}, promoted last: {expected}")


# What recovery must have cleaned up


def left_over(database: Database, settings: Settings) -> list[Broken]:
    """What a run after a crash must have removed or finished; [] when there is nothing."""
    found: list[str] = []
    with database.reading() as session:
        versions = {row.id: row.state for row in session.scalars(select(IndexVersionRow))}
        rows = session.scalars(select(DocumentRow).where(DocumentRow.state != DELETED)).all()
        pending = [row.source for row in rows if row.state == PENDING]
        named = {row.stored_at for row in rows}
        old = session.scalars(
            select(PassageRow.id)
            .join(DocumentRow, DocumentRow.id == PassageRow.document_id)
            .where(PassageRow.revision > DocumentRow.revision)
        ).all()
    if "building" in versions.values():
        found.append("a version is still being built")
    if pending:
        found.append(f"documents are not ready: {pending}")
    if old:
        found.append(f"{len(old)} passages of revisions that do not exist")
    folders = {path.name for path in _children(settings.index_dir)}
    kept = {name for name, state in versions.items() if state != "failed"}
    if folders != kept:
        found.append(f"index folders {sorted(folders ^ kept)}")
    unnamed = [path for path in _children(settings.upload_dir) if str(path) not in named]
    if unnamed:
        found.append(f"{len(unnamed)} uploads that no document names")
    return [Broken("left over", what) for what in found]


def _children(folder: Any) -> list[Any]:
    return list(folder.resolve().iterdir()) if folder.is_dir() else []
