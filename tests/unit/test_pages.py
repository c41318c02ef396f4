"""The pages: their types are what the service sends, and their policy holds in every file."""

import re
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.api import pages
from app.api.edge import HEADERS
from app.api.pages import FOLDER as PAGES
from app.main import PAGE_NAMES, create_app
from app.settings import Settings
from guardrails.checks.wording import as_seen

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
                known = set(re.findall(r'"(\w*)"', aliases.get(written, written)))
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


def test_a_page_names_every_module_that_it_will_load_at_an_address_of_its_content() -> None:
    client = TestClient(create_app(Settings()))
    for path, name in PAGE_NAMES:
        page = client.get(path)
        addresses = re.findall(r'(?:src|href)="/static/([0-9a-f]{12})/([^"]+)"', page.text)
        assert addresses, path
        assert {version for version, _ in addresses} == {pages.version()}, path
        assert '"/static/' not in re.sub(r"/static/[0-9a-f]{12}/", "", page.text)
        named = {address for _, address in addresses}
        for address in {one for one in named if one.endswith(".js")}:
            text = (PAGES / address).read_text("utf-8")
            for imported in re.findall(r'(?m)^(?:import .*|} )from "(\.[^"]+)"', text):
                found = ((PAGES / address).parent / imported).resolve().relative_to(PAGES.resolve())
                assert found.as_posix() in named, f"{name}: {address}"


def test_no_call_takes_the_state_before_it_waits() -> None:
    """``f(state, await x)`` takes the state first: what changed while it waited would be lost."""
    for path in PAGES.rglob("*.js"):
        assert not re.search(r"\(state, await\b", path.read_text("utf-8")), path.name


def test_the_queue_is_asked_for_and_drawn_before_what_works_on_it_is_read() -> None:
    page = TestClient(create_app(Settings())).get("/review").text
    head, _, later = page.partition('<template id="later">')
    assert head.index("/shared/early.js") < head.index('rel="stylesheet"')
    assert "/review/list.js" in head and "/review/desk.js" not in head
    later = later.partition("</template>")[0]
    named = re.findall(r'"modulepreload" href="/static/[0-9a-f]{12}/([^"]+)"', later)
    assert {"review/desk.js", "review/detail.js", "shared/markdown.js"} <= set(named)
    assert len(named) == len(set(named)) and not any(f"/{one}" in head for one in named)


def test_a_browser_keeps_a_file_only_under_the_version_that_it_has() -> None:
    client = TestClient(create_app(Settings()))
    kept = client.get(f"/static/{pages.version()}/shared/dom.js")
    assert kept.headers["cache-control"] == "public, max-age=31536000, immutable"
    for address in ("/static/shared/dom.js", f"/static/{'0' * 12}/shared/dom.js"):
        other = client.get(address)
        assert (other.status_code, other.content) == (200, kept.content)
        assert other.headers["cache-control"] == "no-store", address
    for address in ("/static/0123456789abcdef/shared/dom.js", f"/static/{pages.version()}/no.js"):
        assert client.get(address).status_code == 404
        assert client.get(address).headers["cache-control"] == "no-store"


def parameters(described: dict[str, Any]) -> dict[str, set[str]]:
    """The names that each address takes in its query, whatever the method."""
    return {
        path: {
            one["name"]
            for operation in operations.values()
            for one in operation.get("parameters", ())
            if one["in"] == "query"
        }
        for path, operations in described["paths"].items()
    }


def test_the_pages_send_only_parameters_that_there_are() -> None:
    """Others are refused: names in a literal address are those that it takes, and names that are
    put together are those that some address takes."""
    known, checked = parameters(create_app(Settings()).openapi()), 0
    anywhere = set().union(*known.values())
    for module in PAGES.rglob("*.js"):
        text = re.sub(r"\$\{[^{}]*\}", "-", module.read_text("utf-8"))
        for path, query in re.findall(r"[`\"](/v1/[^`\"?]*)\?([^`\"]+)[`\"]", text):
            takes = next(known[one] for one in sorted(known) if like(one).fullmatch(path))
            assert set(re.findall(r"(\w+)=", query)) <= takes, f"{module.name}: {path}?{query}"
            checked += 1
        if module.parent.name not in ("login", "widget", "shared"):  # those name parts of pages
            put = set(re.findall(r"(?:params|query|wanted)\.set\(\"(\w+)\"", text))
            put |= set(re.findall(r"[`?&](\w+)=-", text))
            assert put <= anywhere, module.name
            checked += len(put)
    assert checked >= 40


def like(path: str) -> re.Pattern[str]:
    """What a page's literal for the address looks like."""
    return re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path)))


def test_the_pages_hide_what_no_answer_holds() -> None:
    """What a reviewer signs is what goes out: both sides leave the same characters away."""
    script = (PAGES / "shared/dom.js").read_text("utf-8")
    found = re.search(r"^  /\[(.*)\]/gu;$", script, re.M)
    assert found is not None
    spelled = re.sub(r"\\u\{(\w+)\}", lambda match: rf"\U{match[1].zfill(8)}", found[1])
    pages = re.compile(f"[{spelled}]")
    everything = "".join(map(chr, (*range(0xD800), *range(0xE000, 0x110000))))
    assert as_seen(everything) == pages.sub("", everything)
