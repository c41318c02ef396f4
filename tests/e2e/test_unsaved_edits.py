"""An edit that is not saved says so, and neither a reload nor a sign-in that has ended loses it."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.test_accessibility import axe, violations
from tests.e2e.test_two_reviewers import desk_of
from tests.servers import Served
from tests.site import HELD, PASSWORD

pytestmark = pytest.mark.browser
MINE = "Water damage is covered, up to a limit [1]."
__all__ = ["axe"]


@pytest.fixture
def desk(browser: Browser, tiny: Served, axe: str) -> Iterator[Page]:
    """Rita's, who is asked for nothing by the browser itself."""
    with desk_of(browser, tiny, "rita") as page:
        page.context.add_init_script(axe)
        page.on("dialog", lambda dialog: dialog.accept())
        yield page


def begin_edit(desk: Page, tiny: Served) -> str:
    """Rita writes another answer to a new task, and leaves the form; returns the task."""
    task = tiny.site.task_of(tiny.site.ask(HELD)["answer_id"])
    desk.goto(f"{tiny.address}/review#{task}")
    desk.reload()
    expect(desk.get_by_test_id("edit")).to_be_enabled()
    desk.keyboard.press("e")
    expect(desk.locator("#actions").get_by_text("Not saved")).to_be_hidden()
    desk.get_by_test_id("edit-text").fill(MINE)
    expect(desk.locator("#actions").get_by_text("Not saved")).to_be_visible()
    desk.keyboard.press("Escape")
    return task


def test_an_edit_that_is_left_says_that_it_is_not_saved(desk: Page, tiny: Served) -> None:
    first = begin_edit(desk, tiny)
    expect(desk.get_by_test_id("unsaved")).to_be_visible()
    expect(desk.get_by_test_id("edit")).to_be_focused()  # not the button that discards it
    expect(desk.locator(f'[data-task-id="{first}"]')).to_contain_text("Not saved")
    assert violations(desk) == []
    second = begin_edit(desk, tiny)
    desk.get_by_test_id("discard").click()
    expect(desk.get_by_test_id("unsaved")).to_have_count(0)
    row = desk.locator(f'[data-task-id="{second}"]')
    expect(row.get_by_text("Not saved")).to_be_hidden()
    desk.locator("[data-filter=decided]").click()  # the first is not listed there
    desk.get_by_test_id("show-unsaved").click()
    desk.get_by_test_id("edit").click()
    expect(desk.get_by_test_id("edit-text")).to_have_value(MINE)
    desk.keyboard.press("Escape")

    desk.keyboard.press("a")
    expect(desk.locator("#actions")).to_contain_text("is lost")
    desk.keyboard.press("Escape")
    desk.get_by_test_id("signout").click()
    expect(desk.locator("#task-notice")).to_contain_text("An edit is not saved.")
    tiny.site.decide("eve", tiny.site.claim("eve", first), "reject", reason="No.")
    desk.reload()
    late = desk.locator("#actions")
    expect(late).to_contain_text("cannot be saved")
    expect(late.locator("blockquote")).to_have_text(MINE)
    desk.get_by_test_id("discard").click()
    expect(late).to_be_hidden()
    desk.get_by_test_id("signout").click()
    desk.wait_for_url(re.compile("/login"))


def test_an_edit_outlives_the_sign_in(desk: Page, tiny: Served) -> None:
    begin_edit(desk, tiny)
    desk.keyboard.press("e")
    desk.get_by_test_id("edit-text").press("End")
    desk.get_by_test_id("edit-text").type(" More.")
    desk.context.clear_cookies()
    desk.get_by_test_id("edit-save").click()
    desk.wait_for_url(re.compile("/login"))
    desk.get_by_test_id("login-username").fill("rita")
    desk.get_by_test_id("login-password").fill(PASSWORD)
    desk.get_by_test_id("login-submit").click()
    desk.get_by_test_id("edit").click()
    expect(desk.get_by_test_id("edit-text")).to_have_value(f"{MINE} More.")
    desk.keyboard.press("Escape")
    desk.get_by_test_id("signout").click()
    desk.get_by_role("button", name="Sign out and lose it").click()
    desk.wait_for_url(re.compile("/login"))
    assert desk.evaluate("Object.keys(sessionStorage).filter((key) => key.includes('kept'))") == []
