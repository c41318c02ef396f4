"""Commands of operators that end with SIGKILL, and what is left of their work: backup, restore,
erasing and signing."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from app.backup import PART, UNFINISHED, back_up, restore
from app.db import Database
from app.errors import BackupRefused, NotFound
from app.proof.audit_checks import verified
from app.proof.checkpoints import Checkpoints
from app.proof.erasure import Eraser
from app.records.tables import RecordRow, SettlementRow
from app.settings import Settings
from app.wiring import build_corpus, open_database
from benchmarks.invariants import Broken

KEPT, WRITTEN, RESTORED = "kept.zip", "written.zip", "restored"
"""In the data folder: a backup from before, the one that is being written, a restored service."""
Say = Callable[[str], None]
Watch = Callable[[Database], None]


def back_up_house(house: Any, say: Say, _watch: Watch) -> None:
    """A backup beside an earlier one."""
    back_up(house.database, house.settings, house.settings.data_dir / WRITTEN)
    say("backup whole")


def restore_house(house: Any, say: Say, watch: Watch) -> None:
    """The backup from before, into an empty folder and an empty SQLite database."""
    settings = restored(house.settings)
    database = Database(settings.database)
    watch(database)
    restore(database, settings, house.settings.data_dir / KEPT)
    say("restore whole")


def erase_house(house: Any, say: Say, _watch: Watch) -> None:
    """One answer, then all that its asker asked."""
    with house.database.reading() as session:
        first = session.scalar(select(RecordRow.answer_id).order_by(RecordRow.answer_id).limit(1))
    eraser = Eraser(house.database, house.settings, build_corpus(house.settings, house.database))
    eraser.answer(first, "olga")
    say(f"erased {first}")
    eraser.principal("ann", "olga")
    say("erased everything")


def sign_house(house: Any, say: Say, _watch: Watch) -> None:
    """A checkpoint, a new key, and a checkpoint of that."""
    checkpoints = Checkpoints(house.database, house.settings)
    for _ in range(2):
        say(f"signed {checkpoints.make().number}")
        say(f"key {checkpoints.keys.rotate()}")
    say(f"signed {checkpoints.make().number}")


WORK: dict[str, Callable[[Any, Say, Watch], None]] = {
    "backup": back_up_house,
    "restore": restore_house,
    "erase": erase_house,
    "sign": sign_house,
}


def restored(settings: Settings) -> Settings:
    """Of the service that a backup is restored into."""
    place = settings.data_dir / RESTORED
    return settings.model_copy(update={"data_dir": place, "database_url": ""})


def faults(house: Any, phase: str, said: Sequence[str]) -> Iterator[Broken]:
    """What is wrong after such a command was killed, and its work was done once more."""
    checks = {"backup": _backups, "restore": _restores, "erase": _erasures, "sign": _signatures}
    if phase in checks:
        yield from checks[phase](house, said)


def _backups(house: Any, said: Sequence[str]) -> Iterator[Broken]:
    """What has its name is whole, and the next backup takes the beginning of this one away."""
    folder = house.settings.data_dir
    whole = (folder / WRITTEN).exists()
    if "backup whole" in said and not whole:
        yield Broken("lost", "the backup that was written")
    back_up(house.database, house.settings, folder / "again.zip")
    for archive in [folder / WRITTEN] if whole else [folder / "again.zip"]:
        yield from _comes_back(house, archive)
    for left in folder.glob(f"*{PART}"):
        yield Broken("left over", str(left.name))


def _restores(house: Any, said: Sequence[str]) -> Iterator[Broken]:
    """It is whole, or no command takes it for a service; emptied, it is restored once more."""
    settings = restored(house.settings)
    if (settings.data_dir / UNFINISHED).exists():
        try:
            open_database(settings).close()
            yield Broken("lost", "half a restore is taken for a service")
        except BackupRefused:
            pass
    elif (settings.data_dir / "countersign.db").exists() and "restore whole" in said:
        yield from _is_whole(house, settings)
    yield from _comes_back(house, house.settings.data_dir / KEPT)


def _comes_back(house: Any, archive: Path) -> Iterator[Broken]:
    settings = restored(house.settings)
    shutil.rmtree(settings.data_dir, ignore_errors=True)
    with closing(Database(settings.database)) as database:
        restore(database, settings, archive)
    yield from _is_whole(house, settings)


def _is_whole(house: Any, settings: Settings) -> Iterator[Broken]:
    counted = select(func.count()).select_from(RecordRow)
    with closing(open_database(settings)) as database:
        with database.reading() as session, house.database.reading() as own:
            if session.scalar(counted) != own.scalar(counted):
                yield Broken("lost", "answers of the backup")
        if not verified(database, settings).sound:
            yield Broken("chain", "what was restored does not fit its chain")
    shutil.rmtree(settings.data_dir, ignore_errors=True)


def _erasures(house: Any, said: Sequence[str]) -> Iterator[Broken]:
    """What was said to be erased is; done again, nothing is left, and nothing is erased twice."""
    if not verified(house.database, house.settings).sound:
        yield Broken("chain", "what is left does not fit")
    states = select(SettlementRow.answer_id).where(SettlementRow.state == "erased")
    with house.database.reading() as session:
        erased = set(session.scalars(states))
        everything = set(session.scalars(select(RecordRow.answer_id)))
    for line in said:
        wanted = everything if line == "erased everything" else {line.removeprefix("erased ")}
        if line.startswith("erased ") and not wanted <= erased:
            yield Broken("lost", line)
    eraser = Eraser(house.database, house.settings, build_corpus(house.settings, house.database))
    with suppress(NotFound):  # it was done to its end
        eraser.principal("ann", "olga")
    with house.database.reading() as session:
        words = select(RecordRow.question).where(RecordRow.question != "")
        if session.scalars(words.limit(1)).all():
            yield Broken("left over", "words of who was erased")


def _signatures(house: Any, said: Sequence[str]) -> Iterator[Broken]:
    """Whatever was signed still verifies, by a key that is there, and signing goes on."""
    checkpoints = Checkpoints(house.database, house.settings)
    checkpoints.make()
    numbers = {one.number for one in checkpoints.kept()}
    keys = checkpoints.keys.public()
    for what, value in (line.split(" ", 1) for line in said if " " in line):
        if (what == "signed" and int(value) not in numbers) or (
            what == "key" and value not in keys
        ):
            yield Broken("lost", f"{what} {value}")
    if checkpoints.lost_keys() or checkpoints.refused():
        yield Broken("lost", "a key that signed")
    if not verified(house.database, house.settings).sound:
        yield Broken("chain", "the checkpoints do not fit")
    checkpoints.keys.rotate()
    for folder in ("audit_keys", "checkpoints"):
        for left in (house.settings.data_dir / folder).glob(".*"):
            yield Broken("left over", f"{folder}/{left.name}")
