"""docs/security.md: every row is answered, and every test that it names exists."""

import ast
import re

import pytest

from app.settings import PROJECT

PAGE = (PROJECT / "docs" / "security.md").read_text("utf-8")
ROW = re.compile(r"^\| (LLM\d\d|V\d+\.\d+) ([^|]+) \| ([^|]+) \| ([^|]+) \|$", re.M)
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
SECTIONS = (5, 4, 7, 4, 4, 8, 6, 4, 2, 7, 7, 3, 4, 3, 4, 5, 3)
"""How many sections each chapter of ASVS 5.0.0 has, from V1 on."""


def rows() -> dict[str, tuple[str, str]]:
    """By the row's number: the answer, and what holds it."""
    found = ROW.findall(PAGE)
    assert len(found) == len({number for number, *_ in found})
    return {number: (answer, held) for number, _name, answer, held in found}


def test_every_row_of_both_lists_is_answered() -> None:
    wanted = {f"LLM{number:02}" for number in range(1, 11)}
    for chapter, sections in enumerate(SECTIONS, start=1):
        wanted |= {f"V{chapter}.{n}" for n in range(1, sections + 1)}
    assert set(rows()) == wanted


def test_each_row_names_a_test_or_says_no() -> None:
    for number, (answer, held) in rows().items():
        assert NAMED.search(held) or held in ("no", "not applicable"), number
        assert (
            held != "not applicable" or "no " in answer or "none" in answer or "neither" in answer
        )
        assert "TODO" not in answer


@pytest.mark.parametrize("file", sorted({file for file, _ in NAMED.findall(PAGE)}))
def test_the_tests_that_the_page_names_exist(file: str) -> None:
    tree = ast.parse((PROJECT / file).read_text("utf-8"))
    defined = {
        node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    named = {name for other, name in NAMED.findall(PAGE) if other == file}
    assert named <= defined
