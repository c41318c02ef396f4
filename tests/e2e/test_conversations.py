"""Conversations in a browser: kept, found, named, exported, deleted; sources beside the answer."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from app.answering.small_talk import GREETED
from app.records.release import SOURCE_CHANGED_MESSAGE
from tests.e2e.conftest import Running, settle, sign_in_as_eve
from tests.e2e.test_browser import FACT, FOUND, RISKY, ask, sign_in
from tests.servers import Served
from tests.site import HELD, RELEASED

pytestmark = pytest.mark.browser
SOURDOUGH = "How do I bake sourdough bread at high altitude?"


def test_a_conversation_is_kept_found_named_exported_and_deleted(
    page: Page, running: Running, tmp_path: Path
) -> None:
    sign_in(page, running)
    ask(page, FACT, "released")
    ask(page, RISKY, "held")
    current = page.locator('[data-testid="conversation"][aria-current]')
    expect(current).to_contain_text(FACT)
    page.reload()
    expect(page.get_by_test_id("answer")).to_have_count(2)

    page.get_by_test_id("rename").click()
    page.get_by_test_id("title").fill("<i>Telephone fees</i>")
    page.get_by_test_id("title").press("Enter")
    expect(current).to_contain_text("<i>Telephone fees</i>")
    page.get_by_test_id("new-conversation").click()
    expect(page.get_by_test_id("answer")).to_have_count(0)
    ask(page, SOURDOUGH, "abstained")
    page.get_by_test_id("find").fill("water damage in my kitchen")
    found = page.get_by_test_id("conversation").filter(has_text="Telephone fees")
    found.click()
    expect(page.get_by_test_id("answer")).to_have_count(2)

    with page.expect_download() as download:
        page.get_by_test_id("export").click()
    kept = tmp_path / "kept.md"
    download.value.save_as(kept)
    assert FACT in kept.read_text("utf-8") and FOUND in kept.read_text("utf-8")

    page.get_by_test_id("delete-conversation").click()
    page.get_by_test_id("delete-conversation-sure").click()
    expect(page.get_by_test_id("answer")).to_have_count(0)
    expect(found).to_have_count(0)


def test_sources_open_beside_the_answer_and_its_worth_is_said(page: Page, running: Running) -> None:
    sign_in(page, running)
    answer = ask(page, FACT, "released")
    answer.get_by_test_id("citation").first.click()
    panel = page.get_by_test_id("citation-panel")
    expect(panel.get_by_test_id("citation-quote").first).to_contain_text(FOUND)
    expect(panel.locator(".document-part").nth(1)).to_be_visible()  # the text around the quote
    page.keyboard.press("Escape")

    answer.get_by_test_id("not-useful").click()
    answer.get_by_test_id("feedback-reason").fill("<b>Too</b> short")
    answer.get_by_test_id("feedback-reason").press("Enter")
    expect(answer).to_contain_text("“<b>Too</b> short”")
    page.reload()
    expect(answer.get_by_test_id("not-useful")).to_have_attribute("aria-pressed", "true")

    page.get_by_test_id("ask-again").click()
    answers = page.locator('[data-testid="answer"][data-status="released"]')
    expect(answers).to_have_count(2)
    page.reload()
    expect(answers).to_have_count(2)  # in one conversation, the old one as it was
    first, second = answers.all()
    assert first.get_attribute("data-answer-id") != second.get_attribute("data-answer-id")
    expect(first.get_by_test_id("not-useful")).to_have_attribute("aria-pressed", "true")
    expect(second.get_by_test_id("not-useful")).to_have_attribute("aria-pressed", "false")

    page.get_by_test_id("new-conversation").click()
    abstained = ask(page, SOURDOUGH, "abstained")
    reads_a_section(page, abstained)


def reads_a_section(page: Page, answer: Locator) -> None:
    """Opens the first of the sections that are offered, and sees it in its document."""
    closest = answer.get_by_test_id("sections").get_by_test_id("closest").first
    place = closest.inner_text()
    closest.click()
    title = page.locator("#panel-title")
    expect(title).not_to_be_empty()
    assert place.startswith(title.inner_text())
    expect(page.locator("#panel .document-text").first).to_be_visible()


def test_while_an_answer_waits_its_asker_may_read_what_was_found(
    page: Page, running: Running
) -> None:
    sign_in(page, running)
    held = ask(page, RISKY, "held")
    reads_a_section(page, held)
    expect(page.locator("#panel mark")).to_have_count(0)  # nothing of the draft is pointed at
    page.reload()
    expect(page.get_by_test_id("sections").get_by_test_id("closest").first).to_be_visible()


def test_on_a_narrow_screen_the_list_lies_over_the_chat(page: Page, running: Running) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    sign_in(page, running)
    ask(page, FACT, "released")
    expect(page.get_by_test_id("conversation").first).to_be_hidden()
    page.get_by_test_id("sidebar-open").click()
    expect(page.get_by_test_id("find")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("sidebar-open")).to_be_focused()
    page.get_by_test_id("sidebar-open").click()
    page.get_by_test_id("conversation").first.click()
    expect(page.get_by_test_id("find")).to_be_hidden()


def test_small_talk_has_a_short_reply_and_no_search_beside_it(page: Page, running: Running) -> None:
    sign_in(page, running)
    greeted = ask(page, "Hello!", "abstained")
    expect(greeted).to_have_text(GREETED)
    unanswered = ask(page, SOURDOUGH, "abstained")
    expect(unanswered).to_contain_text("Searched ")
    expect(unanswered.locator("p.searched")).not_to_contain_text(" in ")


def test_an_answer_whose_source_was_removed_says_so(page: Page, running: Running) -> None:
    sign_in(page, running)
    answer = ask(page, FACT, "released")
    expect(answer.get_by_test_id("since")).to_have_count(0)

    def without_source(route: Route) -> None:
        found = route.fetch()
        told = found.json()
        for one in told["answers"]:
            one["message"] = SOURCE_CHANGED_MESSAGE
        route.fulfill(response=found, json=told)

    page.route("**/v1/conversations/*", without_source)
    page.reload()
    expect(page.get_by_test_id("since").first).to_have_text(SOURCE_CHANGED_MESSAGE)


def test_older_answers_come_once_however_often_they_are_asked_for(page: Page, tiny: Served) -> None:
    previous: dict[str, str] = {}
    for _ in range(25):
        previous = {"previous_answer_id": tiny.site.ask(HELD, "eve", **previous)["answer_id"]}
    sign_in_as_eve(page, tiny)
    page.get_by_test_id("conversation").first.click()
    expect(page.get_by_test_id("answer")).to_have_count(20)
    page.get_by_test_id("older").dblclick()
    expect(page.get_by_test_id("older")).to_be_hidden()
    settle(page)
    expect(page.get_by_test_id("answer")).to_have_count(25)


def test_a_list_goes_on_once_however_often_that_is_asked_for(page: Page, tiny: Served) -> None:
    for _ in range(31):
        tiny.site.ask(HELD, "eve")
    sign_in_as_eve(page, tiny)
    listed = page.get_by_test_id("conversation")
    expect(listed).to_have_count(30)
    page.get_by_test_id("more-conversations").dblclick()
    expect(page.get_by_test_id("more-conversations")).to_be_hidden()
    settle(page)
    addresses = [one.get_attribute("href") for one in listed.all()]
    assert len(addresses) > 30
    assert len(set(addresses)) == len(addresses)


def test_an_answer_of_an_older_conversation_is_said_to_be_withdrawn(
    page: Page, tiny: Served
) -> None:
    first = tiny.site.ask(HELD, "eve")["answer_id"]
    tiny.release(first)
    tiny.site.ask(HELD, "eve")
    page.clock.install()
    sign_in_as_eve(page, tiny, f"/#{first}")
    answer = page.get_by_test_id("answer")
    expect(answer).to_have_attribute("data-status", "released")
    body = {"reason": "It is out of date."}
    assert tiny.site.call("eve", "POST", f"/v1/released/{first}/withdrawal", json=body).is_success
    page.clock.fast_forward(15_000)
    expect(answer).to_have_attribute("data-status", "withdrawn")


def test_who_asks_in_a_conversation_that_was_not_loaded_goes_on_with_it(
    page: Page, tiny: Served
) -> None:
    first = tiny.site.ask(RELEASED, "eve")["answer_id"]
    page.route(f"**/v1/conversations/{first}?*", lambda route: route.abort())
    sign_in_as_eve(page, tiny, f"/#{first}")
    expect(page.get_by_test_id("error")).to_contain_text("connection")
    question, answers = page.get_by_test_id("question"), page.get_by_test_id("answer")
    question.fill(RELEASED)
    question.press("Enter")
    failed = page.get_by_test_id("history").get_by_test_id("error")
    expect(failed).to_contain_text("connection")
    page.unroute(f"**/v1/conversations/{first}?*")
    failed.get_by_role("button", name="Try again").click()
    expect(answers).to_have_count(2)
    expect(page.get_by_test_id("error")).to_have_count(0)
    assert page.url.endswith(f"#{first}")
    asked = tiny.site.call("eve", "GET", f"/v1/conversations/{first}").json()["answers"]
    assert [one["question"] for one in asked] == [RELEASED] * 2


def test_a_question_grows_older_and_an_error_of_another_conversation_goes(
    page: Page, tiny: Served
) -> None:
    asked = [tiny.site.ask(HELD, "eve")["answer_id"] for _ in range(2)]
    page.clock.install()
    sign_in_as_eve(page, tiny, "/")
    page.route("**/v1/conversations/*", lambda route: route.abort())
    page.evaluate("(id) => { location.hash = id; }", asked[0])
    expect(page.get_by_test_id("error")).to_contain_text("connection")
    page.unroute("**/v1/conversations/*")
    page.evaluate("(id) => { location.hash = id; }", asked[1])
    time = page.locator(".exchange time")
    expect(time).to_have_text(re.compile("just now|min. ago"))
    expect(page.get_by_test_id("error")).to_have_count(0)
    page.clock.fast_forward(3 * 3_600_000)
    expect(time).to_have_text("3 hr. ago")
