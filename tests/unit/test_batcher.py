"""Micro-batching: grouping, order, limits, and callers that never hang."""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.deadline import Deadline
from app.errors import DeadlineExceeded, NotReady, Overloaded
from app.serving.batcher import Batcher


def test_calls_that_arrive_together_share_a_run_and_keep_their_own_result() -> None:
    sizes: list[int] = []

    def square(items: Sequence[int]) -> list[int]:
        sizes.append(len(items))
        return [item * item for item in items]

    batcher = Batcher(square, max_items=8, max_wait_s=0.2)
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda n: batcher.submit(n, Deadline(5)), range(8)))
    batcher.close()
    assert results == [n * n for n in range(8)]
    assert max(sizes) > 1


def test_a_failing_run_reaches_its_callers_and_the_worker_lives_on() -> None:
    def fragile(items: Sequence[int]) -> list[int]:
        if 0 in items:
            raise ZeroDivisionError
        return list(items)

    batcher = Batcher(fragile, max_items=1)
    with pytest.raises(ZeroDivisionError):
        batcher.submit(0, Deadline(5))
    assert batcher.submit(7, Deadline(5)) == 7
    batcher.close()


def test_a_run_with_too_few_results_is_an_error_not_a_hang() -> None:
    batcher = Batcher[int, int](lambda _items: [])
    with pytest.raises(ValueError, match="zip"):
        batcher.submit(1, Deadline(5))
    batcher.close()


def test_a_full_queue_says_overloaded_and_a_slow_run_meets_the_deadline() -> None:
    release = threading.Event()

    def slow(items: Sequence[int]) -> list[int]:
        release.wait(10)
        return list(items)

    batcher = Batcher(slow, max_items=1, capacity=1)
    with ThreadPoolExecutor(2) as pool:
        running = pool.submit(batcher.submit, 1, Deadline(10))
        while batcher.depth():  # until the worker has taken the first
            time.sleep(0.001)
        time.sleep(0.01)
        waiting = pool.submit(batcher.submit, 2, Deadline(0.2))
        while not batcher.depth():
            time.sleep(0.001)
        with pytest.raises(Overloaded):
            batcher.submit(3, Deadline(10))
        with pytest.raises(DeadlineExceeded):
            waiting.result()
        release.set()
        assert running.result() == 1
    batcher.close()


def test_a_closed_batcher_refuses() -> None:
    batcher = Batcher[int, int](list)
    batcher.close()
    with pytest.raises(NotReady):
        batcher.submit(1, Deadline(1))
