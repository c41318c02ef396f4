"""The labelling page in a browser: a key judges, a slip is taken back, a table is a table."""

import re

import pytest
from playwright.sync_api import Page, expect

from app.gate.modes import switch_mode
from app.wiring import Services
from tests.e2e.conftest import Running
from tests.e2e.test_accessibility import axe, violations
from tests.e2e.test_browser import ask, sign_in
from tests.e2e.test_review_desk import page

pytestmark = pytest.mark.browser
NUMBER = "What is the number of the fraud line?"
__all__ = ["axe", "page"]


@pytest.fixture(scope="module")
def undo_seconds() -> float:
    """However slow the machine is."""
    return 600.0


def test_a_judgement_is_taken_back_and_made_again(
    page: Page, running: Running, example_services: Services
) -> None:
    switch_mode(example_services.database, "review_everything", "no labels yet", "admin", "main")
    sign_in(page, running)
    answer_id = ask(page, NUMBER, "held").get_attribute("data-answer-id")
    page.goto(f"{running.address}/label")
    page.get_by_test_id("collection").select_option("main")
    task = page.locator("#task")
    expect(task.locator("h2")).to_have_text(NUMBER)
    drafted = task.get_by_test_id("draft")
    expect(drafted.locator("th").first).to_have_text(re.compile("^Service"))
    expect(drafted.locator("td").nth(1)).to_contain_text("01632 960180")
    page.locator("body").press("2")
    judged = page.get_by_test_id("judged")
    expect(judged).to_contain_text(f"Wrong: “{NUMBER}”")
    assert violations(page) == []
    judged.get_by_test_id("undo").click()
    expect(judged).to_contain_text("taken back")
    expect(task.locator("h2")).to_have_text(NUMBER)
    page.locator("body").press("1")
    expect(judged).to_contain_text(f"Right: “{NUMBER}”")

    page.goto(running.address)
    answer = page.locator(f'[data-answer-id="{answer_id}"]')
    expect(answer).to_have_attribute("data-status", "released")
    expect(answer.locator("th").first).to_have_text(re.compile("^Service"))
    expect(answer.locator("td").first).to_contain_text("Fraud line")
