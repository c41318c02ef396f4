"""What is erased leaves no byte in the database's files or the data folder; the chain verifies."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, select, text, update

from app.access.service import Access
from app.access.tables import IdempotencyRow
from app.answering.answerer import Ask
from app.background import record_jobs
from app.corpus.uploads import Uploads
from app.db import Base, Database, now
from app.errors import Conflict, Invalid, NotFound, NotReplayable
from app.proof.checkpoints import Checkpoints
from app.proof.dry_run import dry_run
from app.proof.erasure import Eraser
from app.proof.export import signed_proof_of
from app.proof.replay import Replayer
from app.proof.verify import verify_audit
from app.records.audit import append_audit
from app.records.release import ERASED_MESSAGE
from app.records.tables import AuditRow, RecordRow, ReleaseRow
from app.review.gold import add_gold_answer
from app.review.tables import DecisionRow
from cli.erase import build_without
from guardrails.policy.load import load_policy
from tests.conftest import on_sqlite
from tests.integration.test_answering import ANN, EXCESS, OLGA, RITA, Desk
from tests.integration.test_audit import check
from tests.integration.test_probes import CARA, Quiz
from tests.trails import settings_for

ASKED = "What is the excess for water damage, dear zeppelin?"
AGAIN = "And for the zeppelin again, what is the excess for water damage?"
HAIL = "What is the excess for hail damage?"
WRITTEN = ("zeppelin", "jacaranda", "wombat")
IN_DOCUMENT = ("quandong", "kumquat")


class Erasing(Quiz):
    """A house whose answers can be erased."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk, gold_share=1.0, second_review_share=1.0)
        self.database = desk.database
        self.eraser = Eraser(desk.database, self.settings, desk.corpus)

    def decided(self, question: str, kind: str = "approve", **more: Any) -> str:
        answer_id: str = self.answerer.answer(ANN, _ask(question))["answer_id"]
        (task,) = [t for t in self.tasks(RITA) if t["answer_id"] == answer_id]
        self.say(RITA, task["task_id"], kind, **more)
        return answer_id

    def left(self, *words: str) -> list[str]:
        """Those words that stand somewhere in the database's files or in the data folder."""
        found = {word for word in words for file in self._files() if word.encode() in file}
        return sorted(found | set(_in_tables(self.database, words)))

    def _files(self) -> Iterator[bytes]:
        for folder in [str(self.settings.data_dir), *_server_files(self.database)]:
            for path in Path(folder).rglob("*"):
                if path.is_file():
                    yield path.read_bytes()


def _ask(question: str, **more: Any) -> Any:
    return Ask(question, **more)


def _server_files(database: Database) -> list[str]:
    if database.embedded:
        return []
    plain = database.engine.execution_options(isolation_level="AUTOCOMMIT")
    with plain.connect() as connection:
        connection.execute(text("CHECKPOINT"))
        oid = connection.scalar(
            text("SELECT oid FROM pg_database WHERE datname = current_database()")
        )
        return [f"{connection.scalar(text('SHOW data_directory'))}/base/{oid}"]


def _in_tables(database: Database, words: tuple[str, ...]) -> list[str]:
    with database.reading() as session:
        rows = [str(session.execute(table.select()).all()) for table in Base.metadata.sorted_tables]
    return [word for word in words if any(word in row for row in rows)]


@pytest.fixture
def house(database: Database, tmp_path: Path) -> Erasing:
    desk = Desk(database, tmp_path)
    desk.stock()
    return Erasing(desk)


def written(house: Erasing) -> list[str]:
    """Answers with words of their own: released, edited, rejected, held, gold, second reviews."""
    approved = house.decided(ASKED)
    edited = house.decided(ASKED, "edit", text="It is £350, said the jacaranda [1].")
    rejected = house.decided(ASKED, "reject", reason="Not for a wombat.")
    add_gold_answer(house.database, approved, wrong=False, by="olga")
    held = house.answerer.answer(ANN, _ask(AGAIN, previous_answer_id=approved))["answer_id"]
    for task in house.tasks(CARA)[:2]:
        house.say(CARA, task["task_id"], "reject", reason="Another wombat.")
    return [approved, edited, rejected, held]


def seen(house: Erasing, answer_id: str) -> dict[str, Any]:
    found: dict[str, Any] = house.answerer.view(ANN, answer_id)
    return found


def test_an_erased_answer_leaves_no_byte_and_the_chain_verifies(house: Erasing) -> None:
    answers = written(house)
    requests = Access(house.database, house.settings).requests
    requests.begin(ANN, "zeppelin-key", "body")
    with house.database.transaction() as session:
        requests.finish(ANN, "zeppelin-key", session, answers[0])
    assert house.left(*WRITTEN) == sorted(WRITTEN)
    for answer_id in answers:
        assert house.eraser.answer(answer_id, "olga", "asked for it").answers == 1
    assert house.eraser.compact()
    assert house.left(*WRITTEN) == []
    report = verify_audit(house.database)
    assert (report.problems, report.erased) == ([], len(answers))
    view = seen(house, answers[0])
    assert (view["status"], view["message"], view["question"]) == ("rejected", ERASED_MESSAGE, "")
    assert view["reason"] == "erased"
    assert list(house.reviews.edits(RITA)) == []
    listed = [task for state in ("open", "decided") for task in house.tasks(RITA, state)]
    texts = {house.reviews.task(RITA, task["task_id"])["draft"]["text"] for task in listed}
    assert listed and texts == {""}
    with house.database.reading() as session:
        assert session.scalars(select(IdempotencyRow.key)).all() == []
    house.eraser.answer(answers[0], "olga")  # again: no harm
    assert verify_audit(house.database).problems == []
    with pytest.raises(NotFound):
        house.eraser.answer("0" * 32, "olga")
    with pytest.raises(Invalid, match="erased"):
        add_gold_answer(house.database, answers[0], wrong=False, by="olga")
    follows = house.answerer.answer(ANN, Ask(EXCESS, previous_answer_id=answers[3]))
    assert follows["searched"]["question"] in ("", EXCESS)


def test_what_an_erased_question_was_read_as_goes_with_it(house: Erasing) -> None:
    answerer = house.desk.answerer(respell=lambda typed, _: typed.replace("zepelin", "zeppelin"))
    first = answerer.answer(ANN, _ask("What is the excess for water, dear zepelin?"))["answer_id"]
    later = answerer.answer(ANN, _ask("And for a zepelin?", previous_answer_id=first))["answer_id"]
    assert all("read_as" in house.desk.record(one).searched for one in (first, later))
    house.eraser.answer(first, "olga")
    assert not any("read_as" in house.desk.record(one).searched for one in (first, later))


def test_an_erased_answer_can_still_be_proven(house: Erasing, tmp_path: Path) -> None:
    answer_id = house.decided(ASKED)
    house.eraser.answer(answer_id, "olga")
    proof = signed_proof_of(Checkpoints(house.database, house.settings), house.database, answer_id)
    assert proof["decision"]["reviewer"] == "rita"
    assert proof["checks"] == {"content_sha256_fits": None, "broken_audit_link": None}
    assert check(tmp_path, proof)[0] == 0


def test_an_erased_answer_is_not_judged_again(house: Erasing) -> None:
    kept, answer_id = house.decided(ASKED), house.decided(ASKED)
    house.eraser.answer(answer_id, "olga")
    report = dry_run(house.database, OLGA, load_policy())
    assert (report["answers"], report["changed"][0]["answer_id"]) == (1, kept)
    replayer = Replayer(house.database, lambda policy: pytest.fail("it was judged"), {})
    with pytest.raises(NotReplayable, match="Its words were erased"):
        replayer.replay(answer_id)


def test_an_erasure_without_its_link_is_seen(house: Erasing) -> None:
    answer_id = house.decided(ASKED)
    with house.database.transaction() as session:
        blank: dict[str, Any] = {"question": "", "draft": None, "evidence": []}
        session.execute(update(RecordRow).where(RecordRow.answer_id == answer_id).values(**blank))
        session.execute(update(ReleaseRow).values(answer={}))
        session.execute(update(DecisionRow).values(text=""))
    found = {problem.where for problem in verify_audit(house.database).problems}
    assert found == {"records", "releases", "decisions"}


def test_a_principal_is_erased_with_everything_they_asked(house: Erasing) -> None:
    access = Access(house.database, house.settings)
    access.accounts.create("ann", ["asker"], password="a long password")
    access.accounts.create("ada", ["admin"], password="a long password")
    key = access.keys.create("ann")
    answers = written(house)
    assert house.eraser.principal("ann", "olga", "she left").answers == len(answers)
    assert house.eraser.compact()
    assert house.left(*WRITTEN) == []
    account = access.accounts.one("ann")
    assert account.disabled and account.keys == 0
    with pytest.raises(Exception, match="not known"):
        access.keys.principal(key.key)
    with house.database.reading() as session:
        assert set(session.scalars(select(RecordRow.principal))) == {""}
    assert verify_audit(house.database).problems == []
    with pytest.raises(NotFound):
        house.eraser.principal("nobody", "olga")
    with pytest.raises(Conflict):
        house.eraser.principal("ada", "olga")


def a_document(house: Erasing, desk: Desk) -> tuple[str, Path]:
    """A document in a file of its own, ready and indexed, with an answer from it."""
    words = "The excess for hail damage is forty quandongs."
    document_id = desk.shelf.store("kumquat.txt", words)
    uploads = Uploads(house.settings.upload_dir, 1000)
    upload = house.settings.upload_dir / "kumquat.txt"
    upload.parent.mkdir(parents=True, exist_ok=True)
    upload.write_text(words, "utf-8")
    assert uploads.sweep({str(upload.resolve())}) == 0
    with house.database.transaction() as session:
        session.execute(
            text("UPDATE documents SET stored_at = :at WHERE id = :id"),
            {"at": str(upload.resolve()), "id": document_id},
        )
    desk.shelf.index()
    return document_id, upload


def test_an_erased_document_leaves_no_byte(house: Erasing) -> None:
    desk = house.desk
    document_id, upload = a_document(house, desk)
    answer_id = house.decided(HAIL)
    rejected = house.decided(HAIL, "reject", reason="No quandongs.")
    other = house.decided("What is the excess for water damage?")
    assert "quandong" in str(seen(house, answer_id))
    add_gold_answer(house.database, answer_id, wrong=False, by="olga")
    house.answerer.answer(ANN, _ask(HAIL))
    assert house.left(*IN_DOCUMENT) == sorted(IN_DOCUMENT)
    erased = house.eraser.document(document_id, "olga")
    build_without(house.settings, desk.corpus)
    assert erased.documents == 1 and not upload.exists()
    assert house.eraser.compact()
    assert house.left(*IN_DOCUMENT) == []
    assert verify_audit(house.database).problems == []
    for one in (answer_id, rejected):
        view = seen(house, one)
        assert (view["question"], view["message"]) == (HAIL, ERASED_MESSAGE)
    after = house.answerer.answer(ANN, _ask("What is the excess for water damage?"))
    assert after["status"] == "held"
    assert seen(house, other)["status"] in ("released", "rejected")


def test_the_only_document_can_be_erased(database: Database, tmp_path: Path) -> None:
    desk = Desk(database, tmp_path)
    document_id = desk.shelf.store("kumquat.txt", "Forty quandongs.")
    desk.shelf.index()
    house = Erasing(desk)
    house.eraser.document(document_id, "olga")
    build_without(house.settings, desk.corpus)
    assert house.eraser.compact() and house.left(*IN_DOCUMENT) == []
    assert desk.corpus.versions.live() is None
    assert verify_audit(database).problems == []


def test_old_answers_are_erased_when_the_setting_says_so(house: Erasing) -> None:
    old, new = house.decided(ASKED), house.decided("What is the excess for water damage?")
    month = timedelta(days=30)
    with house.database.transaction() as session:
        session.get_one(RecordRow, old).created_at = now() - 2 * month
        append_audit(session, "for the test", {})
    assert house.eraser.retain() == 0
    settings = settings_for(
        house.database.url, house.settings.data_dir, keep_answers_days=30, device="cpu"
    )
    eraser = Eraser(house.database, settings, house.desk.corpus)
    assert (house.eraser.due(), eraser.due()) == ((0, 0), (1, 0))
    (job,) = [one for one in record_jobs(house.database, settings) if one.name == "retention"]
    assert (job.run(), job.run(), eraser.due()) == (1, 0, (0, 0))
    assert seen(house, old)["message"] == ERASED_MESSAGE
    assert seen(house, new)["status"] == "released"
    assert verify_audit(house.database).problems == []
    with house.database.reading() as session:
        event = session.scalar(select(AuditRow.event).where(AuditRow.kind == "erased"))
    assert event is not None and event["by"] == "retention"


@on_sqlite
def test_retention_leaves_no_word_in_any_file_of_the_database(house: Erasing) -> None:
    answers = written(house)
    with house.database.transaction() as session:
        for answer_id in answers:
            session.get_one(RecordRow, answer_id).created_at = now() - timedelta(days=60)
        append_audit(session, "for the test", {})
    settings = settings_for(
        house.database.url, house.settings.data_dir, keep_answers_days=30, device="cpu"
    )
    eraser = Eraser(house.database, settings, house.desk.corpus)
    with house.database.reading() as session:  # somebody reads on, from what was there before
        session.execute(text("SELECT count(*) FROM records")).all()
        assert eraser.retain() == len(answers)
        assert house.left(*WRITTEN) != []
    assert eraser.retain() == 0, "nothing is left to be erased, and the log is cut off all the same"
    assert house.left(*WRITTEN) == []


def test_an_erasure_reads_no_other_conversation_of_its_asker(house: Erasing) -> None:
    """One key may ask for a whole company, for years."""
    first, _ = house.decided(ASKED), house.decided("What is the excess for water damage?")
    read: list[str] = []

    def note(row: RecordRow, _: object) -> None:
        read.append(row.answer_id)

    event.listen(RecordRow, "load", note)
    try:
        house.eraser.answer(first, "olga")
    finally:
        event.remove(RecordRow, "load", note)
    assert set(read) == {first}


def test_deleted_documents_are_erased_when_the_setting_says_so(house: Erasing) -> None:
    document_id, _ = a_document(house, house.desk)
    answer_id = house.decided(HAIL)
    house.desk.corpus.documents.delete(document_id)
    settings = settings_for(
        house.database.url, house.settings.data_dir, keep_deleted_days=1e-9, device="cpu"
    )
    eraser = Eraser(house.database, settings, house.desk.corpus)
    assert eraser.due() == (0, 1)
    assert (eraser.retain(), eraser.retain(), eraser.due()) == (1, 0, (0, 0))
    assert seen(house, answer_id)["message"] == ERASED_MESSAGE
    assert verify_audit(house.database).problems == []
