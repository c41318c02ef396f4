"""Documents on a Ray cluster: some actors read them, others embed what those have read.

What was read goes from actor to actor. Every machine of the cluster has this package installed,
and sees the documents and the models under the same paths.
"""

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from app.errors import SettingsInvalid
from app.inference.device import use_threads
from app.settings import PROJECT, Settings
from ingestion.executor import stages_of
from ingestion.stages import Document, Named, Why, attempt

READING_SHARE = 5
"""One core in so many reads: embedding takes several times as long."""


class Reader:
    """In the cluster: reads and cuts documents."""

    def __init__(self, settings: Settings) -> None:
        self._stages = stages_of(settings)

    def read(self, path: Path, name: str) -> Any:
        """As ``Stages.read``, or why there is nothing."""
        return attempt(lambda: self._stages.read(path, name))


class Marker:
    """In the cluster: embeds passages, and marks those that give orders."""

    def __init__(self, settings: Settings) -> None:
        use_threads(1)
        self._stages = stages_of(settings)

    def mark_all(self, *group: Any) -> Any:
        """As ``Stages.mark_all``, of what ``Reader.read`` returned, or why there is nothing."""
        return attempt(lambda: self._stages.mark_all(group))


class OnRay:
    """An executor on a cluster that is joined when it is first needed.

    Raises ``SettingsInvalid`` then where Ray is not installed or cannot be reached.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings, self._starting = settings, threading.Lock()
        self._cluster: _Cluster | None = None

    @property
    def places(self) -> int:
        """How many runs of documents keep it busy."""
        return self._joined().places

    def prepare_all(self, files: Sequence[Named]) -> Iterator[list[Document | Why]]:
        """As ``Stages.prepare_all``, as one group; raises ``ray.exceptions.RayError`` when the
        cluster fails."""
        yield self._joined().prepare_all(files)

    def close(self) -> None:
        """Leave the cluster; what was started here ends."""
        with self._starting:
            if self._cluster is not None:
                self._cluster.ray.shutdown()
                self._cluster = None

    def _joined(self) -> "_Cluster":
        with self._starting:
            if self._cluster is None:
                self._cluster = _Cluster(_connected(self._settings.ray_address), self._settings)
            return self._cluster


class _Cluster:
    """The actors of one executor."""

    def __init__(self, ray: Any, settings: Settings) -> None:
        self.ray = ray
        found = ray.cluster_resources()
        cores = settings.ingest_workers or int(found.get("CPU", 1))
        gpus = int(found.get("GPU", 0)) if settings.device != "cpu" else 0
        readers = max(1, cores // READING_SHARE)
        markers = gpus or max(1, cores - readers)
        core = 1.0 if cores > 1 else 0.5  # on one core the two share it
        self._readers = _Busy(self._actors(Reader, settings, readers, core, 0))
        self._markers = _Busy(self._actors(Marker, settings, markers, core, 1 if gpus else 0))
        self.places = 2 * markers

    def prepare_all(self, files: Sequence[Named]) -> list[Document | Why]:
        with self._markers.least() as marker, ExitStack() as reading:
            read = [self._read(reading, *file) for file in files]
            prepared: list[Document | Why] | Why = self.ray.get(marker.mark_all.remote(*read))
        if isinstance(prepared, Exception):
            raise prepared
        return prepared

    def _read(self, reading: ExitStack, path: Path, name: str) -> Any:
        return reading.enter_context(self._readers.least()).read.remote(path, name)

    def _actors(
        self, kind: type, settings: Settings, count: int, cores: float, gpus: int
    ) -> list[Any]:
        remote = self.ray.remote(num_cpus=cores, num_gpus=gpus, max_restarts=-1)(kind)
        return [remote.remote(settings) for _ in range(count)]


class _Busy:
    """Actors, and how many documents each has been given."""

    def __init__(self, actors: Sequence[Any]) -> None:
        self._actors, self._given = actors, [0] * len(actors)
        self._lock = threading.Lock()

    @contextmanager
    def least(self) -> Iterator[Any]:
        """The actor that has least to do, for one document."""
        with self._lock:
            chosen = self._given.index(min(self._given))
            self._given[chosen] += 1
        try:
            yield self._actors[chosen]
        finally:
            with self._lock:
                self._given[chosen] -= 1


def _connected(address: str) -> Any:
    try:
        import ray
    except ImportError as error:
        raise SettingsInvalid(
            "The setting ingest_executor is ray: install countersign[ray]."
        ) from error
    # Nothing is reported to anybody, and nothing listens that is not needed.
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    try:
        ray.init(
            address or None,
            include_dashboard=False,
            log_to_driver=False,
            ignore_reinit_error=True,
            runtime_env={"env_vars": {"PYTHONPATH": str(PROJECT)}},
        )
    except (ConnectionError, ValueError) as error:
        raise SettingsInvalid(f"The setting ray_address: {error}") from error
    return ray
