"""What somebody who sees the pages for the first time must not lose, miss or misread."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from app.gate.modes import switch_mode
from app.wiring import Services
from ingestion.pipeline import pipeline_for
from ingestion.sources import find_files
from tests.e2e.conftest import Running, faultless_page, sign_in_as_eve
from tests.e2e.test_browser import FACT, NO_DRAFT, RISKY, ask, open_task, reject_everything, sign_in
from tests.servers import Served
from tests.site import PASSWORD

pytestmark = pytest.mark.browser
PHONE: ViewportSize = {"width": 360, "height": 560}
BICYCLE = "Will you pay my claim for a stolen bicycle?"
SHED = "Will you pay my claim for the roof of my shed?"
LOFT = "Will you pay my claim for the window of my loft?"
LOOKING = """(away) => {
  Object.defineProperty(document, "hidden", { configurable: true, get: () => away });
  document.dispatchEvent(new Event("visibilitychange"));
}"""
"""As if the tab was put behind another one, or came to the front again."""


@pytest.fixture(scope="module")
def undo_seconds() -> float:
    """However slow the machine is."""
    return 600.0


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with faultless_page(browser, reduced_motion="reduce") as (page, _):
        yield page


def reject_by_key(page: Page) -> None:
    page.keyboard.press("r")
    expect(page.get_by_test_id("reject-reason")).to_be_focused()
    page.keyboard.press("1")


def test_who_comes_back_by_phone_finds_what_is_being_checked(page: Page, running: Running) -> None:
    sign_in(page, running)
    for _ in range(3):
        ask(page, FACT, "released")
    ask(page, RISKY, "held")
    other = page.context.new_page()  # a new tab knows of no conversation
    other.set_viewport_size(PHONE)
    other.goto(running.address)
    expect(other.get_by_test_id("suggestion").first).to_be_visible()
    expect(other.get_by_test_id("sidebar-open")).to_be_in_viewport(ratio=1)
    expect(other.locator("#last")).to_contain_text("Being checked")
    other.get_by_test_id("sidebar-open").click()
    listed = other.get_by_test_id("conversation").filter(has_text=FACT)
    expect(listed).to_contain_text("Being checked")
    other.locator("#sidebar-close").click()
    other.get_by_test_id("last").click()
    expect(other.get_by_test_id("answer").last).to_have_attribute("data-status", "held")
    # Only the transcript scrolls: the page itself would scroll into nothing.
    assert other.evaluate("document.documentElement.scrollHeight <= innerHeight")


def test_an_answer_that_comes_while_nobody_looks_is_in_the_title(
    page: Page, browser: Browser, running: Running
) -> None:
    page.clock.install()
    sign_in(page, running)
    answer = ask(page, BICYCLE, "held")
    current = page.locator('[data-testid="conversation"][aria-current]')
    expect(current).to_contain_text("Being checked")
    page.evaluate(LOOKING, True)
    reviewer = browser.new_context().new_page()
    sign_in(reviewer, running, "/review")
    open_task(reviewer, BICYCLE)
    reviewer.get_by_label("Go to the next task").uncheck()
    reject_by_key(reviewer)
    expect(reviewer.get_by_test_id("decision")).to_be_visible()
    reviewer.context.close()
    expect(page).to_have_title("Countersign")
    page.clock.fast_forward(15_000)  # as often a hidden page asks
    expect(page).to_have_title("(1) Countersign")
    expect(answer).to_have_attribute("data-status", "rejected")
    expect(current).not_to_contain_text("Being checked")
    page.evaluate(LOOKING, False)
    expect(page).to_have_title("Countersign")


def test_who_is_signed_out_meanwhile_is_told_why(page: Page, running: Running) -> None:
    sign_in(page, running)
    page.locator("#history[aria-busy=false]").wait_for(state="attached")
    kept = page.context.cookies()
    page.context.clear_cookies()
    page.get_by_test_id("question").fill(FACT)
    page.get_by_test_id("question").press("Enter")
    expect(page.get_by_test_id("ended")).to_contain_text("Your sign-in has ended")
    page.goto(running.address)  # who was not signed in is told no such thing
    expect(page.get_by_test_id("login-submit")).to_be_enabled()
    expect(page.get_by_test_id("ended")).to_be_hidden()
    page.context.add_cookies(kept)  # type: ignore[arg-type]
    page.goto(running.address)
    expect(page.get_by_test_id("question")).to_have_value(FACT)


def test_a_decision_is_taken_back_by_key_once_its_notice_is_gone(
    page: Page, running: Running
) -> None:
    sign_in(page, running)
    for question in (SHED, NO_DRAFT):
        ask(page, question, "held")
    page.goto(f"{running.address}/review")
    open_task(page, SHED)
    page.keyboard.press("u")
    expect(page.locator("#task-notice")).to_contain_text("No decision of yours")
    reject_by_key(page)
    expect(page.get_by_test_id("decision")).to_be_visible()
    open_task(page, NO_DRAFT)
    page.keyboard.press("e")  # who goes on working has read the notice
    page.keyboard.press("Escape")
    expect(page.locator("#task-notice")).to_be_empty()
    page.keyboard.press("a")
    expect(page.locator("#task-notice")).to_contain_text("There is no draft")
    page.keyboard.press("u")
    expect(page.locator("#task-notice")).to_contain_text("taken back")
    expect(page.locator("#task-title")).to_have_text(SHED)

    shed = page.url
    reject_by_key(page)
    expect(page.locator("#task-notice")).to_contain_text("Rejected")
    page.goto(running.address)
    page.goto(shed)  # looked at again
    expect(page.locator("#task-notice")).to_contain_text("You have just decided this.")
    page.get_by_test_id("undo").click()
    expect(page.locator("#task-notice")).to_contain_text("taken back")
    expect(page.locator("#task [data-testid=decision]")).to_have_count(0)
    page.keyboard.press("x")
    expect(page.get_by_test_id("note-text")).to_be_focused()
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    expect(page.get_by_test_id("search")).to_be_focused()


def test_the_question_stays_in_sight_while_it_is_decided(
    page: Page, running: Running, example_services: Services
) -> None:
    switch_mode(example_services.database, "review_everything", "no labels yet", "admin", "main")
    sign_in(page, running)
    ask(page, FACT, "held")
    page.goto(f"{running.address}/review")
    open_task(page, FACT)
    page.keyboard.press("a")
    expect(page.get_by_test_id("approve-confirm")).to_be_focused()
    expect(page.locator("#task-title")).to_be_in_viewport(ratio=1)
    page.keyboard.press("Escape")
    page.set_viewport_size(PHONE)
    why = page.get_by_test_id("why")
    cut = "(node) => node.scrollHeight > node.clientHeight"
    assert why.evaluate(cut)
    page.get_by_test_id("whole-why").click()
    assert not why.evaluate(cut)
    page.get_by_test_id("whole-why").click()
    for button, field, save in (
        ("reject", "reject-reason", "reject-confirm"),
        ("edit", "edit-text", "edit-save"),
    ):
        page.get_by_test_id(button).click()
        expect(page.get_by_test_id(field)).to_be_focused()
        expect(page.get_by_test_id("asked")).to_have_text(FACT)
        expect(page.get_by_test_id("asked")).to_be_in_viewport(ratio=1)
        expect(page.get_by_test_id(save)).to_be_in_viewport(ratio=0.9)
        page.get_by_role("button", name="Cancel").click()


def test_a_long_queue_goes_on(page: Page, tiny: Served) -> None:
    database = tiny.site.services.database
    switch_mode(database, "review_everything", "a long queue", "admin", "main")
    for number in range(103):
        tiny.site.ask(f"When is the office number {number} open?")
    sign_in_as_eve(page, tiny, "/review")
    tasks, more = page.get_by_test_id("task"), page.get_by_test_id("more-tasks")
    expect(tasks).to_have_count(100)
    expect(page.locator("#listed")).to_have_text("100 tasks are listed.")
    more.click()
    expect(tasks).to_have_count(103)
    expect(more).to_be_hidden()
    page.keyboard.press("j")  # what comes of it reads the list anew
    expect(page.locator("#task-title")).to_contain_text("open?")
    page.get_by_test_id("reject").click()
    page.keyboard.press("1")
    expect(page.locator("#open-count")).to_have_text("102")
    expect(tasks).to_have_count(102)


def test_who_may_not_use_a_page_sees_only_that(
    page: Page, running: Running, example_services: Services
) -> None:
    example_services.access.accounts.create("cara", ["asker"], password=PASSWORD)
    page.goto(f"{running.address}/login")
    page.get_by_test_id("login-username").fill("cara")
    page.get_by_test_id("login-password").fill(PASSWORD)
    page.get_by_test_id("login-submit").click()
    expect(page.get_by_test_id("question")).to_be_enabled()
    for path in ("/review", "/label", "/operations", "/people"):
        page.goto(f"{running.address}{path}")
        expect(page.get_by_test_id("error")).to_contain_text("This account")
        assert page.locator("main").inner_text().endswith("Open:\nChat"), path


def test_files_wait_until_it_is_said_where_they_go(
    page: Page, running: Running, example_services: Services, tmp_path: Path
) -> None:
    (tmp_path / "bikes.md").write_text("# Bikes\n\nA tandem costs £48 a day.\n", "utf-8")
    pipeline_for(example_services).ingest(find_files([tmp_path]), "bikes")
    (tmp_path / "parking.md").write_text("# Parking\n\nParking costs £3 a day.\n", "utf-8")
    sign_in(page, running, "/documents#add")
    page.get_by_test_id("files").set_input_files(tmp_path / "parking.md")
    expect(page.get_by_test_id("no-name")).to_contain_text("Choose the collection: 1 file waits")
    expect(page.get_by_test_id("target")).to_be_focused()
    expect(page.get_by_test_id("upload")).to_have_count(0)
    page.get_by_test_id("target").select_option("bikes")
    expect(page.get_by_test_id("upload")).to_contain_text("to bikes")
    expect(page.get_by_test_id("upload")).to_have_attribute("data-state", "ready")

    page.context.set_offline(True)
    page.get_by_test_id("document").filter(has_text="Parking").click()
    expect(page.get_by_test_id("error")).to_contain_text("connection")
    page.context.set_offline(False)
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_test_id("document-title")).to_contain_text("Parking")


def test_the_keys_of_the_labelling_page_stay_in_sight(
    page: Page, running: Running, example_services: Services
) -> None:
    switch_mode(example_services.database, "review_everything", "no labels yet", "admin", "main")
    sign_in(page, running)
    ask(page, FACT, "held")
    page.set_viewport_size({"width": 640, "height": 360})
    page.goto(f"{running.address}/label")
    page.get_by_test_id("collection").select_option("main")
    expect(page.locator("#task h2")).to_be_visible()
    expect(page.get_by_test_id("judged-count")).to_be_hidden()
    expect(page.get_by_test_id("wrong")).to_be_in_viewport(ratio=1)
    page.locator("body").press("3")
    expect(page.get_by_test_id("judged-count")).to_contain_text("You judged 1 answer here.")
    undo = page.get_by_test_id("judged").get_by_test_id("undo")
    expect(undo).to_be_in_viewport(ratio=1)
    undo.click()
    expect(page.get_by_test_id("judged-count")).to_be_hidden()


NOTIFIED = """
window.told = [];
window.Notification = class {
  static requestPermission = async () => window.answers;
  constructor(title, { body }) { window.told.push(`${title}: ${body}`); }
  addEventListener() {}
};
"""


def test_an_answer_is_news_on_another_day_and_in_another_browser(
    page: Page, browser: Browser, running: Running
) -> None:
    page.clock.install()
    page.add_init_script(NOTIFIED)
    sign_in(page, running)
    ask(page, LOFT, "held")
    page.get_by_test_id("new-conversation").click()
    tell_me = page.get_by_test_id("tell-me")
    expect(tell_me).not_to_be_checked()
    expect(page.get_by_test_id("tell-sound")).not_to_be_checked()
    page.evaluate("window.answers = 'denied'")
    tell_me.click()
    expect(page.locator("#telling")).to_contain_text("blocks notifications")
    expect(tell_me).not_to_be_checked()
    page.evaluate("window.answers = 'granted'")
    tell_me.click()
    expect(tell_me).to_be_checked()
    page.evaluate(LOOKING, True)

    reviewer = browser.new_context().new_page()
    sign_in(reviewer, running, "/review")
    open_task(reviewer, LOFT)
    reject_by_key(reviewer)
    expect(reviewer.get_by_test_id("decision").first).to_be_visible()
    listed = page.get_by_test_id("conversation").filter(has_text=LOFT)
    page.clock.fast_forward(31_000)
    expect(page).to_have_title("(1) Countersign")
    assert page.evaluate("window.told.length") == 1
    assert LOFT not in page.evaluate("window.told[0]")  # it may show on a locked screen

    other = reviewer.context.new_page()  # another browser, of the same person
    other.set_viewport_size(PHONE)
    other.goto(running.address)
    expect(other).to_have_title("(1) Countersign")
    expect(other.get_by_test_id("sidebar-open")).to_have_text("Conversations (1 new)")
    expect(other.locator("#last")).to_contain_text(LOFT)
    other.get_by_test_id("last").click()
    expect(other.get_by_test_id("answer").last).to_have_attribute("data-status", "rejected")
    expect(other).to_have_title("Countersign")
    reviewer.context.close()
    expect(listed.get_by_test_id("unseen")).to_have_text("1 new")
    page.evaluate(LOOKING, False)
    expect(page).to_have_title("Countersign")
    expect(listed.get_by_test_id("unseen")).to_have_count(0)
    assert page.evaluate("window.told.length") == 1


def test_back_on_a_phone_leads_to_the_list_of_tasks(page: Page, running: Running) -> None:
    sign_in(page, running)
    reject_everything(page)
    for question in (BICYCLE, SHED, LOFT):
        ask(page, question, "held")
    page.set_viewport_size(PHONE)
    page.goto(f"{running.address}/review")
    tasks = page.get_by_test_id("task")
    expect(tasks).to_have_count(3)
    tasks.first.click()
    for _ in range(2):
        expect(page.get_by_test_id("task-detail")).to_be_visible()
        title = page.locator("#task-title").inner_text()
        reject_by_key(page)
        expect(page.locator("#task-title")).not_to_have_text(title)
    page.go_back()
    expect(tasks.first).to_be_visible()
    expect(page.locator("#task-title")).to_be_hidden()
    tasks.first.click()
    page.get_by_role("button", name="All tasks").click()
    expect(tasks.first).to_be_visible()
    page.go_forward()  # it led back: there is a task after the list, not the list twice
    expect(page.locator("#task-title")).to_be_visible()


def test_a_mistyped_address_is_a_page_and_for_a_program_an_error(
    page: Page, running: Running
) -> None:
    response = page.goto(f"{running.address}/reviews")
    assert response is not None and response.status == 404
    expect(page.get_by_role("heading", name="There is no such page")).to_be_visible()
    page.get_by_role("link", name="first page").click()
    expect(page.get_by_test_id("login-username")).to_be_visible()
    told = page.request.get(f"{running.address}/reviews", headers={"Accept": "*/*"})
    assert told.json()["code"] == "not_found"
    told = page.request.get(f"{running.address}/v1/reviewz", headers={"Accept": "text/html"})
    assert told.json()["code"] == "not_found"
