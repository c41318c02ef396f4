"""Gold items and blind second reviews, on both databases: unmarked, and without effect."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update

from app.access.principals import LOCAL, Principal
from app.answering.answerer import Ask
from app.backends import build_quote
from app.corpus.corpus import Corpus
from app.db import Database, now
from app.deadline import Deadline
from app.errors import AlreadyDecided, Conflict, CountersignError, Forbidden, Invalid, NotFound
from app.gate.reviewer_error import ReviewerCheck, report_check, reviewer_report
from app.gate.sampling import drawn
from app.gate.tables import LabelRow
from app.gold_import import GoldAdded, GoldFile
from app.records import audit, recording
from app.records.tables import AuditRow, RecordRow, ReleaseRow, SettlementRow
from app.review.decisions import Decision
from app.review.disagreements import disagreements
from app.review.gold import add_gold_answer, gold_items
from app.review.probes import PROBES
from app.review.quotes import Quotes
from app.review.tables import DecisionRow, GoldItemRow, ProbeRow, ReviewTaskRow
from app.review.tasks import open_task
from guardrails.gate.betting import upper_limit_anytime
from guardrails.gate.certificate import NOT_MEASURED, Certificate
from guardrails.gate.certify import NotCertifiable
from tests.conftest import on_sqlite
from tests.integration.test_answering import ANN, COVERAGE, EXCESS, RITA, Desk
from tests.integration.test_gate_service import House, certificate, command, label
from tests.trails import WireDesk, add_ready_document, hold, only_passage, settings_for, trail

RAJ = Principal("raj", frozenset({"reviewer"}))
CARA = Principal("cara", frozenset({"reviewer"}))
THE_PROBES = update(ReviewTaskRow).where(ReviewTaskRow.kind.in_(PROBES))
QUOTE = "The excess for water damage is £350."
OUTCOMES = (RecordRow, ReleaseRow, SettlementRow, ReviewTaskRow, DecisionRow, LabelRow)


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> Desk:
    built = Desk(database, tmp_path)
    built.stock()
    return built


class Quiz(House):
    """A house that measures its reviewers; everything is drawn, and appears at once."""

    def __init__(self, desk: Desk, **values: Any) -> None:
        chosen = {"gate_mode": "review_everything", "probe_delay_minutes": 0.0, **values}
        super().__init__(desk, certificate(), **chosen)
        self.reviews = WireDesk(desk.database, self.settings)

    def tasks(self, who: Principal, state: str = "open") -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = self.reviews.tasks(who, state, 500)["tasks"]
        return listed

    def say(self, who: Principal, task_id: str, kind: Any = "approve", **more: Any) -> Any:
        seen = self.reviews.claim(who, task_id)
        decision = Decision(kind, seen["content_sha256"], seen["fence"], **more)
        return self.reviews.decide(who, task_id, decision)

    def first(self, kind: Any = "approve", who: Principal = RITA, **more: Any) -> str:
        """Ask, and decide the only task that ``who`` sees; returns the answer's id."""
        answer_id: str = self.ask()["answer_id"]
        (task_id,) = [t["task_id"] for t in self.tasks(who) if t["answer_id"] == answer_id]
        self.say(who, task_id, kind, **more)
        return answer_id

    def outcomes(self) -> list[Any]:
        """All rows that say what became of answers."""
        with self.desk.database.reading() as session:
            rows = [row for table in OUTCOMES for row in session.scalars(select(table))]
            rows = [row for row in rows if getattr(row, "kind", "") not in PROBES]
            return [
                {column.key: getattr(row, column.key) for column in row.__mapper__.column_attrs}
                for row in rows
            ]

    def report(self, collection: str | None = None) -> dict[str, Any]:
        found = asdict(reviewer_report(self.desk.database, 0.05, collection))
        pairs = disagreements(self.desk.database, collection)
        return {**found, "disagreements": [asdict(pair) for pair in pairs]}


def gold(desk: Desk, wrong: int, right: int = 0) -> None:
    """Gold items of main, each with a question of its own."""
    answerer = Quiz(desk).answerer
    rows = [
        {
            "question": f"What is the excess for water damage in case {n}?",
            "answer": f"{'There is no excess' if n < wrong else QUOTE[:-1]} [1].",
            "passages": [QUOTE],
            "wrong": n < wrong,
        }
        for n in range(wrong + right)
    ]
    path = desk.folder / "gold.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    added = GoldFile(desk.database, desk.corpus, answerer.answerer).add(path, "main", LOCAL)
    assert added == GoldAdded(wrong + right, 0)


def only(tasks: list[dict[str, Any]], keep: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    (found,) = [task for task in tasks if keep(task)]
    return found


def is_gold(task: dict[str, Any]) -> bool:
    return "in case" in task["question"]


# Gold items


def test_a_gold_item_looks_like_any_other_task(desk: Desk) -> None:
    quiz = Quiz(desk, gold_share=1.0)
    answer_id = quiz.first()
    add_gold_answer(desk.database, answer_id, wrong=False, by="olga")
    quiz.ask()
    details = [quiz.reviews.task(RAJ, task["task_id"]) for task in quiz.tasks(RAJ)]
    differing = {"task_id", "answer_id", "created_at", "expires_at", "content_sha256"}
    shown = [{k: v for k, v in task.items() if k not in differing} for task in details]
    assert len(shown) == 2 and shown[0] == shown[1]
    assert not {"gold", "probe", "expected", "second"} & set(json.dumps(details).split('"'))
    for name in differing - {"content_sha256"}:
        assert len(details[0][name]) == len(details[1][name])
    quotes = Quotes(desk.database, build_quote(quiz.settings))
    first, second = (
        quotes.beside_draft(RAJ, task["task_id"], Deadline(60)).quotes for task in details
    )
    assert first and first == second


def test_who_knows_the_answer_does_not_see_its_gold_item(desk: Desk) -> None:
    quiz = Quiz(desk, gold_share=1.0)
    answer_id = quiz.first()
    add_gold_answer(desk.database, answer_id, wrong=False, by="olga")
    quiz.ask()
    item = only(quiz.tasks(RAJ), lambda task: task not in quiz.tasks(RITA))
    assert len(quiz.tasks(RITA)) == 1
    assert [task["answer_id"] for task in quiz.tasks(RITA, "decided")] == [answer_id]
    assert quiz.tasks(RAJ, "decided") == []  # else the pair would show what was decided
    for who in (RITA, Principal("ann", frozenset({"reviewer"}))):
        with pytest.raises(NotFound):
            quiz.reviews.claim(who, item["task_id"])
    assert quiz.reviews.tasks(RITA, "decided")["open"] == 1
    assert quiz.reviews.tasks(RAJ, "decided")["open"] == 2


@pytest.mark.parametrize(
    ("kind", "more", "missed"),
    [
        ("approve", {}, 1),
        ("reject", {"reason": "not true"}, 0),
        ("edit", {"text": "The excess is £350 [1]."}, 0),
    ],
)
def test_a_decision_on_a_gold_item_measures_and_does_nothing_else(
    desk: Desk, kind: Any, more: dict[str, Any], missed: int
) -> None:
    gold(desk, 1)
    quiz = Quiz(desk, gold_share=1.0)
    quiz.ask()
    before, answers = quiz.outcomes(), quiz.answerer.history(ANN, 50)
    task = only(quiz.tasks(RITA), is_gold)
    done = quiz.say(RITA, task["task_id"], kind, **more)
    assert (done["state"], done["decision"]["kind"]) == ("decided", kind)
    assert (quiz.outcomes(), quiz.answerer.history(ANN, 50)) == (before, answers)
    assert list(quiz.reviews.edits(RITA)) == []
    assert quiz.report("main")["gold"] == {"missed": missed, "n": 1}
    assert quiz.report("board")["gold"] is None
    with pytest.raises(AlreadyDecided):
        quiz.say(RITA, task["task_id"], kind, **more)
    with desk.database.reading() as session:
        assert audit.broken_audit_link(session) is None


def test_a_gold_item_is_decided_once_and_offered_again_when_it_expired(desk: Desk) -> None:
    gold(desk, 1)
    quiz = Quiz(desk, gold_share=1.0)
    quiz.ask()
    quiz.ask()
    assert len([task for task in quiz.tasks(RITA) if is_gold(task)]) == 1
    with desk.database.transaction() as session:
        session.execute(THE_PROBES.values(expires_at=now() - timedelta(seconds=1)))
    quiz.reviews.expire_overdue()
    assert not any(map(is_gold, quiz.tasks(RITA)))
    quiz.ask()
    quiz.say(RITA, only(quiz.tasks(RITA), is_gold)["task_id"])
    quiz.ask()
    assert not any(map(is_gold, quiz.tasks(RITA)))
    (item,) = gold_items(desk.database)
    assert (item.state, item.reviewer, item.called_wrong) == ("decided", "rita", False)


def test_gold_items_come_at_their_share_and_the_draw_can_be_checked(desk: Desk) -> None:
    gold(desk, 12)
    quiz = Quiz(desk, gold_share=0.1, audit_seed="secret")
    for _ in range(20):
        quiz.ask()
    with desk.database.reading() as session:
        ids = list(session.scalars(select(ReviewTaskRow.id).where(ReviewTaskRow.kind == "held")))
        events = session.scalars(select(AuditRow.event).where(AuditRow.kind == "probe")).all()
    wanted = sum(drawn("secret", f"gold:{task_id}", 0.4) for task_id in ids)
    assert len(events) == min(wanted, 12) == len([t for t in quiz.tasks(RITA) if is_gold(t)])
    assert {event["kind"] for event in events} <= {"gold"}
    assert "secret" not in json.dumps(events)


def test_no_gold_item_of_another_collection_or_over_changed_sources_is_shown(desk: Desk) -> None:
    gold(desk, 1)
    quiz = Quiz(desk, gold_share=1.0)
    quiz.ask(question="What does the director of the company earn?")
    assert not any(map(is_gold, quiz.tasks(RITA)))
    quiz.ask()
    elsewhere = Principal("eve", frozenset({"reviewer"}), scope=("board",))
    assert not any(map(is_gold, quiz.tasks(elsewhere)))
    task = only(quiz.tasks(RITA), is_gold)
    for document in desk.corpus.documents.page(["main"]).documents:
        desk.corpus.documents.delete(document.document_id)
    assert {
        passage["text"] for passage in quiz.reviews.task(RITA, task["task_id"])["evidence"]
    } == {""}
    quiz.say(RITA, task["task_id"], "reject", reason="its source is gone")
    assert quiz.report()["gold"] is None  # what was judged is not what is known


def test_tasks_that_open_at_once_do_not_take_the_same_gold_item(desk: Desk) -> None:
    gold(desk, 2)
    quiz = Quiz(desk, gold_share=1.0)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: quiz.ask(), range(8)))
    with desk.database.reading() as session:
        taken = list(session.scalars(select(ProbeRow.gold_item)))
    assert len(taken) == len(set(taken)) == 2


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_probe_appears_at_a_moment_of_its_own(desk: Desk, share: float) -> None:
    gold(desk, 1)
    quiz = Quiz(desk, gold_share=share, probe_delay_minutes=5e5)
    quiz.ask()
    assert not any(map(is_gold, quiz.tasks(RITA)))
    assert quiz.reviews.count_open() == 1
    with desk.database.transaction() as session:
        session.execute(THE_PROBES.values(created_at=now()))
    assert sum(map(is_gold, quiz.tasks(RITA))) == share
    assert quiz.reviews.count_open() == 1 + share


def test_only_a_confirmed_label_becomes_gold_and_only_once(desk: Desk) -> None:
    quiz = Quiz(desk)
    right, undecided = quiz.first(), quiz.ask()["answer_id"]
    with pytest.raises(NotFound):
        add_gold_answer(desk.database, "nothing", wrong=True, by="olga")
    with pytest.raises(Invalid, match="decision"):
        add_gold_answer(desk.database, undecided, wrong=False, by="olga")
    with pytest.raises(Invalid, match="otherwise"):
        add_gold_answer(desk.database, right, wrong=True, by="olga")
    add_gold_answer(desk.database, right, wrong=False, by="olga")
    with pytest.raises(Conflict):
        add_gold_answer(desk.database, right, wrong=False, by="olga")
    policy_held = quiz.ask(question=COVERAGE)["answer_id"]
    task = only(quiz.tasks(RITA), lambda one: one["answer_id"] == policy_held)
    quiz.say(RITA, task["task_id"])
    with pytest.raises(Invalid, match="label"):
        add_gold_answer(desk.database, policy_held, wrong=False, by="olga")


# Gold items from a file


ROW = {"question": EXCESS, "answer": f"{QUOTE[:-1]} [1].", "passages": [QUOTE], "wrong": False}


def test_a_written_gold_item_has_all_that_a_draft_has(desk: Desk) -> None:
    path = desk.folder / "gold.jsonl"
    path.write_text(json.dumps({**ROW, "short": "£350"}) + "\n", "utf-8")
    quiz = Quiz(desk, gold_share=1.0)
    adding = GoldFile(desk.database, desk.corpus, quiz.answerer.answerer)
    assert adding.add(path, "main", LOCAL) == GoldAdded(1, 0)
    assert adding.add(path, "main", LOCAL) == GoldAdded(0, 1)
    quiz.generator.margin = 1.0
    answer_id = quiz.answerer.answer(ANN, Ask(EXCESS, ["main"]))["answer_id"]
    details = [quiz.reviews.task(RITA, task["task_id"]) for task in quiz.tasks(RITA)]
    held = only(details, lambda task: task["answer_id"] == answer_id)
    item = only(details, lambda task: task["answer_id"] != answer_id)
    for name in ("question", "asker", "evidence", "findings", "verdict", "lineage", "reasons"):
        assert item[name] == held[name], name
    assert set(item["draft"]) == set(held["draft"])
    assert item["draft"]["citations"][0]["quote"] == QUOTE


@on_sqlite
@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"wrong": "no"}, "wrong"),
        ({"question": " "}, "question"),
        ({"answer": None}, "answer"),
        ({"answer": "I cannot answer this."}, "no answer"),
        ({"passages": []}, "passages"),
        ({"passages": ["No document says this."]}, "No document"),
        ({"passages": [3]}, "texts"),
        ({"short": ""}, "texts"),
        ({"question": "a\x07b"}, "control"),
    ],
)
def test_a_wrong_row_is_named_and_nothing_is_added(
    desk: Desk, change: dict[str, Any], told: str
) -> None:
    path = desk.folder / "gold.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in (ROW, {**ROW, **change})), "utf-8")
    adding = GoldFile(desk.database, desk.corpus, Quiz(desk).answerer.answerer)
    with pytest.raises(Invalid, match=f"row 2: .*{told}"):
        adding.add(path, "main", LOCAL)
    assert gold_items(desk.database) == []
    with pytest.raises(Forbidden):
        adding.add(path, "main", RITA)


@on_sqlite
@pytest.mark.parametrize("content", [b"[]\n", b"{\n", None])
def test_a_file_that_holds_something_else_is_refused(desk: Desk, content: bytes | None) -> None:
    path = desk.folder / "gold.jsonl"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CountersignError):
        GoldFile(desk.database, desk.corpus, Quiz(desk).answerer.answerer).add(path, "main", LOCAL)


# Blind second reviews


def test_a_second_review_is_offered_to_somebody_else_and_changes_nothing(desk: Desk) -> None:
    quiz = Quiz(desk, second_review_share=1.0)
    answer_id = quiz.first()
    assert quiz.answerer.view(ANN, answer_id)["status"] == "released"
    assert quiz.tasks(RITA) == [] and quiz.tasks(RAJ, "decided") == []
    (again,) = quiz.tasks(RAJ)
    assert (again["question"], again["state"], again["asker"]) == (EXCESS, "open", "ann")
    assert again["answer_id"] != answer_id
    before = quiz.outcomes()
    quiz.say(RAJ, again["task_id"], "reject", reason="The excess changed.")
    assert quiz.outcomes() == before
    assert quiz.answerer.view(ANN, answer_id)["status"] == "released"
    seen = {who.name: quiz.tasks(who, "decided") for who in (RITA, RAJ, CARA)}
    assert [len(tasks) for tasks in seen.values()] == [1, 1, 1]
    assert [tasks[0]["task_id"] == again["task_id"] for tasks in seen.values()] == [
        False,
        True,
        False,
    ]
    assert quiz.tasks(CARA) == []  # a second review gets no third
    report = quiz.report("main")
    assert report["second"] == {"n": 1, "agreed": 0, "called_wrong": 1, "missed": 1}
    (pair,) = report["disagreements"]
    assert (pair["answer_id"], pair["first"]["reviewer"]) == (answer_id, "rita")
    assert pair["second"] == {"reviewer": "raj", "kind": "reject", "reason": "The excess changed."}


def test_second_reviews_of_audits_agree_or_not(desk: Desk) -> None:
    quiz = Quiz(desk, gate_mode="provisional", audit_share=1.0, second_review_share=1.0)
    kinds = [("approve", "approve"), ("reject", "reject"), ("reject", "approve")]
    for first, second in kinds:
        answer_id = quiz.first(first, reason="no")
        (again,) = quiz.tasks(RAJ)
        quiz.say(RAJ, again["task_id"], second, reason="no")
        wanted = "released" if first == "approve" else "withdrawn"
        assert quiz.answerer.view(ANN, answer_id)["status"] == wanted
    report = quiz.report()
    assert report["second"] == {"n": 3, "agreed": 2, "called_wrong": 1, "missed": 0}
    assert report["agreement"] == pytest.approx(2 / 3, abs=1e-4)
    assert [wrong for wrong, _, _ in quiz.labels()] == [False, True, True]


def test_four_eyes_get_no_second_review(database: Database, tmp_path: Path) -> None:
    settings = settings_for(
        database.url, tmp_path, second_review_share=1.0, probe_delay_minutes=0.0
    )
    reviews = WireDesk(database, settings)
    for four_eyes, probes in ((True, 0), (False, 1)):
        task_id, _ = hold(database, settings, four_eyes=four_eyes)
        for who in (RITA, RAJ) if four_eyes else (RITA,):
            seen = reviews.claim(who, task_id)
            reviews.decide(who, task_id, Decision("approve", seen["content_sha256"], seen["fence"]))
        with database.reading() as session:
            assert session.scalar(select(func.count()).select_from(ProbeRow)) == probes


def test_a_second_review_shows_the_second_try_of_the_first(
    database: Database, tmp_path: Path
) -> None:
    settings = settings_for(
        database.url, tmp_path, second_review_share=1.0, probe_delay_minutes=0.0
    )
    reviews, corpus = WireDesk(database, settings), Corpus(database)
    add_ready_document(corpus)
    tried = recording.SecondTry("second", recording.FITS, "$.text")
    held = replace(trail(only_passage(corpus)), second_try=tried)
    with database.transaction() as session:
        task_id = open_task(session, recording.write(session, held), settings)
    seen = reviews.claim(RITA, task_id)
    reviews.decide(RITA, task_id, Decision("approve", seen["content_sha256"], seen["fence"]))
    (again,) = reviews.tasks(RAJ, "open")["tasks"]
    assert reviews.task(RAJ, again["task_id"])["second_try"] == seen["second_try"]
    assert seen["second_try"] == {"shown": "second", "message": tried.message}


def test_an_expired_second_review_measures_nothing_and_hides_nothing(desk: Desk) -> None:
    quiz = Quiz(desk, second_review_share=1.0)
    quiz.first()
    with desk.database.transaction() as session:
        session.execute(THE_PROBES.values(expires_at=now() - timedelta(seconds=1)))
    quiz.reviews.expire_overdue()
    assert quiz.tasks(RAJ) == [] and quiz.tasks(RAJ, "expired") == []
    assert len(quiz.tasks(RAJ, "decided")) == 1
    assert quiz.report()["second"] is None


# The certificate


def measured(quiz: Quiz, missed: int, caught: int) -> None:
    """Decided wrong gold items, as the service stores them."""
    gold(quiz.desk, missed + caught)
    for _ in range(missed + caught):
        quiz.ask()
    with quiz.desk.database.transaction() as session:
        probes = list(session.scalars(select(ProbeRow)))
        assert len(probes) == missed + caught
        for place, probe in enumerate(probes):
            said = ReviewerCheck("gold", "main", "rita", True, place >= missed, probe.task_id)
            report_check(session, said)


def test_the_gold_items_of_its_collection_enter_a_certificate(desk: Desk) -> None:
    quiz = Quiz(desk, gold_share=1.0)
    measured(quiz, 1, 11)
    label(quiz, 0, 120)
    refused = quiz.certify()
    assert isinstance(refused, NotCertifiable) and "gold items" in refused.message
    made = quiz.certify(alpha=0.1)
    assert isinstance(made, Certificate)
    assert made.miss_bound == pytest.approx(upper_limit_anytime(1, 12, 0.01))
    assert quiz.report()["miss_bound"] == round(made.miss_bound, 4), "the report says the same"
    assert (made.gold, made.gold_missed) == (12, 1)
    assert made.gold_delta == pytest.approx(0.01)
    (row,) = quiz.certificates()
    assert row.certificate["gold_missed"] == 1 and row.state == "live"
    assert row.reviewer_error.startswith("at most") and "1 of 12" in row.reviewer_error


def test_without_a_measurement_the_certificate_says_so(desk: Desk) -> None:
    quiz = Quiz(desk)
    label(quiz, 0, 80)
    made = quiz.certify()
    assert isinstance(made, Certificate)
    assert (made.gold, made.miss_bound, made.reviewer_error) == (0, 0.0, NOT_MEASURED)
    assert quiz.certificates()[0].reviewer_error == NOT_MEASURED


def test_right_gold_items_count_as_false_alarms_only(desk: Desk) -> None:
    gold(desk, 0, 1)
    quiz = Quiz(desk, gold_share=1.0)
    quiz.ask()
    quiz.say(RITA, only(quiz.tasks(RITA), is_gold)["task_id"], "reject", reason="no")
    report = quiz.report()
    assert (report["gold"], report["miss_bound"]) == (None, None)
    (rita,) = report["reviewers"]
    told = {"reviewer": "rita", "wrong_items": 0, "missed": 0, "right_items": 1, "false_alarms": 1}
    assert told.items() <= rita.items() and (rita["pairs"], rita["kappa"]) == (0, None)


# The command line


def test_gold_items_and_reviewer_error_by_command(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    from typer.testing import CliRunner

    from cli.__main__ import app as commands

    quiz = Quiz(desk, gold_share=1.0, second_review_share=1.0)
    answer_id = quiz.first()
    (again,) = quiz.tasks(RAJ)
    quiz.say(RAJ, again["task_id"], "reject", reason="no")
    page = desk.folder / "report.html"
    found = command(monkeypatch, desk, "report", "--html", str(page))["reviewers"]
    assert (found["gold"], found["second"]["n"], found["agreement"]) == (None, 1, 0.0)
    assert NOT_MEASURED in page.read_text("utf-8")
    pairs = command(monkeypatch, desk, "disagreements")["disagreements"]
    assert [pair["answer_id"] for pair in pairs] == [answer_id]
    added = CliRunner().invoke(commands, ["gold", "add", answer_id, "--right", "--json"])
    assert added.exit_code == 0, added.output
    listed = CliRunner().invoke(commands, ["gold", "list", "--json"])
    (item,) = json.loads(listed.stdout)["gold_items"]
    assert (item["state"], item["wrong"]) == ("waiting", False)
    for words in (["gate", "report"], ["gate", "disagreements"], ["gold", "list"]):
        told = CliRunner().invoke(commands, words)
        assert told.exit_code == 0, told.output
    with desk.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(GoldItemRow)) == 1


def test_the_corpus_finds_words_as_they_are_written(desk: Desk) -> None:
    corpus = Corpus(desk.database)
    assert corpus.passages.quoting("main", QUOTE) is not None
    assert corpus.passages.quoting("main", QUOTE.upper()) is None
    assert corpus.passages.quoting("main", "%") is None
    assert corpus.passages.quoting("board", QUOTE) is None
