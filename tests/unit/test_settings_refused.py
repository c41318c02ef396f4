"""What is said of a setting that cannot be used."""

from collections.abc import Sequence

import pytest

from app.errors import SettingsInvalid
from app.settings import Settings
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
