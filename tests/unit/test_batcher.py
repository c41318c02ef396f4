"""Micro-batching: grouping, order, limits, and callers that never hang."""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.deadline import Deadline
from app.errors import CallerGone, DeadlineExceeded, DependencyFailed, NotReady, Overloaded
from app.serving.batcher import Batcher, Concurrent
from tests.effort import wait_until


def test_calls_that_arrive_together_share_a_run_and_keep_their_own_result() -> None:
    sizes: list[int] = []

    def square(items: Sequence[int]) -> list[int]:
        sizes.append(len(items))
        return [item * item for item in items]

    batcher = Batcher(square, max_items=8, max_wait_s=5)
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda n: batcher.submit(n, Deadline(60)), range(8)))
    batcher.close()
    assert results == [n * n for n in range(8)]
    assert max(sizes) > 1


def test_who_comes_alone_waits_for_nobody_and_a_crowd_for_each_other() -> None:
    sizes: list[int] = []

    def run(items: Sequence[int]) -> list[int]:
        sizes.append(len(items))
        return list(items)

    batcher = Batcher(run, max_items=4, max_wait_s=0.5)
    for second in range(-100, 0):  # for long they come a second apart
        batcher._note_arrival(time.monotonic() + second)
    began = time.monotonic()
    for number in range(60):
        batcher.submit(number, Deadline(60))
        batcher._came -= 1.0  # as if the next one came a second later
    assert time.monotonic() - began < 60 * 0.5 / 2
    assert set(sizes) == {1}
    for _ in range(100):  # now they come at once
        batcher._note_arrival(batcher._came)
    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(lambda n: batcher.submit(n, Deadline(30)), range(4))) == [0, 1, 2, 3]
    assert max(sizes) > 1
    batcher.close()


def test_a_failing_run_reaches_its_callers_and_the_worker_lives_on() -> None:
    def fragile(items: Sequence[int]) -> list[int]:
        if 0 in items:
            raise ZeroDivisionError
        return list(items)

    batcher = Batcher(fragile, max_items=1)
    with pytest.raises(ZeroDivisionError):
        batcher.submit(0, Deadline(60))
    assert batcher.submit(7, Deadline(60)) == 7
    batcher.close()


def test_a_run_with_too_few_results_is_an_error_not_a_hang() -> None:
    batcher = Batcher[int, int](lambda _items: [])
    with pytest.raises(ValueError, match="zip"):
        batcher.submit(1, Deadline(60))
    batcher.close()


def test_a_full_queue_says_overloaded_and_a_slow_run_meets_the_deadline() -> None:
    model = Gated()
    batcher = Batcher(model, max_items=1, capacity=1)
    with ThreadPoolExecutor(2) as pool:
        running = pool.submit(batcher.submit, 1, Deadline(60))
        assert model.begun.wait(60)
        with pytest.raises(DeadlineExceeded):
            batcher.submit(2, Deadline(0.05))
        waiting = pool.submit(batcher.submit, 3, Deadline(60))
        queued(batcher, 1)
        with pytest.raises(Overloaded):
            batcher.submit(4, Deadline(60))
        model.go.set()
        assert (running.result(), waiting.result()) == (10, 30)
    assert model.runs == [[1], [3]]
    batcher.close()


def test_a_closed_batcher_refuses() -> None:
    batcher = Batcher[int, int](list)
    batcher.close()
    with pytest.raises(NotReady):
        batcher.submit(1, Deadline(60))


# Each request has its own outcome


class Gated:
    """A model that waits for ``go``, and notes what it was asked to run."""

    def __init__(self) -> None:
        self.go, self.begun = threading.Event(), threading.Event()
        self.runs: list[list[int]] = []

    def __call__(self, items: Sequence[int]) -> list[int]:
        self.runs.append(list(items))
        self.begun.set()
        assert self.go.wait(60)
        if -1 in items:
            raise ZeroDivisionError
        if -2 in items:
            raise SystemExit
        return [item * 10 for item in items]


def queued(batcher: Batcher[int, int], count: int) -> None:
    """Return when so many calls wait."""
    wait_until(lambda: batcher.depth() >= count)


@pytest.mark.parametrize(("bad", "error"), [(-1, ZeroDivisionError), (-2, DependencyFailed)])
def test_one_bad_request_fails_alone(bad: int, error: type[Exception]) -> None:
    model = Gated()
    batcher = Batcher(model, max_items=8)
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(batcher.submit, 0, Deadline(60))
        assert model.begun.wait(60)
        waiting = [pool.submit(batcher.submit, item, Deadline(60)) for item in (1, bad, 3)]
        queued(batcher, 3)
        model.go.set()
        assert [f.result() for f in (first, waiting[0], waiting[2])] == [0, 10, 30]
        with pytest.raises(error):
            waiting[1].result()
    assert batcher.alive
    assert batcher.submit(4, Deadline(60)) == 40
    batcher.close()


@pytest.mark.parametrize("stop", [SystemExit, KeyboardInterrupt, GeneratorExit, MemoryError])
def test_a_model_cannot_end_the_worker(stop: type[BaseException]) -> None:
    calls: list[int] = []

    def ends_once(items: Sequence[int]) -> list[int]:
        calls.append(1)
        if len(calls) == 1:
            raise stop
        return list(items)

    batcher = Batcher(ends_once)
    with pytest.raises((DependencyFailed, MemoryError)) as caught:
        batcher.submit(1, Deadline(60))
    assert isinstance(caught.value, Exception)
    assert batcher.alive
    assert batcher.submit(2, Deadline(60)) == 2
    batcher.close()
    assert not batcher.alive


def test_a_short_deadline_ends_its_own_request_only() -> None:
    model = Gated()
    batcher = Batcher(model, max_items=8)
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(batcher.submit, 0, Deadline(60))
        assert model.begun.wait(60)
        short = pool.submit(batcher.submit, 1, Deadline(0.05))
        long = pool.submit(batcher.submit, 2, Deadline(60))
        with pytest.raises(DeadlineExceeded):
            short.result()
        model.go.set()
        assert (first.result(), long.result()) == (0, 20)
    # Whoever is late is not computed.
    assert 1 not in [item for run in model.runs for item in run]
    batcher.close()


def test_whoever_hangs_up_is_not_computed_and_keeps_no_place() -> None:
    model = Gated()
    batcher = Batcher(model, max_items=1, capacity=1)
    gone = Deadline(60)
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(batcher.submit, 0, Deadline(60))
        assert model.begun.wait(60)
        left = pool.submit(batcher.submit, 1, gone)
        queued(batcher, 1)
        gone.cancel()
        with pytest.raises(CallerGone):
            left.result(30)  # at once, not when the model is done
        after = pool.submit(batcher.submit, 2, Deadline(60))
        queued(batcher, 1)
        model.go.set()
        assert (first.result(), after.result()) == (0, 20)
    assert model.runs == [[0], [2]]
    batcher.close()


def test_a_run_has_at_most_so_many_tokens() -> None:
    model = Gated()
    batcher = Batcher(model, max_items=8, size=lambda item: item, max_size=10)
    with ThreadPoolExecutor(6) as pool:
        futures = [pool.submit(batcher.submit, 1, Deadline(60))]
        assert model.begun.wait(60)
        for place, item in enumerate((4, 5, 6, 40, 2), start=1):
            futures.append(pool.submit(batcher.submit, item, Deadline(60)))
            queued(batcher, place)
        model.go.set()
        assert [future.result() for future in futures] == [10, 40, 50, 60, 400, 20]
    assert model.runs == [[1], [4, 5], [6], [40], [2]]
    batcher.close()


def test_a_part_of_a_deadline_is_cancelled_with_it() -> None:
    whole = Deadline(60)
    part = whole.part(0.5)
    assert part.remaining() <= 30
    told: list[str] = []
    with part.on_cancel(lambda: told.append("during")):
        whole.cancel()
    with part.on_cancel(lambda: told.append("after")):
        assert told == ["during", "after"]
    for deadline in (whole, part):
        assert deadline.passed
        with pytest.raises(CallerGone):
            deadline.remaining()


# A model server


def test_calls_to_a_server_run_side_by_side_up_to_a_limit() -> None:
    together = threading.Barrier(3, timeout=60)
    running: list[int] = []
    most: list[int] = []

    def remote(items: Sequence[int]) -> list[int]:
        running.append(1)
        most.append(len(running))
        together.wait()  # nobody goes on alone
        running.pop()
        return list(items)

    calls = Concurrent(remote, 3)
    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(lambda n: calls.submit(n, Deadline(60)), range(6))) == list(range(6))
    assert max(most) == 3


def test_a_server_call_waits_no_longer_than_its_deadline_and_never_ends_a_thread() -> None:
    begun, over = threading.Event(), threading.Event()

    def remote(items: Sequence[int]) -> list[int]:
        if items[0] == 0:
            begun.set()
            over.wait(60)
        if items[0] == 1:
            raise SystemExit
        return list(items)

    calls = Concurrent(remote, 1)
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(calls.submit, 0, Deadline(60))
        assert begun.wait(60)
        with pytest.raises(DeadlineExceeded):
            calls.submit(2, Deadline(0.05))
        over.set()
        assert slow.result() == 0
    with pytest.raises(DependencyFailed):
        calls.submit(1, Deadline(60))
    assert calls.submit(2, Deadline(60)) == 2
    calls.close()
    with pytest.raises(NotReady):
        calls.submit(3, Deadline(60))
