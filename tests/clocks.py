"""A clock that is wrong: what every process of a host sees while it is."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, tzinfo

import pytest
from sqlalchemy import DateTime, literal

from app import db
from app.db import Database


class _Off(datetime):
    """``datetime`` of which only the present is another: ``present()``, in UTC without a zone."""

    present: Callable[[], datetime]

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        return cls.present().replace(tzinfo=UTC).astimezone(tz)


def set_clock(patch: pytest.MonkeyPatch, present: Callable[[], datetime]) -> None:
    """From now on the service's modules that are loaded see ``present()`` as the time, UTC without
    a zone."""
    real, off = db.now, type("Off", (_Off,), {"present": staticmethod(present)})
    for name, module in list(sys.modules.items()):
        if not name.startswith(("app.", "guardrails.", "ingestion.")):
            continue
        if getattr(module, "now", None) is real:
            patch.setattr(module, "now", present)
        if getattr(module, "datetime", None) is datetime and name != "app.db":
            patch.setattr(module, "datetime", off)


def set_database_clock(patch: pytest.MonkeyPatch, present: Callable[[], datetime]) -> None:
    """From now on a server's own clock says ``present()`` too."""
    real = db.database_time
    for name, module in list(sys.modules.items()):
        if name.startswith("app.") and getattr(module, "database_time", None) is real:
            patch.setattr(module, "database_time", lambda _session: present())
    patch.setattr(Database, "clock", lambda _database: literal(present(), DateTime()))


@contextmanager
def clock_off(
    monkeypatch: pytest.MonkeyPatch, days: float = 0, seconds: float = 0
) -> Iterator[None]:
    """The host's clock is off by that much inside the block, for all of the service's modules."""
    by = timedelta(days=days, seconds=seconds)
    real = db.now

    def wrong() -> datetime:
        return real() + by

    with monkeypatch.context() as patch:
        set_clock(patch, wrong)
        assert abs(db.now() - datetime.now(UTC).replace(tzinfo=None) - by) < timedelta(seconds=5)
        yield


@contextmanager
def every_clock_off(
    monkeypatch: pytest.MonkeyPatch, days: float = 0, seconds: float = 0
) -> Iterator[None]:
    """``clock_off``, and the clock of a database server is off too."""
    with clock_off(monkeypatch, days, seconds), monkeypatch.context() as patch:
        set_database_clock(patch, db.now)
        yield
