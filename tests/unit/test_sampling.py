"""The seed of audits and probes: random, kept, readable by its owner only, the same for all."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.errors import DependencyFailed, SettingsInvalid
from app.gate import sampling
from app.gate.sampling import audit_seed, gold_chance
from app.settings import Settings


def settings(folder: Path, **values: str) -> Settings:
    return Settings(data_dir=folder, **values)  # type: ignore[arg-type]


def test_each_installation_draws_with_a_seed_of_its_own_that_stays(tmp_path: Path) -> None:
    first = audit_seed(settings(tmp_path / "one"))
    assert len(first) == 64
    sampling._kept_seed.cache_clear()  # as after a restart
    assert audit_seed(settings(tmp_path / "one")) == first
    assert audit_seed(settings(tmp_path / "two")) != first


def test_only_its_owner_may_read_the_seed(tmp_path: Path) -> None:
    audit_seed(settings(tmp_path))
    assert stat.S_IMODE((tmp_path / "audit_seed").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["audit_seed"]


def test_a_setting_overrides_it_and_no_file_is_made(tmp_path: Path) -> None:
    assert audit_seed(settings(tmp_path, audit_seed="mine")) == "mine"
    assert list(tmp_path.iterdir()) == []


def test_many_that_start_at_once_keep_the_same_seed(tmp_path: Path) -> None:
    path = tmp_path / "audit_seed"

    def start(_: int) -> str:
        if not path.exists():
            sampling._make_seed(path)
        return path.read_text("ascii")

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(start, range(32)))) == 1


@pytest.mark.parametrize("content", ["", "short\n", "ä" * 40])
def test_a_damaged_file_is_an_error_and_not_a_weak_seed(tmp_path: Path, content: str) -> None:
    (tmp_path / "audit_seed").write_text(content, "utf-8")
    with pytest.raises(SettingsInvalid):
        audit_seed(settings(tmp_path))


def test_a_folder_that_is_a_file_is_a_coded_error(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("", "utf-8")
    with pytest.raises(DependencyFailed):
        audit_seed(settings(tmp_path / "data"))


def test_gold_items_come_as_often_as_their_bound_asks_for() -> None:
    assert [gold_chance(0.05, bound) for bound in (1.0, 0.21, 0.2, 0.06, 0.05, 0.0)] == [
        0.2,
        0.2,
        0.05,
        0.05,
        0.025,
        0.025,
    ]
    assert gold_chance(0.5, 1.0) == 1.0 and gold_chance(0.0, 1.0) == 0.0
