"""How many processes, how much memory and money a load needs: formulas, and a simulation of queues
that must first reproduce what was measured. Pure arithmetic: it starts no service."""

import heapq
import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from app.errors import Invalid
from benchmarks.metrics import percentile

Draw = Callable[[], float]


@dataclass(frozen=True)
class Constants:
    """What the plan rests on; docs/scale.md says where each was measured, or that it was not.

    Milliseconds are CPU time of one question on one core.
    """

    reader_ms: float = 384.0
    fixed_ms: float = 48.0
    dense_ms_per_million: float = 125.0
    lexical_ms_per_million: float = 75.0
    process_gb: float = 0.6
    vector_bytes: int = 384 * 4
    passage_bytes: int = 1_000
    database_commits_s: float = 27.0
    commits_per_answer: float = 1.0
    # Assumptions from here on.
    server_commits_s: float = 1_000.0
    shard_passages: int = 10_000_000
    searched_share: float = 0.01
    core_month: float = 25.0
    gb_month: float = 3.0
    disk_gb_month: float = 0.1
    cores_per_process: int = 2
    busy: float = 0.7
    wait_s: float = 0.5


EXACT_UP_TO = 1_000_000
"""Passages that are searched exactly; beyond, ``searched_share`` of the vectors is looked at, which
this release cannot do."""
LEVELS = (
    ("laptop", 26_000, 0.2),
    ("team", 100_000, 1.0),
    ("department", 1_000_000, 10.0),
    ("company", 10_000_000, 100.0),
    ("group", 100_000_000, 300.0),
    ("largest", 1_000_000_000, 1_000.0),
)


@dataclass(frozen=True)
class Burst:
    """One burst of ``benchmarks load`` as it stands in benchmarks/LOG.md."""

    machine: str
    askers: int
    places: int
    alone_s: float
    answered: int
    last_s: float


MEASURED = (
    Burst("0.2.0, 2 cores with AMX, quiet", 40, 16, 0.114, 16, 1.5),
    Burst("after 0.2.0, 2 cores with AMX, quiet", 40, 16, 0.170, 16, 2.6),
)
PEAK_ASKERS, PEAK_SERVICE_S, PEAK_PER_S = (1, 32), 0.439, 2.2
"""Answers a second that were measured without VNNI: the same with one asker as with many."""


def erlang_c(servers: int, load: float) -> float:
    """The chance to wait in M/M/c, by Erlang's formula; ``load`` is arrivals times service time.

    1 where the load is as large as the servers.
    """
    if load >= servers:
        return 1.0
    blocked = 1.0
    for count in range(1, servers + 1):  # Erlang B by its recursion, which stays finite
        blocked = load * blocked / (count + load * blocked)
    return blocked / (1 - load / servers * (1 - blocked))


def late_share(arrivals_s: float, service_s: float, servers: int, wait_s: float) -> float:
    """The share that waits longer than ``wait_s`` in M/M/c."""
    load = arrivals_s * service_s
    if load >= servers:
        return 1.0
    return erlang_c(servers, load) * math.exp(-(servers - load) / service_s * wait_s)


@dataclass(frozen=True)
class Served:
    """What became of simulated questions; times are seconds, of those that were answered."""

    waits: tuple[float, ...]
    latencies: tuple[float, ...]
    refused: int
    ended: float

    @property
    def answered(self) -> int:
        """How many were answered."""
        return len(self.latencies)


def simulate(
    arrivals: Sequence[float], service: Draw, servers: int, places: float = math.inf
) -> Served:
    """Questions that come at ``arrivals`` (seconds, rising) to one queue before equal servers; who
    finds all ``places`` taken is refused."""
    free, present = [0.0] * servers, list[float]()
    waits, latencies, refused = [], [], 0
    for moment in arrivals:
        while present and present[0] <= moment:
            heapq.heappop(present)
        if len(present) >= places:
            refused += 1
            continue
        begun = max(moment, heapq.heappop(free))
        ended = begun + service()
        heapq.heappush(free, ended)
        heapq.heappush(present, ended)
        waits.append(begun - moment)
        latencies.append(ended - moment)
    return Served(tuple(waits), tuple(latencies), refused, max(free))


def poisson(per_second: float, count: int, draws: random.Random) -> Iterator[float]:
    """``count`` moments of independent arrivals, in seconds."""
    moment = 0.0
    for _ in range(count):
        moment += draws.expovariate(per_second)
        yield moment


def closed_loop(askers: int, service_s: float, answers: int) -> float:
    """Answers a second when each of so many asks again as soon as it is answered; one model serves,
    one text after the other."""
    ready = [0.0] * askers
    free = 0.0
    for _ in range(answers):
        free = max(free, heapq.heappop(ready)) + service_s
        heapq.heappush(ready, free)
    return answers / free


def reproduce() -> list[dict[str, Any]]:
    """The measured bursts and peaks beside what the simulation makes of them."""
    rows: list[dict[str, Any]] = []
    for burst in MEASURED:
        alone = partial(float, burst.alone_s)
        served = simulate([0.0] * burst.askers, alone, 1, burst.places)
        rows.append(
            {
                "measured": burst.machine,
                "answered": [burst.answered, served.answered],
                "refused": [burst.askers - burst.answered, served.refused],
                "last_s": [burst.last_s, round(served.ended, 2)],
                "ratio": round(served.ended / burst.last_s, 2),
            }
        )
    for askers in PEAK_ASKERS:
        simulated = closed_loop(askers, PEAK_SERVICE_S, 1_000)
        rows.append(
            {
                "measured": f"answers a second, {askers} askers, 26,410 passages, no VNNI",
                "per_second": [PEAK_PER_S, round(simulated, 2)],
                "ratio": round(simulated / PEAK_PER_S, 2),
            }
        )
    return rows


def service_ms(passages: int, constants: Constants) -> float:
    """CPU milliseconds of one question over so many passages."""
    exact = min(passages, EXACT_UP_TO)
    dense = constants.dense_ms_per_million * max(exact, passages * constants.searched_share) / 1e6
    # Words: each shard searches its own part, and all of it is CPU time somewhere.
    lexical = constants.lexical_ms_per_million * exact / 1e6
    if passages > EXACT_UP_TO:
        lexical *= 1 + math.log10(passages / EXACT_UP_TO)
    return constants.reader_ms + constants.fixed_ms + dense + lexical


def cores_for(arrivals_s: float, service_s: float, constants: Constants) -> int:
    """The fewest cores with which one in twenty waits longer than ``wait_s``, and none is busy for
    more than its share."""
    cores = max(1, math.ceil(arrivals_s * service_s / constants.busy))
    while late_share(arrivals_s, service_s, cores, constants.wait_s) > 0.05:
        cores += 1
    return cores


def plan(passages: int, arrivals_s: float, constants: Constants) -> dict[str, Any]:
    """What so many passages and questions a second need, and what that costs a month (US dollars).

    ``database`` says what commits need; an answer is a link of one audit chain, so its commits come
    one after the other whatever the server.
    """
    spent_s = service_ms(passages, constants) / 1000
    cores = cores_for(arrivals_s, spent_s, constants)
    vectors_gb = passages * constants.vector_bytes / 1e9
    shards = max(1, math.ceil(passages / constants.shard_passages))
    processes = math.ceil(cores / constants.cores_per_process)
    # While search is exact each process holds the index; beyond, each shard is held twice.
    copies = processes if passages <= EXACT_UP_TO else 2
    memory_gb = processes * constants.process_gb + copies * vectors_gb
    disk_gb = passages * (constants.vector_bytes + 3 * constants.passage_bytes) / 1e9
    commits = arrivals_s * constants.commits_per_answer
    cost = (
        cores * constants.core_month
        + memory_gb * constants.gb_month
        + disk_gb * constants.disk_gb_month
    )
    return {
        "passages": passages,
        "requests_per_s": arrivals_s,
        "cpu_ms": round(spent_s * 1000),
        "cores": cores,
        "processes": processes,
        "shards": shards,
        "memory_gb": round(memory_gb, 1),
        "disk_gb": round(disk_gb, 1),
        "database": _database(commits, constants),
        "cost_month": round(cost),
        "cost_1000_answers": round(cost / (arrivals_s * 30 * 86_400) * 1000, 3),
    }


def _database(commits_s: float, constants: Constants) -> str:
    if commits_s <= constants.database_commits_s * constants.busy:
        return "SQLite or PostgreSQL"
    if commits_s <= constants.server_commits_s * constants.busy:
        return "PostgreSQL"
    return "PostgreSQL, several audit chains"


def curve(service_s: float, places: int, seed: int = 0) -> list[dict[str, float]]:
    """Simulated open-loop load on one model: latency, and who is refused, by how busy it is."""
    rows = []
    for busy in (0.2, 0.5, 0.7, 0.9, 1.2, 2.0, 10.0):
        draws = random.Random(seed)
        moments = list(poisson(busy / service_s, 20_000, draws))
        served = simulate(moments, _uneven(service_s, draws), 1, places)
        rows.append(
            {
                "busy": busy,
                "p50_ms": round(percentile(served.latencies, 0.5) * 1000),
                "p95_ms": round(percentile(served.latencies, 0.95) * 1000),
                "refused": round(served.refused / len(moments), 3),
                "goodput_per_s": round(served.answered / max(served.ended, moments[-1]), 2),
            }
        )
    return rows


def _uneven(service_s: float, draws: random.Random) -> Draw:
    """Most questions cost alike, one in six twice as much as the mean."""
    return lambda: service_s * draws.choice((0.8, 0.8, 0.8, 0.8, 0.8, 2.0))


def measure_capacity(passages: int | None, requests_s: float | None) -> dict[str, Any]:
    """The reproduction, the curve of one process, and the plan of each level or of the one given.

    Raises ``Invalid`` when only one of both is given.
    """
    if (passages is None) != (requests_s is None):
        raise Invalid("Give --passages and --requests together, or neither.")
    constants = Constants()
    levels = [(name, plan(count, rate, constants)) for name, count, rate in LEVELS]
    if passages is not None and requests_s is not None:
        levels = [("asked", plan(passages, requests_s, constants))]
    return {
        "reproduced": reproduce(),
        "curve": curve(PEAK_SERVICE_S, 16),
        "levels": dict(levels),
        "constants": asdict(constants),
    }
