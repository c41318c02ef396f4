"""The jail ends what runs too long or takes too much, and gives no way out."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.errors import DocumentRefused
from ingestion.formats import fork_server, jail, system_calls
from ingestion.formats.extract import extract
from ingestion.formats.jail import JailRun, extract_jailed, run_jailed
from ingestion.formats.limits import JailLimits
from ingestion.formats.registry import format_of
from tests.unit import sample_documents as samples

LIMITS = JailLimits(cpu_s=10, memory_bytes=1024**3, wall_s=120.0)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "document"
    path.write_bytes(b"Words.")
    return path


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (samples.pdf([["Page one."], ["Page two."]]), "a.pdf"),
        (samples.word(), "b.docx"),
        (samples.HTML_PAGE, "c.html"),
        (samples.MARKDOWN, "d.md"),
        ("Grüße\u2028und \U0001f642".encode(), "Grüße\x00 \U0001f642.txt"),
    ],
)
def test_same_text_as_without_jail(tmp_path: Path, data: bytes, name: str) -> None:
    path = tmp_path / "stored"
    path.write_bytes(data)
    assert extract_jailed(path, name, LIMITS) == extract(data, name)


def test_a_refusal_comes_back_with_its_reason(tmp_path: Path) -> None:
    path = tmp_path / "stored"
    path.write_bytes(samples.word_bomb())
    with pytest.raises(DocumentRefused) as caught:
        extract_jailed(path, "bomb.docx", LIMITS)
    assert caught.value.reason == "zip_bomb"
    assert "200 MB" in caught.value.message


def test_an_endless_child_is_killed_at_the_wall_clock(source: Path) -> None:
    begun = time.monotonic()
    with pytest.raises(DocumentRefused) as caught:
        run("sleep", source, limits=JailLimits(wall_s=0.7))
    assert caught.value.reason == "timeout"
    assert time.monotonic() - begun < 30  # it sleeps for twice as long


def test_a_timeout_ends_one_child_and_no_other(source: Path) -> None:
    server = jail.SERVERS.current().process.pid
    with ThreadPoolExecutor() as pool:
        slow = pool.submit(run, "nap", source, "1.2")
        with pytest.raises(DocumentRefused):
            run("sleep", source, limits=JailLimits(wall_s=0.3))
        assert slow.result().output.split() == [str(server).encode(), b"Words."]
    assert jail.SERVERS.current().process.pid == server


def test_a_child_that_closes_its_output_and_stays_is_killed_too(source: Path) -> None:
    with pytest.raises(DocumentRefused) as caught:
        run("close_and_stay", source, limits=JailLimits(wall_s=0.7))
    assert caught.value.reason == "timeout"


def test_a_busy_child_is_killed_by_its_cpu_limit(source: Path) -> None:
    assert run("spin", source, limits=JailLimits(cpu_s=1, wall_s=240.0)).status < 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the address space")
def test_a_hungry_child_gets_no_memory(source: Path) -> None:
    assert run("take_memory", source).status == 7


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the address space")
def test_a_document_that_needs_too_much_memory_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "stored"
    path.write_bytes(b"word " * 3_000_000)
    with pytest.raises(DocumentRefused) as caught:
        extract_jailed(path, "a.txt", JailLimits(memory_bytes=90_000_000))
    assert caught.value.reason == "crashed"


def test_a_flood_of_output_is_stopped(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jail, "MAX_OUTPUT_BYTES", 100_000)
    with pytest.raises(DocumentRefused) as caught:
        run("flood", source)
    assert caught.value.reason == "too_large"


def test_no_file_can_be_written(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "stolen"
    found = run("write_file", source, str(target))
    assert found.status != 0
    assert not target.exists() or target.read_bytes() == b""
    assert not target.exists() or "files" not in found.walls


def test_no_file_but_code_can_be_read(source: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hunter2")
    code = run("read_file", source, jail.__file__)
    assert code.status == 0
    if "files" not in code.walls:
        pytest.skip("this system has no Landlock")
    assert run("read_file", source, str(secret)).status != 0
    assert run("read_file", source, "/etc/passwd").status != 0


def test_no_system_call_leads_out(source: Path) -> None:
    found = run("reach_out", source, str(jail.SERVERS.current().process.pid))
    if "calls" not in found.walls:
        pytest.skip("this system has no filter of system calls")
    assert (found.status, found.output) == (0, b"")
    assert run("make_thread", source).status == 0


def test_the_filter_knows_the_calls_of_each_machine() -> None:
    for machine, refused in (("x86_64", {59, 101, 41, 298}), ("aarch64", {221, 117, 198, 241})):
        steps = system_calls.filter_steps(machine)
        assert refused <= {value for operation, _, _, value in steps if operation == 0x15}
    assert not system_calls.refuse_calls("another machine")


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_filter_refuses_what_is_listed_and_nothing_else(machine: str) -> None:
    architecture, clone, column = system_calls.MACHINES[machine]
    listed = [call.split() for call in system_calls.REFUSED.split(";")]
    refused = {int(call[column]) for call in listed if call[column] != "-"}
    steps = system_calls.filter_steps(machine)
    refuse, absent, allow = 0x00050001, 0x00050026, 0x7FFF0000
    for number in range(600):
        wanted = refuse if number in refused or number == clone else allow
        wanted = absent if number == system_calls.CLONE3 else wanted
        assert decided(steps, number, architecture) == wanted, number
    assert decided(steps, clone, architecture, system_calls.CLONE_THREAD) == allow
    assert decided(steps, 0, architecture + 1) == 0x80000000
    assert decided(steps, 0x40000000, architecture) == refuse
    free = system_calls.filter_steps(machine, but=("execve",))
    execve = int(listed[0][column])
    assert decided(free, execve, architecture) == allow


def decided(
    steps: Sequence[system_calls.Step], number: int, architecture: int, argument: int = 0
) -> int:
    """What the kernel's filter machine makes of a call."""
    given = {0: number, 4: architecture, 16: argument}
    at = loaded = 0
    while True:
        operation, if_true, if_false, value = steps[at]
        at += 1
        if operation == 0x06:
            return value
        if operation == 0x20:
            loaded = given[value]
            continue
        holds = {0x15: loaded == value, 0x35: loaded >= value, 0x45: bool(loaded & value)}
        at += if_true if holds[operation] else if_false


def test_the_environment_stays_outside(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTERSIGN_SECRET", "hunter2")
    with fresh_server():
        found = run("tell_environment", source)
    assert found.status == 0
    assert b"COUNTERSIGN_SECRET" not in found.output
    assert found.output.split()[-1] == b"/"


def test_the_child_reaches_no_socket(source: Path) -> None:
    program = "import sys; from tests.unit.hostile import connect; connect(sys.argv[1])"
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        command = [sys.executable, "-c", program, port]
        outside = subprocess.run(command, check=False, cwd=fork_server.ROOT)
        assert outside.returncode == 0, "nothing answers outside"
        found = run("connect", source, port)
    if not found.walls & {"network", "calls"}:
        pytest.skip("this system can take a process neither its network nor its sockets")
    assert found.status == 1


def test_no_handle_and_no_memory_of_another_document_is_there(source: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(b"wanderlust is the secret of the other document")
    assert run("remember", other).output == b"1\n"
    assert extract_jailed(other, "unheard-of-name.txt").title == "unheard-of-name"
    assert run("remember", source).output == b"1\n"
    assert run("tell_handles", source).output == b""
    if sys.platform == "linux":
        memory = memory_of(jail.SERVERS.current().process.pid)
        assert b"tests.unit.hostile" in memory, "nothing was read"
        assert b"wanderlust is" not in memory
        assert b"unheard-of-name" not in memory


def memory_of(pid: int) -> bytes:
    """What a process has in memory that it may write."""
    found = []
    process = Path(f"/proc/{pid}")
    with (process / "maps").open() as maps, (process / "mem").open("rb", 0) as memory:
        for line in maps:
            span, rights = line.split()[:2]
            start, end = (int(edge, 16) for edge in span.split("-"))
            if rights.startswith("rw"):
                memory.seek(start)
                found.append(memory.read(end - start))
    return b"".join(found)


def test_a_server_that_is_killed_is_replaced_and_its_document_read_again(source: Path) -> None:
    server = jail.SERVERS.current().process
    with ThreadPoolExecutor() as pool:
        slow = pool.submit(run, "nap", source, "1.5")
        time.sleep(0.2)
        server.kill()
        parent, words = slow.result().output.split()
    assert (int(parent) != server.pid, words) == (True, b"Words.")


def test_a_server_whose_child_broke_its_memory_serves_no_other_document(source: Path) -> None:
    before = jail.SERVERS.current().process.pid
    assert run("corrupt_memory", source).status < 0
    assert int(run("nap", source, "0").output.split()[0]) != before


def test_a_document_that_ends_every_server_is_refused(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jail, "PROGRAM", "pass")
    with fresh_server(), pytest.raises(DocumentRefused) as caught:
        run("sleep", source)
    assert caught.value.reason == "crashed"


@contextmanager
def fresh_server() -> Iterator[None]:
    jail.SERVERS.close()
    try:
        yield
    finally:
        jail.SERVERS.close()


def run(
    entry: str,
    source: Path,
    *arguments: str,
    limits: JailLimits = LIMITS,
    imports: Sequence[str] = (),
) -> JailRun:
    """A function of ``hostile`` in the jail."""
    return run_jailed(f"tests.unit.hostile:{entry}", arguments, source, limits, imports)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (samples.pdf([["Page one."], ["Page two."]]), "a.pdf"),
        (samples.word(), "b.docx"),
        (samples.HTML_PAGE, "c.html"),
        (samples.MARKDOWN, "d.md"),
        (b"Words.", "e.txt"),
        (samples.zipped({"a.html": samples.HTML_PAGE, "b.txt": b"Words."}), "f.zip"),
        *((data, name) for name, data in samples.old_office().items()),
    ],
)
def test_the_server_has_imported_what_a_reader_needs_and_no_model_library(
    data: bytes, name: str, source: Path
) -> None:
    source.write_bytes(data)
    format = format_of(name)
    assert format is not None
    found = run("tell_modules", source, name, imports=format.imports)
    late, *all_of_them = found.output.split(b"\n")[1:]
    assert late == b""

    assert not {b"torch", b"transformers", b"numpy", b"fastapi"} & set(all_of_them)


def test_what_readers_do_at_their_first_document_is_done_once_in_the_server(source: Path) -> None:
    imports = ("tests.unit.hostile:rehearse",)
    found = [run("tell_rehearsals", source, imports=imports).output for _ in range(2)]
    assert found == [b"True\n"] * 2


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"not json",
        b"[]",
        b'{"title": "t"}',
        b'{"title": "t", "text": "abc", "media_type": "m", "pages": [[1, 0, 9]], '
        b'"headings": [], "doubts": []}',
        b'{"title": "t", "text": "abc", "media_type": "m", "pages": [[1, 2, 1]], '
        b'"headings": [], "doubts": []}',
        b'{"title": "t", "text": "abc", "media_type": "m", "pages": [], '
        b'"headings": [[1, "h", 4]], "doubts": []}',
        b'{"title": "t", "text": "abc", "media_type": "m", "pages": [], '
        b'"headings": [], "doubts": [[2, 1, "why"]]}',
        b'{"title": "t", "text": "abc", "media_type": "m", "pages": [[1, "x"]]}',
        b'{"title": "t", "text": "abc", "media_type": "m", "pages": [[1, 0, 3]], '
        b'"headings": [], "doubts": [], "left_out": [], "scans": [2]}',
        b'{"title": "t", "text": "abc", "media_type": "m", "pages": [[2, 0, 3]], '
        b'"headings": [], "doubts": [], "left_out": [], "scans": []}',
    ],
)
def test_a_forged_reply_is_not_believed(
    reply: bytes, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jail, "run_jailed", lambda *_: JailRun(0, reply, frozenset()))
    with pytest.raises(DocumentRefused) as caught:
        extract_jailed(source, "a.txt")
    assert caught.value.reason == "crashed"
