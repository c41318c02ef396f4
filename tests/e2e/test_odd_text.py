"""Texts that strain a page: words that nothing breaks, two directions of writing, great length."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import sign_in_as_eve
from tests.e2e.test_accessibility import axe, violations
from tests.e2e.test_review_desk import page
from tests.servers import Served
from tests.site import HELD

pytestmark = pytest.mark.browser
ARABIC, WORD = "الخوذة مجانية مع كل دراجة.", "https://example.org/" + "a" * 400
LONG = " ".join(f"Sentence {n} of a very long answer." for n in range(150))
TEXT = f"{ARABIC}\n\n# Next\n\n| Bike | Fee |\n|---|---|\n| City | £5 |\n\nSee {WORD} now. {LONG}"
OVER = "(node) => node.scrollWidth > node.clientWidth"
DIRECTION = "(node) => getComputedStyle(node).direction"
__all__ = ["axe", "page"]


def test_an_answer_of_odd_texts_is_edited_and_read(page: Page, tiny: Served) -> None:
    asked = tiny.site.ask(HELD, "ann")["answer_id"]
    task = tiny.site.task_of(asked)
    sign_in_as_eve(page, tiny, "/review")
    page.get_by_label("Go to the next task").uncheck()
    page.goto(f"{tiny.address}/review#{task}")
    page.get_by_test_id("edit").click()
    page.get_by_test_id("edit-text").fill(TEXT)
    page.get_by_test_id("edit-save").click()
    expect(page.get_by_test_id("unsupported")).to_be_visible()
    for width in (1280, 360):
        page.set_viewport_size({"width": width, "height": 800})
        assert not page.locator("#actions").evaluate(OVER)
        assert not page.locator("html").evaluate(OVER)
        page.get_by_test_id("override-reason").scroll_into_view_if_needed()
        expect(page.get_by_test_id("override-reason")).to_be_in_viewport()
    assert violations(page) == []
    page.get_by_test_id("override-reason").fill("It is a test of odd texts.")
    page.get_by_test_id("override-reason").press("Control+Enter")
    expect(page.locator("#task [data-testid=decision]")).to_be_visible()
    assert not page.locator("html").evaluate(OVER)


@pytest.mark.parametrize("width", [1280, 320])
def test_a_question_and_a_name_of_one_long_word_stay_in_their_panes(
    page: Page, tiny: Served, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    task = tiny.site.task_of(tiny.site.ask(f"{HELD} {WORD}", "ann")["answer_id"])
    sign_in_as_eve(page, tiny, f"/review#{task}")
    expect(page.locator("#task-title")).to_contain_text(WORD)
    assert not page.locator("#detail").evaluate(OVER)
    name = "b" * 80
    person = {"name": name, "roles": ["asker"], "scope": ["c" * 80]}
    tiny.site.call("eve", "POST", "/v1/users", json=person)
    page.goto(f"{tiny.address}/people")
    expect(page.get_by_test_id("person").filter(has_text=name)).to_be_visible()
    assert not page.locator(".pane-list").evaluate(OVER)
    page.goto(f"{tiny.address}/people#{name}")
    expect(page.locator("#who-title")).to_contain_text(name)
    assert not page.locator("#detail").evaluate(OVER)
    page.goto(f"{tiny.address}/documents#add")
    expect(page.get_by_test_id("folder")).to_be_visible()
    assert not page.locator("#detail").evaluate(OVER)


def test_each_part_of_an_answer_is_written_in_its_own_direction(page: Page, tiny: Served) -> None:
    sign_in_as_eve(page, tiny)
    answer = tiny.site.ask(HELD, "eve")["answer_id"]
    task = tiny.site.claim("rita", tiny.site.task_of(answer))
    tiny.site.decide("rita", task, "edit", text=TEXT, override_reason="Odd.").raise_for_status()
    page.goto("about:blank")
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto(f"{tiny.address}/#{answer}")
    prose = page.locator(f'[data-answer-id="{answer}"] .prose')
    arabic = prose.locator("> p").filter(has_text=re.compile("دراجة"))
    english = prose.locator("> p").filter(has_text="very long answer")
    expect(arabic).to_be_visible()
    assert (arabic.evaluate(DIRECTION), english.evaluate(DIRECTION)) == ("rtl", "ltr")
    expect(prose.locator("th").first).to_have_text("Bike")
    assert prose.locator("table").evaluate(DIRECTION) == "ltr"
    assert not page.locator("html").evaluate(OVER)
    assert violations(page) == []
