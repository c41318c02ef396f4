"""What asks to allow cookies is no text of a page; a page about cookies is."""

from functools import partial

import pytest

from ingestion.formats.extract import extract
from tests.effort import cpu_of

PAGE = "<!doctype html><html><head><title>Shop</title></head><body>%s</body></html>"
TEXT = "<main><h1>Tents</h1><p>A tent costs 389 euros.</p></main>"


def read(body: str) -> str:
    return extract((PAGE % body).encode(), "page.html").text


@pytest.mark.parametrize(
    "banner",
    [
        "<div>We use 47 cookies. <button>Accept all</button></div>",
        "<div id='cc'><p>This site uses cookies.</p><p>We share data with 12 partners.</p>"
        "<div><button>Reject all</button><button>Allow all cookies</button></div></div>",
        "<section class='consent'><h2>Your privacy</h2><p>We and our 831 partners store data on "
        "your device.</p><a href='#'>Only necessary</a> <a role='button'>I agree</a></section>",
        "<form><p>Cookies help us to show you tents.</p><label>All 3 kinds</label>"
        "<input type='submit' value='OK'></form>",
        "<div role='dialog'><span>Cookies, 5 of them</span><a href='/policy'>More</a>"
        "<button class='x'><span>Got it!</span></button></div>",
        "<aside><p>By going on you accept our cookies.</p><button>Decline</button></aside>",
    ],
)
@pytest.mark.parametrize("before", [True, False])
def test_a_banner_is_left_out(banner: str, before: bool) -> None:
    text = read(banner + TEXT if before else f"<div>{TEXT}{banner}</div>")
    assert text.split() == ["Tents", "A", "tent", "costs", "389", "euros."]


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        ("<h1>Bakery</h1><div><p>Our cookies cost 3 euros.</p><button>Order</button></div>", "3"),
        ("<main><p>We set 47 cookies.</p><p>Press</p><button>Accept all</button></main>", "47"),
        ("<div><h1>Cookies</h1><p>We set 47.</p><a href='#'>Accept</a></div>", "47"),
        ("<div><p>The fee is 5 euros.</p><button>Accept cookies</button></div>", "5 euros"),
        (f"<div><p>{'A cookie is a small file. ' * 80}</p><button>OK</button></div>", "small file"),
        ("<div><p>You may refuse: the fee is 5 euros.</p><a href='/x'>Reject</a></div>", "5 euros"),
    ],
)
def test_what_is_no_banner_stays(body: str, kept: str) -> None:
    assert kept in read(body)


def test_many_links_take_no_time() -> None:
    row = "<tr><td>A cookie jar</td><td><span><a href='#'>Reject</a></span></td></tr>"
    plain = row.replace("Reject", "Details")
    times = []
    for one in (plain, row):
        page = f"<h1>Jars</h1><table>{one * 4000}</table><p>They cost 9 euros.</p>"
        text = read(page)
        assert "9 euros" in text and text.count("cookie jar") == 4000
        times.append(cpu_of(partial(read, page)))
    assert times[1] < 5 * times[0] + 1
