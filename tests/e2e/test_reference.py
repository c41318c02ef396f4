"""The API reference in a browser: drawn from the document, for anybody, by keyboard."""

import json
from collections.abc import Iterator

import pytest
from jsonschema import Draft202012Validator
from playwright.sync_api import Browser, Page, expect

from tests.e2e.conftest import faultless_page
from tests.e2e.test_accessibility import axe, violations
from tests.servers import Served

pytestmark = pytest.mark.browser
__all__ = ["axe"]
DRAWN = """async () => {
  const made = await import("/static/reference/operations.js");
  const document_ = await (await fetch("/v1/openapi.json")).json();
  const drawn = [];
  document.body.hidden = true;  // what is drawn is read, and nobody looks
  for (const one of made.operationsOf(document_)) {
    const changed = new Promise((done) => addEventListener("hashchange", done, { once: true }));
    location.hash = one.id;
    await changed;
    const form = made.formOf(one.requestBody?.content);
    const body = form?.media === "application/json" ? form.schema : null;
    const example = body && made.exampleOf(body, document_, false);
    const title = document.getElementById("operation-title").textContent;
    drawn.push([one.summary, title, body, example]);
  }
  return drawn;
}"""
"""Draws every operation, one after the other; the page's own listener is called first."""


@pytest.fixture
def page(browser: Browser, axe: str) -> Iterator[Page]:
    with faultless_page(browser, color_scheme="light") as (page, problems):
        page.context.add_init_script(axe)
        page.on("request", lambda sent: problems.extend(_foreign(sent.url)))
        yield page


def _foreign(address: str) -> list[str]:
    return [] if address.startswith("http://127.0.0.1:") else [address]


def test_every_operation_is_drawn_and_its_example_fits_its_form(page: Page, tiny: Served) -> None:
    page.goto(f"{tiny.address}/docs")
    document = tiny.site.app.openapi()
    many = sum(len(methods) for methods in document["paths"].values())
    expect(page.get_by_test_id("operation")).to_have_count(many)
    for summary, title, schema, example in page.evaluate(DRAWN):
        assert title == summary
        if schema is not None:
            whole = {**schema, "components": document["components"]}
            wrong = [one.message for one in Draft202012Validator(whole).iter_errors(example)]
            assert wrong == [], f"{summary}: {json.dumps(example)}"


def test_the_reference_is_searched_and_read_by_keyboard(page: Page, tiny: Served) -> None:
    page.goto(f"{tiny.address}/docs")
    expect(page.get_by_test_id("operation").first).to_be_visible()
    assert violations(page) == []
    page.get_by_test_id("find").focus()
    page.keyboard.type("document_refused multipart put")
    expect(page.get_by_test_id("operation")).to_have_count(0)
    page.get_by_test_id("find").fill("claim_lost edit_not_supported")
    expect(page.get_by_test_id("operation")).to_have_count(1)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#detail")).to_be_focused()
    expect(page.get_by_test_id("errors")).to_contain_text("edit_not_supported")
    expect(page.get_by_test_id("example")).to_contain_text("Bearer $COUNTERSIGN_KEY")
    for folded in page.locator("#detail summary").all():
        folded.click()
    assert violations(page) == []
    page.emulate_media(color_scheme="dark", reduced_motion="reduce")
    page.set_viewport_size({"width": 360, "height": 740})
    assert violations(page) == []
