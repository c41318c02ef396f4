"""The command line, as a user runs it: one command after another over one data folder."""

import io
import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from app.access.principals import LOCAL
from app.answering.answerer import Ask
from app.background import Background
from app.files import read_rows
from app.review.decisions import Decision
from app.settings import PROJECT, Settings
from app.wiring import open_database, open_services
from cli.commands import load_command
from cli.output import what_makes_an_index
from cli.permissions import ACTIONS
from guardrails.policy.load import DEFAULT_POLICY
from ingestion.formats.registry import BY_SUFFIX
from ingestion.indexing import IndexBuilder
from tests.commands import Ended, countersign, own_environment
from tests.conftest import HANDBOOK
from tests.servers import free_port
from tests.trails import WireDesk

HELD = "Is water damage covered?"


@dataclass(frozen=True)
class Shell:
    """Runs ``countersign`` over one data folder."""

    folder: Path
    extra: Mapping[str, str] = field(default_factory=dict)

    @property
    def settings(self) -> dict[str, str]:
        """The variables that commands run with."""
        return {
            "COUNTERSIGN_DATA_DIR": str(self.folder / "data"),
            "COUNTERSIGN_MODEL_THREADS": "1",
            "COUNTERSIGN_GATE_MODE": "off",  # what the gate does has tests of its own
            "COUNTERSIGN_AUDIT_SHARE": "0",
            **self.extra,
        }

    def run(self, *arguments: str, status: int = 0) -> Ended:
        """One command, which must end with that status."""
        done = countersign(*arguments, settings=self.settings)
        assert done.returncode == status, done.stderr + done.stdout
        return done

    def process(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """One command in a process of its own."""
        return subprocess.run(
            [sys.executable, "-m", "cli", *arguments],
            cwd=PROJECT,
            env=own_environment(self.settings),
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    def json(self, *arguments: str, status: int = 0) -> Any:
        """One command's JSON value."""
        return json.loads(self.run(*arguments, "--json", status=status).stdout)


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A data folder with the handbook ingested."""
    shell = Shell(tmp_path_factory.mktemp("cli"))
    handbook = shell.folder / "handbook"
    handbook.mkdir()
    for name, text in HANDBOOK.items():
        (handbook / name).write_text(text, "utf-8")
    report = shell.json("ingest", str(handbook))
    assert (report["ingested"], report["failures"]) == (len(HANDBOOK), [])
    assert report["passages"] >= len(HANDBOOK) and report["index_version"]
    return shell


def test_ask_prints_the_answer_and_its_source(shell: Shell) -> None:
    answer = shell.json("ask", "What is the excess for water damage?")
    assert answer["status"] == "released"
    assert "£350" in answer["answer"]["text"]
    assert answer["answer"]["citations"][0]["title"] == "Making a claim"
    again = shell.process("ask", "What is the excess for water damage?", "--json")
    assert (again.returncode, json.loads(again.stdout)["answer"]) == (0, answer["answer"])


def test_a_service_ingests_into_a_new_collection_only_when_it_is_meant(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "fees.md").write_text("The fee is twelve pounds a year.", "utf-8")
    monkeypatch.setattr("cli.serve._run", lambda settings, services, doors: services.close())
    one = replace(shell, folder=tmp_path, extra={"COUNTERSIGN_PORT": str(free_port())})
    serve = ("serve", "--ingest", str(tmp_path / "fees.md"), "--collection", "new")
    assert one.json(*serve, status=1)["code"] == "not_found"
    assert one.json("ingest", "jobs")["jobs"] == []
    one.json(*serve, "--create")
    (job,) = one.json("ingest", "jobs")["jobs"]
    assert (job["collection"], job["state"]) == ("new", "done")


def test_a_database_that_is_not_there_is_told_with_what_its_driver_says(tmp_path: Path) -> None:
    address = f"postgresql+psycopg://ann:hush@127.0.0.1:{free_port()}/answers"
    away = Shell(tmp_path, extra={"COUNTERSIGN_DATABASE_URL": address})
    error = away.json("users", "list", status=1)
    assert error["code"] == "dependency_failed" and "Connection refused" in error["message"]
    said = away.run("users", "list", status=1).stderr
    parts = {part["name"]: part for part in away.json("doctor", status=1)["parts"]}
    for words in (said, parts["database"]["problem"]):
        assert "127.0.0.1" in words and "Connection refused" in words and "hush" not in words


@pytest.mark.parametrize("form", ["", "--json"])
def test_what_a_terminal_cannot_write_is_escaped(form: str, tmp_path: Path) -> None:
    narrow = Shell(tmp_path, extra={"PYTHONIOENCODING": "ascii"})
    name = f"Zoë 张{form}"
    made = narrow.process("users", "create", name, "--role", "asker", *filter(None, [form]))
    assert (made.returncode, made.stderr) == (0, "")
    assert "\\u5f20" in made.stdout
    if form:
        assert json.loads(made.stdout)["name"] == name and json.loads(made.stdout)["password"]
    else:
        assert "password (shown once): " in made.stdout


def test_an_argument_that_is_no_text_is_an_error_not_a_traceback(shell: Shell) -> None:
    wrong = ("gate", "mode", "off", "--reason", "no \udcff")
    assert shell.json(*wrong, status=1)["code"] == "invalid"
    assert "invalid: What was given holds" in shell.run(*wrong, status=1).stderr
    assert shell.json("users", "sessions", "\udcff", status=1)["code"] == "invalid"


def test_a_held_answer_is_approved_or_rejected_by_command(shell: Shell) -> None:
    assert shell.json("ask", HELD)["answer"] is None
    shown = shell.run("ask", HELD).stdout
    assert "held" in shown and "£350" not in shown
    listed = shell.json("review", "list")["tasks"]
    first, second, *_ = (task for task in listed if task["question"] == HELD)
    task = shell.json("review", "show", first["task_id"])
    assert task["question"] == HELD and task["draft"]["text"]
    approved = shell.json("review", "approve", first["task_id"], "--yes")
    assert (approved["state"], approved["decision"]["kind"]) == ("decided", "approve")
    rejected = shell.json("review", "reject", second["task_id"], "--reason", "no", "--yes")
    assert (rejected["decision"]["kind"], rejected["decision"]["reason"]) == ("reject", "no")
    error = shell.json("review", "approve", first["task_id"], "--yes", status=1)
    assert set(error) == {"code", "message", "retryable", "request_id"}
    assert error["code"] == "already_decided"


def test_who_says_no_to_a_decision_holds_the_task_no_longer(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer_id = shell.json("ask", HELD)["answer_id"]
    listed = shell.json("review", "list")["tasks"]
    task_id = next(one["task_id"] for one in listed if one["answer_id"] == answer_id)
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert "approve this draft?" in shell.run("review", "approve", task_id, status=1).stdout
    task = shell.json("review", "show", task_id)
    assert (task["state"], task["claimed_by"]) == ("open", None)
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert "approve" in shell.run("review", "approve", task_id).stdout
    assert shell.json("review", "show", task_id)["state"] == "decided"


def test_a_question_without_an_answer_is_listed_with_what_came_nearest(shell: Shell) -> None:
    question = "Which planet has the most moons?"
    assert shell.json("ask", question)["status"] == "abstained"
    (gap,) = [one for one in shell.json("gaps")["gaps"] if one["question"] == question]
    assert gap["gap_id"] in shell.run("gaps").stdout
    found = shell.json("gaps", "--quotes", gap["gap_id"])["quotes"]
    said = shell.run("gaps", "--quotes", gap["gap_id"]).stdout
    together = "".join(said.split())
    assert 0 < len(found) <= 3 and "[1]" not in said
    for quote in found:
        (cited, *_) = quote["answer"]["citations"]
        assert cited["title"] in said and "".join(cited["quote"].split()) in together
    assert shell.json("gaps", "--quotes", "unknown", status=1)["code"] == "not_found"


def test_a_task_is_named_by_what_its_list_shows(shell: Shell) -> None:
    long = HELD + " I ask since " + "the rain came in through the roof, and " * 60 + "it is wet."
    shell.json("ask", long)
    listed = shell.json("review", "list")["tasks"]
    task = next(one for one in listed if one["question"] == long)
    said = shell.run("review", "list").stdout
    lines = said.splitlines()
    assert all(any(one["task_id"] in line for line in lines) for one in listed)
    assert max(map(len, lines)) <= 80
    assert len(lines) < 30 * len(listed) and "…" in said and "it is wet" not in said
    begins = task["task_id"][:8]
    assert shell.json("review", "show", begins)["task_id"] == task["task_id"]
    rejected = shell.json("review", "reject", begins, "--reason", "no", "--yes")
    assert (rejected["task_id"], rejected["state"]) == (task["task_id"], "decided")
    for wrong in (task["task_id"][:5], "%" * 8, "________", "0" * 33):
        assert shell.json("review", "show", wrong, status=1)["code"] == "not_found"


def test_the_list_of_jobs_shows_whole_values_on_a_narrow_terminal(shell: Shell) -> None:
    jobs = shell.json("ingest", "jobs")["jobs"]
    lines = shell.run("ingest", "jobs").stdout.splitlines()
    for job in jobs:
        (line,) = (line for line in lines if job["job_id"] in line)
        cells = [cell.strip() for cell in line.strip("│ ").split("│")]
        whole = [str(job[name]) for name in ("job_id", "state", "items", "pending", "failed")]
        assert cells[:5] == whole
    assert "Not shown for lack of room: " in " ".join(lines) and "replaced" in " ".join(lines)


def test_a_collection_whose_name_looks_like_markup_has_its_jobs_shown(
    shell: Shell, tmp_path: Path
) -> None:
    (tmp_path / "fees.md").write_text("The fee is twelve pounds a year.", "utf-8")
    one = replace(shell, folder=tmp_path)
    job = one.json("ingest", str(tmp_path / "fees.md"), "--collection", "[/x]", "--create")[
        "job_id"
    ]
    assert f"Job {job} in [/x] is done" in " ".join(one.run("ingest", "show", job).stdout.split())


def test_the_proof_of_an_erased_answer_raises_no_alarm(shell: Shell, tmp_path: Path) -> None:
    answer_id = shell.json("ask", HELD)["answer_id"]
    shell.run("erase", "answer", answer_id, "--yes")
    out = str(tmp_path / "proof.json")
    told = shell.run("audit", "export", answer_id, "--out", out).stdout
    assert "its words were erased" in told and "DO NOT FIT" not in told
    assert shell.json("audit", "export", answer_id, "--out", out)["sound"] is True


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_periodic_work_that_is_told_to_end_finishes_and_says_so(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    def until(_work: Background, stop: threading.Event) -> None:
        signal.raise_signal(number)
        assert stop.is_set()

    monkeypatch.setattr(Background, "run_until", until)
    before = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        assert shell.run("background", "run").stdout == "Stopped.\n"
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def test_periodic_work_once_that_is_broken_off_is_no_success(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken_off(_work: Background) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Background, "run_due", broken_off)
    assert "Done" not in shell.run("background", "run", "--once", status=130).stdout
    shell.run("background", "run", "--once", "--json", status=130)


def test_a_new_installation_is_told_what_comes_first(tmp_path: Path) -> None:
    new = Shell(tmp_path)
    error = new.json("ask", "What is the excess?", status=1)
    parts = {part["name"]: part for part in new.json("doctor", status=1)["parts"]}
    assert error["code"] == "not_ready"
    for told in (error["message"], parts["live index"]["problem"]):
        assert "countersign ingest FOLDER" in told and "index build" not in told
    assert "countersign index build" in what_makes_an_index({"main": 2})


def test_edits_are_written_as_lines_to_learn_from(shell: Shell, tmp_path: Path) -> None:
    asked = shell.json("ask", HELD)["answer_id"]
    settings = Settings(data_dir=shell.folder / "data")
    database = open_database(settings)
    desk = WireDesk(database, settings)
    tasks = desk.tasks(LOCAL, "open")["tasks"]
    own = next(task["task_id"] for task in tasks if task["answer_id"] == asked)
    task = desk.claim(LOCAL, own)
    wanted = "The excess for water damage is £350 [1]. Ask us about cover."
    seen = (task["content_sha256"], task["fence"])
    desk.decide(LOCAL, task["task_id"], Decision("edit", *seen, text=wanted))
    database.close()

    out = tmp_path / "edits.jsonl"
    out.write_text("an older export", "utf-8")
    assert shell.json("review", "edits", "--out", str(out)) == {"out": str(out), "edits": 1}
    (row,) = read_rows(out)
    assert (row["question"], row["task_id"]) == (HELD, task["task_id"])
    marked = int(row["answer"].split("[")[1][0])
    assert "£350" in row["evidence"][marked - 1]
    assert list(tmp_path.iterdir()) == [out]
    missing = tmp_path / "missing" / "edits.jsonl"
    failed = shell.json("review", "edits", "--out", str(missing), status=1)
    assert (failed["code"], failed["retryable"]) == ("invalid", False)


def test_a_conversation_goes_on_from_an_answer(shell: Shell) -> None:
    first = shell.json("ask", "What is the excess for water damage?")["answer_id"]
    second = shell.json("ask", "And for theft?", "--previous", first)
    assert second["searched"]["question"] == "What is the excess for theft?"


def test_a_recorded_answer_is_judged_again(shell: Shell, tmp_path: Path) -> None:
    first = shell.json("ask", "What is the excess for water damage?")["answer_id"]
    found = shell.json("replay", first)
    assert found["same"] and found["warnings"] == []
    stricter = tmp_path / "policy.yaml"
    text = DEFAULT_POLICY.read_text("utf-8")
    margin = re.compile(r"^min_margin: .*$", re.M)
    stricter.write_text(margin.sub("min_margin: 1000000.0", text), "utf-8")
    other = shell.json("replay", first, "--policy", str(stricter))
    assert (other["same"], other["replayed"]["action"]) == (False, "review")
    stricter.write_text("name: x", "utf-8")
    refused = shell.json("replay", first, "--policy", str(stricter), status=1)
    assert refused["code"] == "policy_invalid"


def test_all_evidence_of_an_answer_is_written_to_a_file(shell: Shell, tmp_path: Path) -> None:
    first = shell.json("ask", "What is the excess for water damage?")["answer_id"]
    out = tmp_path / "proof.json"
    assert shell.json("export", first, "--out", str(out))["sound"]
    assert json.loads(out.read_text("utf-8"))["record"]["answer_id"] == first
    assert shell.json("export", "nobody", "--out", str(out), status=1)["code"] == "not_found"


def test_documents_get_a_last_valid_day(shell: Shell) -> None:
    folder = shell.folder / "old"
    folder.mkdir()
    (folder / "parking.md").write_text("# Parking\n\nA parking permit costs £12 a week.\n", "utf-8")
    shell.json("ingest", str(folder), "--valid-until", "2001-12-31")
    answer = shell.json("ask", "What does a parking permit cost?")
    assert answer["status"] == "held"
    days = ("--valid-from", "2002-01-01", "--valid-until", "2001-12-31")
    refused = shell.json("ingest", str(folder), *days, status=1)
    assert "lies after valid_until (2001-12-31)" in refused["message"]
    refused = shell.json("ingest", str(folder), *days[:2], status=1)
    assert refused["message"].startswith("parking.md: valid_from (2002-01-01) lies after")
    assert (
        "--valid-until"
        in shell.run("ingest", str(folder), "--valid-until", "soon", status=2).stderr
    )


def test_a_failing_file_is_reported_and_the_rest_ingested(shell: Shell) -> None:
    folder = shell.folder / "more"
    folder.mkdir()
    (folder / "good.md").write_text("# Good\n\nThe lift is inspected every spring.", "utf-8")
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7 nothing")
    refused = shell.run("ingest", str(folder), "--collection", "more", status=1)
    assert "no collection 'more'" in " ".join(refused.stderr.split())
    report = shell.json("ingest", str(folder), "--collection", "more", "--create", status=2)
    assert report["ingested"] == 1
    job = shell.json("ingest", "show", report["job_id"])
    assert (job["job"]["state"], job["job"]["ready"], job["job"]["failed"]) == ("failed", 1, 1)
    assert shell.json("ingest", "jobs")["jobs"][0] == job["job"]
    assert "corrupt" in shell.run("ingest", "show", report["job_id"]).stdout
    assert shell.json("ingest", "cancel", report["job_id"])["state"] == "failed"
    (failure,) = report["failures"]
    assert (Path(failure["source"]).name, failure["code"]) == ("broken.pdf", "corrupt")
    again = shell.json("ingest", "retry", status=2)
    assert (again["ingested"], again["failures"]) == (0, [failure])
    wrong = shell.json("ingest", "retry", report["job_id"], "0" * 32, status=1)
    assert wrong["message"] == f"There is no document and no job '{'0' * 32}'."
    assert shell.json("ingest", "retry", report["job_id"], status=2)["failures"] == [failure]
    (folder / "broken.pdf").unlink()
    pruned = shell.json("ingest", str(folder), "--collection", "more", "--prune")
    assert (pruned["removed"], pruned["unchanged"]) == (1, 1)
    assert shell.json("ingest", "files", str(folder / "good.md"), "--collection", "more")[
        "unchanged"
    ]
    answer = shell.json("ask", "How often is the lift inspected?", "--collection", "more")
    assert answer["status"] == "released"

    live, *earlier = [v["version_id"] for v in shell.json("index", "list")]
    assert live == report["index_version"]
    assert earlier
    for version in earlier:
        assert shell.json("index", "rollback") == {"version_id": version, "state": "live"}
    assert shell.json("index", "rollback", status=1)["code"] == "conflict"


def test_a_build_does_not_take_the_place_of_a_version_that_was_begun_later(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    build, later = IndexBuilder.build, []

    def overtaken(index: IndexBuilder) -> str:
        monkeypatch.setattr(IndexBuilder, "build", build)
        version_id = index.build()
        later.append(index.build_and_promote())
        return version_id

    monkeypatch.setattr(IndexBuilder, "build", overtaken)
    assert shell.json("index", "build")["state"] == "verified"
    states = {v["version_id"]: v["state"] for v in shell.json("index", "list")}
    assert [name for name, state in states.items() if state == "live"] == later
    assert shell.json("index", "build")["state"] == "live"


def test_an_empty_file_of_any_format_is_said_to_be_empty(shell: Shell, tmp_path: Path) -> None:
    for suffix in BY_SUFFIX:
        (tmp_path / f"nothing{suffix}").write_bytes(b"")
    report = shell.json("ingest", str(tmp_path), "--collection", "none", "--create", status=2)
    assert len(report["failures"]) == len(BY_SUFFIX) and report["ingested"] == 0
    for failure in report["failures"]:
        assert failure["code"] == "empty" and "The file is empty" in failure["message"], failure


def test_files_that_nobody_reads_are_named(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "within").mkdir()
    for name in ("a.md", "a.md.meta.yaml", ".hidden.png", "picture.gif", "within/program.exe"):
        (tmp_path / name).write_text("title: Lifts\n", "utf-8")
    folder = str(tmp_path.resolve())
    report = shell.json("ingest", folder, "--collection", "skips", "--create")
    assert report["ingested"] == 1
    assert report["skipped"] == [f"{folder}/picture.gif", f"{folder}/within/program.exe"]
    said = " ".join(shell.run("ingest", folder, "--collection", "skips").stdout.split())
    assert "2 skipped, of a kind that is not read: picture.gif, program.exe" in said
    for number in range(4):
        (tmp_path / f"more-{number}.gif").write_bytes(b"")
    again = ("ingest", folder, "--collection", "skips")
    said = " ".join(shell.run(*again).stdout.split())
    assert "6 skipped, of a kind that is not read: 5 .gif, 1 .exe (--all-skipped" in said
    told = shell.run(*again, "--all-skipped").stdout.splitlines()
    at = told.index("6 skipped, of a kind that is not read:")
    skipped = shell.json(*again)["skipped"]
    assert len(skipped) == 6 and told[at + 1 : at + 7] == skipped


def test_photos_of_a_folder_are_no_failures(shell: Shell, tmp_path: Path) -> None:
    """Nobody asked for them; whoever names one is told why it is no document."""
    (tmp_path / "a.md").write_text("Lifts are out of order.\n", "utf-8")
    photo = tmp_path.resolve() / "photo.png"
    Image.new("RGB", (300, 200), "steelblue").save(photo)
    folder = ("ingest", str(tmp_path), "--collection", "photos")
    report = shell.json(*folder, "--create")
    assert (report["ingested"], report["failures"], report["skipped"]) == (1, [], [str(photo)])
    said = " ".join(shell.run(*folder).stdout.split())
    assert "1 skipped, of a kind that is not read, or images without text: photo.png" in said
    report = shell.json("ingest", str(photo), "--collection", "photos", status=2)
    assert [one["code"] for one in report["failures"]] == ["empty"]


@pytest.mark.parametrize("arguments", [("ingest", "--help"), ("ingest",)])
def test_the_help_of_ingest_tells_of_paths_and_of_jobs(
    shell: Shell, arguments: tuple[str, ...]
) -> None:
    status = 0 if "--help" in arguments else 2
    said = " ".join(shell.run(*arguments, status=status).stdout.split())
    assert "`countersign ingest PATH...` is `countersign ingest files PATH...`" in said
    for name in ("--prune", "--watch", "--collection", "PATH_OR_ADDRESS", "jobs", "retry"):
        assert name in said, name


def test_users_and_keys(shell: Shell) -> None:
    user = shell.json("users", "create", "ann", "--role", "asker", "--collection", "main")
    assert (user["name"], user["roles"], user["scope"]) == ("ann", ["asker"], ["main"])
    assert len(user["password"]) >= 12
    key = shell.json("keys", "create", "ann", "--days", "1")
    assert key["key"].startswith("cs_")
    for days, status in (("0", 1), ("-1", 2)):
        refused = shell.json("keys", "create", "ann", "--days", days, status=status)
        assert refused["code"] == "invalid", "not a key that is over when it is made"
    assert shell.json("keys", "revoke", key["key_id"]) == {"key_id": key["key_id"], "revoked": True}
    assert shell.json("users", "create", "ann", "--role", "asker", status=1)["code"] == "conflict"
    (entry,) = shell.json("keys", "list", "--user", "ann")["keys"]
    assert entry["revoked_at"] is not None and entry["expires_at"] is not None
    widget = shell.json("widgets", "create", "ann", "--origin", "https://shop.example/")
    assert widget["key"].startswith("pk_") and widget["origins"] == ["https://shop.example"]
    refused = shell.json("widgets", "create", "ann", "--origin", "*", status=1)
    assert refused["code"] == "invalid"
    assert shell.json("widgets", "revoke", widget["key_id"])["revoked"] is True
    (entry,) = shell.json("widgets", "list", "--user", "ann")["keys"]
    assert entry["revoked_at"] is not None and "secret" not in entry
    changed = shell.json("users", "role", "ann", "--role", "asker", "--role", "admin")
    assert (changed["roles"], changed["scope"]) == (["admin", "asker"], ["main"])
    assert shell.json("users", "scope", "ann")["scope"] is None
    refused = shell.json("users", "disable", "ann", status=1)
    assert refused["code"] == "conflict"  # nobody else is an administrator
    shell.json("users", "create", "bob", "--role", "admin")
    shell.json("users", "role", "ann", "--role", "asker")
    assert shell.json("users", "disable", "ann")["disabled"] is True
    assert shell.json("users", "enable", "ann")["disabled"] is False
    assert shell.json("users", "reset", "ann")["password"] != user["password"]
    assert shell.json("users", "sessions", "ann", "--end") == {"sessions": [], "ended": 0}
    listed = shell.json("users", "list")["users"]
    assert [account["name"] for account in listed] == ["ann", "bob"]
    assert "asker" in shell.run("users", "list").stdout


def test_what_a_service_does_in_the_background_can_be_done_by_command(shell: Shell) -> None:
    assert shell.json("background", "run", "--once") == {
        "ran": [
            "expiry",
            "escalation",
            "drift",
            "purge",
            "retention",
            "checkpoint",
            "notices",
            "old notices",
        ]
    }
    migrated = shell.json("migrate")
    assert migrated["before"] == migrated["after"]


def test_a_reviewer_reads_that_there_was_a_second_try(shell: Shell) -> None:
    services = open_services(Settings(data_dir=shell.folder / "data"))
    for schema in (None, {"properties": {"text": {"maxLength": 1}}}):
        services.answerer.answer(LOCAL, Ask(HELD, ["main"], schema))
    services.close()
    listed = shell.json("review", "list", "--state", "all")["tasks"]
    plain, tried = (task["task_id"] for task in listed[-2:])
    assert "did not fit the schema" in shell.run("review", "show", tried).stdout
    assert "did not fit" not in shell.run("review", "show", plain).stdout


def test_an_error_is_one_coded_line_and_status_1(shell: Shell) -> None:
    failed = shell.process("review", "show", "no-such-task")
    assert (failed.returncode, failed.stdout) == (1, "")
    (line,) = failed.stderr.strip().splitlines()
    assert line.startswith("not_found: ")


@pytest.mark.parametrize(
    "arguments",
    [
        ("backup",),
        ("review", "edits", "--out"),
        ("restore",),
        ("gold", "import", "--collection", "main"),
        ("policy", "check"),
        ("audit", "verify", "--checkpoint"),
    ],
)
def test_a_file_in_a_folder_that_is_not_there_is_named(
    shell: Shell, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    there = tmp_path / "missing" / "file.zip"
    new = {"COUNTERSIGN_DATA_DIR": str(tmp_path / "new")} if arguments == ("restore",) else {}
    ended = countersign(*arguments, str(there), settings=shell.settings | new)
    said = ended.stderr.replace("\n", "").replace("│", "")
    assert ended.returncode in (1, 2) and "Traceback" not in said
    assert str(there) in re.sub(r"\s+", "", said), said


def test_doctor_shows_every_setting_and_where_it_comes_from(shell: Shell) -> None:
    found = shell.json("doctor")
    settings = {row["setting"]: row for row in found["settings"]}
    assert set(settings) == set(Settings.model_fields)
    assert settings["data_dir"]["source"] == "COUNTERSIGN_DATA_DIR"
    assert settings["port"] == {"setting": "port", "value": "8000", "source": "default"}
    assert all(part["ok"] for part in found["parts"])
    assert {"database", "embedder", "generator", "live index"} <= {
        part["name"] for part in found["parts"]
    }


def test_gate_plan_and_look_without_arguments_say_what_to_do_and_do_nothing(shell: Shell) -> None:
    plan = shell.json("gate", "plan", "--collection", "main")
    assert plan in shell.json("gate", "plan")["plans"]
    assert (plan["collection"], plan["labels"], plan["more_labels"]) == ("main", 0, 110)
    told = shell.run("gate", "plan").stdout
    assert re.search(r"^main: There are no labels yet\.", told, re.M)
    assert "gate mode review_everything --collection main --reason" in told
    assert "countersign gate look --collection main --labels 150" in told
    advice = shell.run("gate", "look").stdout
    assert re.search(r"^main: No look is planned\.", advice, re.M) and "take 8 days" in advice
    looks = shell.json("gate", "look")["looks"]
    assert {"collection": "main", "labels": 0, "look": None} in looks
    assert "name the collection" in shell.run("gate", "look", "--labels", "150", status=1).stderr
    for command in ("plan", "look"):
        assert "not_found" in shell.run("gate", command, "--collection", "x", status=1).stderr
    status = shell.run("gate", "status").stdout
    assert "NO ERROR BOUND: the policy alone decides what is released." in status


def test_a_switch_that_overrules_the_setting_says_so(tmp_path: Path) -> None:
    shell = Shell(tmp_path, {"COUNTERSIGN_GATE_MODE": "off"})
    assert "does not count" not in shell.run("gate", "status").stdout
    shell.run("gate", "mode", "review_everything", "--reason", "an audit")
    parts = {one["name"]: one for one in shell.json("doctor", status=1)["parts"]}
    for words in (shell.run("gate", "status").stdout, parts["gate"]["selected"]):
        assert "the setting gate_mode (off) does not count." in " ".join(words.split())
    assert parts["retention"]["selected"] == "nothing is erased by age"


def test_doctor_says_what_is_missing(tmp_path: Path) -> None:
    found = Shell(tmp_path).json("doctor", status=1)
    missing = {part["name"]: part["problem"] for part in found["parts"] if not part["ok"]}
    assert set(missing) == {"live index"} and missing["live index"].startswith("not_ready")
    assert "`countersign ingest FOLDER`" in missing["live index"]


@pytest.mark.parametrize(
    ("variable", "part"),
    [("GENERATOR", "service"), ("POLICY_FILE", "service"), ("PROT", "variables")],
)
def test_doctor_blames_what_is_wrong_and_nothing_else(
    tmp_path: Path, variable: str, part: str
) -> None:
    shell = Shell(tmp_path, {f"COUNTERSIGN_{variable}": "/nowhere"})
    parts = {one["name"]: one for one in shell.json("doctor", status=1)["parts"]}
    assert parts["database"]["ok"] and not parts[part]["ok"] and parts[part]["problem"]


def test_what_goes_wrong_in_a_command_stays_off_its_output(shell: Shell, tmp_path: Path) -> None:
    class Odd(Exception):
        """Nobody expects it."""

    def crash(*_: object) -> None:
        secret = "s3cret"
        raise Odd(len(secret))

    (tmp_path / "a.md").write_text("# A\n\nThe boat costs 3 euros.\n", "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ingestion.pipeline.metadata_of", crash)
        ended = shell.run("ingest", str(tmp_path / "a.md"), "--json", status=2)
    assert json.loads(ended.stdout)["failures"][0]["code"] == "internal_error"
    assert "Odd" in ended.stderr and "s3cret" not in ended.stderr


def test_a_folder_that_cannot_be_made_is_named_on_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    ended = Shell(tmp_path, {"COUNTERSIGN_DATA_DIR": f"{tmp_path}/file/data"}).run(
        "gold", "list", status=1
    )
    (line,) = ended.stderr.splitlines()
    assert line.startswith("invalid: ") and f"{tmp_path}/file" in line


@pytest.mark.parametrize(
    "words",
    [
        ("backup", "{missing}"),
        ("audit", "checkpoint", "--out", "{missing}"),
        ("audit", "verify", "--checkpoint", "{missing}"),
        ("policy", "check", "{missing}"),
        ("replay", "some", "--policy", "{missing}"),
        ("regress", "--policy", "{missing}"),
    ],
)
def test_a_file_that_is_not_there_is_named_and_not_worth_another_try(
    shell: Shell, tmp_path: Path, words: tuple[str, ...]
) -> None:
    missing = str(tmp_path / "missing" / "file")
    failed = shell.json(*(word.format(missing=missing) for word in words), status=1)
    assert (failed["code"], failed["retryable"]) == ("invalid", False)
    why = "could not be read or written (No such file or directory)."
    assert failed["message"] == f"{missing} {why}"


def test_every_command_that_needs_no_argument_prints_one_json_value(shell: Shell) -> None:
    others = {"serve", "mcp", "background run", "index rollback"}  # no end, or of other tests
    tried = [name for name in ACTIONS if name not in others and needs_nothing(name)]
    assert len(tried) > 20
    for name in tried:
        ended = countersign(*name.split(), "--json", settings=shell.settings)
        assert ended.returncode in (0, 1, 2), (name, ended)
        json.loads(ended.stdout)


def needs_nothing(name: str) -> bool:
    """Whether a command can be called without any argument."""
    first, *rest = name.split()
    command = load_command(first)
    for word in rest:
        command = command.commands[word]
    return not any(one.required for one in command.params)


@pytest.mark.parametrize(
    "words",
    [
        ("certify",),
        ("certify", "--once"),
        ("look", "--labels", "150"),
        ("carry",),
        ("plan",),
        ("mode", "off", "--reason", "A slip."),
        ("revoke", "--reason", "A slip."),
    ],
)
def test_a_slip_in_the_name_of_a_collection_changes_no_gate(
    shell: Shell, words: tuple[str, ...]
) -> None:
    for name in ("mian", "main+mian", "main|mian"):
        refused = shell.json("gate", *words, "--collection", name, status=1)
        assert refused["code"] == "not_found" and "mian" in refused["message"]


@pytest.mark.parametrize(
    "words",
    [
        ("review", "approve", "some"),
        ("review", "reject", "some", "--reason", "Wrong."),
        ("review", "withdraw", "some", "--reason", "Wrong."),
    ],
)
def test_with_json_nobody_is_asked(shell: Shell, words: tuple[str, ...]) -> None:
    asked = shell.json(*words, status=1)
    assert asked["code"] == "invalid" and "--yes" in asked["message"]
    assert shell.json(*words, "--yes", status=1)["code"] == "not_found"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("ask",), "question"),
        (("gaps", "--days", "-3"), "--days"),
        (("bogus",), "bogus"),
        (("review", "shwo", "x"), "shwo"),
    ],
)
def test_wrong_arguments_are_one_json_value_too(
    shell: Shell, arguments: tuple[str, ...], says: str
) -> None:
    found = shell.json(*arguments, status=2)
    assert found["code"] == "invalid" and says in found["message"]
    assert shell.run(*arguments, status=2).stdout == ""


STRICT = """
name: strict
version: 1
min_margin: 0
required_checks: []
topics: []
rules: [{when: "question.length > 0", then: review, queue: all}]
"""


def test_a_policy_is_checked_tested_and_tried(shell: Shell, tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(STRICT, "utf-8")
    checked = shell.json("policy", "check", str(own))
    assert (checked["policy"], checked["rules"], len(checked["sha256"])) == ("strict 1", 1, 64)
    assert shell.json("policy", "test", str(own), status=1)["code"] == "not_found"
    beside = tmp_path / "own.tests.yaml"
    beside.write_text("cases: [{name: a, question: Why, expect: {action: release}}]", "utf-8")
    assert shell.json("policy", "test", str(own)) == {
        "cases": 1,
        "failed": [],
        "untested_rules": [1],
    }
    beside.write_text("cases: [{name: a, question: Why, expect: {action: block}}]", "utf-8")
    (failed,) = shell.json("policy", "test", str(own), status=1)["failed"]
    assert failed["faults"] == ["action: expected 'block', got 'release'"]
    answer = shell.json("ask", "What is the excess for water damage?")
    assert answer["status"] == "released"
    report = shell.json("policy", "diff", str(own), "--since", "1")
    assert answer["answer_id"] in [one["answer_id"] for one in report["changed"]]
    assert report["change"]["held"] >= 1
    own.write_text(STRICT + "extra: 1", "utf-8")
    refused = shell.json("policy", "check", str(own), status=1)
    assert refused["code"] == "policy_invalid" and "extra" in refused["message"]


def test_the_shadow_decides_beside_and_is_summarised(shell: Shell, tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(STRICT, "utf-8")
    shadowed = replace(shell, extra={"COUNTERSIGN_SHADOW_POLICY_FILE": str(own)})
    assert shadowed.json("ask", "What is the excess for water damage?")["status"] == "released"
    report = shell.json("policy", "shadow")
    assert report["agreement"] == {"stricter": 1}
    assert [(one["was"], one["becomes"]) for one in report["changed"]] == [("released", "held")]
