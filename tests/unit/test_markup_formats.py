"""Markup languages, notebooks, boxes of mails, saved pages, subtitles and archives as documents."""

import bz2
import gzip
import io
import json
import lzma
import random
import struct
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from app.errors import DocumentRefused
from ingestion.formats import limits
from ingestion.formats.extract import extract
from ingestion.formats.registry import OUTLOOK, SAVED_PAGE, TAR
from tests.unit import sample_documents as samples

RST = """\
=====
Guide
=====

Gate A opens at 4.2 m [1]_.

.. warning::

   Sirens sound for 90 seconds.

.. list-table:: Pumps
   :header-rows: 1

   * - Pump
     - Flow
   * - P1
     - 310 l/s

===== ======
Level Action
===== ======
3.9 m leave
===== ======

.. tabs::

   .. tab:: Cloud

      At most 2 GB.

Limit |max| today, see :ref:`gates`.

.. |max| replace:: 7.7 m
.. [1] Only in summer.
.. a comment 8484
"""
ASCIIDOC = """\
= Manual
Ann Weir <a@x.example>
:speed: 44

It runs at {speed} picks.

.Prices
[%header,cols="1,2"]
|===
|Part |Price
|Reed |£27
|Heddle
|£3.15
|===

[NOTE]
.Belts
====
Change after 600 hours.
====

Shuttle:: holds 30 m

// comment 5151
ifdef::x[]
hidden 343
endif::[]

. Thread it
. Set tension 6
"""
LATEX = r"""\documentclass{article}
\newcommand{\firm}{Orr \& Sons}
\title{Casting}
% comment 9191
\begin{document}
\maketitle
\section{Metal}
\firm{} use 78\% copper\footnote{Since 1974.} at \pounds 9.40.
\begin{tabular}{lr}\toprule Bell & Weight \\ \midrule Tenor & 480 kg \\
\multirow{2}{*}{Kiln} & 900 W \\ & 1200 W \\ \bottomrule\end{tabular}
\begin{enumerate}\item Pour \item Close vent 3\end{enumerate}
\end{document}
after 9393
"""
DOCBOOK = """<?xml version="1.0"?><article><title>Well</title><info><author>X 838</author></info>
<section><title>Care</title><warning><para>Boil for 6 minutes.</para></warning>
<table><title>Pumps</title><tgroup cols="2"><thead><row><entry>Pump</entry><entry>Power</entry>
</row></thead><tbody><row><entry>Hand</entry><entry>70 W</entry></row></tbody></tgroup></table>
<para>Call<footnote><para>Not on day 7.</para></footnote> her.</para></section></article>"""
DITA = """<?xml version="1.0"?><task id="t"><title>Blade</title>
<prolog><author>X 838</author></prolog>
<taskbody><steps><step><cmd>Turn screw 3.</cmd><info>Torque 4.5 Nm.</info></step></steps></taskbody>
</task>"""
NOTEBOOK = json.dumps(
    {
        "cells": [
            {"cell_type": "markdown", "source": ["# Tides\n", "\n", "Error is 0.14 m."]},
            {
                "cell_type": "code",
                "source": "table",
                "outputs": [
                    {"output_type": "stream", "name": "stdout", "text": ["Mean: 3.87 m\n"]},
                    {
                        "output_type": "execute_result",
                        "data": {
                            "text/html": "<table><tr><th>Port</th><th>Lag</th></tr>"
                            "<tr><td>Oban</td><td>35</td></tr></table>",
                            "text/plain": "twice 1717",
                        },
                    },
                ],
            },
        ]
    }
)
SAVED = (
    "From: <Saved by Blink>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/related;\r\n"
    '\ttype="text/html";\r\n\tboundary="B"\r\n\r\n--B\r\nContent-Type: text/html\r\n'
    "Content-Transfer-Encoding: quoted-printable\r\n\r\n<html><head><title>Pass</title></head>"
    "<body><h1>Pass</h1><p>A day is =E2=82=AC61.</p><p class=3Dgone>hidden 747</p>\r\n"
    "--B\r\nContent-Type: text/css\r\n\r\n.gone{display:none}\r\n--B--\r\n"
)
CUES = """WEBVTT - Drill

NOTE inside 676

00:00:01.000 --> 00:00:04.000
<v Mara>Leave by stair 4,

00:00:04.000 --> 00:00:07.500
<v Mara>and meet at point G.

00:00:08.000 --> 00:00:12.000
<v Tom>How <b>long</b>?
"""
MAIL = (
    "From a@x.example Wed Mar  4 09:00:00 2026\nFrom: a@x.example\nSubject: {}\n\n{}\n\n"
    ">From here it is quoted.\n\n"
)
BOX = MAIL.format("Boats", "Slot A costs £71.") + MAIL.format("Chain", "It is 24 m long.")


def packed_tar(files: Mapping[str, bytes], mode: str = "w:gz", link: str = "") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE) if link else ():
            entry = tarfile.TarInfo("link.md")
            entry.type, entry.linkname = kind, link
            archive.addfile(entry)
    return buffer.getvalue()


def outlook(subject: str = "Offer 771", page: bytes = b"") -> bytes:
    streams: dict[tuple[str, ...], bytes] = {
        ("__properties_version1.0",): b"\0" * 32
        + struct.pack("<IIQ", 0x00390040, 6, 134170000000000000),
        ("__substg1.0_0037001F",): subject.encode("utf-16-le"),
        ("__substg1.0_1000001F",): "The saw is £930.\r\n\r\nBye".encode("utf-16-le"),
        ("__substg1.0_0C1A001F",): "Ann".encode("utf-16-le"),
        ("__attach_version1.0_#00000000", "__substg1.0_3707001F"): "t.md".encode("utf-16-le"),
        ("__attach_version1.0_#00000000", "__substg1.0_37010102"): b"# Terms\n\nPay in 19 days.",
    }
    if page:
        streams[("__substg1.0_10130102",)] = page
    return samples.compound(streams)


def previewed(preview: bytes) -> bytes:
    parts = {"Index/Document.iwa": b"\0" * 9, "Metadata/Properties.plist": b"x"}
    return samples.zipped(parts | ({"QuickLook/Preview.pdf": preview} if preview else {}))


SAID = {
    "a.rst": (RST, "Gate A opens|P1 | 310 l/s|3.9 m | leave|Limit 7.7 m today, see gates|summer"),
    "a.adoc": (
        ASCIIDOC,
        "It runs at 44 picks|Reed ' £27|Heddle ' £3.15|Shuttle: holds 30 m|2. Set",
    ),
    "a.tex": (
        LATEX,
        "Orr & Sons use 78% copper (Since 1974) at £9.40|Tenor ' 480 kg|2. Close vent 3",
    ),
    "a.xml": (DOCBOOK, "Boil for 6 minutes|Hand ' 70 W|Not on day 7"),
    "a.dita": (DITA, "1. Turn screw 3|Torque 4.5 Nm"),
    "a.ipynb": (NOTEBOOK, "Error is 0.14 m|Mean: 3.87 m|Oban ' 35"),
    "a.mhtml": (SAVED, "A day is €61"),
    "a.vtt": (CUES, "Mara: Leave by stair 4, and meet at point G.|Tom: How long?"),
    "a.mbox": (BOX, "Slot A costs £71|It is 24 m long|From here it is quoted"),
}
UNSAID = "8484 5151 343 9191 9393 838 1717 747 676 ifdef toprule list-table |=== {speed}".split()


@pytest.mark.parametrize("name", SAID)
def test_what_a_reader_sees_is_stored_and_nothing_else(name: str) -> None:
    source, wanted = SAID[name]
    text = extract(source.encode(), name).text
    for said in wanted.replace("310 l/s|", "310 l/s\n").replace(" | ", " ' ").split("|"):
        for one in said.split("\n"):
            assert one.replace(" ' ", " | ") in text, (one, text)
    assert not [one for one in UNSAID if one in text]


def test_boxes_and_tabs_are_sections() -> None:
    found = extract(RST.encode(), "a.rst")
    assert [one.text for one in found.headings if one.text][:2] == ["Guide", "Warning"]
    assert "Cloud" in [one.text for one in found.headings]
    assert [one.text for one in extract(ASCIIDOC.encode(), "a.adoc").headings if one.text] == [
        "Manual",
        "Belts",
    ]


def test_merged_cells_of_latex_carry_their_label() -> None:
    assert "Kiln | 1200 W" in extract(LATEX.encode(), "a.tex").text.replace(" |  | ", " | ")


def test_a_message_of_outlook_with_its_attachment() -> None:
    found = extract(outlook(), "offer.msg")
    assert found.media_type == OUTLOOK.media_type and found.title == "Offer 771"
    assert "From: Ann" in found.text and "The saw is £930." in found.text
    assert "Date: Tue, 03 Mar 2026" in found.text and "Pay in 19 days." in found.text
    shown = extract(
        outlook(page=b"<p style='display:none'>hidden 404</p><p>It is red.</p>"), "a.msg"
    )
    assert "It is red." in shown.text and "404" not in shown.text


def test_the_content_says_what_saved_pages_and_messages_are() -> None:
    assert extract(SAVED.encode(), "page.doc").media_type == SAVED_PAGE.media_type
    assert extract(SAVED.encode(), "page.eml").title == "Pass"
    assert extract(b"<html><body><p>Open at 9.</p></body></html>", "old.xls").text == "Open at 9."
    assert extract(packed_tar({"a.md": b"Open at 9."}), "a.zip").media_type == TAR.media_type


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_archives_of_files_hold_documents(mode: str) -> None:
    files = {
        "docs/a.md": b"# Ferry\n\nIt leaves at 6:25.",
        "../../etc/b.csv": b"Pier,m\nEast,4.4\n",
    }
    found = extract(packed_tar(files, mode, link="/etc/hostname"), "a.tar.gz")
    assert "It leaves at 6:25." in found.text and "East | 4.4" in found.text
    assert Path("/etc/hostname").read_text("utf-8").strip() not in found.text


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_a_packed_file_by_itself_and_a_bomb(pack: Callable[[bytes], bytes]) -> None:
    assert extract(pack(b"Open at 9."), "a.txt.gz").text.endswith("Open at 9.")
    bomb = pack(bytes(limits.MAX_INFLATED_BYTES + 1_000_000))
    with pytest.raises(DocumentRefused) as caught:
        extract(bomb, "bomb.gz")
    assert caught.value.reason == "zip_bomb"


def test_a_file_with_holes_or_of_a_size_that_lies_is_left_out() -> None:
    entry = tarfile.TarInfo("huge.txt")
    entry.size = 10**12
    with pytest.raises(DocumentRefused) as caught:
        extract(gzip.compress(entry.tobuf() + b"x" * 1024), "a.tgz")
    assert caught.value.reason in ("zip_bomb", "corrupt", "empty")


def test_documents_of_pages_are_read_by_their_preview() -> None:
    assert "Paths" in extract(previewed(samples.pdf([["Paths are wide."]])), "a.pages").text
    with pytest.raises(DocumentRefused, match="export it as") as caught:
        extract(previewed(b""), "a.numbers")
    assert caught.value.reason == "unsupported_type"


@pytest.mark.parametrize(
    ("data", "name", "says"),
    [
        (b"7z\xbc\xaf'\x1c" + b"\0" * 40, "a.7z", "7-Zip"),
        (b"Rar!\x1a\x07\0" + b"\0" * 40, "a.rar", "RAR"),
        (b"<?xml version='1.0'?><invoice><sum>9</sum></invoice>", "a.xml", "DocBook"),
        (samples.compound({("VisioDocument",): b"x" * 600}), "a.vsd", "old Office"),
    ],
)
def test_what_is_not_read_is_told_with_the_way_out(data: bytes, name: str, says: str) -> None:
    with pytest.raises(DocumentRefused, match=says) as caught:
        extract(data, name)
    assert caught.value.reason == "unsupported_type"


def test_no_entity_reaches_a_file_or_grows() -> None:
    secret = Path("/etc/hostname").read_text("utf-8").strip()
    head = '<?xml version="1.0"?><!DOCTYPE article [<!ENTITY e SYSTEM "file:///etc/hostname">'
    head += '<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;"><!ENTITY c "&b;&b;&b;">]>'
    body = "<article><title>T</title><para>x&e;x y&c;y</para></article>"
    text = extract((head + body).encode(), "a.xml").text
    assert f"x{secret}x" not in text and "lol" not in text and "T" in text


def test_commands_that_multiply_are_refused() -> None:
    source = r"\newcommand{\a}{lol lol lol lol lol lol lol lol lol lol}"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True):
        source += rf"\newcommand{{\{name}}}{{{(chr(92) + before + ' ') * 10}}}"
    source += r"\newcommand{\x}{\x\x}\begin{document}\i \x\end{document}"
    with pytest.raises(DocumentRefused):
        extract(source.encode(), "a.tex")


NESTED = {
    "a.rst": "\n".join("  " * n + f"- {n}\n" for n in range(400)),
    "a.adoc": "\n".join(f"[NOTE]\n{'=' * (n + 4)}" for n in range(400)),
    "a.tex": r"\begin{itemize}\item x" * 2_000 + "{" * 5_000,
    "a.md": "\n".join(f"{':' * (n + 3)} note" for n in range(300)) + "\nx",
    "b.md": "\n".join("    " * n + '=== "x"' for n in range(200)),
    "a.ipynb": '{"cells":' + "[" * 50_000,
}


@pytest.mark.parametrize("name", NESTED)
def test_deep_nesting_does_not_exhaust_the_stack(name: str) -> None:
    try:
        extract(NESTED[name].encode(), name)
    except DocumentRefused as refused:
        assert refused.reason in ("corrupt", "empty", "too_large")


MUTATED = {name: source.encode() for name, (source, _) in SAID.items()}
MUTATED |= {"a.msg": outlook(page=b"<p>It is red.</p>"), "a.srt": CUES.encode()}
MUTATED |= {
    "a.tar": packed_tar({"a.md": b"# A\n\nB"}, "w", "x"),
    "a.tgz": packed_tar({"a.md": b"B"}),
}
MUTATED |= {"a.txz": packed_tar({"a.md": b"B"}, "w:xz"), "a.pages": previewed(b"%PDF-1.7 x")}


@pytest.mark.parametrize("name", MUTATED)
def test_mutated_files_are_read_or_refused(name: str) -> None:
    whole, rng = MUTATED[name], random.Random(name)
    for _ in range(1000):
        data = bytearray(whole)
        for _ in range(rng.randint(1, 8)):
            place = rng.randrange(len(data))
            data[place : place + rng.randint(0, 3)] = rng.randbytes(rng.randint(0, 3))
        try:
            extract(bytes(data), name)
        except DocumentRefused as refused:
            assert refused.reason


MYST = """```{list-table} Parts
:header-rows: 1

* - Part
  - Price
* - Valve
  - £14
```

=== "Fan"

    Bake at 180 °C.

:::{note}
Bleed it.
:::

See [[Hose|the hose]] at 7 m. %% private 63 %% ==Nine== litres. # x {#anchor}
"""


def test_dialects_of_markdown_are_read_as_they_are_shown() -> None:
    found = extract(MYST.encode(), "a.md")
    assert "Part | Price\nValve | £14" in found.text
    assert {"Fan", "Note"} <= {one.text for one in found.headings}
    assert "See the hose at 7 m." in found.text and "Nine litres" in found.text
    assert not [one for one in ("63", "[[", "header-rows", "===", ":::") if one in found.text]


def test_an_archive_of_other_kinds_within_a_zip() -> None:
    data = samples.zipped({"box.mbox": BOX.encode(), "a.tgz": packed_tar({"b.rst": RST.encode()})})
    found = extract(data, "all.zip")
    assert "Slot A costs £71." in found.text and "P1 | 310 l/s" in found.text


def test_a_zip_is_no_document_of_pages_by_a_folder_alone() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("Index/a.md", "Open at 9.")
    assert "Open at 9." in extract(buffer.getvalue(), "a.zip").text


def test_attachments_of_a_box_of_mails_within_an_archive_are_read() -> None:
    body = (
        'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="B"\n\n--B\n\nHi.\n--B\n'
        'Content-Disposition: attachment; filename="a.md"\n\nPay in 19 days.\n--B--\n'
    )
    box = f"From a@x.example Wed Mar  4 09:00:00 2026\nFrom: a@x.example\nSubject: S\n{body}\n"
    found = extract(samples.zipped({"box.mbox": box.encode()}), "all.zip")
    assert "Pay in 19 days." in found.text and not found.left_out
