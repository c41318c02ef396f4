"""Requests a second beside other toolkits: same passages, embedder, answer model, and one run."""

import json
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

from safetensors.numpy import save_file

from app.errors import DependencyFailed
from app.inference.networks.pair_tensors import READER_HEADS, read_pair_tensors
from app.inference.networks.weights import base_folder
from app.settings import PROJECT
from benchmarks.machine import machine
from benchmarks.metrics import share
from benchmarks.pipeline import temporary_service
from benchmarks.service import example_questions
from ingestion.pipeline import pipeline_for
from ingestion.sources import find_files

HERE = Path(__file__).parent
CACHE = Path.home() / ".cache" / "countersign" / "peers"
"""Where the peers' own environment lies."""
PEERS = {
    "haystack": "benchmarks.peers.haystack_peer",
    "llamaindex": "benchmarks.peers.llamaindex_peer",
    "txtai": "benchmarks.peers.txtai_peer",
}
OURS = "countersign"
WARM = 4
"""Questions before anything is measured."""


@dataclass
class System:
    """One of those compared: how it was asked, and what came of it by the number of users."""

    name: str
    process: "subprocess.Popen[str]"
    version: str = ""
    answered: dict[int, int] = field(default_factory=dict)
    seconds: dict[int, float] = field(default_factory=dict)
    cpu_s: dict[int, float] = field(default_factory=dict)

    def round(self, users: int, seconds: float, questions: Sequence[str]) -> None:
        """Let ``users`` ask for so long, and add what came of it."""
        told = {"users": users, "seconds": seconds, "questions": list(questions)}
        got = self.tell(told)
        self.answered[users] = self.answered.get(users, 0) + got["answered"]
        self.seconds[users] = self.seconds.get(users, 0.0) + got["seconds"]
        self.cpu_s[users] = self.cpu_s.get(users, 0.0) + got["cpu_s"]

    def tell(self, told: Mapping[str, Any]) -> dict[str, Any]:
        """One line to the process, and the one that comes back."""
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):  # it has ended: so says the reply
            self.process.stdin.write(json.dumps(told) + "\n")
            self.process.stdin.flush()
        return self.reply()

    def reply(self) -> dict[str, Any]:
        """The next line of the process; raises ``DependencyFailed`` when it has ended."""
        assert self.process.stdout is not None
        if line := self.process.stdout.readline():
            told: dict[str, Any] = json.loads(line)
            return told
        raise DependencyFailed("it ended in the middle")


def measure_peers(
    users: Sequence[int],
    seconds: float,
    rounds: int,
    read: int,
    environment: Path,
    names: Sequence[str] = tuple(PEERS),
) -> dict[str, Any]:
    """``ratio``: our requests a second over the best peer's, for each number of users.

    ``cpu_ratio`` is the CPU time of the thriftiest peer's answer over ours, which a busy machine
    changes little. A peer that cannot run is in ``left_out`` with the reason, not in a ratio.
    """
    python = environment / "bin" / "python"
    if not python.exists():
        reason = f"not installed in {environment}: python -m benchmarks peers --install"
        return {"ratio": {}, "left_out": dict.fromkeys(names, reason), **machine()}
    with tempfile.TemporaryDirectory(prefix="countersign-peers-") as name:
        task, passages = write_task(Path(name), read)
        commands = {OURS: [sys.executable, "-m", "benchmarks.peers.ours", str(task)]}
        commands |= {peer: [str(python), "-m", PEERS[peer], str(task)] for peer in names}
        figures = compare_systems(commands, users, seconds, rounds)
    return {**figures, "passages": passages, "read": read, **machine()}


def compare_systems(
    commands: Mapping[str, Sequence[str]], users: Sequence[int], seconds: float, rounds: int
) -> dict[str, Any]:
    """Figures of all systems that start; the first one is ours, and has to."""
    left_out: dict[str, str] = {}
    systems: list[System] = []
    with ExitStack() as stack:
        for name, command in commands.items():
            try:
                systems.append(stack.enter_context(_started(name, command)))
            except DependencyFailed as error:
                if not systems:
                    raise
                left_out[name] = error.message
        left_out |= _ask_all(systems, users, seconds, rounds)
    ran = [system for system in systems if system.name not in left_out]
    return {**_compared(ran, users), "left_out": left_out}


def _ask_all(
    systems: Sequence[System], users: Sequence[int], seconds: float, rounds: int
) -> dict[str, str]:
    """Every system in turn, so that what else the machine does meets all of them; returns which of
    the peers ended, and why."""
    questions, ended = example_questions()[WARM:], dict[str, str]()
    size = len(questions) // (len(users) * rounds)
    for number, (turn, count) in enumerate(product(range(rounds), users)):
        own = questions[size * number : size * (number + 1)]
        for system in (*systems[turn:], *systems[:turn]):
            if system.name in ended:
                continue
            try:
                system.round(count, seconds, own)
            except DependencyFailed as error:
                if system is systems[0]:
                    raise
                ended[system.name] = error.message
    return ended


def _compared(systems: Sequence[System], users: Sequence[int]) -> dict[str, Any]:
    """Figures of each system, and ours, the first one's, beside the best of the others."""
    rates = {one.name: {n: one.answered[n] / one.seconds[n] for n in users} for one in systems}
    costs = {
        one.name: {n: 1000 * one.cpu_s[n] / max(one.answered[n], 1) for n in users}
        for one in systems
    }
    ours, *others = (one.name for one in systems)
    told = {
        one.name: {
            "version": one.version,
            "answers_s": {str(n): round(rates[one.name][n], 2) for n in users},
            "cpu_ms": {str(n): round(costs[one.name][n], 1) for n in users},
        }
        for one in systems
    }
    if not others:
        return {"ratio": {}, "systems": told}
    best = {n: max(rates[other][n] for other in others) for n in users}
    thriftiest = {n: min(costs[other][n] for other in others) for n in users}
    return {
        "ratio": {str(n): share(rates[ours][n], best[n]) for n in users},
        "cpu_ratio": {str(n): share(thriftiest[n], costs[ours][n]) for n in users},
        "systems": told,
    }


@contextmanager
def _started(name: str, command: Sequence[str]) -> Iterator[System]:
    """A system that is ready and warm; raises ``DependencyFailed`` with its last words."""
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(
            command,
            cwd=PROJECT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
        )
        system = System(name, process)
        try:
            try:
                system.version = system.reply()["ready"]["version"]
            except DependencyFailed as error:
                said.seek(0)
                words = said.read().strip().splitlines()
                raise DependencyFailed(words[-1] if words else "it ended at once") from error
            system.tell({"users": 1, "seconds": 60.0, "questions": example_questions()[:WARM]})
            yield system
        finally:
            process.terminate()
            process.wait(30)


def write_task(folder: Path, read: int) -> tuple[Path, int]:
    """The task of ``talk.read_task`` in ``folder``, with the passages of the examples and the
    models in the peers' form; and how many passages there are."""
    with temporary_service() as (services, _):
        files = find_files([PROJECT / "examples" / "documents"])
        pipeline_for(services).ingest(files, "main")
        found = list(services.corpus.passages.indexable(services.embedder.name))
        reader = services.settings.models_dir / "reader"
    rows = [{"id": one.id, "title": one.place, "text": one.text} for one in found]
    lines = "\n".join(json.dumps(row) for row in rows)
    (folder / "passages.jsonl").write_text(lines, "utf-8")
    told = {
        "passages": str(folder / "passages.jsonl"),
        "embedder": str(base_folder()),
        "answer_model": str(write_answer_model(folder / "answer_model", reader)),
        "read": read,
    }
    (folder / "task.json").write_text(json.dumps(told), "utf-8")
    return folder / "task.json", len(rows)


def write_answer_model(folder: Path, reader: Path) -> Path:
    """The shipped reader as transformers' BertForQuestionAnswering: encoder and span head."""
    folder.mkdir()
    tensors = read_pair_tensors(reader, READER_HEADS)
    named = {f"bert.{name}": tensor for name, tensor in tensors.encoder.items()}
    named |= {"qa_outputs.weight": tensors.token.weight, "qa_outputs.bias": tensors.token.bias}
    save_file(named, folder / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((base_folder() / "config.json").read_text("utf-8"))
    config |= {"architectures": ["BertForQuestionAnswering"], "model_type": "bert"}
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    (folder / "tokenizer.json").symlink_to(base_folder() / "tokenizer.json")
    tokenizer = {"tokenizer_class": "BertTokenizer", "do_lower_case": True}
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer), "utf-8")
    return folder


def install_peers(environment: Path) -> None:
    """Make the peers' environment, and install the pinned versions; raises ``DependencyFailed``."""
    venv.create(environment, with_pip=True)
    python = environment / "bin" / "python"
    file = str(HERE / "requirements.txt")
    command = [str(python), "-m", "pip", "install", "--quiet", "-r", file]
    done = subprocess.run(command, check=False)
    if done.returncode:
        raise DependencyFailed(f"pip could not install the peers in {environment}.")
