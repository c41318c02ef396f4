"""What a client of the last release relies on is still there: the interface only grows."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from app.api.described import GROUPS, OF_THEIR_OWN
from app.errors import error_classes
from app.main import create_app
from app.settings import PROJECT, Settings

RELEASED = PROJECT / "tests" / "releases" / "openapi-0.1.0.json"
PROSE = {"description", "summary", "title", "version"}
CHANGED = {
    f"/components/schemas/VerdictView/properties/{name}/default"
    for name in ("redact", "disclaimers")
}
CHANGED |= {"/components/schemas/DecisionBody/required"} | {
    f"/components/schemas/DecisionBody/properties/fence/{name}"
    for name in ("type", "minimum", "maximum")
}
CHANGED |= {"/components/schemas/AskBody/properties/collections/anyOf"}
CHANGED |= {
    f"/paths//readyz/get/responses/200/content/application/json/schema/{name}"
    for name in ("type", "additionalProperties")
}
"""Places that changed on purpose: probes are told what was any object before; a response never
leaves these fields out, so needs no default; a decision may leave out its fence, and those of
before have one; an empty list of collections, which searched nothing, is refused."""


def differences(old: Any, new: Any, place: str = "") -> Iterator[str]:
    """Places where ``new`` lacks or contradicts what ``old`` says; prose does not count."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key, value in old.items():
            if key in PROSE and isinstance(value, str):
                continue
            if key not in new:
                yield f"{place}/{key}"
            else:
                yield from differences(value, new[key], f"{place}/{key}")
    elif isinstance(old, list) and isinstance(new, list):
        if any(item not in new for item in old):
            yield place
    elif old != new:
        yield place


def test_the_interface_only_grows(tmp_path: Path) -> None:
    old = json.loads(RELEASED.read_text("utf-8"))
    new = create_app(Settings(data_dir=tmp_path)).openapi()
    assert set(differences(old, new)) == CHANGED


def test_what_is_taken_away_or_changed_is_found() -> None:
    old = {"paths": {"/a": {"get": {"type": "string", "enum": ["x", "y"]}}}}
    assert not list(differences(old, {"paths": {"/a": {**old["paths"]["/a"], "post": {}}}}))
    assert list(differences(old, {"paths": {}})) == ["/paths//a"]
    less: dict[str, Any] = {"paths": {"/a": {"get": {"type": "integer", "enum": ["x"]}}}}
    assert list(differences(old, less)) == ["/paths//a/get/type", "/paths//a/get/enum"]


def test_every_operation_says_its_group_who_may_and_its_errors(tmp_path: Path) -> None:
    document = create_app(Settings(data_dir=tmp_path)).openapi()
    operations = {
        (method.upper(), path): operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    known = {kind.code for kind in error_classes()}
    assert {one["code"] for one in document["x-errors"]} == known
    assert {tag for one in operations.values() for tag in one["tags"]} == set(GROUPS)
    assert set(operations) >= set(OF_THEIR_OWN)
    for name, one in operations.items():
        assert one["summary"] and set(one["x-errors"]) <= known, name
        signs_in = name[1].startswith(("/v1/session", "/v1/widget/"))
        assert signs_in or ("x-reach" in one) == ("unauthenticated" in one["x-errors"])
