"""One seed from its beginning to its verdict."""

import os
import threading
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from sqlalchemy import select

import ingestion.pipeline
import ingestion.worker
from app.corpus.tables import READY, DocumentRow, PassageRow
from app.deadline import Deadline
from app.errors import CountersignError
from app.records.tables import AuditRow, RecordRow
from app.review.tables import DecisionRow, ProbeRow, ReviewTaskRow
from app.review.tasks import early_tasks
from benchmarks.invariants import broken_invariants, left_over
from tests.simulation.actions import COLLECTIONS, REFUSED, REVIEWERS, THINGS, Actions, Wrong
from tests.simulation.world import Ground, World, world

STEPS = 50


@dataclass
class Verdict:
    """What came of one seed: ``wrong`` is empty when all promises were kept."""

    seed: int
    wrong: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    faults: int = 0


def run(seed: int, ground: Ground, *, each_step: bool = False) -> Verdict:
    """Run a seed; ``each_step`` looks at the invariants after every step, to name the first that
    broke one."""
    with world(seed, ground) as made:
        verdict = Verdict(seed, said=made.said)
        try:
            verdict.wrong = list(_run(made, verdict, each_step))
        except Wrong as found:
            verdict.wrong = [str(found)]
        except Exception:  # noqa: BLE001 - whatever escapes from the service is what we look for
            verdict.wrong = [traceback.format_exc()[-1500:]]
    return verdict


def _run(made: World, verdict: Verdict, each_step: bool) -> Iterator[str]:
    actions = Actions(made)
    for _ in range(STEPS):
        before = len(made.said)
        actions.step()
        verdict.faults += any(line.endswith(")") for line in made.said[before:])
        if each_step and (broken := broken_invariants(made.process.database, made.settings)):
            yield from map(str, broken)
            return
    recover(actions)
    database = made.process.database
    yield from map(str, broken_invariants(database, made.settings))
    yield from map(str, left_over(database, made.settings))
    yield from _lost(actions)
    with database.reading() as session:
        verdict.outcomes += Counter(session.scalars(select(RecordRow.outcome)))
        verdict.outcomes += Counter(
            f"{kind} decided" for kind in session.scalars(select(DecisionRow.kind))
        )
        states = select(ReviewTaskRow.state).where(ReviewTaskRow.state == "expired")
        verdict.outcomes += Counter(session.scalars(states))
    yield from _closed_early(actions)
    yield from _stuck(actions)
    yield from map(str, broken_invariants(database, made.settings))


def recover(actions: Actions) -> None:
    """What any installation does after a bad day: it starts anew, its workers run, time passes."""
    made = actions.world
    made.clock.error *= 0
    made.restart()
    actions.renew_keys()
    process = made.process
    for _ in range(2):
        made.clock.wait(3600)
        process.pipeline.retry([])
        for collection in COLLECTIONS:
            folder = made.files / collection
            if folder.is_dir():
                process.pipeline.ingest(sorted(folder.iterdir()), collection)
        ingestion.worker.drain(process.pipeline, actions.services(), threading.Event())
    if made.settings.upload_dir.is_dir():
        for path in made.settings.upload_dir.iterdir():
            os.utime(path, (0, 0))
    process.pipeline.tidy()
    process.desk.expire_overdue()
    process.drift.check()
    process.access.purge()


# Nothing that was acknowledged is lost


def _lost(actions: Actions) -> Iterator[str]:
    yield from _lost_documents(actions)
    yield from _lost_answers(actions)
    yield from _lost_decisions(actions)
    process, told = actions.process, actions.told
    for key in told.revoked:
        try:
            found = process.access.keys.principal(key)
        except CountersignError:
            continue
        yield f"lost: the revocation of a key of {found.name}"
    with process.database.reading() as session:
        modes = process.gate.modes(session)
    for collection, possible in told.modes.items():
        now = modes.stored.get(collection, "") if collection else modes.service
        if now not in possible and not _by_gate(actions, collection):
            yield f"lost: the mode of {collection!r} is {now}, not one of {sorted(possible)}"


def _by_gate(actions: Actions, collection: str) -> bool:
    """Whether the gate itself may have changed a mode since."""
    with actions.process.database.reading() as session:
        events = session.scalars(select(AuditRow.event).where(AuditRow.kind == "gate_mode"))
        return any(e["by"] == "gate" and e["collection"] == collection for e in events)


def _lost_documents(actions: Actions) -> Iterator[str]:
    process, possible = actions.process, actions.told.sources
    with process.database.reading() as session:
        rows = session.scalars(select(DocumentRow)).all()
        texts = {
            row.id: session.scalars(
                select(PassageRow.text).where(
                    PassageRow.document_id == row.id, PassageRow.revision == row.revision
                )
            ).all()
            for row in rows
        }
    current = set()
    found = {(row.collection, row.source): row for row in rows}
    for at, allowed in possible.items():
        row = found.get(at)
        state = None if row is None or row.state == "deleted" else row.state
        said: str | None = None
        if row is not None and state is not None:
            said = " ".join(texts[row.id]).strip() if state == READY else REFUSED
        if said not in allowed:
            yield f"lost: {at} holds {said!r} ({state}), not one of {allowed}"
        if said is not None and said != REFUSED:
            current.add((at[0], said))
    yield from _not_found(actions, current)


def _not_found(actions: Actions, current: set[tuple[str, str]]) -> Iterator[str]:
    """The search finds what is there, within the scope, and nothing else."""
    if actions.process.corpus.versions.live() is None:
        if current:
            yield f"lost: no index is live for {len(current)} documents"
        return
    retriever = actions.process.retriever
    for collection in COLLECTIONS:
        found = set()
        for thing in THINGS:
            hits = retriever.retrieve(f"{thing} damage", [collection], 20, Deadline(30)).hits
            found |= {(hit.passage.collection, hit.passage.text.strip()) for hit in hits}
        expected = {pair for pair in current if pair[0] == collection}
        if found != expected and not _rolled_back(actions):
            yield f"lost: a search finds {found - expected}, and not {expected - found}"
        if any(name != collection for name, _ in found):
            yield f"unsigned: a search in {collection} finds {found}"


def _rolled_back(actions: Actions) -> bool:
    """Whether an operator set a newer version aside: then it stays so."""
    process = actions.process
    live = process.corpus.versions.live()
    states = process.corpus.versions.all()
    newest = next((v.version_id for v in states if v.state in ("live", "retired")), None)
    return live is not None and newest != live.id


def _lost_answers(actions: Actions) -> Iterator[str]:
    process = actions.process
    with process.database.reading() as session:
        records = {row.answer_id: row for row in session.scalars(select(RecordRow))}
    for answer_id, (name, status) in actions.told.answers.items():
        record = records.get(answer_id)
        if record is None or record.principal != name:
            yield f"lost: answer {answer_id} of {name}"
        elif record.outcome != status and status not in ("rejected", "released", "withdrawn"):
            yield f"lost: answer {answer_id} was {status} and is {record.outcome}"
    for record in records.values():
        who = actions.who(record.principal)
        view = process.answerer.view(who, record.answer_id)
        drafted = record.draft["text"] if record.draft is not None else ""
        if view.status != "released" and (view.answer or (drafted and drafted in str(view))):
            yield f"unsigned: {record.answer_id} is {view.status} and shows {str(view)[:300]}"


def _lost_decisions(actions: Actions) -> Iterator[str]:
    with actions.process.database.reading() as session:
        decided = {row.task_id: row for row in session.scalars(select(DecisionRow))}
        probes = {row.task_id: row.decision for row in session.scalars(select(ProbeRow))}
    for task_id, (kind, reviewer, ended) in actions.told.decisions.items():
        if not ended:
            continue
        if task_id in probes:
            said = probes[task_id] or {}
            same = (said.get("kind"), said.get("reviewer")) == (kind, reviewer)
        else:
            row = decided.get(task_id)
            same = row is not None and (row.kind, row.reviewer) == (kind, reviewer)
        if not same:
            yield f"lost: the decision {kind} of {reviewer} on task {task_id}"


def _stuck(actions: Actions) -> Iterator[str]:
    """Every task that waits can be claimed by somebody, now that nobody holds anything."""
    process = actions.process
    actions.world.clock.wait(process.settings.claim_minutes * 60 + 1)
    with process.database.reading() as session:
        waiting = session.scalars(
            select(ReviewTaskRow.id).where(
                ReviewTaskRow.undecided,
                ReviewTaskRow.kind.in_(("held", "audit")),
                ReviewTaskRow.expires_at > actions.world.clock.now(),
            )
        ).all()
    for task_id in waiting:
        refusals = []
        for name in REVIEWERS:
            refusals.append(_refusal(actions, name, task_id))
            if not refusals[-1]:
                break
        else:
            if "claim_lost" in refusals:
                yield f"lost: nobody can claim task {task_id}: {refusals}"


def _closed_early(actions: Actions) -> Iterator[str]:
    """Now that the clock is right, what it closed while it was ahead is open again."""
    with actions.process.database.reading() as session:
        for task_id in early_tasks(session, actions.world.clock.now()):
            yield f"lost: task {task_id} expired before its time"


def _refusal(actions: Actions, name: str, task_id: str) -> str:
    try:
        actions.process.desk.claim(actions.who(name), task_id)
    except CountersignError as error:
        return error.code
    return ""
