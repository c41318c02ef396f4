"""Two reviewers at one desk, each in a browser: they race, they sign together, a claim ends."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import update

from app.db import now
from app.review.tables import ReviewTaskRow
from tests.e2e.test_browser import open_task
from tests.servers import Served
from tests.site import HELD, PASSWORD

pytestmark = pytest.mark.browser


@contextmanager
def desk_of(browser: Browser, served: Served, name: str) -> Iterator[Page]:
    """The review page of one of them."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    page = context.new_page()
    page.goto(f"{served.address}/login?next=/review")
    page.get_by_test_id("login-username").fill(name)
    page.get_by_test_id("login-password").fill(PASSWORD)
    page.get_by_test_id("login-submit").click()
    page.wait_for_url(f"{served.address}/review")
    yield page
    context.close()


@pytest.fixture(scope="module")
def desks(browser: Browser, tiny: Served) -> Iterator[tuple[Page, Page]]:
    """Rita's and Rob's."""
    with ExitStack() as stack:
        rita, rob = (stack.enter_context(desk_of(browser, tiny, name)) for name in ("rita", "rob"))
        yield rita, rob


def test_of_two_who_approve_at_once_one_signs(tiny: Served, desks: tuple[Page, Page]) -> None:
    answer = tiny.site.ask(HELD)["answer_id"]
    task = tiny.site.task_of(answer)
    for desk in desks:
        desk.reload()
        open_task(desk, HELD)
        expect(desk.get_by_test_id("approve")).to_be_enabled()
    for desk in desks:
        desk.get_by_test_id("approve").click(no_wait_after=True)
    path = f"/v1/reviews/{task}"
    while (decision := tiny.site.call("rita", "GET", path).json()["decision"]) is None:
        desks[0].wait_for_timeout(50)  # the time limit of tests ends it
    for desk in desks:
        desk.goto(f"{tiny.address}/review#{task}")
        desk.reload()
        expect(desk.get_by_test_id("decision").first).to_contain_text("Approved")
    assert (decision["kind"], decision["reviewer"] in ("rita", "rob")) == ("approve", True)


def test_a_claim_that_ended_is_nobodys(tiny: Served, desks: tuple[Page, Page]) -> None:
    answer = tiny.site.ask(HELD)["answer_id"]
    task = tiny.site.task_of(answer)
    rita, rob = desks
    rita.goto(f"{tiny.address}/review#{task}")
    rita.reload()
    rita.get_by_test_id("claim").click()
    expect(rita.get_by_test_id("claimed-by-me")).to_be_visible()
    rob.goto(f"{tiny.address}/review#{task}")
    rob.reload()
    expect(rob.get_by_test_id("holder")).to_have_text("rita is reviewing this")
    with tiny.site.services.database.transaction() as session:
        ended = now() - timedelta(minutes=1)
        of = ReviewTaskRow.id == task
        session.execute(update(ReviewTaskRow).where(of).values(lease_until=ended))
    rob.reload()
    expect(rob.get_by_test_id("claim")).to_be_enabled()
    rob.get_by_test_id("claim").click()
    expect(rob.get_by_test_id("claimed-by-me")).to_be_visible()
    rob.get_by_test_id("approve").click()
    expect(rob.get_by_test_id("decision").first).to_contain_text("Approved")


def test_a_claim_made_after_the_task_was_opened_is_told(
    tiny: Served, desks: tuple[Page, Page]
) -> None:
    answer = tiny.site.ask(HELD)["answer_id"]
    task = tiny.site.task_of(answer)
    rita, rob = desks
    for desk in desks:
        desk.goto(f"{tiny.address}/review#{task}")
        desk.reload()
        expect(desk.get_by_test_id("approve")).to_be_enabled()
    rita.get_by_test_id("claim").click()
    expect(rita.get_by_test_id("claimed-by-me")).to_be_visible()
    rob.get_by_test_id("claim").click()
    expect(rob.get_by_test_id("holder")).to_have_text("rita is reviewing this")
    row = rob.locator(f'[data-task-id="{task}"]')
    expect(row).to_contain_text("rita is reviewing")
    for offered in ("claim", "approve", "edit", "reject"):
        expect(rob.get_by_test_id(offered)).to_have_count(0)
    rob.keyboard.press("a")
    expect(rob.locator("#actions")).to_contain_text("rita is reviewing this")
    rob.set_viewport_size({"width": 390, "height": 844})
    for shown in ("holder", "take-over"):
        expect(rob.get_by_test_id(shown)).to_be_in_viewport()
    rob.set_viewport_size({"width": 1280, "height": 900})
    rob.get_by_test_id("take-over").click()
    expect(rob.get_by_test_id("claimed-by-me")).to_be_visible()
    expect(rob.get_by_test_id("holder")).to_have_count(0)
    expect(rita.get_by_test_id("holder")).to_have_text("rob is reviewing this")
    expect(rita.get_by_test_id("approve")).to_have_count(0)


def test_a_task_that_is_held_says_so_as_soon_as_it_is_opened(
    tiny: Served, desks: tuple[Page, Page]
) -> None:
    """Rob's list was read before the claim; the task itself knows more."""
    answer = tiny.site.ask(HELD)["answer_id"]
    task = tiny.site.task_of(answer)
    _, rob = desks
    rob.goto(f"{tiny.address}/review")
    rob.reload()
    row = rob.locator(f'[data-task-id="{task}"]')
    expect(row).to_be_visible()
    tiny.site.call("rita", "POST", f"/v1/reviews/{task}/claim")
    row.click()
    expect(rob.get_by_test_id("holder")).to_have_text("rita is reviewing this")
    expect(row).to_contain_text("rita is reviewing")
    expect(rob.get_by_test_id("take-over")).to_be_visible()
    expect(rob.get_by_test_id("approve")).to_have_count(0)


def test_medical_advice_takes_two_to_sign(tiny: Served, desks: tuple[Page, Page]) -> None:
    question = "I have palpitations, is my claim covered for water damage?"
    answer = tiny.site.ask(question)["answer_id"]
    task = tiny.site.task_of(answer)
    rita, rob = desks
    for desk in desks:
        desk.goto(f"{tiny.address}/review#{task}")
        desk.reload()
        expect(desk.locator("#task-title")).to_have_text(question)
    listed = rob.get_by_test_id("task").filter(has_text=question)
    expect(listed).to_contain_text("0 of 2 approvals")
    rita.get_by_test_id("approve").click()
    expect(listed).to_contain_text("1 of 2 approvals")
    assert tiny.site.call("ann", "GET", f"/v1/answers/{answer}").json()["status"] == "held"
    rob.get_by_test_id("approve").click()  # he read it before she signed
    expect(rob.locator("#task-notice")).to_contain_text("does not count")
    rob.get_by_role("button", name="Show the latest version").click()
    expect(rob.locator("#task-notice")).not_to_contain_text("does not count")
    rob.get_by_test_id("approve").click()
    path = f"/v1/reviews/{task}"
    while (decision := tiny.site.call("rita", "GET", path).json()["decision"]) is None:
        rob.wait_for_timeout(50)  # the time limit of tests ends it
    assert (decision["kind"], decision["reviewer"]) == ("approve", "rob")
