"""A file that takes another's place, or leaves it as it was."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.errors import Invalid, StorageFull
from app.files import replace_text


def test_parts_take_the_place_of_the_older_file(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("older", "utf-8")
    assert replace_text(path, ["né", "wer\n"]) == 2
    assert path.read_text("utf-8") == "néwer\n"
    assert list(tmp_path.iterdir()) == [path]


def test_a_disk_that_fills_up_leaves_the_older_file(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("older", "utf-8")

    def parts() -> Iterator[str]:
        yield "half"
        raise OSError(28, "No space left on device")

    with pytest.raises(StorageFull):
        replace_text(path, parts())
    assert path.read_text("utf-8") == "older"
    assert list(tmp_path.iterdir()) == [path]


def test_a_pipe_is_written_to_as_it_is(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        replace_text(pipe, ["told"])
        assert os.read(reading, 100) == b"told"
    finally:
        os.close(reading)
    assert list(tmp_path.iterdir()) == [pipe]


def test_a_link_stays_one_and_what_it_leads_to_is_written(tmp_path: Path) -> None:
    path, link = tmp_path / "report.html", tmp_path / "stdout"
    path.write_text("older", "utf-8")
    link.symlink_to(path)
    replace_text(link, ["newer"])
    assert link.is_symlink() and path.read_text("utf-8") == "newer"


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="nowhere"):
        replace_text(tmp_path / "nowhere" / "report.html", ["a"])
