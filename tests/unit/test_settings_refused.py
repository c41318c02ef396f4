"""What is said of a setting that cannot be used."""

from collections.abc import Sequence

import pytest

from app.db import Database
from app.errors import SettingsInvalid
from app.inference.device import pick_device
from app.settings import Settings, unknown_variables
from tests.commands import countersign


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("PORT", "abc", "COUNTERSIGN_PORT must be a whole number, not 'abc'."),
        ("PORT", "", "COUNTERSIGN_PORT must be a whole number, not ''."),
        ("PORT", "0", "COUNTERSIGN_PORT must be greater than or equal to 1, not '0'."),
        ("DEADLINE_S", "soon", "COUNTERSIGN_DEADLINE_S must be a number, not 'soon'."),
        ("DEVICE", "tpu", "COUNTERSIGN_DEVICE must be 'auto', 'cpu' or 'cuda', not 'tpu'."),
        ("GATE_UNIONS", "a,b", "COUNTERSIGN_GATE_UNIONS must be JSON."),
        ("GATE_UNIONS", '[["a"]]', "COUNTERSIGN_GATE_UNIONS: a union has two collections"),
        (
            "GENERATOR_VERSIONS",
            '{"next": {"generator_beams": 99}}',
            "COUNTERSIGN_GENERATOR_VERSIONS next.generator_beams must be less than or equal to 8.",
        ),
    ],
)
@pytest.mark.parametrize("command", [["doctor"], ["serve"], ["review", "list"], ["ask", "Why?"]])
def test_it_is_named_with_its_fault_on_one_line(
    name: str, value: str, says: str, command: Sequence[str]
) -> None:
    ended = countersign(*command, settings={f"COUNTERSIGN_{name}": value})
    assert ended.returncode == 1 and ended.stdout == ""
    (line,) = ended.stderr.splitlines()
    assert line.startswith(f"settings_invalid: {says}") and "docs/settings.md" in line


def test_all_faults_are_told_at_once() -> None:
    wrong = {"COUNTERSIGN_PORT": "x", "COUNTERSIGN_DEVICE": "y"}
    said = countersign("doctor", settings=wrong).stderr
    assert "COUNTERSIGN_PORT must" in said and "COUNTERSIGN_DEVICE must" in said


def test_a_secret_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    within = '{"next": {"generator_api_key": ["s3cret"], "generator_beams": "s3cret"}}'
    monkeypatch.setenv("COUNTERSIGN_GENERATOR_VERSIONS", within)
    with pytest.raises(SettingsInvalid) as refused:
        Settings(generator_api_key=["s3cret"])  # type: ignore[arg-type]
    assert "generator_api_key must be a valid string" in refused.value.message
    assert "s3cret" not in refused.value.message and refused.value.__cause__ is None


def test_one_given_by_a_program_has_its_own_name() -> None:
    with pytest.raises(SettingsInvalid, match=r"^port must be a whole number, not 'abc'"):
        Settings(port="abc")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("mysql://u:s3cret@host/x", "begins with 'mysql', which is not known"),
        ("u:s3cret@host", "is no address"),
    ],
)
def test_an_address_of_a_database_that_cannot_be_used_is_not_shown(address: str, says: str) -> None:
    ended = countersign("gold", "list", settings={"COUNTERSIGN_DATABASE_URL": address})
    assert ended.returncode == 1 and "Traceback" not in ended.stderr
    assert ended.stderr.startswith(f"settings_invalid: COUNTERSIGN_DATABASE_URL {says}")
    assert "s3cret" not in ended.stderr + ended.stdout


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_every_way_to_write_postgresql_takes_the_driver_that_is_there(scheme: str) -> None:
    database = Database(f"{scheme}://ann:s3cret@host/name")
    assert database.engine.url.drivername == "postgresql+psycopg"
    assert database.engine.url.password == "s3cret" and not database.embedded


def test_a_variable_that_no_setting_reads_is_named() -> None:
    said = unknown_variables({"COUNTERSIGN_PROT": "1", "COUNTERSIGN_API_KEY": "k", "PATH": ""})
    assert said == ["COUNTERSIGN_PROT is no setting (is it COUNTERSIGN_PORT?)."]
    assert unknown_variables({"countersign_port": "1"}) == []


def test_a_device_that_is_not_there_is_refused() -> None:
    if pick_device("auto") == "cuda":
        pytest.skip("here it is there")
    with pytest.raises(SettingsInvalid, match="no GPU"):
        pick_device("cuda")
    assert pick_device("cpu") == "cpu"
