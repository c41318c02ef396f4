"""The pages: their types are what the service sends, and their policy holds in every file."""

import re
from typing import Any

import pytest

from app.api.edge import HEADERS
from app.main import PAGES, create_app
from app.settings import Settings

WIRE = PAGES / "shared" / "wire.d.ts"
INTERFACE = re.compile(r"^export interface (\w+)(?: extends (\w+))? \{\n(.*?)^\}", re.M | re.S)
FIELD = re.compile(r"^  (\w+): (.+);$", re.M)
AS_SENT = {"Certificate", "ArrivingSentence"}
"""What the service sends without a schema: a certificate's file, and events of a stream."""


def interfaces() -> dict[str, dict[str, str]]:
    """Each interface of the pages, with the types of its fields."""
    found: dict[str, dict[str, str]] = {}
    for name, base, body in INTERFACE.findall(WIRE.read_text("utf-8")):
        found[name] = {**found.get(base, {}), **dict(FIELD.findall(body))}
    return found


def nullable(schema: dict[str, Any]) -> bool:
    return any(option.get("type") == "null" for option in schema.get("anyOf", ()))


@pytest.fixture(scope="module")
def schemas() -> dict[str, Any]:
    described: dict[str, Any] = create_app(Settings()).openapi()["components"]["schemas"]
    return described


def test_the_pages_types_are_what_the_service_describes(schemas: dict[str, Any]) -> None:
    types = interfaces()
    assert len(types) > 20 and set(types) > AS_SENT
    for name in set(types) - AS_SENT:
        sent = schemas[name]["properties"]
        for field, written in types[name].items():
            assert field in sent, f"{name}.{field} is not sent"
            assert nullable(sent[field]) == written.endswith("| null"), f"{name}.{field}"


def test_the_pages_know_every_word_that_a_field_can_hold(schemas: dict[str, Any]) -> None:
    text = WIRE.read_text("utf-8")
    aliases = dict(re.findall(r"^export type (\w+) = (.+);$", text, re.M))
    words = 0
    for name in set(interfaces()) - AS_SENT:
        for field, written in interfaces()[name].items():
            schema = schemas[name]["properties"][field]
            options = [schema, *schema.get("anyOf", ())]
            allowed = next((option["enum"] for option in options if "enum" in option), None)
            if allowed is not None:
                known = set(re.findall(r'"(\w+)"', aliases.get(written, written)))
                assert known == set(allowed), f"{name}.{field}"
                words += 1
    assert words > 5


def test_no_file_of_the_pages_needs_what_their_policy_forbids() -> None:
    assert "'unsafe" not in HEADERS["Content-Security-Policy"]
    read = [path for path in PAGES.rglob("*") if path.suffix in (".js", ".html", ".css")]
    assert len(read) > 25
    markup = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|srcdoc"
    code = r"\beval\(|new Function|setAttribute\(\s*\"style\"|\.style\b|https?://(?!www\.w3\.org)"
    for path in read:
        text = path.read_text("utf-8")
        assert not re.search(f"{markup}|{code}", text), path.name
        for address in re.findall(r'from "(\.[^"]+)"', text):
            assert (path.parent / address).is_file(), f"{path.name}: {address}"
