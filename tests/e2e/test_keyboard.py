"""What somebody without a mouse does: the links that skip, digits, and where the focus is left."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import sign_in_as_eve
from tests.e2e.test_browser import open_task
from tests.servers import Served
from tests.site import HELD

pytestmark = pytest.mark.browser


def released(tiny: Served, **asked: Any) -> str:
    """A new answer of Eve's that a reviewer has approved: its id."""
    answer_id = str(tiny.site.ask(HELD, "eve", **asked)["answer_id"])
    tiny.release(answer_id)
    return answer_id


def skip(page: Page) -> None:
    """Press the first link of the page."""
    link = page.locator(".skip")
    link.focus()
    link.press("Enter")


def test_who_skips_to_the_question_stays_in_the_conversation(page: Page, tiny: Served) -> None:
    conversation = released(tiny)
    sign_in_as_eve(page, tiny, f"/#{conversation}")
    expect(page.get_by_test_id("answer")).to_have_count(1)
    skip(page)
    expect(page.get_by_test_id("question")).to_be_focused()
    page.wait_for_timeout(300)
    expect(page.get_by_test_id("answer")).to_have_count(1)
    assert page.url.endswith(f"#{conversation}")


def test_who_skips_to_what_is_chosen_still_has_it(page: Page, tiny: Served) -> None:
    tiny.site.ask(HELD, "ann")
    sign_in_as_eve(page, tiny, "/review")
    open_task(page, HELD)
    skip(page)
    expect(page.locator("#detail")).to_be_focused()
    page.wait_for_timeout(300)
    expect(page.locator("#task-title")).to_have_text(HELD)
    for path, chosen in (("/people", "person"), ("/docs", "operation")):
        page.goto(f"{tiny.address}{path}")
        page.get_by_test_id(chosen).first.click()
        page.locator("#detail h2").wait_for()
        address = page.url
        skip(page)
        expect(page.locator("#detail")).to_be_focused()
        page.wait_for_timeout(300)
        expect(page.locator("#detail h2")).to_be_visible()
        assert page.url == address


@pytest.mark.parametrize("held", ["Meta", "Alt"])
def test_a_digit_of_the_browser_rejects_nothing(page: Page, tiny: Served, held: str) -> None:
    tiny.site.ask(HELD, "ann")
    sign_in_as_eve(page, tiny, "/review")
    open_task(page, HELD)
    page.get_by_test_id("reject").click()
    field = page.get_by_test_id("reject-reason")
    expect(field).to_be_focused()
    sent: list[Any] = []
    page.on("request", lambda request: sent.append(request.url))
    page.keyboard.press(f"{held}+1")  # goes to the browser's first tab
    page.wait_for_timeout(500)
    assert not [url for url in sent if url.endswith("/decision")]
    expect(field).to_be_focused()


def test_a_button_that_was_pressed_keeps_the_focus(page: Page, tiny: Served) -> None:
    sign_in_as_eve(page, tiny, "/people#rita")
    button = page.get_by_test_id("save-account")
    button.focus()
    button.press("Enter")
    expect(page.get_by_test_id("told").first).to_contain_text("Saved")
    expect(button).to_be_enabled()
    expect(button).to_be_focused()


def test_who_said_why_stands_at_what_they_said(page: Page, tiny: Served) -> None:
    sign_in_as_eve(page, tiny, f"/#{released(tiny)}")
    answer = page.get_by_test_id("answer")
    answer.get_by_test_id("not-useful").press("Enter")
    answer.get_by_test_id("feedback-reason").fill("Too short")
    answer.get_by_test_id("feedback-reason").press("Enter")
    expect(answer).to_contain_text("“Too short”")
    expect(answer.get_by_test_id("not-useful")).to_be_focused()


def test_who_names_a_conversation_stands_in_its_title_and_at_its_button(
    page: Page, tiny: Served
) -> None:
    sign_in_as_eve(page, tiny, f"/#{released(tiny)}")
    rename, title = page.get_by_test_id("rename"), page.get_by_test_id("title")
    rename.press("Enter")
    expect(title).to_be_focused()
    page.get_by_test_id("cancel-rename").press("Enter")
    expect(rename).to_be_focused()
    rename.press("Enter")
    page.keyboard.type("Fees")  # in the place of the title, which is chosen
    page.keyboard.press("Enter")
    expect(page.locator(".conversation-title").first).to_have_text("Fees")
    expect(rename).to_be_focused()


WITHIN_A_WORD = """(field, key) => {
  const said = { key, keyCode: 229, bubbles: true, cancelable: true };
  field.dispatchEvent(new KeyboardEvent("keydown", said));
}"""
"""As Safari sends the key that has ended a composition."""


def test_the_key_that_ends_a_composed_word_does_nothing_else(page: Page, tiny: Served) -> None:
    tiny.site.ask(HELD, "ann")
    made = tiny.site.services.access.widgets.create("ann", ["https://shop.example"])
    sign_in_as_eve(page, tiny)
    for path in ("/", f"/widget?key={made.key}"):
        page.goto(f"{tiny.address}{path}")
        expect(page.get_by_test_id("send")).to_be_enabled()
        question = page.get_by_test_id("question")
        question.fill("保険は")
        question.evaluate(WITHIN_A_WORD, "Enter")
        expect(question).to_have_value("保険は")
        question.press("Enter")
        expect(question).to_have_value("")
    page.goto(f"{tiny.address}/review")
    open_task(page, HELD)
    page.get_by_test_id("claim").click()
    page.get_by_test_id("edit").click()
    field = page.get_by_test_id("edit-text")
    field.evaluate(WITHIN_A_WORD, "Escape")
    expect(field).to_be_visible()


def test_who_shows_the_last_older_ones_goes_on_at_the_first_of_them(
    page: Page, tiny: Served
) -> None:
    conversation = last = tiny.site.ask("Hello", "eve")["answer_id"]
    for _ in range(20):
        last = tiny.site.ask("Hello", "eve", previous_answer_id=last)["answer_id"]
    for _ in range(30):
        tiny.site.ask("Hello", "eve")
    sign_in_as_eve(page, tiny, f"/#{conversation}")
    answers, conversations = page.get_by_test_id("answer"), page.get_by_test_id("conversation")
    expect(answers).to_have_count(20)
    page.get_by_test_id("older").press("Enter")
    expect(page.get_by_test_id("older")).to_be_hidden()
    assert page.evaluate("document.querySelector('#history > li').contains(document.activeElement)")
    expect(conversations).to_have_count(30)
    while page.get_by_test_id("more-conversations").is_visible():
        before = conversations.count()
        page.get_by_test_id("more-conversations").press("Enter")
        expect(conversations.nth(before)).to_be_attached()
    expect(conversations.nth(before)).to_be_focused()
