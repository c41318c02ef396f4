"""Stored cross-site scripting: every payload in every field that a person or a document fills.

The pages' Content-Security-Policy is off here, so that nothing but the pages themselves keeps the
payloads from running.
"""

import html
import unicodedata
from collections.abc import Mapping
from urllib.parse import quote

import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from app.corpus.passages import NewPassage
from tests.e2e.conftest import settle, sign_in_as_eve
from tests.servers import Served
from tests.site import HELD, Site

pytestmark = pytest.mark.browser
RUN = "window.ran=1"
TAGS = (
    f"<script>{RUN}</script>",
    f"<ScRiPt data-ran>{RUN}</sCrIpT >",
    f"<script/data-ran>{RUN}</script\n>",
    f"<script data-ran src=data:text/javascript,{RUN}></script>",
    f"<img data-ran src=x onerror={RUN}>",
    f"<img data-ran src=x onerror='{RUN}'>",
    f'<img/data-ran/src="x"/onerror="{RUN}">',
    f"<IMG data-ran SRC=x OnErRoR={RUN} //",
    f"<svg data-ran onload={RUN}>",
    f"<svg data-ran><script>{RUN}</script></svg>",
    f"<svg data-ran><animate onbegin={RUN} attributeName=x dur=1s>",
    f"<svg data-ran><set onbegin={RUN} attributeName=x>",
    f"<svg data-ran><use href='data:image/svg+xml,<svg onload={RUN}>'/></svg>",
    f"<svg data-ran><a xlink:href='javascript:{RUN}'><text y=9>x</text></a></svg>",
    f"<math data-ran><mtext><img src=x onerror={RUN}></mtext></math>",
    f"<math data-ran href='javascript:{RUN}'>x</math>",
    f"<body data-ran onload={RUN}>",
    f"<iframe data-ran src='javascript:parent.{RUN}'></iframe>",
    f"<iframe data-ran srcdoc='<script>parent.{RUN}</script>'></iframe>",
    f"<object data-ran data='javascript:{RUN}'></object>",
    f"<embed data-ran src='javascript:{RUN}'>",
    f"<form data-ran action='javascript:{RUN}'><input type=submit autofocus></form>",
    f"<input data-ran autofocus onfocus={RUN}>",
    f"<select data-ran autofocus onfocus={RUN}></select>",
    f"<textarea data-ran autofocus onfocus={RUN}></textarea>",
    f"<keygen data-ran autofocus onfocus={RUN}>",
    f"<video data-ran><source onerror={RUN}></video>",
    f"<video data-ran src=x onerror={RUN}></video>",
    f"<audio data-ran src=x onerror={RUN}>",
    f"<details data-ran open ontoggle={RUN}>x</details>",
    f"<marquee data-ran onstart={RUN}>x</marquee>",
    f"<div data-ran style='animation:pulse 1s' onanimationstart={RUN}>x</div>",
    f"<style data-ran>@import 'javascript:{RUN}';</style>",
    f"<link data-ran rel=stylesheet href='javascript:{RUN}'>",
    f"<meta data-ran http-equiv=refresh content='0;url=javascript:{RUN}'>",
    f"<base data-ran href='javascript:{RUN}//'>",
    f"<a data-ran href='javascript:{RUN}'>x</a>",
    f"<a data-ran href='java\tscript:{RUN}'>x</a>",
    f"<a data-ran href='&#106;avascript:{RUN}'>x</a>",
    f"<template data-ran><img src=x onerror={RUN}></template>",
    f"<noscript><p title='</noscript><img data-ran src=x onerror={RUN}>'>",
    f"<title><img data-ran src=x onerror={RUN}></title>",
    f"<table background='javascript:{RUN}' data-ran><td>x</table>",
    f"<x data-ran onclick={RUN} tabindex=1 autofocus onfocus={RUN}>x</x>",
    f"<!--><img data-ran src=x onerror={RUN}>-->",
    f"<![CDATA[<img data-ran src=x onerror={RUN}>]]>",
    f"</textarea><img data-ran src=x onerror={RUN}>",
    f"</script><script data-ran>{RUN}</script>",
    f"</title><script data-ran>{RUN}</script>",
)
WORDS = (
    f'" autofocus onfocus={RUN} data-ran="',
    f"' onmouseover={RUN} data-ran='",
    f"` onerror={RUN} data-ran=`",
    f"javascript:{RUN}",
    f"[x](javascript:{RUN})",
    f'![x](x "onerror={RUN}")',
    f'[x]: javascript:{RUN} "x"',
    f"${{{RUN}}}",
    f"{{{{constructor.constructor('{RUN}')()}}}}",
    f"'-{RUN}-'",
    f"\\u003cimg src=x onerror={RUN}\\u003e",
    html.escape(f"<img data-ran src=x onerror={RUN}>"),
    f"&#60;img data-ran src=x onerror={RUN}&#62;",
    f"%3Cimg data-ran src=x onerror={RUN}%3E",
    f"\ufeff<img data-ran src=x onerror={RUN}>",
    f"<\u200bscript data-ran>{RUN}</script>",
)
PAYLOADS = TAGS + WORDS
FAILED = "() => [window.ran, document.querySelectorAll('[data-ran]').length, document.title]"


def together(most: int) -> list[str]:
    """All payloads, in as few texts of at most ``most`` characters as they need."""
    texts = [""]
    for payload in PAYLOADS:
        if len(texts[-1]) + len(payload) + 1 > most:
            texts.append("")
        texts[-1] += payload + "\n"
    return texts


def name_of(payload: str) -> str:
    """The payload as a name of its own: up to 80 printable characters in their plain form, none of
    them "/", "+" or "|"."""
    plain = unicodedata.normalize("NFKC", payload).replace("/", "\\")
    text = "".join(c for c in plain if c.isprintable() and c not in "+|").strip()
    return f"{text[:77]}{PAYLOADS.index(payload)}"


def as_eve(site: Site, method: str, path: str, status: int, body: Mapping[str, object]) -> None:
    done = site.call("eve", method, path, json=body)
    assert done.status_code == status, done.text


def fill_documents(site: Site) -> str:
    """Names, collections, titles, headings, texts and doubts; the id of one that holds all."""
    documents, vector = site.services.corpus.documents, np.zeros(64, dtype=np.float32)

    def ready(collection: str, name: str, title: str, texts: list[str]) -> str:
        added = documents.add(collection, name, f"/nowhere/{name}", "0" * 64, owner="eve")
        passages = [
            NewPassage(text, at, at + len(text), 1, vector, suspect=text, headings=(text[:200],))
            for at, text in zip(range(0, 10**7, 10**5), texts, strict=False)
        ]
        assert documents.save(
            added.document_id,
            "0" * 64,
            title=title,
            media_type="text/plain",
            embedder="none",
            passages=passages,
        )
        return added.document_id

    for payload in PAYLOADS:
        ready(name_of(payload), name_of(payload) + ".md", payload[:500], [payload])
    return ready("main", "all.md", "All of them", list(PAYLOADS))


def fill_people(site: Site) -> None:
    for payload in PAYLOADS:
        site.services.access.accounts.create(name_of(payload), ["asker"], scope=[name_of(payload)])


def fill_answers(site: Site) -> tuple[str, str]:
    """Questions, titles, feedback, comments, reasons: (conversation, open task)."""
    for text in together(190):
        answer = site.ask(f"{HELD} {text}", name="eve")["answer_id"]
        as_eve(site, "PUT", f"/v1/conversations/{answer}", 204, {"title": text})
    previous, conversation = None, ""
    for text in together(1900):
        answer = site.ask(f"{HELD} {text}", name="eve", previous_answer_id=previous)["answer_id"]
        feedback = {"useful": False, "reason": text}
        as_eve(site, "PUT", f"/v1/answers/{answer}/feedback", 204, feedback)
        previous, conversation = answer, conversation or answer
    task = site.task_of(str(previous))
    for text in together(3900):
        as_eve(site, "POST", f"/v1/reviews/{task}/comments", 200, {"text": text})
    for text in together(1900):
        rejected = site.claim("eve", site.held()[0])
        assert site.decide("eve", rejected, "reject", reason=text).status_code == 200
        mode: dict[str, object] = {"mode": "off", "reason": text}
        as_eve(site, "POST", "/v1/gate/mode", 200, mode)
        released = site.claim("eve", site.task_of(site.ask(HELD, name="eve")["answer_id"]))
        assert site.decide("eve", released, "approve").status_code == 200
        taken_back: dict[str, object] = {"reason": text, "message": text}
        answer = released["answer_id"]
        as_eve(site, "POST", f"/v1/released/{answer}/withdrawal", 204, taken_back)
    return conversation, task


@pytest.fixture(scope="module")
def filled(tiny: Served) -> tuple[Served, list[str]]:
    """A service whose every field holds the payloads, and what to look at."""
    site = tiny.site
    document = fill_documents(site)
    fill_people(site)
    conversation, task = fill_answers(site)
    person = quote(name_of(PAYLOADS[0]), safe="")
    paths = [
        "/",
        f"/#{conversation}",
        "/review",
        f"/review#{task}",
        "/label",
        "/operations",
        "/documents",
        f"/documents#doc/{document}",
        "/documents#suspects",
        "/documents#index",
        "/people",
        f"/people#{person}",
        "/account",
        f"/docs#{quote(PAYLOADS[4])}",
        f"/login?next={quote(PAYLOADS[4])}&state=x&error={quote(PAYLOADS[4])}",
    ]
    return tiny, paths


def look_at(page: Page, address: str) -> None:
    """Open the page from scratch, and every fold in it."""
    page.goto("about:blank")
    page.goto(address)
    settle(page)
    page.evaluate("for (const folded of document.querySelectorAll('details')) folded.open = true")
    settle(page)


def test_no_payload_runs_in_any_page(browser: Browser, filled: tuple[Served, list[str]]) -> None:
    assert len(PAYLOADS) >= 60 and len(set(PAYLOADS)) == len(PAYLOADS)
    running, pages = filled
    context = browser.new_context(bypass_csp=True, viewport={"width": 1280, "height": 900})
    page = context.new_page()
    opened: list[str] = []
    page.on("dialog", lambda dialog: opened.append(dialog.message))
    # What the test would notice: without this a mistake in the test would look like safety.
    page.set_content(f"<body>{TAGS[4]}")
    page.wait_for_function("window.ran === 1")
    sign_in_as_eve(page, running)
    seen = ""
    for path in pages:
        look_at(page, running.address + path)
        ran, elements, title = page.evaluate(FAILED)
        assert (ran, elements) == (None, 0), path
        assert title.endswith("Countersign"), path
        seen += page.locator("body").inner_text()
    assert opened == []
    context.close()
    shown = "".join(seen.split())
    missing = [one for one in PAYLOADS if "".join(one.split()).strip("\ufeff") not in shown]
    assert [one for one in missing if "\u200b" not in one] == []  # all were there to be run
