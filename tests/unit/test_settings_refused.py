"""What is said of a setting that cannot be used."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from app.db import Database
from app.errors import SettingsInvalid
from app.inference.device import pick_device
from app.settings import Settings, shown_value, unknown_variables
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


ADDRESS = "must be an address of http or https, such as https://host/path"
HOST = "must be the name of a host or an IP address, without a port"
FORMS = [
    *((name, "foo", ADDRESS) for name in ("trace_endpoint", "public_url", "oidc_issuer")),
    *((f"{name}_webhook", "ftp://a.example", ADDRESS) for name in ("notice", "checkpoint")),
    *(
        ("trace_endpoint", f"http://{rest}", ADDRESS)
        for rest in ("", ":80", "a:99999", "[::1", "a b")
    ),
    ("public_url", "https://a.example/?x=1", "must be an address without a query"),
    ("oidc_issuer", "http://id.example.com", "must begin with https://"),
    ("generator", "ftp://a.example", ADDRESS),
    ("review_drafter", "http://:80", ADDRESS),
    *(("host", wrong, HOST) for wrong in ("", "http://a", "a:80", "a b", "/run/socket")),
    ("smtp_host", "smtp://a.example", HOST),
    ("smtp_from", "desk", "must be an e-mail address"),
    ("notice_reviewers", "a@example.com, b", "'b' is none"),
    ("ray_address", "10.0.0.5", "must be auto, or a host with its port"),
    *((name, " ", "must not be empty") for name in ("embedder", "generator", "oidc_name_claim")),
    *((name, "", "must not be empty") for name in ("data_dir", "models_dir", "policy_file")),
    ("data_dir", __file__, "must be a folder"),
    ("review_days", "1e12", "must be less than or equal to 36500"),
    ("deadline_s", "inf", "must be a finite number"),
    ("larger_budget", "nan", "must be"),
    ("model_threads", "100000", "must be less than or equal to 1024"),
]


@pytest.mark.parametrize(("name", "value", "says"), FORMS)
def test_what_cannot_work_is_refused_and_named(
    name: str, value: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    variable = f"COUNTERSIGN_{name.upper()}"
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsInvalid) as refused:
        Settings()
    assert refused.value.message.startswith(f"{variable} must") and says in refused.value.message


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"notice_webhook": "https://a.example"}, "notice_webhook needs notice_webhook_secret"),
        (
            {"notice_webhook": "https://a.example", "notice_webhook_secret": "short"},
            "at least 16 characters",
        ),
        ({"smtp_host": "mail.example"}, "smtp_host needs smtp_from"),
        ({"notice_askers": True}, "notice_askers needs smtp_host"),
        ({"notice_reviewers": "a@example.com"}, "notice_reviewers needs smtp_host"),
        ({"generator": "http://a.example"}, "generator_model names no model"),
        ({"review_drafter": "http://a.example"}, "review_drafter_model names no model"),
        (
            {
                "smtp_host": "mail.example",
                "smtp_from": "a@example.com",
                "smtp_user": "a",
                "smtp_security": "none",
            },
            "unencrypted",
        ),
    ],
)
def test_settings_that_contradict_each_other_are_refused(given: dict[str, Any], says: str) -> None:
    with pytest.raises(SettingsInvalid, match=says):
        Settings(**given)


def test_two_contradictions_are_told_at_once_and_a_secret_is_not_shown() -> None:
    with pytest.raises(SettingsInvalid) as refused:
        Settings(
            notice_webhook="https://a.example", notice_webhook_secret="s3cr", notice_askers=True
        )
    assert "notice_askers needs" in refused.value.message
    assert "secret of at least" in refused.value.message and "s3cr " not in refused.value.message


def test_addresses_that_work_are_taken() -> None:
    for given in (
        {"host": "::1", "trace_endpoint": "http://[::1]:4318/v1/traces"},
        {"host": "0.0.0.0", "public_url": "https://answers.example.com/"},
        {"host": "host-1.internal", "oidc_issuer": "http://localhost:8080/realms/a"},
        {"ray_address": "auto", "checkpoint_webhook": "https://a:b@example.com/x?y=1"},
        {"ray_address": "10.0.0.5:6379", "generator": "/models/next"},
    ):
        Settings(**given)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["MODELS_DIR", "REVIEW_DRAFTER", "GENERATOR", "EMBEDDER"])
def test_a_folder_that_is_not_there_ends_the_start(name: str, tmp_path: Path) -> None:
    there = {"COUNTERSIGN_DATA_DIR": str(tmp_path), f"COUNTERSIGN_{name}": "/no/such/folder"}
    ended = countersign("ask", "Why?", settings=there)
    assert ended.returncode == 1 and "Traceback" not in ended.stderr
    assert f"The setting {name.lower()} is '/no/such/folder'" in ended.stderr


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


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("trace_endpoint", "http://me:S3@127.0.0.1:4318/v1", "http://••••@127.0.0.1:4318/v1"),
        ("generator", "https://h.example/v1?key=S3&x=1", "https://h.example/v1?••••"),
        ("oidc_issuer", "https://u:S3@h/?t=S3#S", "https://••••@h/?••••#S"),
        (
            "generator_versions",
            {"a": "http://:S3@h/v1", "b": "https://h/?k=S3"},
            "{'a': 'http://••••@h/v1', 'b': 'https://h/?••••'}",
        ),
        ("database_url", "postgresql://u:S3@h/x", "••••"),
        ("data_dir", "a/b?c@d", "a/b?c@d"),
    ],
)
def test_no_secret_of_an_address_is_shown(name: str, value: object, shown: str) -> None:
    assert shown_value(name, value) == shown
