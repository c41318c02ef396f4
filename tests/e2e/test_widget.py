"""The widget on a page of another origin, in a browser."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import Browser, Frame, Page, expect

from tests.e2e.conftest import sign_in_as_eve
from tests.e2e.test_accessibility import RUN, axe
from tests.e2e.test_browser import open_task
from tests.integration.test_api import HELD
from tests.servers import Served

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


def test_a_site_that_the_key_does_not_name_shows_no_frame(
    page: Page, key: Callable[[str], str]
) -> None:
    refused: list[str] = []
    page.on("console", lambda message: refused.append(message.text))
    with shop(key("https://shop.example")) as stranger:
        frame = opened(page, stranger.origin)  # type: ignore[attr-defined]
        frame.wait_for_load_state()
        assert frame.get_by_test_id("question").count() == 0
    assert any("frame-ancestors" in text for text in refused), refused
