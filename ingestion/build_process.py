"""A full build in a process of its own, of the lowest priority: questions are answered meanwhile
as if nothing were built."""

import json
import os
import subprocess
import sys
from contextlib import suppress
from functools import partial
from typing import NoReturn

import faiss

from app.corpus.corpus import Corpus
from app.db import Database
from app.errors import Conflict, CountersignError, DependencyFailed, StorageFull
from app.ports import Embedder
from app.retrieval.passage_index import FileKey
from app.settings import PROJECT, Settings
from ingestion.formats.confine import die_with
from ingestion.indexing import IndexBuilder, asked_vectors

PROGRAM = (
    "import sys; sys.path.insert(0, sys.argv[1]); from ingestion.build_process import main; main()"
)
NICENESS = 19
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""One thread for each library: questions need the other cores."""
TOLD = {error.code: error for error in (Conflict, StorageFull)}
"""Errors that the process may end with, by their code; any other is ``DependencyFailed``."""


def build_apart(settings: Settings, embedder: str, version_id: str) -> dict[FileKey, str]:
    """``IndexBuilder.write`` in a new process; raises what it raises.

    Returns the hashes of the files that it has written and checked, so that this process need not
    read them all again beside its questions.
    """
    asked = {
        "settings": settings.model_dump(mode="json"),
        "embedder": embedder,
        "version_id": version_id,
    }
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(PROJECT), str(os.getpid())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, **dict.fromkeys(THREADS, "1")},
    ) as process:
        try:
            _give_way(process.pid)
            # Through a pipe: the address of the database may hold a password.
            output, _ = process.communicate(json.dumps(asked).encode())
        except BaseException:
            process.kill()
            raise
    if process.returncode != 0:
        _refuse(output, process.returncode)
    told = json.loads(output.splitlines()[-1])
    return {(device, inode, size, time): digest for device, inode, size, time, digest in told}


def main() -> None:
    """In the new process."""
    die_with(int(sys.argv[2]))
    faiss.omp_set_num_threads(1)
    told = json.load(sys.stdin)
    settings = Settings(**told["settings"])
    database = Database(settings.database)
    try:
        keep, folder = settings.keep_index_versions, settings.index_dir
        builder = IndexBuilder(Corpus(database), told["embedder"], folder, keep=keep, device="cpu")
        builder.asked = partial(asked_vectors, database, lambda: _embedder(settings))
        index = builder.write(told["version_id"])
        print(json.dumps([[*key, digest] for key, digest in index.files.items()]))
    except CountersignError as error:
        print(json.dumps([error.code, error.message]))
        sys.exit(1)
    finally:
        database.close()


def _give_way(process: int) -> None:
    """Let a process run where nothing else wants to, from its first moment on: what it imports
    takes a tenth of its time. One of the least priority keeps a question waiting for a turn of
    some 3 ms; Linux takes the core from an idle one at once."""
    with suppress(ProcessLookupError):
        if hasattr(os, "SCHED_IDLE"):
            os.sched_setscheduler(process, os.SCHED_IDLE, os.sched_param(0))
        else:
            os.setpriority(os.PRIO_PROCESS, process, NICENESS)


def _embedder(settings: Settings) -> Embedder:
    from app.backends import build_embedder  # costs as much as all else that is imported here

    return build_embedder(settings)


def _refuse(output: bytes, status: int) -> NoReturn:
    try:
        code, message = json.loads(output)
    except ValueError as error:
        raise DependencyFailed(
            f"The process that builds the index ended with status {status}."
        ) from error
    raise TOLD.get(code, DependencyFailed)(message)
