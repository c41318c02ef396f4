"""Documents a second from files to a searchable index, beside another toolkit's own pipeline."""

import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from app.errors import DependencyFailed, Invalid
from app.inference.networks.weights import base_folder
from app.settings import PROJECT
from benchmarks.metrics import share
from ingestion.sources import find_files

PEERS = {
    "haystack": "benchmarks.peers.ingest_haystack",
    "llamaindex": "benchmarks.peers.ingest_llamaindex",
}
OURS = "benchmarks.peers.ingest_ours"
ENVIRONMENT = Path.home() / ".cache" / "countersign" / "peers"
"""Where the peers' own environment lies."""
REQUIREMENTS = "benchmarks/peers/ingest_requirements.txt"
READ_BY_ALL = (".html", ".htm", ".pdf", ".txt")
DOCUMENTS, SECONDS = 100, 150.0
"""How many files by default, and how long each system may take for them."""
OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HAYSTACK_TELEMETRY_ENABLED": "False",
}
WORDS = (
    "account agreement annual balance benefit branch claim clause contract cost cover customer "
    "delivery deposit document fee form holder insurance invoice letter limit month notice "
    "office order payment period person place plan policy premium price product rate refund "
    "request rule service statement sum term ticket transfer value week year"
).split()
VERBS = "is must may covers needs sends keeps ends begins changes".split()


def measure_ingest(
    peer: str | None,
    documents: Path | None = None,
    environment: Path = ENVIRONMENT,
    limit: int = DOCUMENTS,
    seconds: float = SECONDS,
    *,
    embed: bool = True,
) -> dict[str, Any]:
    """Our figures, and the peer's beside them: both read the same files, one after the other.

    ``ratio`` compares documents a second of the wall clock, ``cpu_ratio`` CPU seconds for a
    document, which a busy machine changes less; ``ratio_without_embedding`` leaves out the
    seconds of the embedder on both sides, though what runs beside it is then hidden: ``embed``
    False gives both sides one vector for all texts instead. All are None without a peer.
    ``pages_s`` counts the pages of PDFs, and one for any other file. Models are loaded, and readers
    imported, before the clock starts. Raises ``Invalid`` without files, ``DependencyFailed`` when a
    system fails or is late.
    """
    if peer is not None and peer not in PEERS:
        raise Invalid(f"Known peers: {', '.join(PEERS)}.")
    with tempfile.TemporaryDirectory(prefix="countersign-ingest-") as name:
        folder = Path(name)
        files = _chosen(documents or _made(folder / "documents", limit), limit)
        task = folder / "task.json"
        told = {
            "files": [str(file) for file in files],
            "embedder": str(base_folder()) if embed else None,
        }
        task.write_text(json.dumps(told), "utf-8")
        ours = figures_of([sys.executable, "-m", OURS, str(task)], seconds)
        theirs = None
        if peer is not None:
            theirs = figures_of([peer_python(environment), "-m", PEERS[peer], str(task)], seconds)
    return compared(ours, theirs, len(files), sum(map(_pages, files)))


def compared(
    ours: dict[str, Any], theirs: dict[str, Any] | None, files: int, pages: int
) -> dict[str, Any]:
    """What ``measure_ingest`` returns, from the figures of each system."""
    result: dict[str, Any] = {
        "files": files,
        "pages": pages,
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 2),
        "ratio": None,
        "cpu_ratio": None,
        "ratio_without_embedding": None,
        **_rates(ours, pages, ""),
    }
    if theirs is None:
        return result
    result |= _rates(theirs, pages, "peer_") | {"peer_version": theirs["version"]}
    costs = [_costs(one) for one in (theirs, ours)]
    return result | {name: share(costs[0][name], costs[1][name]) for name in costs[0]}


def _costs(one: dict[str, Any]) -> dict[str, float]:
    """Seconds for a document, under the name of the ratio that compares them."""
    seconds = {
        "ratio": one["seconds"],
        "cpu_ratio": one["cpu_s"],
        "ratio_without_embedding": one["seconds"] - one["stages"].get("embed", 0.0),
    }
    return {name: float(spent) / max(one["documents"], 1) for name, spent in seconds.items()}


def _rates(one: dict[str, Any], pages: int, prefix: str) -> dict[str, Any]:
    seconds = max(one["seconds"], 1e-9)
    rates = {
        "documents_s": one["documents"] / seconds,
        "pages_s": pages / seconds,
        "passages_s": one["passages"] / seconds,
        "cpu_ms_a_document": 1000 * one["cpu_s"] / max(one["documents"], 1),
    }
    told = {name: round(rate, 2) for name, rate in rates.items()}
    kept = {name: one[name] for name in ("documents", "passages", "stages", "peak_rss_mb")}
    return {f"{prefix}{name}": value for name, value in (told | kept).items()}


def peer_python(environment: Path, requirements: str = REQUIREMENTS) -> str:
    """The interpreter of the peers' environment, into which ``requirements`` go; raises
    ``DependencyFailed``."""
    python = environment / "bin" / "python"
    if not python.exists():
        raise DependencyFailed(
            f"There is no {python}: make the environment, and install {requirements} into it."
        )
    return str(python)


def figures_of(command: Sequence[str], seconds: float) -> dict[str, Any]:
    """The line of figures that a system prints; raises ``DependencyFailed``."""
    environment = {**os.environ, **OFFLINE, "PYTHONPATH": str(PROJECT)}
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
            env=environment,
            cwd=PROJECT,
        )
    except subprocess.TimeoutExpired as error:
        raise DependencyFailed(
            f"{command[2]} was not done after {seconds:g} s; take fewer documents (--limit)."
        ) from error
    if done.returncode != 0:
        raise DependencyFailed(f"{command[2]} failed: {done.stderr[-500:]}")
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


def _chosen(folder: Path, limit: int) -> list[Path]:
    """At most ``limit`` files that every system reads, evenly from all in their order."""
    files = [file for file in find_files([folder]) if file.suffix.lower() in READ_BY_ALL]
    if not files:
        raise Invalid(f"{folder} holds no {', '.join(READ_BY_ALL)} files.")
    step = max(1, -(-len(files) // limit))
    return files[::step]


def _pages(file: Path) -> int:
    if file.suffix.lower() != ".pdf":
        return 1
    import pypdfium2

    with pypdfium2.PdfDocument(file) as document:
        return len(document)


def _made(folder: Path, count: int) -> Path:
    """HTML pages of random words, with headings, lists and a table; the same on every run."""
    folder.mkdir()
    for number in range(count):
        pick = random.Random(number)
        sections = "".join(_section(pick, at) for at in range(pick.randint(2, 8)))
        title = " ".join(pick.choices(WORDS, k=3)).capitalize()
        page = f"<html><head><title>{title}</title></head><body><h1>{title}</h1>{sections}</body>"
        (folder / f"page-{number:04}.html").write_text(page, "utf-8")
    return folder


def _section(pick: random.Random, at: int) -> str:
    rows = "".join(
        f"<tr><td>{pick.choice(WORDS)}</td><td>{pick.randint(1, 900)}</td></tr>" for _ in range(4)
    )
    paragraphs = "".join(f"<p>{_paragraph(pick)}</p>" for _ in range(pick.randint(1, 4)))
    items = "".join(f"<li>{_sentence(pick)}</li>" for _ in range(3))
    heading = f"<h2>{at + 1}. {pick.choice(WORDS).capitalize()}</h2>"
    return f"{heading}{paragraphs}<ul>{items}</ul><table>{rows}</table>"


def _paragraph(pick: random.Random) -> str:
    return " ".join(_sentence(pick) for _ in range(pick.randint(2, 7)))


def _sentence(pick: random.Random) -> str:
    subject, verb, rest = pick.choice(WORDS), pick.choice(VERBS), pick.choices(WORDS, k=8)
    return f"The {subject} {verb} {' '.join(rest)} {pick.randint(1, 99)}."
