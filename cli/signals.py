"""What commands without an end do when they are told to end."""

import signal
import threading


def stop_at_signal() -> threading.Event:
    """Set by SIGINT or SIGTERM; who does not want to wait sends it again."""
    stop = threading.Event()

    def end(number: int, _frame: object) -> None:
        stop.set()
        signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    return stop
