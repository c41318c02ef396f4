"""The pages of accounts in a browser: add, change, keys, disable, and one's own password."""

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.e2e.conftest import Running, sign_in_as_eve
from tests.e2e.test_browser import sign_in
from tests.servers import Served
from tests.site import PASSWORD

pytestmark = pytest.mark.browser
NAME = "<b>rosa & co?%23"
NEW_PASSWORD = "correct horse battery"


def log_in(browser: Browser, running: Running, name: str, password: str, path: str = "/") -> Page:
    """A page of that person's own browser."""
    page = browser.new_context().new_page()
    page.goto(f"{running.address}/login?next={path}")
    page.get_by_test_id("login-username").fill(name)
    page.get_by_test_id("login-password").fill(password)
    page.get_by_test_id("login-submit").click()
    return page


def test_a_form_that_is_opened_while_the_list_loads_is_drawn_once(
    page: Page, running: Running
) -> None:
    late: list[Route] = []
    page.route("**/v1/users", lambda route: late.append(route))
    with page.expect_request("**/v1/users"):
        sign_in(page, running, "/people")
    page.get_by_test_id("add-person").click()
    expect(page.get_by_test_id("name")).to_have_count(0)
    late[0].continue_()
    page.get_by_test_id("name").fill(NAME)
    expect(page.get_by_test_id("person").first).to_be_visible()
    expect(page.get_by_test_id("name")).to_have_value(NAME)


def test_an_account_from_its_first_day_to_its_last(
    page: Page, browser: Browser, running: Running
) -> None:
    sign_in(page, running, "/people")
    page.get_by_test_id("add-person").click()
    page.get_by_test_id("name").fill(NAME)
    page.locator("input[value=asker]").uncheck()
    page.locator("input[value=reviewer]").check()
    page.locator("input[value=some]").check()
    page.locator("input[name=scope][value=main]").check()
    page.get_by_test_id("save-account").click()
    password = page.get_by_test_id("secret").inner_text()

    theirs = log_in(browser, running, NAME, password)
    theirs.wait_for_url(f"{running.address}/review")  # the first page that a reviewer can use
    expect(theirs.locator("#pages a")).to_have_text(["Review", "Label"])
    theirs.goto(f"{running.address}/people")
    expect(theirs.get_by_test_id("error")).to_contain_text("does not administer")
    theirs.goto(f"{running.address}/account")
    theirs.get_by_test_id("current-password").fill(password)
    theirs.get_by_test_id("new-password").fill(NEW_PASSWORD)
    theirs.get_by_test_id("new-password-again").fill(NEW_PASSWORD + "x")
    theirs.get_by_test_id("change-password").click()
    expect(theirs.get_by_test_id("error")).to_contain_text("differ")
    theirs.get_by_test_id("new-password-again").fill(NEW_PASSWORD)
    theirs.get_by_test_id("change-password").click()
    expect(theirs.get_by_test_id("told")).to_contain_text("was changed")

    page.get_by_test_id("find").fill("reviewer main")
    expect(page.get_by_test_id("person")).to_have_count(1)
    page.get_by_test_id("person").click()
    expect(page.locator("#who-title")).to_contain_text(NAME)
    expect(page.get_by_test_id("sign-ins")).to_contain_text("since")
    page.get_by_label("Authority").fill("Claims lead")
    page.get_by_label("Last trained on").fill("2026-03-01")
    page.get_by_test_id("save-account").click()
    expect(page.get_by_test_id("told").first).to_contain_text("Saved")
    expect(page.get_by_label("Authority")).to_have_value("Claims lead")
    page.get_by_test_id("make-key").click()
    assert page.get_by_test_id("secret").inner_text().startswith("cs_")
    expect(page.get_by_test_id("key")).to_have_count(1)
    page.get_by_test_id("revoke-key").click()
    page.get_by_test_id("revoke-key-sure").click()
    expect(page.get_by_test_id("key")).to_contain_text("revoked")
    page.get_by_test_id("disable").click()
    page.get_by_test_id("disable-sure").click()
    expect(page.get_by_test_id("enable")).to_be_visible()
    expect(page.get_by_test_id("sign-ins")).to_contain_text("Not signed in")

    theirs.goto(f"{running.address}/review")
    theirs.wait_for_url("**/login?**")
    theirs.context.close()


def test_the_last_administrator_stays(page: Page, running: Running) -> None:
    sign_in(page, running, "/people#admin")
    page.locator("input[value=admin]").uncheck()
    page.get_by_test_id("save-account").click()
    expect(page.get_by_test_id("error")).to_contain_text("Nobody would be left")


def test_what_was_saved_outlives_that_the_account_is_disabled(page: Page, tiny: Served) -> None:
    tiny.site.services.access.accounts.create("kim", ["asker", "operator"], password=PASSWORD)
    sign_in_as_eve(page, tiny, "/people#kim")
    page.locator("input[value=operator]").uncheck()
    page.get_by_test_id("save-account").click()
    expect(page.get_by_test_id("told").first).to_contain_text("Saved")
    page.get_by_test_id("disable").click()
    page.get_by_test_id("disable-sure").click()
    page.get_by_test_id("enable").click()
    expect(page.get_by_test_id("disable")).to_be_visible()
    accounts = tiny.site.call("eve", "GET", "/v1/users").json()["users"]
    assert next(one["roles"] for one in accounts if one["name"] == "kim") == ["asker"]


def test_a_collection_that_is_typed_counts_and_is_not_the_next_ones(
    page: Page, tiny: Served
) -> None:
    sign_in_as_eve(page, tiny, "/people#+/new")
    other = page.get_by_label("Another collection")

    def add(name: str, collection: str) -> None:
        page.get_by_test_id("name").fill(name)
        page.locator("input[value=some]").check()
        other.fill(collection)
        page.get_by_test_id("save-account").click()
        expect(page.get_by_test_id("told")).to_contain_text(f"{name} was added")

    page.locator("input[value=some]").check()
    page.get_by_test_id("name").fill("hugo")
    other.fill("travel")
    other.press("Enter")  # adds it to the list: the form is not done
    expect(page.locator("input[name=scope][value=travel]")).to_be_checked()
    expect(page.get_by_test_id("told")).to_have_count(0)
    add("hugo", "motor")
    expect(page.get_by_test_id("save-account")).to_be_focused()
    expect(page.locator("#scope-list")).to_be_hidden()
    add("ines", "home")
    people = page.get_by_test_id("person")
    expect(people.filter(has_text="hugo")).to_contain_text("travel and motor")
    expect(people.filter(has_text="ines")).to_contain_text("home ·")
