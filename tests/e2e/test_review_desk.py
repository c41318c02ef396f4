"""A reviewer's day in a browser: urgent first, evidence, undo, withdrawal, sources that change."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect
from sqlalchemy import update

from app.db import now
from app.review.tables import PendingDecisionRow
from app.wiring import Services
from tests.e2e.conftest import Running, faultless_page, sign_in_as_eve
from tests.e2e.test_accessibility import axe, violations
from tests.e2e.test_browser import FACT, FOUND, ask, open_task, reject_everything, sign_in
from tests.servers import Served

pytestmark = pytest.mark.browser
PAINS = "I have chest pains, does my policy cover an ambulance?"
CLAIM = "Will you pay my claim for the water damage in my {}?"
KITCHEN, ATTIC, CELLAR, BATHROOM, HALLWAY, CONSERVATORY = (
    CLAIM.format(room)
    for room in ("kitchen", "attic", "cellar", "bathroom", "hallway", "conservatory")
)
PANTRY = CLAIM.format("small kitchen")
__all__ = ["axe"]


@pytest.fixture(scope="module")
def undo_seconds() -> float:
    """However slow the machine is: where it must be over, ``end_undo`` ends it."""
    return 600.0


def end_undo(services: Services) -> None:
    """The time is over in which decisions can be taken back."""
    with services.database.transaction() as session:
        session.execute(update(PendingDecisionRow).values(due_at=now()))
    services.desk.expire_overdue()


@pytest.fixture
def page(browser: Browser, axe: str) -> Iterator[Page]:
    tall = {"width": 1280, "height": 900}
    with faultless_page(browser, viewport=tall, reduced_motion="reduce") as (page, _):
        page.context.add_init_script(axe)
        yield page


def call(page: Page, method: str, path: str, body: Any = None) -> Any:
    """A request as the signed-in person."""
    return page.evaluate(
        """async ([method, path, body]) => {
          const { loadSession, request } = await import("/static/shared/api.js");
          await loadSession();
          return request(method, path, body === null ? {} : { body });
        }""",
        [method, path, body],
    )


def cited_document(page: Page, question: str) -> str:
    """The document that the draft of an open task cites."""
    tasks = call(page, "GET", "/v1/reviews?limit=100")["tasks"]
    task = next(task for task in tasks if task["question"] == question)
    detail = call(page, "GET", f"/v1/reviews/{task['task_id']}")
    return str(detail["draft"]["citations"][0]["document_id"])


def test_the_chat_says_that_an_answer_was_withdrawn(page: Page, running: Running) -> None:
    page.clock.install()
    sign_in(page, running)
    answer = ask(page, FACT, "released")
    answer_id = answer.get_attribute("data-answer-id")
    body = {"reason": "It is out of date.", "message": "Please call 0800 1."}
    call(page, "POST", f"/v1/released/{answer_id}/withdrawal", body)
    live = page.locator(f'[data-answer-id="{answer_id}"]')
    page.clock.fast_forward(15_000)  # as often it asks for what is out already
    expect(live).to_have_attribute("data-status", "withdrawn")
    expect(live).to_contain_text("Please call 0800 1.")
    expect(live).not_to_contain_text(FOUND)
    assert violations(page) == []
    (shown,) = [
        one
        for one in call(page, "GET", "/v1/answers?limit=100")["answers"]
        if one["answer_id"] == answer_id
    ]
    assert (shown["status"], shown["answer"]) == ("withdrawn", None)


def test_a_day_at_the_desk(page: Page, running: Running) -> None:
    sign_in(page, running)
    reject_everything(page)
    ask(page, ATTIC, "held")
    ask(page, CELLAR, "held")
    ask(page, PAINS, "held")
    page.goto(f"{running.address}/review")
    page.get_by_label("Go to the next task").uncheck()

    tasks = page.get_by_test_id("task")
    expect(tasks.first).to_contain_text("chest pains")  # it came last
    expect(tasks.first).to_contain_text("Urgent")
    page.get_by_test_id("search").fill("ATTIC")
    expect(tasks).to_have_count(1)
    page.get_by_test_id("narrow-queue").select_option("urgent")
    expect(page.locator("#list-empty")).to_contain_text("No task fits")
    page.get_by_test_id("search").fill("")
    expect(tasks).to_have_count(1)
    page.get_by_test_id("narrow-queue").select_option("")
    expect(tasks).to_have_count(3)

    open_task(page, PAINS)
    expect(page.get_by_test_id("why")).to_contain_text(re.compile(r"rule \d+ of the policy"))
    expect(page.get_by_test_id("approve")).to_have_count(0)  # a person writes to who is in danger
    expect(page.get_by_test_id("edit")).to_have_text("Write an answer…")
    page.get_by_test_id("comment").click()
    page.get_by_test_id("note-text").fill("I have called them.")
    page.get_by_test_id("note-save").click()
    expect(page.get_by_test_id("note")).to_contain_text("I have called them.")
    page.get_by_test_id("assign").click()
    expect(page.get_by_test_id("task-notes")).to_contain_text("Assigned to")
    assert violations(page) == []


def test_an_edit_cites_what_was_found_and_can_be_undone(
    page: Page, running: Running, example_services: Services
) -> None:
    sign_in(page, running)
    ask(page, KITCHEN, "held")
    page.goto(f"{running.address}/review")
    page.get_by_label("Go to the next task").uncheck()
    open_task(page, KITCHEN)
    page.keyboard.press("e")
    field = page.get_by_test_id("edit-text")
    field.fill("Please call us.")
    page.get_by_text("Find more evidence").click()
    page.get_by_test_id("evidence-text").fill("excess for water damage")
    page.get_by_test_id("evidence-find").click()
    page.get_by_test_id("cite").first.click()
    expect(field).to_have_value(re.compile(r"^Please call us\. \[\d+\]$"))
    assert violations(page) == []
    field.fill("Please call us.")
    page.get_by_test_id("edit-save").click()
    expect(page.get_by_test_id("unsupported")).to_be_visible()
    expect(field).to_have_value("Please call us.")
    assert violations(page) == []
    page.get_by_test_id("override-reason").fill("An invitation needs no source.")
    page.get_by_test_id("override-reason").press("Control+Enter")
    decided = page.locator('#task [data-testid="decision"]')
    expect(decided).to_contain_text("An invitation needs no source.")
    page.get_by_test_id("undo").click()
    expect(page.locator("#task-notice")).to_contain_text("taken back")
    expect(page.get_by_test_id("claimed-by-me")).to_be_visible()
    expect(page.get_by_test_id("note")).to_contain_text("took back the decision")
    page.get_by_test_id("approve").click()
    expect(page.get_by_test_id("decision").first).to_contain_text("Approved")
    end_undo(example_services)
    begin_with_an_earlier_answer(page, running)


def test_a_quote_beside_the_draft_becomes_the_edit_by_its_digit(
    page: Page, running: Running
) -> None:
    sign_in(page, running)
    ask(page, CONSERVATORY, "held")
    page.goto(f"{running.address}/review")
    page.get_by_label("Go to the next task").uncheck()
    open_task(page, CONSERVATORY)
    quotes = page.get_by_test_id("quote")
    expect(quotes.first).to_be_visible()
    assert 1 <= quotes.count() <= 3
    assert violations(page) == []
    button = quotes.first.get_by_role("button", name="Use this quote")
    said = quotes.first.locator(".passage").inner_text()
    assert said in str(button.evaluate("node => document.getElementById('quote-1').innerText"))
    expect(button).to_have_attribute("aria-describedby", "quote-1 quote-1-place")

    page.keyboard.press("1")
    field = page.get_by_test_id("edit-text")
    expect(field).to_be_focused()
    words = said.splitlines()[0].rstrip(".!?")
    expect(field).to_have_value(re.compile(rf"^{re.escape(words)}.*\[\d+\]", re.DOTALL))
    page.keyboard.press("1")  # it is of the text now
    expect(field).to_have_value(re.compile("1$"))
    page.keyboard.press("Backspace")
    page.set_viewport_size({"width": 360, "height": 740})
    quotes.last.get_by_test_id("use-quote").click()
    expect(field).to_have_value(re.compile(rf"^{re.escape(words)}.*\n", re.DOTALL))
    assert violations(page) == []
    page.keyboard.press("Control+Enter")
    told = page.locator('#task [data-testid="decision"], [data-testid="unsupported"]').first
    expect(told).to_be_visible()
    if page.get_by_test_id("unsupported").is_visible():
        page.get_by_test_id("override-reason").fill("It answers.")
        page.keyboard.press("Control+Enter")
    decided = page.locator('#task [data-testid="decision"]')
    expect(decided).to_have_attribute("data-kind", "edit")
    expect(page.locator("#quotes")).to_have_count(0)  # it is decided


def begin_with_an_earlier_answer(page: Page, running: Running) -> None:
    """A similar question is offered what was released a moment ago; practice has nothing yet."""
    page.goto(running.address)
    ask(page, PANTRY, "held")
    page.goto(f"{running.address}/review")
    open_task(page, PANTRY)
    earlier = page.get_by_test_id("earlier-answer").first
    expect(earlier).to_contain_text(KITCHEN)
    assert violations(page) == []
    earlier.get_by_test_id("use-earlier").click()
    expect(page.get_by_test_id("edit-text")).to_have_value(re.compile(r"\[\d+\]"))
    page.keyboard.press("Escape")
    page.get_by_test_id("practise").click()
    expect(page.locator("#practice")).to_contain_text("nothing to practise with")
    assert violations(page) == []
    page.keyboard.press("a")  # no shortcut of the task below
    page.get_by_role("button", name="Close").click()
    expect(page.get_by_test_id("reject")).to_be_visible()


def test_a_document_goes_from_under_a_draft_and_an_answer(page: Page, running: Running) -> None:
    sign_in(page, running)
    ask(page, HALLWAY, "held")
    ask(page, BATHROOM, "held")
    page.goto(f"{running.address}/review")
    document = cited_document(page, BATHROOM)
    open_task(page, HALLWAY)
    page.get_by_test_id("approve").click()
    expect(page.get_by_test_id("decision").first).to_contain_text("Approved")
    call(page, "DELETE", f"/v1/documents/{document}")
    page.reload()
    expect(page.get_by_test_id("task").filter(has_text="bathroom")).to_contain_text(
        "sources changed"
    )
    open_task(page, BATHROOM)
    expect(page.get_by_test_id("stale")).to_contain_text("cannot be approved")
    expect(page.get_by_test_id("approve")).to_have_count(0)
    before = call(page, "GET", "/v1/reviews")["tasks"]
    page.get_by_test_id("draft-again").click()
    expect(page.get_by_test_id("stale")).to_have_count(0)
    expect(page.get_by_test_id("note").last).to_contain_text("asked for a new draft")
    after = call(page, "GET", "/v1/reviews")["tasks"]
    assert {one["task_id"] for one in before} == {one["task_id"] for one in after}

    page.get_by_test_id("changed-more").locator("summary").click()
    listed = page.get_by_test_id("changed-answer").filter(has_text="hallway")
    expect(listed).to_contain_text("removed")
    assert violations(page) == []
    listed.get_by_test_id("withdraw").click()
    page.get_by_test_id("withdraw-reason").fill("The document is gone.")
    page.get_by_test_id("withdraw-message").fill("Please call 0800 1.")
    page.get_by_test_id("reason-save").click()
    expect(listed).to_have_count(0)


def test_a_withdrawal_that_failed_or_was_left_can_be_begun_again(page: Page, tiny: Served) -> None:
    task_id = tiny.site.held()[0]
    task = tiny.site.claim("rita", task_id)
    assert tiny.site.decide("rita", task, "approve").is_success
    sign_in_as_eve(page, tiny, f"/review#{task_id}")
    page.get_by_test_id("withdraw").click()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_test_id("withdraw")).to_be_focused()
    page.get_by_test_id("withdraw").click()
    why = page.get_by_test_id("withdraw-reason")
    expect(why).to_be_focused()
    why.fill("It is out of date.")
    page.route("**/withdrawal", lambda route: route.abort())
    page.get_by_test_id("reason-save").click()
    expect(page.get_by_test_id("error")).to_contain_text("connection")
    expect(page.locator("#announce")).not_to_have_text("Withdrawn.")
    expect(why).to_have_value("It is out of date.")
    page.unroute("**/withdrawal")
    page.get_by_test_id("reason-save").click()
    expect(page.get_by_test_id("withdrawn")).to_be_visible()
    expect(page.locator("#announce")).to_have_text("Withdrawn.")


def test_an_undo_that_fails_says_why_and_one_that_runs_is_sent_once(
    page: Page, running: Running
) -> None:
    sign_in(page, running)
    question = CLAIM.format("garden shed")
    ask(page, question, "held")
    page.goto(f"{running.address}/review")
    open_task(page, question)
    page.keyboard.press("r")
    page.keyboard.press("4")
    undo = page.get_by_test_id("undo")
    sent: list[Route] = []
    page.route("**/undo", lambda route: sent.append(route))
    undo.click()
    page.keyboard.press("u")  # the first one is on its way
    page.wait_for_timeout(300)
    assert len(sent) == 1
    with page.expect_response(re.compile("/v1/reviews[?]")):  # the list takes no word of it away
        late = {"code": "undo_too_late", "message": "It is too late.", "retryable": False}
        sent[0].fulfill(status=409, json=late)
    page.wait_for_timeout(300)
    expect(page.locator("#task-notice")).to_have_text("It is too late.")


def test_what_is_left_to_decide_a_task_grows_less_while_it_is_read(
    page: Page, tiny: Served
) -> None:
    task_id = tiny.site.held()[0]
    page.clock.install()
    sign_in_as_eve(page, tiny, f"/review#{task_id}")
    left = page.locator("#asked-when")
    expect(left).to_contain_text("expires in 2 days")
    page.clock.fast_forward(4 * 86_400_000)
    expect(left).to_contain_text("expired yesterday")
