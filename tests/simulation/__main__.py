"""Many seeds, in as many processes as there are cores; prints those that break a promise.

Run as:
    python -m tests.simulation [--seeds N] [--first N] [--jobs N]
    python -m tests.simulation --seed N
"""

import argparse
import os
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from tests.simulation.run import run
from tests.simulation.seeds import ground, one, quiet, template

SEEDS = 2000
SHOWN = 10
"""Failing seeds that are shown whole."""


def replay(folder: Path, seed: int) -> int:
    """Run one seed, look at it after each step, and show all that happened."""
    verdict = run(seed, ground(folder), each_step=True)
    print("\n".join(verdict.said))
    print(*(verdict.wrong or ["all promises were kept"]), sep="\n")
    return int(bool(verdict.wrong))


def main() -> int:
    """The number of seeds that broke a promise, as the exit status says: 0 for none."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seed", type=int)
    chosen = parser.parse_args()
    quiet()
    with template() as folder:
        if chosen.seed is not None:
            return replay(folder, chosen.seed)
        return _all(folder, range(chosen.first, chosen.first + chosen.seeds), chosen.jobs)


def _all(folder: Path, seeds: range, jobs: int) -> int:
    began, total, faults, failed = time.monotonic(), Counter[str](), 0, 0
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        for verdict in pool.map(one, [(folder, seed) for seed in seeds], chunksize=4):
            total += verdict.outcomes
            faults += verdict.faults
            if verdict.wrong:
                failed += 1
                shown = verdict.wrong if failed <= SHOWN else []
                print(f"make simulate SEED={verdict.seed}", *shown, sep="\n  ", flush=True)
    took = time.monotonic() - began
    print(f"{len(seeds)} seeds, {failed} failed, {faults} faults, {took:.0f} s; {dict(total)}")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
