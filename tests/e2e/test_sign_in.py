"""Sign-in by a provider of this machine, in a browser: there, back, and to the page one wanted."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests import oidc_provider
from tests.oidc_provider import CLIENT, SECRET, Provider
from tests.servers import Served, served, tiny_services

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with oidc_provider.running(Provider()) as started:
        yield started


@pytest.fixture(scope="module")
def trusting(
    provider: Provider,
    tmp_path_factory: pytest.TempPathFactory,
    migrated_sqlite: Path,
    pages_database: str,
) -> Iterator[Served]:
    """A service that trusts the provider."""
    services = tiny_services(
        tmp_path_factory.mktemp("sign-in"),
        migrated_sqlite,
        pages_database,
        oidc_issuer=provider.issuer,
        oidc_client_id=CLIENT,
        oidc_client_secret=SECRET,
        oidc_roles={"staff": ["asker"], "legal": ["asker", "reviewer"]},
        oidc_collections={"staff": ["main"], "legal": ["main"]},
        oidc_label="Sign in with Example",
    )
    with served(services) as running:
        yield running


@pytest.mark.parametrize(("group", "pages"), [("staff", {"Chat"}), ("legal", {"Chat", "Review"})])
def test_one_comes_back_signed_in_to_what_ones_groups_may(
    browser: Browser, trusting: Served, provider: Provider, group: str, pages: set[str]
) -> None:
    provider.person = {"sub": f"of-{group}", "preferred_username": f"of-{group}", "groups": [group]}
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{trusting.address}/login?next=/account")
    expect(page.get_by_test_id("oidc")).to_have_text("Sign in with Example")
    page.get_by_test_id("oidc").click()
    page.wait_for_url(f"{trusting.address}/account")
    links = page.get_by_role("navigation", name="Pages").get_by_role("link")
    expect(links.first).to_be_visible()
    assert {"Chat", "Review"} & set(links.all_inner_texts()) == pages
    context.close()


def test_who_is_in_no_known_group_is_told_so(
    browser: Browser, trusting: Served, provider: Provider
) -> None:
    provider.person = {"sub": "stranger", "preferred_username": "stranger", "groups": ["unknown"]}
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{trusting.address}/login")
    page.get_by_test_id("oidc").click()
    expect(page.get_by_role("alert")).to_contain_text("group")
    assert page.url.startswith(f"{trusting.address}/login")
    context.close()
