"""The documentation names everything there is, and nothing else."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from app.backends import build_checks, build_support
from app.corpus.documents import GAVE_UP
from app.corpus.jobs import CANCELLED
from app.corpus.tables import LASTING
from app.errors import error_classes
from app.main import create_app
from app.settings import GROUPS, PROJECT, Settings
from app.telemetry import Telemetry
from benchmarks.__main__ import app as benchmarks
from cli.commands import COMMANDS, load_command
from cli.settings_page import settings_page
from guardrails.policy.load import load_policy
from ingestion.pipeline import MAY_PASS

DOCS = PROJECT / "docs"
REASON_ARGUMENT = {"DocumentRefused": 0, "_fail": 1, "Failure": 1, "fail": 1, "_refuse": 2}
"""Calls in ingestion that name why a document was refused, and which argument does."""


def first_column(page: str, section: str) -> list[str]:
    """What the first cells of a section's table name, in backticks."""
    text = (DOCS / page).read_text("utf-8")
    (body,) = re.findall(rf"^## {re.escape(section)}$(.*?)(?=^## |\Z)", text, re.M | re.S)
    return re.findall(r"^\| `([^`]+)` \|", body, re.M)


def test_the_settings_page_is_what_the_settings_say() -> None:
    assert (DOCS / "settings.md").read_text("utf-8") == settings_page(), "run: make docs"
    grouped = [name for group in GROUPS for name in group.model_fields]
    assert grouped == list(Settings.model_fields), "every setting belongs to one of the groups"


def test_every_error_code_is_documented_and_no_other() -> None:
    listed = first_column("errors.md", "Codes")
    assert len(listed) == len(set(listed))
    assert set(listed) == {error.code for error in error_classes()}


def test_the_error_table_has_the_right_status_and_retryability() -> None:
    text = (DOCS / "errors.md").read_text("utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \| (no|yes)(?:, (\d+) s)? \|", text, re.M)
    listed = {code: (int(status), retry, after) for code, status, retry, after in rows}
    for error in error_classes():
        after = str(error.retry_after_s or "")
        expected = (error.status, "yes" if error.retryable else "no", after)
        assert listed[error.code] == expected, error.code


def reasons() -> Iterator[str]:
    for path in sorted((PROJECT / "ingestion").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                yield from _literal_reason(node)


def _literal_reason(call: ast.Call) -> Iterator[str]:
    name = getattr(call.func, "id", getattr(call.func, "attr", ""))
    if name in REASON_ARGUMENT and len(call.args) > REASON_ARGUMENT[name]:
        argument = call.args[REASON_ARGUMENT[name]]
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
            yield argument.value


def test_every_reason_to_refuse_a_document_is_documented_and_no_other() -> None:
    found = set(reasons())
    assert {"encrypted", "timeout", "changed", "unreadable"} <= found
    assert set(first_column("errors.md", "Why a document was refused")) == {
        *found,
        GAVE_UP,
        CANCELLED,
    }


def test_whether_a_document_can_be_tried_again_is_documented() -> None:
    section = (DOCS / "errors.md").read_text("utf-8").split("## Why a document was refused")[1]
    told = dict(re.findall(r"^\| `(\w+)` \|.*\| (yes|no) \|$", section, re.M))
    assert set(told) == set(first_column("errors.md", "Why a document was refused"))
    assert {reason for reason, again in told.items() if again == "no"} == LASTING
    assert MAY_PASS - {"changed"} <= set(told) - LASTING  # what changed must be ingested anew


def leaves(command: Any, name: str) -> Iterator[str]:
    children = getattr(command, "commands", {})
    for child, sub in children.items():
        yield from leaves(sub, f"{name} {child}")
    if not children:
        yield name


def test_every_command_is_documented_and_no_other() -> None:
    found = {
        leaf for name in COMMANDS for leaf in leaves(load_command(name), f"countersign {name}")
    }
    assert "countersign review approve" in found
    assert set(first_column("reference.md", "Commands")) == found


def test_the_help_of_all_commands_shows_what_each_says_of_itself() -> None:
    said = {name: load_command(name).get_short_help_str(200) for name in COMMANDS}
    assert {name: line for name, (_, line) in COMMANDS.items()} == said


def test_every_route_is_documented_and_no_other() -> None:
    found = {
        f"{method.upper()} {path}"
        for path, operations in create_app(Settings()).openapi()["paths"].items()
        for method in operations
    }
    assert set(first_column("reference.md", "Routes")) == found


def test_every_check_is_documented_and_no_other() -> None:
    checks = build_checks(load_policy(), build_support(Settings()))
    found = {check.name for check in checks}
    assert set(first_column("reference.md", "Checks")) == found


def test_every_metric_is_documented_and_no_other() -> None:
    found = {metric.name for metric in Telemetry().registry.collect()}
    assert set(first_column("reference.md", "Metrics")) == found


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), target


def pages_of(nav: Any) -> Iterator[str]:
    """The pages that a part of the site's navigation leads to."""
    if isinstance(nav, str):
        yield nav
    for part in nav.values() if isinstance(nav, dict) else nav if isinstance(nav, list) else ():
        yield from pages_of(part)


def test_the_map_of_the_files_names_every_module() -> None:
    page = (DOCS / "architecture.md").read_text("utf-8")
    named = set(re.findall(r"\w+", page.split("## Files")[1].split("## Words")[0]))
    folders = ("app", "benchmarks", "cli", "countersign", "guardrails", "ingestion", "training")
    modules = {path.stem for folder in folders for path in (PROJECT / folder).rglob("*.py")}
    peers = {path.stem for path in (PROJECT / "benchmarks" / "peers").glob("*.py")}
    assert modules - peers - {"__init__", "__main__"} - named == set()


def test_the_site_leads_to_every_page() -> None:
    site = yaml.safe_load((PROJECT / "mkdocs.yml").read_text("utf-8"))
    found = sorted(pages_of(site["nav"]))
    assert found == sorted(str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md"))
    assert site["theme"]["font"] is False  # else each reader asks another company for it


def test_every_benchmark_that_a_page_names_can_be_called() -> None:
    pages = [*(PROJECT / "docs").glob("*.md"), PROJECT / "CHANGELOG.md", PROJECT / "README.md"]
    text = "\n".join(page.read_text("utf-8") for page in pages)
    named = set(re.findall(r"python -m benchmarks ([a-z][a-z-]+)", text))
    commands = benchmarks.registered_commands
    known = {one.name or one.callback.__name__ for one in commands if one.callback}
    assert named - known == set() and len(named) > 3


def called(page: Path, program: str) -> Iterator[list[str]]:
    """The words of each call of a program in the code of a page."""
    for code in re.findall(r"```.*?```|`[^`]+`", page.read_text("utf-8"), re.S):
        for line in code.strip("`").replace("\\\n", " ").split("\n"):
            for call in re.findall(rf"(?:^|[\s(/]){program} (\w[^|;#&]*)", line):
                yield call.split()


def unknown_options(command: Any, words: list[str]) -> list[str]:
    """The options of a call that the command does not take."""
    found = []
    for word in words:
        command = getattr(command, "commands", {}).get(word, command)
        options = {name for one in command.params for name in (*one.opts, *one.secondary_opts)}
        if word.startswith("--") and word.split("=")[0] not in options | {"--help"}:
            found.append(word)
    return found


def command_of(words: list[str]) -> Any:
    """What the first words of a call of ``countersign`` name; None for no command."""
    if words[0] not in COMMANDS:
        return None
    found: Any = load_command(words[0])
    plain_ingest = words[0] == "ingest" and words[1:2] and words[1] not in found.commands
    return found.commands["files"] if plain_ingest else found


def test_every_call_on_a_page_takes_the_options_it_is_given() -> None:
    pages = [*DOCS.rglob("*.md"), *PROJECT.glob("*.md")]
    calls = [(page.name, words) for page in pages for words in called(page, "countersign")]
    wrong = [call for call in calls if (c := command_of(call[1])) and unknown_options(c, call[1])]
    assert wrong == [] and len(calls) > 200
    all_benchmarks = get_command(benchmarks)
    calls = [(page.name, w) for page in pages for w in called(page, "python -m benchmarks")]
    assert [call for call in calls if unknown_options(all_benchmarks, call[1])] == []
    assert len(calls) > 20
    assert unknown_options(load_command("gate"), ["plan", "--minuets", "3"]) == ["--minuets"]


def test_every_command_that_a_page_names_exists() -> None:
    pages = [*DOCS.rglob("*.md"), *PROJECT.glob("*.md")]
    named = {words[0] for page in pages for words in called(page, "countersign")}
    assert {name for name in named if re.fullmatch("[a-z]+", name)} - set(COMMANDS) == set()
