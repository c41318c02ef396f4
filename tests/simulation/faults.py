"""A database that fails at any call, and a process that is killed at any commit."""

import os
import random
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
from sqlalchemy import Engine, event

Fault = Literal["error", "away", "full", "kill"]
"""One call fails; all calls of the operation fail from there on; the disk is full; the process
ends."""
MESSAGES = {
    "error": "disk I/O error",
    "away": "unable to open database file",
    "full": "database or disk is full",
}


class Killed(BaseException):
    """The process ends here: nothing of it goes on, no handler and no clean-up."""


@dataclass
class Faults:
    """Counts the points at which a process can fail, and fails at the one that was armed."""

    passed: list[str] = field(default_factory=list)
    fired: str = ""
    _kind: Fault | None = None
    _left: int = 0
    _only: str = ""
    _dead: bool = False
    _connections: list[Any] = field(default_factory=list)

    def arm(self, rng: random.Random, kind: Fault) -> None:
        """The next operation meets ``kind`` at a point that ``rng`` draws, if it comes so far."""
        where = rng.choice(("", " commit", " commit"))
        # A transaction has some ten statements.
        furthest = 60 if where == "" else 12
        self.arm_at(kind, rng.randrange(1, rng.choice((2, 4, 12, furthest)) + 1), where)

    def arm_at(self, kind: Fault, number: int, where: str = "") -> None:
        """The next operation meets ``kind`` at the ``number``-th point whose name ends so."""
        self._kind, self._left, self._only = kind, number, where

    def disarm(self) -> None:
        """From here on all is well."""
        self._kind, self.fired, self.passed = None, "", []

    def bury(self) -> None:
        """What the system does when a process ends: its connections close, without a word."""
        for connection in self._connections:
            with suppress(sqlite3.ProgrammingError):  # the pool has closed it
                connection.rollback()
                connection.close()
        self._connections.clear()
        self._dead = False
        self.disarm()

    def watch(self, engine: Engine) -> None:
        """Every statement and every commit of the engine is a point, before and after."""
        event.listen(engine, "connect", self._connected)
        event.listen(engine, "do_execute", self._before_statement)
        event.listen(engine, "do_execute_no_params", self._before_statement)
        event.listen(engine, "after_cursor_execute", self._after_statement)
        commit: Callable[[Any], None] = engine.dialect.do_commit

        def commits(connection: Any) -> None:
            self.point("before a commit")
            commit(connection)
            self.point("after a commit")

        engine.dialect.do_commit = commits  # type: ignore[assignment, method-assign]

    def watch_files(self, patch: pytest.MonkeyPatch) -> None:
        """Making a file durable is a point; a dead process changes no file."""
        sync = os.fsync

        def synced(descriptor: Any) -> None:
            self.point("before a sync")
            sync(descriptor)

        patch.setattr(os, "fsync", synced)
        for name in ("unlink", "rmdir", "remove", "rename", "replace", "link"):
            patch.setattr(os, name, self._unless_dead(getattr(os, name)))

    def point(self, where: str) -> None:
        """Fail here if it was armed."""
        if self._dead:
            raise Killed
        self.passed.append(where)
        if self._kind is None or not (where.endswith(self._only) or self._left <= 0):
            return
        self._left -= 1
        if self._left == 0 or (self._left < 0 and self._kind == "away"):
            self.fired = f"{self._kind} {where}"
            self._fail(where)

    def _fail(self, where: str) -> None:
        if self._kind == "kill":
            self._dead = True
            raise Killed
        if where == "before a sync":
            raise OSError(28 if self._kind == "full" else 5, "the disk fails")
        raise sqlite3.OperationalError(MESSAGES[str(self._kind)])

    def _connected(self, connection: Any, _record: Any) -> None:
        # One process at a time: a lock that is held is one that was left behind.
        connection.execute("PRAGMA busy_timeout = 0")
        self._connections.append(connection)

    def _before_statement(self, *_call: Any) -> None:
        self.point("before a statement")

    def _after_statement(self, _connection: Any, cursor: Any, *_call: Any) -> None:
        try:
            self.point("after a statement")
        except Killed:
            cursor.close()  # else its lock stays until the garbage is collected
            raise

    def _unless_dead(self, do: Callable[..., Any]) -> Callable[..., Any]:
        def done(*arguments: Any, **named: Any) -> Any:
            if self._dead:
                raise Killed
            return do(*arguments, **named)

        return done
