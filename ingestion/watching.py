"""Watch mode: files and folders are ingested again as they change, each file once it is whole."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import structlog
from watchfiles import watch as watch_changes

from app.corpus.registering import AS_IT_IS, ValidDays
from app.errors import CountersignError, Invalid
from ingestion.metadata import sidecar_of
from ingestion.pipeline import Pipeline, Report
from ingestion.sources import find_files, find_folders, is_gone

SETTLE_S = 2.0
"""A file is whole when it stayed the same for as long."""
LOOK_S = 30.0
"""Between two looks where the system reports no change: network folders report none."""
FileState = tuple[int, ...]
"""Size, times of change, and inode, of the file and of its sidecar: another file in its place is a
change."""
log = structlog.get_logger()


@dataclass
class Watched:
    """What is known of the files below ``paths``, and which of them are to be ingested."""

    paths: Sequence[Path]
    settle_s: float = SETTLE_S
    clock: Callable[[], float] = time.monotonic
    _known: dict[Path, FileState] = field(default_factory=dict)
    _changed: dict[Path, tuple[FileState, float]] = field(default_factory=dict)
    _seen: set[Path] = field(default_factory=set)

    @property
    def waits(self) -> bool:
        """Whether the last look saw a change that is not taken yet."""
        return bool(self._changed)

    def waits_beside(self, files: Sequence[Path]) -> bool:
        """Whether another file than these changes still."""
        return not set(files) >= set(self._changed)

    @property
    def gone(self) -> bool:
        """Whether files that were taken are there no more."""
        return not self._seen >= set(self._known)

    def look(self) -> list[Path]:
        """The files that changed and are whole."""
        found = find_files([path for path in self.paths if not is_gone(path)])
        states = {file: state for file in found if (state := _state(file)) is not None}
        now = self.clock()
        self._seen = set(states)
        self._changed = {
            file: self._since(file, state, now)
            for file, state in states.items()
            if self._known.get(file) != state
        }
        return [f for f, (_, since) in self._changed.items() if now - since >= self.settle_s]

    def taken(self, files: Sequence[Path]) -> None:
        """These were ingested as the last look saw them."""
        for file in files:
            self._known[file], _ = self._changed.pop(file)

    def pruned(self) -> None:
        """What is gone was deleted."""
        self._known = {file: self._known[file] for file in self._known if file in self._seen}

    def _since(self, file: Path, state: FileState, now: float) -> tuple[FileState, float]:
        before = self._changed.get(file)
        return before if before is not None and before[0] == state else (state, now)


@dataclass
class Watch:
    """Ingests into one collection what changes below ``paths``.

    Each start looks at everything, so that what changed meanwhile counts. ``prune`` deletes the
    documents whose file is gone, once all files are whole: one that was moved stays the same
    document. ``told`` gets a report of all that was done.
    """

    pipeline: Pipeline
    paths: Sequence[Path]
    collection: str
    told: Callable[[Report], None]
    prune: bool = False
    valid: ValidDays = AS_IT_IS
    by: str = ""
    settle_s: float = SETTLE_S
    _began: bool = False

    def run(self, stop: threading.Event) -> None:
        """Until ``stop`` is set. Raises ``NotFound`` for a path that is not there at the start,
        and ``Invalid`` where nothing can be pruned."""
        find_files(self.paths)
        if self.prune:
            find_folders(self.paths)
        watched, looked, due = Watched(self.paths, self.settle_s), float("-inf"), True
        for changed in _wakes(self.paths, self.settle_s, stop):
            rested = time.monotonic() - looked
            due = due or changed or watched.waits or rested > LOOK_S
            if not due or rested < self.settle_s / 2:
                continue
            looked, due = time.monotonic(), False
            try:
                self._take(watched)
            except (CountersignError, OSError) as error:  # it is tried again at the next look
                log.warning("watch_failed", error=type(error).__name__, reason=str(error))

    def _take(self, watched: Watched) -> None:
        whole = watched.look()
        folders = self._to_prune(watched, whole)
        if not (whole or folders):
            self._tell(self.pipeline.catch_up())
            return
        report = self.pipeline.ingest(
            whole, self.collection, valid=self.valid, by=self.by, prune=folders
        )
        watched.taken(whole)
        if folders:
            watched.pruned()
            self._began = True
        self._tell(report)

    def _to_prune(self, watched: Watched, whole: Sequence[Path]) -> list[Path]:
        """The folders to prune: at the start, and when files are gone; not while one changes."""
        wanted = self.prune and (watched.gone or not self._began)
        if not wanted or watched.waits_beside(whole):
            return []
        try:
            return find_folders(self.paths)
        except Invalid as error:  # it is not mounted, perhaps
            log.warning("watch_prunes_nothing", reason=error.message)
            return []

    def _tell(self, report: Report) -> None:
        if report != Report(unchanged=report.unchanged, index_version=report.index_version):
            self.told(report)


def _wakes(paths: Sequence[Path], every_s: float, stop: threading.Event) -> Iterator[bool]:
    """True when something changed, and False every so often; ends when ``stop`` is set."""
    every_ms = max(1, round(every_s * 1000))
    reported = watch_changes(
        *paths,
        watch_filter=None,
        debounce=every_ms,
        stop_event=stop,
        rust_timeout=every_ms,
        yield_on_timeout=True,
        ignore_permission_denied=True,
        raise_interrupt=False,
    )
    try:
        for changes in reported:
            yield bool(changes)
    except OSError as error:  # the system watches no more files: looks alone find what changed
        log.warning("watch_by_looks", reason=str(error))
        while not stop.wait(every_s):
            yield False


def _state(file: Path) -> FileState | None:
    sidecar = sidecar_of(file)
    try:
        found = [path.stat() for path in (file, sidecar) if path is not None]
    except OSError:
        return None
    # The time of its status too: whoever gives the right to read a file does not change it.
    kept = ((one.st_size, one.st_mtime_ns, one.st_ctime_ns, one.st_ino) for one in found)
    return tuple(number for one in kept for number in one)
