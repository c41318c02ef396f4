"""The operations page in a browser: what stands behind releases, and the switch that stops them."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from app.gate.modes import switch_mode
from app.proof.audit_checks import AuditChecks
from app.wiring import Services
from tests.e2e.conftest import Running, faultless_page
from tests.e2e.test_accessibility import axe, violations
from tests.e2e.test_browser import FACT, ask, sign_in
from tests.e2e.test_review_desk import call

pytestmark = pytest.mark.browser
__all__ = ["axe"]


@pytest.fixture
def page(browser: Browser, axe: str) -> Iterator[Page]:
    """A page with the rules of accessibility."""
    with faultless_page(browser) as (page, _):
        page.context.add_init_script(axe)
        yield page


@pytest.fixture(autouse=True)
def as_it_began(example_services: Services) -> None:
    """No mode that another test switched to."""
    for mode, collection in (("provisional", ""), ("off", "main")):
        switch_mode(example_services.database, mode, "as it began", "admin", collection)


def test_in_forced_colours_the_legend_still_says_which_part_is_which(
    page: Page, running: Running
) -> None:
    page.emulate_media(forced_colors="active")
    sign_in(page, running, "/operations")
    swatches = page.locator(".swatch")
    expect(swatches.first).to_be_visible()
    colours = swatches.evaluate_all(
        "(all) => all.map((one) => getComputedStyle(one).backgroundColor)"
    )
    assert len(set(colours)) == len(colours) > 1


def test_a_switch_on_the_page_stops_releases_at_once(page: Page, running: Running) -> None:
    sign_in(page, running, "/operations")
    mode = page.get_by_test_id("gate-mode")
    expect(mode).to_have_text("provisional")
    page.get_by_test_id("new-mode").select_option("review_everything")
    page.get_by_test_id("switch").click()
    expect(mode).to_have_text("provisional")  # without a reason nothing happens
    page.get_by_test_id("reason").fill("<b>an incident</b>")
    page.get_by_test_id("switch").click()
    expect(mode).to_have_text("review_everything")
    expect(page.locator("#switched")).to_contain_text("the whole service")
    expect(page.locator("#switches")).to_contain_text("<b>an incident</b>")
    page.goto(running.address)
    ask(page, FACT, "held")
    page.goto(f"{running.address}/operations")
    page.get_by_test_id("new-mode").select_option("off")
    page.get_by_test_id("reason").fill("to see the warning")
    page.get_by_test_id("switch").dblclick()
    expect(page.locator("#sure")).to_contain_text("no reviewer sees it first")
    expect(page.get_by_test_id("sure")).to_be_disabled()
    expect(mode).to_have_text("review_everything")  # a reason alone drops no bound
    assert violations(page) == []
    page.get_by_test_id("sure-word").press("Enter")
    page.get_by_test_id("sure-word").press_sequentially("OFF")
    page.get_by_test_id("sure-word").press("Enter")
    expect(page.get_by_test_id("sure-word")).to_have_count(0)
    expect(page.locator("#mode-meaning")).to_have_class(re.compile("bad"))
    page.goto(running.address)
    answer = ask(page, FACT, "released")
    expect(answer).to_contain_text("Checked automatically")


def test_a_collection_is_chosen_not_typed(page: Page, running: Running) -> None:
    page.clock.install()
    sign_in(page, running, "/operations")
    page.get_by_test_id("collection").select_option("main")
    page.get_by_test_id("new-mode").select_option("retrieval_only")
    page.get_by_test_id("reason").fill("being rewritten")
    with page.expect_response("**/v1/gate"):  # a refresh of the page must not undo the choice
        page.clock.fast_forward(6_000)
    page.get_by_test_id("switch").click()
    expect(page.locator("#switched")).to_contain_text("main is now in mode retrieval_only")
    expect(page.locator("#switches")).to_contain_text("being rewritten")
    page.goto(running.address)
    expect(ask(page, FACT, "abstained")).to_contain_text("switched off")


def test_an_expert_answers_a_question_that_had_no_answer(page: Page, running: Running) -> None:
    sign_in(page, running)
    ask(page, "How do I bake sourdough bread at high altitude?", "abstained")
    page.goto(f"{running.address}/operations")
    gap = page.get_by_test_id("gap").filter(has_text="sourdough")
    expect(gap).to_contain_text("not found")
    gap.get_by_test_id("answer-gap").click()
    text = page.get_by_test_id("gap-text")
    text.fill("Bake sourdough bread at 230 degrees and add water.")
    gap.get_by_role("button", name="Close").click()
    expect(gap).to_contain_text("Not saved")
    page.reload()  # or a sign-in that has ended
    gap.get_by_role("button", name="Go on writing…").click()
    expect(text).to_have_value("Bake sourdough bread at 230 degrees and add water.")
    quotes = gap.get_by_test_id("quote")
    expect(quotes.first.get_by_role("link")).to_have_attribute(
        "href", re.compile("^/documents#doc/")
    )
    assert 1 <= quotes.count() <= 3
    quotes.first.get_by_test_id("use-quote").click()
    said = quotes.first.locator(".passage").inner_text()
    expect(text).to_have_value(f"Bake sourdough bread at 230 degrees and add water.\n\n{said}")
    expect(text).to_be_focused()
    page.get_by_test_id("gap-save").click()
    expect(gap).to_contain_text("Added as a document")
    expect(gap).not_to_contain_text("Not saved")
    page.goto(f"{running.address}/documents")
    added = page.get_by_text("How do I bake sourdough bread at high altitude?").first
    expect(added).to_be_visible()
    page.goto(f"{running.address}/operations")
    expect(gap.get_by_test_id("gap-written")).to_contain_text("leaves this list")


def test_the_last_days_are_shown_for_a_collection_that_is_chosen(
    page: Page, running: Running, example_services: Services
) -> None:
    page.clock.install()
    sign_in(page, running)
    answer = ask(page, "How do I tune the strings of a violin?", "abstained")
    assert answer.is_visible()
    page.goto(f"{running.address}/operations")
    tiles = page.get_by_test_id("tile")
    expect(tiles).to_have_count(4)
    asked = int(tiles.first.locator(".figure").inner_text())
    assert asked >= 1
    expect(page.locator("#volumes rect").first).to_be_visible()
    expect(page.locator("#volumes svg")).to_have_attribute(
        "aria-label", re.compile("^Answers of 14 days: .*no answer")
    )
    fold = page.locator("#volumes summary")
    fold.press("Enter")
    call(page, "POST", "/v1/ask", {"question": "How do I tune the strings of a cello?"})
    with page.expect_response("**/v1/gate/figures*"):
        page.clock.fast_forward(30_000)  # it is drawn anew
    expect(tiles.first.locator(".figure")).to_have_text(str(asked + 1))
    expect(page.locator("#volumes table")).to_be_visible()
    expect(fold).to_be_focused()
    page.get_by_test_id("of").select_option("main")
    page.get_by_test_id("days").select_option("7")
    expect(page.locator("#volumes svg")).to_have_attribute("aria-label", re.compile("of 7 days"))
    expect(page.locator("#latency")).to_contain_text("Searching")
    expect(page.locator("#plans")).to_contain_text("There are no labels yet")
    expect(tiles.last).to_contain_text("of CPU; no prices are set")
    expect(page.get_by_test_id("policy")).to_contain_text("default, version")
    with page.expect_response(lambda said: said.status == 202):  # it is asked for
        page.get_by_test_id("check-audit").click()
    result = page.get_by_test_id("audit-result")
    checks = AuditChecks(example_services.database, example_services.settings)
    while checks.newest(1)[0].finished_at is None:  # the time limit of tests ends it
        page.wait_for_timeout(50)
    page.clock.fast_forward(5_000)  # so often the page looks
    expect(result).to_contain_text("Everything fits")
