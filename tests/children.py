"""Copies of the process of the tests: what must happen in another process, without its imports."""

import os
import traceback
from collections.abc import Callable


def begin(act: Callable[[], int]) -> int:
    """The id of a child that does it and ends with what it gives; it never comes back into the
    test run. It must open databases of its own."""
    child = os.fork()
    if child:
        return child
    status = 99
    try:
        status = act()
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        os._exit(status)


def ended(child: int) -> int:
    """How it ended, once it has; negative when a signal ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
