"""Which text of a PDF page is in doubt, and the cells that rules make."""

import random
from collections.abc import Sequence

import pytest

from ingestion.formats import pdf_sight
from ingestion.formats.extract import extract
from ingestion.formats.pdf_grid import NEAR, _ruled, _within
from ingestion.formats.pdf_sight import Rule

LAYERS = "/OCProperties << /OCGs [6 0 R 7 0 R] /D << /OFF [7 0 R] >> >>"
RESOURCES = (
    "<< /Font << /F 5 0 R >> /Properties << /On 6 0 R /Off 7 0 R >> "
    "/ExtGState << /Masked << /SMask << /S /Luminosity /G 8 0 R >> >> >> >>"
)
NOTHING = "<< /Type /XObject /Subtype /Form /BBox [0 0 600 800] /Group << /S /Transparency >>"


def page(*texts: tuple[str, str, str]) -> bytes:
    """A PDF with a line for each text, with what stands before and after it in the stream."""
    lines = [
        f"{before} BT /F 12 Tf 72 {700 - 30 * at} Td ({text}) Tj ET {after}\n"
        for at, (before, text, after) in enumerate(texts)
    ]
    return written(
        [
            f"<< /Type /Catalog /Pages 2 0 R {LAYERS} >>",
            "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Resources {RESOURCES} "
            "/Contents 4 0 R >>",
            f"<< /Length {len(''.join(lines))} >>\nstream\n{''.join(lines)}\nendstream",
            "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
            "<< /Type /OCG /Name (Shown) >>",
            "<< /Type /OCG /Name (Hidden) >>",
            f"{NOTHING} /Length 0 >>\nstream\n\nendstream",
        ]
    )


def written(objects: Sequence[str]) -> bytes:
    data, places = b"%PDF-1.7\n", []
    for number, one in enumerate(objects, 1):
        places.append(len(data))
        data += f"{number} 0 obj\n{one}\nendobj\n".encode()
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    size = len(objects) + 1
    trailer = f"trailer << /Size {size} /Root 1 0 R >>\nstartxref\n{len(data)}\n%%EOF"
    return data + f"xref\n0 {size}\n0000000000 65535 f \n{table}{trailer}".encode()


TAGGED = ("/P << /MCID 0 >> BDC", "The fee for a room is nine pounds.", "EMC")


def test_text_on_a_hidden_layer_or_behind_a_mask_is_left_out() -> None:
    found = extract(
        page(
            TAGGED,
            ("/OC /On BDC", "The desk opens at eight.", "EMC"),
            ("/OC /Off BDC", "The fee is ninety pounds.", "EMC"),
            ("q /Masked gs", "The desk opens at three.", "Q"),
        ),
        "fees.pdf",
    )
    assert "nine pounds" in found.text and "at eight" in found.text
    assert "ninety" not in found.text and "at three" not in found.text


def test_a_tag_puts_no_text_in_doubt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf_sight, "_draw", lambda *_: pytest.fail("it was drawn"))
    assert "nine pounds" in extract(page(TAGGED), "fees.pdf").text


def test_an_edge_is_ruled_where_any_of_its_rules_runs() -> None:
    pick = random.Random(3)
    for _ in range(60):
        rules = [
            Rule(pick.uniform(0, 12), start, start + pick.choice([0, 1, 9, 30]))
            for start in (pick.uniform(0, 90) for _ in range(pick.randint(0, 9)))
        ]
        edge, at = pick.uniform(0, 12), [pick.uniform(-5, 130) for _ in range(40)]
        spans = _ruled(rules, edge)
        for where in (*at, *(rule.end + NEAR for rule in rules)):
            wanted = any(
                abs(rule.at - edge) <= NEAR and rule.start - NEAR <= where <= rule.end + NEAR
                for rule in rules
            )
            assert _within(spans, where) == wanted
