"""How the service is served: by one process, or by several behind one port, each with models, an
index and permits of its own."""

import gc
import os
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import structlog
import uvicorn
from prometheus_client.multiprocess import mark_process_dead
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from app import background
from app.allocator import use_few_arenas
from app.api.protocol import timed_protocol
from app.errors import (
    CountersignError,
    DependencyFailed,
    ModelRefused,
    SchemaNewer,
    SchemaOutdated,
    SettingsInvalid,
)
from app.inference.device import cpu_threads
from app.main import create_app
from app.serving.turns import take_short_turns
from app.settings import Settings
from app.telemetry import SHARED_METRICS, configure_logging
from app.wiring import Services, open_services
from ingestion.formats.page_image import PageImages
from ingestion.worker import worker

DRAIN_S = 10
HANGS_S = 30
"""A process that answers nothing of its parent for so long is ended and replaced."""
LOOK_EVERY_S = 2.0
SWITCH_S = 0.0005
"""How long a thread that computes keeps the event loop waiting: Python's 5 ms, once for each
write to a socket, are what a refusal would wait for behind answers."""
COLLECT = (700, 10, 1000)
"""When garbage is looked for: new objects as Python does it, old ones a hundred times less often.
That holds every thread for 0.1 to 0.3 s beside a thousand event streams, and finds twenty
objects (benchmarks/LOG.md)."""
LASTING = (SettingsInvalid, ModelRefused, SchemaNewer, SchemaOutdated)
"""What another start would not mend."""
log = structlog.get_logger()


def server_options(settings: Settings) -> dict[str, Any]:
    """What uvicorn is told, however many processes serve."""
    return {
        "host": settings.host,
        "port": settings.port,
        "ws": "none",
        "limit_concurrency": settings.max_connections,
        "log_level": "warning",
        "timeout_graceful_shutdown": DRAIN_S,
    }


class OneOfSeveral(uvicorn.Config):
    """Builds the service in the process that serves it: an application cannot be sent there."""

    def load(self) -> None:
        """Open the services and make the application; a process that cannot start ends."""
        gc.disable()  # until it serves (``prompt``)
        use_few_arenas()
        configure_logging()
        forget_dead(Path(os.environ[SHARED_METRICS]))
        settings = share_of(Settings(), self.workers)
        try:
            services = open_services(settings)
            services.warm_up()
        except CountersignError as error:
            log.error("process_not_started", code=error.code, message=error.message)
            sys.exit(STARTUP_FAILURE if isinstance(error, LASTING) else 1)
        self.http = timed_protocol(settings.header_timeout_s)
        beside = [worker, background.worker, prompt, minded]
        self.app = create_app(settings, beside, services, PageImages())
        super().load()


def run_workers(settings: Settings, workers: int, doors: list[socket.socket]) -> None:
    """Serve with so many processes behind these sockets until a signal; one that dies is replaced.

    Raises ``DependencyFailed`` when one cannot start for a reason that stays.
    """
    options = server_options(settings)
    config = OneOfSeveral("", workers=workers, timeout_worker_healthcheck=HANGS_S, **options)
    with tempfile.TemporaryDirectory(prefix="countersign-metrics-") as folder:
        os.environ[SHARED_METRICS] = folder  # the processes inherit it
        supervisor = Multiprocess(config, doors)
        supervisor.run()
    if any(process.exitcode == STARTUP_FAILURE for process in supervisor.processes):
        raise DependencyFailed("A process could not start; its line in the log says why.")


def share_of(settings: Settings, workers: int) -> Settings:
    """The settings of one of so many processes: unless said, they share the cores, and count
    callers together."""
    shared = {} if settings.quotas == "process" else {"quotas": "database"}
    threads = settings.model_threads or max(1, cpu_threads() // workers)
    return settings.model_copy(update={**shared, "model_threads": threads})


def forget_dead(folder: Path) -> None:
    """What processes that have ended said of themselves no longer counts; their counts do."""
    for file in folder.glob("gauge_live*_*.db"):
        pid = int(file.stem.rpartition("_")[2])
        if not _runs(pid):
            mark_process_dead(pid, str(folder))  # type: ignore[no-untyped-call]


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@contextmanager
def minded(services: Services) -> Iterator[None]:
    """Within the block this process ends itself when a thread of it has stopped, so that its
    parent starts another one, and when that parent has gone."""
    stop, parent = threading.Event(), os.getppid()

    def mind() -> None:
        while not stop.wait(LOOK_EVERY_S):
            if (stopped := services.dead()) or os.getppid() != parent:
                log.error("process_ends", stopped=stopped)
                os.kill(os.getpid(), signal.SIGTERM)
                return

    thread = threading.Thread(target=mind, name="minder", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@contextmanager
def prompt(_services: Services) -> Iterator[None]:
    """Nothing holds the event loop for long: it is run when it wakes, threads switch soon, and what
    is loaded by now is left out of garbage collections, each of which would look through all of
    it: a third of a second for the few thousand objects that nothing holds by now."""
    take_short_turns()
    sys.setswitchinterval(SWITCH_S)
    gc.freeze()
    gc.set_threshold(*COLLECT)
    gc.enable()
    yield
