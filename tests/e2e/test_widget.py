"""The widget on a page of another origin, in a browser."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import Browser, Frame, Page, Route, expect

from app.access.widgets import sign
from tests.e2e.conftest import sign_in_as_eve
from tests.e2e.test_accessibility import RUN, axe
from tests.e2e.test_browser import open_task
from tests.servers import Served
from tests.site import HELD

pytestmark = pytest.mark.browser
__all__ = ["axe"]


class Shop(BaseHTTPRequestHandler):
    """A page of another site, with a strict policy of its own, that includes the widget."""

    snippet = ""

    def do_GET(self) -> None:
        page = f"<!doctype html><title>Shop</title><h1>Shop</h1>{self.snippet}"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        service = self.snippet.partition('src="')[2].partition("/widget.js")[0]
        policy = f"default-src 'none'; script-src {service}; frame-src {service}"
        self.send_header("Content-Security-Policy", policy)
        self.end_headers()
        self.wfile.write(page.encode())

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def shop(snippet: str = "") -> Iterator[type[Shop]]:
    """Another site on a port of its own."""
    handler = type("OneShop", (Shop,), {"snippet": snippet, "origin": ""})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    # Another host than the service's, so that browsers take it for another site altogether.
    handler.origin = f"http://localhost:{server.server_port}"  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield handler
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    yield context.new_page()
    context.close()


def opened(page: Page, origin: str = "") -> Frame:
    """The frame of the widget on a site, opened by its button; "" on the page as it is."""
    if origin:
        page.goto(origin)
    page.get_by_role("button", name="Ask a question").click()
    expect(page.get_by_role("button", name="Ask a question")).to_have_attribute(
        "aria-expanded", "true"
    )
    page.wait_for_timeout(200)
    while len(page.frames) < 2:
        page.wait_for_timeout(50)  # the time limit of tests ends it
    return page.frames[-1]


def test_the_widget_on_another_site(page: Page, browser: Browser, tiny: Served, axe: str) -> None:
    reviewer = browser.new_context().new_page()
    sign_in_as_eve(reviewer, tiny, "/people#eve")
    with shop() as own:
        reviewer.get_by_test_id("widget-origins").fill(own.origin)  # type: ignore[attr-defined]
        reviewer.get_by_test_id("make-widget").click()
        snippet = reviewer.get_by_test_id("snippet").inner_text()
        assert snippet.startswith(f'<script src="{tiny.address}/widget.js" data-key="pk_')
        own.snippet = snippet

        frame = opened(page, own.origin)  # type: ignore[attr-defined]
        expect(frame.get_by_test_id("send")).to_be_enabled()
        frame.get_by_test_id("question").fill(HELD)
        frame.get_by_test_id("question").press("Enter")
        answer = frame.get_by_test_id("answer")
        expect(answer).to_have_attribute("data-status", "held")

        reviewer.goto(f"{tiny.address}/review")
        open_task(reviewer, HELD)
        reviewer.get_by_test_id("claim").click()
        reviewer.get_by_test_id("approve").click()
        expect(answer).to_have_attribute("data-status", "released")
        answer.get_by_test_id("citation").first.click()
        expect(frame.get_by_test_id("quote")).to_be_visible()
        frame.evaluate(axe)
        assert frame.evaluate(RUN) == []
    reviewer.context.close()


@pytest.fixture
def key(tiny: Served) -> Callable[[str], str]:
    """Makes a key that one site may use; returns the line for its pages."""

    def make(origin: str) -> str:
        made = tiny.site.services.access.widgets.create("ann", [origin])
        return f'<script src="{tiny.address}/widget.js" data-key="{made.key}" defer></script>'

    return make


def test_a_reload_of_the_site_keeps_the_thread_and_escape_closes_it(
    page: Page, key: Callable[[str], str]
) -> None:
    with shop() as own:
        own.snippet = key(own.origin)  # type: ignore[attr-defined]
        frame = opened(page, own.origin)  # type: ignore[attr-defined]
        expect(frame.get_by_test_id("question")).to_be_focused()
        frame.get_by_test_id("question").fill(HELD)
        frame.get_by_test_id("question").press("Enter")
        answer = frame.get_by_test_id("answer")
        expect(answer).to_have_attribute("data-status", "held")
        page.reload()
        again = opened(page)
        kept = again.get_by_test_id("answer")
        expect(kept).to_have_attribute("data-status", "held")
        expect(again.locator(".question-text")).to_have_text(HELD)

        again.get_by_test_id("question").press("Escape")
        opener = page.get_by_role("button", name="Ask a question")
        expect(opener).to_be_focused()
        expect(opener).to_have_attribute("aria-expanded", "false")
        expect(page.locator("iframe")).to_be_hidden()
        page.keyboard.press("Enter")  # and it opens again, with the keys in its hand
        expect(again.get_by_test_id("question")).to_be_focused()


def test_who_is_nobody_to_the_site_is_not_told_to_leave_and_loses_no_question(
    page: Page, key: Callable[[str], str]
) -> None:
    with shop() as own:
        own.snippet = key(own.origin)  # type: ignore[attr-defined]
        frame = opened(page, own.origin)  # type: ignore[attr-defined]
        question, noted = frame.get_by_test_id("question"), frame.get_by_test_id("ask-note")
        expect(question).to_be_focused()
        question.fill("x" * 10_000)
        question.press("Enter")
        expect(noted).to_contain_text("at most 4,000 characters; this one has 10,000")
        assert len(question.input_value()) == 10_000
        question.fill(HELD)
        expect(noted).to_be_empty()
        held: list[Route] = []
        page.route("**/questions", lambda route: held.append(route))
        question.press("Enter")
        question.fill("And on Sundays?")
        question.press("Enter")
        expect(noted).to_contain_text("Please wait for the answer")
        expect(question).to_have_value("And on Sundays?")
        held[0].continue_()
        answer = frame.get_by_test_id("answer")
        expect(answer).to_contain_text("keep this page open")
        expect(answer).not_to_contain_text("leave")


def test_a_user_whom_the_site_signed_finds_their_answers_again(
    page: Page, browser: Browser, tiny: Served
) -> None:
    with shop() as own:
        made = tiny.site.services.access.widgets.create("ann", [own.origin])  # type: ignore[attr-defined]
        issued = int(time.time())
        signed = sign(made.secret, f"u-17\n{issued}")
        own.snippet = (
            f'<script src="{tiny.address}/widget.js" data-key="{made.key}" data-user="u-17" '
            f'data-issued="{issued}" data-signature="{signed}" defer></script>'
        )
        frame = opened(page, own.origin)  # type: ignore[attr-defined]
        expect(frame.get_by_test_id("question")).to_be_focused()
        frame.get_by_test_id("question").fill(HELD)
        frame.get_by_test_id("question").press("Enter")
        expect(frame.get_by_test_id("answer")).to_contain_text("You can leave this page")
        elsewhere = browser.new_context().new_page()
        again = opened(elsewhere, own.origin)  # type: ignore[attr-defined]
        expect(again.locator(".question-text")).to_have_text(HELD)
        expect(again.get_by_test_id("answer")).to_have_attribute("data-status", "held")
        elsewhere.context.close()


def test_two_chats_on_a_page_from_right_to_left_stand_side_by_side(
    page: Page, key: Callable[[str], str]
) -> None:
    with shop() as own:
        first = key(own.origin)  # type: ignore[attr-defined]
        second = key(own.origin).replace("defer", 'data-label="Frag uns" defer')  # type: ignore[attr-defined]
        hostile = '<link rel="stylesheet" href="data:text/css,body div{transform:scale(.5)}">'
        own.snippet = f"{first}{first}{second}{hostile}"
        page.goto(own.origin)  # type: ignore[attr-defined]
        page.evaluate("document.documentElement.dir = 'rtl'; document.documentElement.lang = 'de'")
        buttons = page.get_by_role("button")
        expect(buttons).to_have_count(2)  # the same one does not stand twice
        left, right = (buttons.nth(at).bounding_box() for at in (0, 1))
        assert left is not None and right is not None
        assert left["x"] == 16 and right["x"] + right["width"] == 1280 - 16
        buttons.nth(0).click()
        expect(page.locator("iframe")).to_be_visible()
        buttons.nth(1).click()
        expect(buttons.nth(0)).to_have_attribute("aria-expanded", "false")
        shown = page.frames[-1]
        expect(shown.get_by_role("heading", name="Frag uns")).to_have_attribute("lang", "de")


def test_a_site_that_the_key_does_not_name_shows_no_frame(
    page: Page, key: Callable[[str], str]
) -> None:
    refused: list[str] = []
    page.on("console", lambda message: refused.append(message.text))
    with shop(key("https://shop.example")) as stranger:
        page.goto(stranger.origin)  # type: ignore[attr-defined]
        page.evaluate("document.documentElement.dir = 'rtl'")
        opener = page.get_by_role("button", name="Ask a question")
        opener.click()
        # Who visits is told, and so is who looks into the console.
        told = page.get_by_role("alert")
        expect(told).to_contain_text("cannot be shown now")
        where = told.bounding_box()
        assert where is not None and where["x"] == 16  # above its button, at the end of the line
        expect(page.locator("iframe")).to_have_count(0)
        expect(opener).to_have_attribute("aria-expanded", "false")
    assert any("frame-ancestors" in text for text in refused), refused
    assert any("must be in use and name this site" in text for text in refused), refused


def test_a_visit_that_could_not_begin_begins_with_the_next_question(
    page: Page, key: Callable[[str], str]
) -> None:
    with shop() as own:
        own.snippet = key(own.origin)  # type: ignore[attr-defined]
        page.route("**/visits", lambda route: route.abort())
        frame = opened(page, own.origin)  # type: ignore[attr-defined]
        expect(frame.get_by_test_id("error")).to_contain_text("connection")
        page.unroute("**/visits")
        frame.get_by_test_id("question").fill(HELD)
        frame.get_by_test_id("question").press("Enter")
        expect(frame.get_by_test_id("answer")).to_have_attribute("data-status", "held")
        expect(frame.get_by_test_id("error")).to_have_count(0)
        expect(frame.get_by_test_id("send")).to_be_enabled()


def test_what_was_asked_before_stands_above_a_question_that_was_quicker(
    page: Page, key: Callable[[str], str]
) -> None:
    with shop() as own:
        own.snippet = key(own.origin)  # type: ignore[attr-defined]
        frame = opened(page, own.origin)  # type: ignore[attr-defined]
        frame.get_by_test_id("question").fill(HELD)
        frame.get_by_test_id("question").press("Enter")
        expect(frame.get_by_test_id("answer")).to_have_attribute("data-status", "held")
        late: list[Route] = []
        page.route("**/answers?*", lambda route: late.append(route))
        page.reload()
        with page.expect_request("**/answers?*"):
            again = opened(page)
        again.get_by_test_id("question").fill("And is fire damage covered?")
        again.get_by_test_id("question").press("Enter")
        expect(again.locator(".question-text")).to_have_count(1)
        late[0].continue_()
        expect(again.get_by_test_id("answer")).to_have_count(2)
        expect(again.locator(".question-text")).to_have_text([HELD, "And is fire damage covered?"])


def test_who_waits_longer_than_the_visit_is_told_so(
    page: Page, tiny: Served, key: Callable[[str], str]
) -> None:
    named = key("https://shop.example").partition('data-key="')[2].partition('"')[0]
    ended = {"code": "credentials_expired", "message": "This visit has ended.", "retryable": False}
    page.route("**/events", lambda route: route.fulfill(status=401, json=ended))
    page.goto(f"{tiny.address}/widget?key={named}")
    page.get_by_test_id("question").fill(HELD)
    page.get_by_test_id("question").press("Enter")
    answer = page.get_by_test_id("answer")
    expect(answer).to_contain_text("visit has ended")
    expect(answer).not_to_contain_text("keep this page open")
    expect(page.get_by_role("status")).to_contain_text("Please ask again")
