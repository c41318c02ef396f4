"""The jail ends what runs too long or takes too much, and gives no way out."""

import json
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app.errors import DocumentRefused
from ingestion.formats import jail
from ingestion.formats.extract import extract
from ingestion.formats.jail import JailRun, extract_jailed, run_jailed
from ingestion.formats.limits import JailLimits
from tests.unit import sample_documents as samples

LIMITS = JailLimits(cpu_s=10, memory_bytes=1024**3, wall_s=20.0)


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
        run_jailed("import time; time.sleep(60)", [], source, JailLimits(wall_s=0.7))
    assert caught.value.reason == "timeout"
    assert time.monotonic() - begun < 10


def test_a_child_that_closes_its_output_and_stays_is_killed_too(source: Path) -> None:
    program = "import os, time; os.close(1); time.sleep(60)"
    with pytest.raises(DocumentRefused) as caught:
        run_jailed(program, [], source, JailLimits(wall_s=0.7))
    assert caught.value.reason == "timeout"


def test_a_busy_child_is_killed_by_its_cpu_limit(source: Path) -> None:
    run = run_jailed("\nwhile True: pass", [], source, JailLimits(cpu_s=1, wall_s=60.0))
    assert run.status < 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the address space")
def test_a_hungry_child_gets_no_memory(source: Path) -> None:
    program = "\ntry: bytearray(2 * 1024**3)\nexcept MemoryError: sys.exit(7)"
    assert run_jailed(program, [], source, LIMITS).status == 7


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
        run_jailed("\nwhile True: print('x' * 9999)", [], source, LIMITS)
    assert caught.value.reason == "too_large"


def test_no_file_can_be_written(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "stolen"
    program = "handle = open(sys.argv[3], 'w'); handle.write('x'); handle.close()"
    assert run_jailed(program, [str(target)], source, LIMITS).status != 0
    assert target.read_bytes() == b""


def test_the_environment_stays_outside(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTERSIGN_SECRET", "hunter2")
    run = run_jailed("import os, json; print(json.dumps(dict(os.environ)))", [], source, LIMITS)
    assert run.status == 0
    assert "COUNTERSIGN_SECRET" not in json.loads(run.output)


def test_the_child_reaches_no_socket(source: Path) -> None:
    connect = "import socket; socket.create_connection(('127.0.0.1', int(sys.argv[3])), 3)"
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        command = [sys.executable, "-c", f"import sys; {connect}", "", "", port]
        assert subprocess.run(command, check=False).returncode == 0, "nothing answers outside"
        run = run_jailed(connect, [port], source, LIMITS)
    if not run.network_off:
        pytest.skip("this system allows no network namespace")
    assert run.status == 1


def test_the_child_loads_no_model_library(source: Path) -> None:
    program = "from ingestion.formats.extract import extract\nextract(b'<p>x', 'x.html')\n"
    program += "print(sorted({'torch', 'transformers', 'numpy', 'fastapi'} & set(sys.modules)))"
    assert run_jailed(program, [], source, LIMITS).output.strip() == b"[]"


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
    ],
)
def test_a_forged_reply_is_not_believed(
    reply: bytes, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jail, "run_jailed", lambda *_: JailRun(0, reply, True))
    with pytest.raises(DocumentRefused) as caught:
        extract_jailed(source, "a.txt")
    assert caught.value.reason == "crashed"
