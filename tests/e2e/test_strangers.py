"""What strangers stumbled over: words that are lost, hidden, or untrue of what they just did."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.e2e.conftest import Running, faultless_page
from tests.e2e.test_browser import FACT, RISKY, ask, sign_in

pytestmark = pytest.mark.browser
BICYCLE = "Will you pay my claim for a stolen bicycle?"
AT_END = """() => {
  const node = document.getElementById("transcript");
  return node.scrollHeight - node.clientHeight - node.scrollTop < 2;
}"""


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with faultless_page(browser, reduced_motion="reduce") as (page, _):
        yield page


def test_what_can_be_read_meanwhile_is_in_sight(page: Page, running: Running) -> None:
    sign_in(page, running)
    for question in (RISKY, BICYCLE):
        answer = ask(page, question, "held")
        expect(answer.get_by_test_id("closest").last).to_be_in_viewport(ratio=1)
    page.reload()  # and it comes late, for each answer, when a conversation is opened
    expect(page.get_by_test_id("sections")).to_have_count(2)
    for at in (0, 1):
        closest = page.get_by_test_id("sections").nth(at).get_by_test_id("closest")
        expect(closest.first).to_be_attached()
    assert page.wait_for_function(AT_END)


def test_no_question_is_lost_on_the_way(page: Page, running: Running) -> None:
    sign_in(page, running)
    ask(page, FACT, "released")
    page.get_by_test_id("new-conversation").click()
    suggestion = page.get_by_test_id("suggestion").first
    expect(suggestion).to_be_visible()
    field, noted = page.get_by_test_id("question"), page.get_by_test_id("ask-note")
    field.fill("What I was writing")
    suggestion.click()
    expect(page.get_by_test_id("answer").first).to_be_visible()
    expect(field).to_have_value("What I was writing")

    field.fill("y" * 4001)
    field.press("Enter")
    expect(noted).to_have_text(
        "A question has at most 4,000 characters; this one has 4,001. Please shorten it."
    )
    expect(page.locator(".exchange")).to_have_count(1)

    held: list[Route] = []
    page.route("**/v1/ask", lambda route: held.append(route))
    field.fill(RISKY)
    expect(noted).to_be_empty()
    field.press("Enter")
    field.fill("And another one?")
    field.press("Enter")
    expect(noted).to_have_text("Please wait for the running question, or cancel it.")
    expect(noted).to_be_in_viewport(ratio=1)
    page.go_back()  # to the first conversation, before the answer came
    expect(field).to_have_value(f"{RISKY}\nAnd another one?")
    expect(noted).to_contain_text("stands here again")
    expect(page.get_by_test_id("cancel")).to_be_disabled()
