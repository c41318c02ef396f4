"""What strangers stumbled over: words that are lost, hidden, or untrue of what they just did."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from app.wiring import Services
from guardrails.policy.load import DEFAULT_POLICY
from tests.e2e.conftest import Running, faultless_page, sign_in_as_eve
from tests.e2e.test_browser import FACT, NO_DRAFT, RISKY, ask, open_task, sign_in
from tests.servers import served, tiny_services
from tests.site import PASSWORD

pytestmark = pytest.mark.browser
BICYCLE = "Will you pay my claim for a stolen bicycle?"
SHED = "Will you pay my claim for the roof of my shed?"
GREENHOUSE = "Will you pay my claim for a broken greenhouse?"
AT_END = """() => {
  const node = document.getElementById("transcript");
  return node.scrollHeight - node.clientHeight - node.scrollTop < 2;
}"""


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """With its movements, which people see."""
    with faultless_page(browser) as (page, _):
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


def test_a_task_is_put_off_by_keys_and_is_said_to_be(page: Page, running: Running) -> None:
    sign_in(page, running)
    ask(page, GREENHOUSE, "held")
    page.goto(f"{running.address}/review")
    open_task(page, GREENHOUSE)
    hours = page.get_by_test_id("snooze")
    hours.focus()
    page.keyboard.press("ArrowDown")  # a look at what there is puts nothing off
    expect(hours).to_have_value("4")
    expect(page.locator("#task-notice")).to_be_empty()
    page.get_by_test_id("put-off").click()
    expect(page.get_by_test_id("unsnooze")).to_be_visible()
    expect(page.get_by_test_id("task").filter(has_text=GREENHOUSE)).to_have_count(0)
    expect(page.locator("#task-notice")).to_contain_text("The task is put off")
    expect(page.locator("#task-notice")).not_to_contain_text("no longer")


def test_a_reason_and_a_comment_outlive_a_look_elsewhere(page: Page, running: Running) -> None:
    sign_in(page, running)
    for question in (RISKY, NO_DRAFT):
        ask(page, question, "held")
    page.goto(f"{running.address}/review")
    open_task(page, RISKY)
    page.get_by_test_id("reject").click()
    page.get_by_test_id("reject-reason").fill("Section 7 says otherwise.")
    page.get_by_test_id("task").filter(has_text=NO_DRAFT).first.click()
    expect(page.locator("#task-title")).to_have_text(NO_DRAFT)
    page.get_by_test_id("reject").click()
    expect(page.get_by_test_id("reject-reason")).to_have_value("")
    open_task(page, RISKY)
    page.get_by_test_id("comment").click()
    page.get_by_test_id("note-text").fill("I have asked the claims team.")
    page.keyboard.press("Escape")
    page.reload()
    page.get_by_test_id("comment").click()
    expect(page.get_by_test_id("note-text")).to_have_value("I have asked the claims team.")
    page.get_by_test_id("note-save").click()
    expect(page.locator("#task-notice")).to_contain_text("saved")
    page.get_by_test_id("comment").click()
    expect(page.get_by_test_id("note-text")).to_have_value("")
    page.keyboard.press("Escape")
    page.get_by_test_id("reject").click()
    expect(page.get_by_test_id("reject-reason")).to_have_value("Section 7 says otherwise.")


def test_a_folder_is_added_without_what_is_no_document(
    page: Page, running: Running, tmp_path: Path
) -> None:
    for name, text in (
        ("boats/fees.md", "# Fees\n\nA mooring costs £9 a night.\n"),
        ("boats/old/fees.md", "# Fees\n\nA mooring costs £7 a night.\n"),
        ("boats/.DS_Store", "x"),
        ("boats/~$fees.docx", "x"),
        ("boats/plan.heic", "x"),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, "utf-8")
    sign_in(page, running, "/documents#add")
    page.get_by_test_id("target").select_option(label="a new collection…")
    page.get_by_test_id("new-collection").fill("boats")
    page.get_by_test_id("folder").set_input_files(tmp_path / "boats")
    expect(page.get_by_test_id("left-out")).to_contain_text(".DS_Store")
    expect(page.get_by_test_id("left-out")).to_contain_text("~$fees.docx")
    lines = page.get_by_test_id("upload")
    expect(lines).to_have_count(3)
    expect(lines.filter(has_text="plan.heic")).to_contain_text(
        "Files that end in .heic cannot be read; save it as PDF"
    )
    expect(lines.filter(has_text="fees.md").first).to_have_attribute("data-state", "ready")
    second = lines.filter(has_text="fees.md").last  # of two files of one name it is asked
    second.get_by_test_id("clash-both").click()
    expect(second).to_have_attribute("data-state", "ready")
    expect(lines.filter(has_text="fees (2).md")).to_have_count(1)


def test_a_task_is_handed_over_by_name(
    page: Page, running: Running, example_services: Services
) -> None:
    accounts = example_services.access.accounts
    accounts.create("rob", ["reviewer"], password=PASSWORD)
    accounts.create("rhea", ["reviewer"], scope=["elsewhere"], password=PASSWORD)
    sign_in(page, running)
    ask(page, SHED, "held")
    page.goto(f"{running.address}/review")
    open_task(page, SHED)
    page.get_by_test_id("claim").click()
    expect(page.get_by_test_id("claimed-by-me")).to_be_visible()
    page.get_by_test_id("hand-over").click()
    to = page.get_by_test_id("hand-to")
    expect(to).to_be_focused()
    expect(to.locator("option")).to_have_text(["rob"])  # not who may not see it, nor oneself
    page.get_by_test_id("hand-save").click()
    expect(page.locator("#task-notice")).to_contain_text("rob has the task now.")
    expect(page.locator("#task")).to_contain_text("Assigned to rob")
    expect(page.get_by_test_id("claim")).to_be_visible()  # it was given back with that


def test_a_policy_that_does_not_count_is_told(
    page: Page, tmp_path: Path, migrated_sqlite: Path
) -> None:
    file = tmp_path / "own.yaml"
    shutil.copy(DEFAULT_POLICY, file)
    with served(tiny_services(tmp_path, migrated_sqlite, policy_file=file)) as own:
        sign_in_as_eve(page, own, "/operations")
        policy = page.locator("#policy")
        expect(policy).to_contain_text("COUNTERSIGN_POLICY_FILE")
        expect(page.get_by_test_id("policy-problem")).to_have_count(0)
        file.write_text("rules: nothing", "utf-8")
        policies = own.site.services.policies
        while not policies.problem:  # it is looked at once a second; the tests' time limit ends it
            policies.current()
            time.sleep(0.1)
        page.reload()
        expect(page.get_by_test_id("policy-problem")).to_contain_text("stays in force")
        expect(page.get_by_test_id("policy")).to_contain_text("default, version")
