"""A point in time that every step of one request inherits."""

import time

from app.errors import DeadlineExceeded


class Deadline:
    """Counts down ``seconds`` on the monotonic clock."""

    def __init__(self, seconds: float) -> None:
        self._ends = time.monotonic() + seconds

    def remaining(self) -> float:
        """Seconds left; raises ``DeadlineExceeded`` when there are none."""
        left = self._ends - time.monotonic()
        if left <= 0:
            raise DeadlineExceeded
        return left
