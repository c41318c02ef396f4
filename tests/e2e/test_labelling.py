"""The labelling page in a browser: a key judges, a slip is taken back, a table is a table."""

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

from app.access.principals import Principal
from app.gate.modes import switch_mode
from app.gold_import import GoldFile
from app.records.audit import append_audit
from app.records.tables import RecordRow
from app.review.decisions import Decision
from app.review.probes import mix_in_gold
from app.review.tables import ReviewTaskRow
from app.wiring import Services
from tests.e2e.conftest import Running
from tests.e2e.test_accessibility import axe, violations
from tests.e2e.test_browser import ask, sign_in
from tests.e2e.test_review_desk import page

pytestmark = pytest.mark.browser
NUMBER = "What is the number of the fraud line?"
HOURS = "Mon–Fri 8 am–6 pm"
GOLD = [
    {
        "question": "When is the pet claims line open?",
        "answer": "Service | Number | Open [1]\nPet claims | 01632 960140 | Mon–Fri 8 am–6 pm [1]",
        "passages": ["Pet claims | 01632 960140 | Mon–Fri 8 am–6 pm"],
        "wrong": False,
    },
    {
        "question": "When can I call the legal helpline?",
        "answer": "The legal helpline is never open at night. [1]",
        "passages": ["Legal helpline | 01632 960150 | 24 hours"],
        "wrong": True,
    },
]
__all__ = ["axe", "page"]


@pytest.fixture(scope="module")
def undo_seconds() -> float:
    """However slow the machine is."""
    return 600.0


def test_a_judgement_is_taken_back_and_made_again(
    page: Page, running: Running, example_services: Services
) -> None:
    switch_mode(example_services.database, "review_everything", "no labels yet", "admin", "main")
    sign_in(page, running)
    answer_id = ask(page, NUMBER, "held").get_attribute("data-answer-id")
    page.goto(f"{running.address}/label")
    page.get_by_test_id("collection").select_option("main")
    task = page.locator("#task")
    expect(task.locator("h2")).to_have_text(NUMBER)
    drafted = task.get_by_test_id("draft")
    expect(drafted.locator("th").first).to_have_text(re.compile("^Service"))
    expect(drafted.locator("td").nth(1)).to_contain_text("01632 960180")
    source = task.locator(".passage").first
    assert "|" not in source.inner_text()
    expect(source.locator("th mark").first).to_have_text("Service")
    expect(task.locator(".passage td mark").filter(has_text="01632 960180")).to_be_visible()
    page.locator("body").press("2")
    judged = page.get_by_test_id("judged")
    expect(judged).to_contain_text(f"Wrong: “{NUMBER}”")
    assert violations(page) == []
    judged.get_by_test_id("undo").click()
    expect(judged).to_contain_text("taken back")
    expect(task.locator("h2")).to_have_text(NUMBER)
    page.locator("body").press("1")
    expect(judged).to_contain_text(f"Right: “{NUMBER}”")

    page.goto(running.address)
    answer = page.locator(f'[data-answer-id="{answer_id}"]')
    expect(answer).to_have_attribute("data-status", "released")
    expect(answer.locator("th").first).to_have_text(re.compile("^Service"))
    expect(answer.locator("td").first).to_contain_text("Fraud line")
    answer.get_by_test_id("citation").last.click()
    panel = page.get_by_test_id("citation-panel")
    quoted = panel.locator("tr", has_text="Fraud line")
    expect(quoted.locator("td mark")).to_have_text(["Fraud line", "01632 960180", HOURS])
    assert "|" not in panel.inner_text()
    assert violations(page) == []
    copied = quoted.evaluate(
        "(row) => { getSelection().selectAllChildren(row); return String(getSelection()); }"
    )
    assert copied.strip() == f"Fraud line\t01632 960180\t{HOURS}"
    page.keyboard.press("Escape")

    # On paper there is the whole conversation, and nothing to press.
    page.emulate_media(media="print")
    expect(page.locator("#composer")).to_be_hidden()
    expect(page.get_by_role("navigation")).to_be_hidden()
    expect(answer.locator("td").first).to_be_visible()
    assert page.locator("#transcript").evaluate("(all) => all.scrollHeight <= all.clientHeight")


def test_practice_over_answers_that_are_known(
    page: Page, running: Running, example_services: Services, tmp_path: Path
) -> None:
    """Real gold, imported, decided by a colleague, and practised by keyboard."""
    sign_in(page, running)
    asked = [ask(page, f"{NUMBER} {n}", "held").get_attribute("data-answer-id") for n in (1, 2)]
    file = tmp_path / "gold.jsonl"
    file.write_text("\n".join(json.dumps(row) for row in GOLD))
    services = example_services
    olga = Principal("olga", frozenset({"operator"}))
    added = GoldFile(services.database, services.corpus, services.answerer).add(file, "main", olga)
    assert added.added == len(GOLD)
    mixing = services.settings.model_copy(
        update={"gold_share": 1.0, "probe_delay_minutes": 0.0, "least_wrong_share": 0.0}
    )
    with services.database.transaction() as session:
        for answer_id in asked:
            task = session.scalars(
                select(ReviewTaskRow).where(ReviewTaskRow.answer_id == answer_id)
            ).one()
            append_audit(session, "held", {"answer_id": "x", "task_id": task.id})
            mix_in_gold(session, task, session.get_one(RecordRow, answer_id), mixing)
    page.goto(f"{running.address}/review")
    practice = page.locator("#practice")
    page.get_by_test_id("practise").click()
    expect(practice).to_contain_text("nothing to practise with")  # nobody was measured with it yet
    practice.get_by_role("button", name="Close").click()
    rita = Principal("rita", frozenset({"reviewer"}))
    questions = {row["question"] for row in GOLD}
    for shown in services.desk.tasks(rita, "open", limit=100).tasks:
        if shown.question in questions:
            claimed = services.desk.claim(rita, shown.task_id)
            decision = Decision("reject", claimed.content_sha256, claimed.fence, "Wrong.")
            services.desk.decide(rita, shown.task_id, decision)

    page.get_by_test_id("practise").click()
    for place in (1, 2):
        expect(practice.locator("h2")).to_have_text(f"Practice: {place} of 2")
        expect(practice.locator("h2")).to_be_focused()
        assert violations(page) == []
        wrong = "never" in practice.inner_text()
        if not wrong:
            expect(practice.locator(".passage th").first).to_have_text("Service")
        page.keyboard.press("2" if place == 1 else "1")
        told = practice.get_by_test_id("practice-told")
        right = wrong == (place == 1)
        expect(told).to_contain_text("Yes." if right else "No.")
        expect(told).to_contain_text("is wrong" if wrong else "is right")
        expect(told.get_by_role("button", name="Go on")).to_be_focused()
        page.keyboard.press("Enter")
    expect(practice).to_contain_text("of 2 right. Nobody is measured by this.")
    page.keyboard.press("Escape")
    expect(practice).to_be_hidden()
    page.get_by_test_id("practise").click()
    expect(practice).to_contain_text("nothing to practise with")  # each comes once
