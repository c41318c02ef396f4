"""Tables of the command line: whole ids and no cut cell, however narrow the terminal."""

from collections.abc import Iterator
from typing import Any

import pytest

from cli import output
from cli.commands import COMMANDS, load_command
from cli.output import console, in_short, open_console, print_rule, print_table

ID, OTHER, TIME = "0a" * 16, "20261130T040311123456-0a1b2c3d", "2026-11-30T04:03:11Z"
LONG = "Is a claim for water damage paid where the roof was open? " * 3


def printed(
    columns: list[str],
    rows: list[list[object]],
    width: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> str:
    monkeypatch.setattr(console, "width", width)
    print_table("Things", columns, rows)
    return capsys.readouterr().out


@pytest.mark.parametrize("width", [40, 60, 80, 100, 140, 300])
@pytest.mark.parametrize("name", [ID, OTHER])
def test_ids_and_times_stay_whole(
    width: int, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    columns = ["id", "state", "made", "question", "why", "path"]
    rows: list[list[object]] = [[name, "open", TIME, LONG, LONG, "/srv/" + "x" * 90]] * 2
    out = printed(columns, rows, width, monkeypatch, capsys)
    assert out.count(name) == 2 and "…" not in out
    head = next(line for line in out.splitlines() if "id" in line.split())
    shown = [one for one in columns if one in head]
    if "made" in shown:
        assert out.count(TIME) == 2
    told = out.partition("Not shown for lack of room: ")[2].replace("\n", " ").partition(".")[0]
    assert sorted([*shown, *filter(None, told.split(", "))]) == sorted(columns)
    assert max(map(len, out.splitlines())) <= max(width, len(name) + 4)
    assert (width < 140) == bool(told)


def test_a_short_table_is_as_it_was(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = printed(["name", "count"], [["[red]a", None], ["b", 3]], 80, monkeypatch, capsys)
    assert "[red]a" in out and "None" not in out and "Not shown" not in out
    assert "Nothing" in printed(["Nothing"], [], 80, monkeypatch, capsys)


def test_a_pipe_breaks_no_line_and_leaves_out_no_column(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("COLUMNS", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    piped = open_console()
    monkeypatch.setattr(output, "console", piped)
    said = f"Key {ID} (shown once): cs_{'x' * 43}, {LONG}"
    piped.print(said, markup=False, highlight=False)
    assert capsys.readouterr().out == f"{said}\n"
    print_table("Things", ["id", "made", "question", "path"], [[ID, TIME, LONG, "/" + "x" * 90]])
    out = capsys.readouterr().out
    (row,) = (line for line in out.splitlines() if ID in line)
    assert TIME in row and LONG in row and "x" * 90 in row and "Not shown" not in out
    assert max(map(len, out.splitlines())) == len(row)
    print_rule("held · [red]Rita")
    assert (line := capsys.readouterr().out).startswith("held · [red]Rita ─") and len(line) == 81


def test_a_width_that_was_asked_for_counts_in_a_pipe(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setattr(output, "console", open_console())
    print_table("Things", ["id", "question"], [[ID, LONG]])
    assert max(map(len, capsys.readouterr().out.splitlines())) == 60


def test_a_long_text_is_cut_where_a_list_shows_it() -> None:
    assert in_short("Is it\n  paid?") == "Is it paid?"
    assert in_short("x" * 120) == "x" * 120
    assert in_short("x" * 121) == "x" * 119 + "…"


def leaves(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Each command below this one, by its whole name."""
    if not getattr(command, "commands", None):
        yield name, command
        return
    for below, found in command.commands.items():
        yield from leaves(found, f"{name} {below}")


def test_every_number_of_a_command_has_bounds() -> None:
    """What is far beyond them has no date, or no database can count it."""
    numbers = [
        (f"{name} {option.name}", option.min, option.max)
        for first in COMMANDS
        for name, command in leaves(load_command(first), first)
        for option in command.params
        if option.type_descriptor.annotation in (int, float)
    ]
    assert len(numbers) > 15
    assert [name for name, least, most in numbers if least is None or most is None] == []
