"""On both databases: a certificate ends when too many of its collection's passages changed."""

import json
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, func, select
from typer.testing import CliRunner

from app.corpus.corpus import Corpus
from app.corpus.tables import IndexPassagesRow, IndexVersionRow
from app.corpus.versions import lock_index
from app.db import Database
from app.errors import SettingsInvalid
from app.gate.coverage import revoke_changed
from app.gate.status import CertificateView
from app.gate.tables import CertificatePassagesRow, CertificateRow, LabelRow
from app.records import audit
from app.records.tables import AuditRow
from app.settings import Settings
from app.wiring import build_services
from cli.__main__ import app as commands
from cli.output import console
from guardrails.gate.certificate import Certificate
from guardrails.gate.certify import NotCertifiable
from tests.integration.test_answering import EXCESS, Desk, Stocks, keep_stock, kept_stock
from tests.integration.test_gate_service import House, certificate, certified, label
from tests.trails import settings_for

RULES = [f"Rule {number} of the house is written here." for number in range(8)]
HANDBOOK = ("The excess for water damage is £350.", "Claims must be made within 30 days.")


SHOPS: Stocks = {}
"""What a shop begins with."""


class Shop:
    """A service with ten passages in main, and its certificate."""

    def __init__(self, database: Database, folder: Path, share: float = 0.2) -> None:
        self.desk = Desk(database, folder)
        stocked = kept_stock(SHOPS, self.desk)
        if not stocked:
            self.desk.stock()
        self.allow(share)
        self.house = House(self.desk, None, gate_mode="certified")
        if not stocked:
            self.desk.shelf.store("rules.txt", *RULES)
            self.desk.shelf.index()
            certified(self.house)
            keep_stock(SHOPS, self.desk)

    def allow(self, share: float) -> None:
        self.desk.corpus = Corpus(self.desk.database, lambda s: revoke_changed(s, share))
        self.desk.shelf.corpus = self.desk.corpus

    def rules(self, texts: Sequence[str]) -> None:
        """Replace the eight rules, and let the new version go live."""
        self.desk.shelf.store("rules.txt", *texts)
        self.desk.shelf.index()

    def answered(self) -> str:
        return str(self.house.ask(question=EXCESS)["status"])

    def newest(self) -> CertificateView:
        return self.house.certificates()[0]

    def delete(self, source: str) -> None:
        self.desk.corpus.documents.delete(self.desk.shelf.ids[source])

    def count(self, table: Any) -> int:
        with self.desk.database.reading() as session:
            return session.scalar(select(func.count()).select_from(table)) or 0


@pytest.fixture
def shop(database: Database, tmp_path: Path) -> Shop:
    return Shop(database, tmp_path)


def edited(count: int) -> list[str]:
    """The rules, of which so many have other words."""
    return [f"{text} It was amended." for text in RULES[:count]] + RULES[count:]


def test_a_small_change_keeps_the_certificate(shop: Shop) -> None:
    shop.rules(edited(1))  # one of ten gone, one new: 20 %, and the limit is 20 %
    assert (shop.newest().state, shop.newest().reason) == ("live", "")
    assert shop.answered() == "released"


def test_a_large_change_revokes_it_and_says_why(shop: Shop) -> None:
    shop.rules(edited(2))
    row = shop.newest()
    assert row.state == "revoked"
    assert row.reason == ("passages changed: of 10 in main, 2 are gone and 2 are new (limit 20%)")
    assert row.ended_at is not None
    assert shop.answered() == "held"
    with shop.desk.database.reading() as session:
        links = session.scalars(select(AuditRow).where(AuditRow.kind == "certificate_revoked"))
        (event,) = [found.event for found in links]
        assert audit.broken_audit_link(session) is None
    assert (event["certificate"], event["by"]) == (row.id, "gate")
    assert event["reason"] == row.reason


def test_small_changes_add_up_over_versions_that_are_gone(shop: Shop) -> None:
    shop.desk.shelf.keep = 1
    shop.rules(edited(1))
    shop.rules([*edited(1), "Rule 8 is new."])
    assert shop.newest().state == "revoked"
    assert shop.count(IndexVersionRow) == 1


def test_what_is_taken_back_is_no_change(shop: Shop) -> None:
    shop.allow(1)
    shop.rules(edited(8))
    shop.allow(0)
    shop.rules(RULES)
    assert shop.newest().state == "live"


def test_the_same_documents_ingested_once_more_change_nothing(shop: Shop) -> None:
    ids = [found.id for found in shop.desk.corpus.passages.indexable("hash-embedder")]
    shop.allow(1)
    shop.delete("rules.txt")
    shop.allow(0)
    shop.rules(RULES)
    again = [found.id for found in shop.desk.corpus.passages.indexable("hash-embedder")]
    assert len(set(ids) & set(again)) == len(ids) - len(RULES)
    assert shop.newest().state == "live"
    shop.desk.shelf.store("copy.txt", *RULES)
    shop.desk.shelf.index()
    assert shop.answered() == "released"


def test_another_collection_does_not_matter(shop: Shop) -> None:
    shop.desk.shelf.store(
        "more.txt", *(f"{text} For the board." for text in RULES), collection="board"
    )
    shop.desk.shelf.index()
    assert shop.newest().state == "live"


def test_one_keeps_it_whatever_happens(database: Database, tmp_path: Path) -> None:
    shop = Shop(database, tmp_path, share=1)
    shop.rules(edited(8))
    shop.delete("rules.txt")
    assert shop.newest().state == "live"


@pytest.mark.parametrize("share", [-0.1, 1.1, "nan", "some"])
def test_a_share_that_cannot_be_is_refused(tmp_path: Path, share: Any) -> None:
    with pytest.raises(SettingsInvalid, match="gate_passages_changed"):
        Settings(data_dir=tmp_path, gate_passages_changed=share)


@pytest.mark.parametrize(("share", "state"), [(0.2, "revoked"), (0.5, "live")])
def test_the_setting_reaches_the_service(shop: Shop, share: float, state: str) -> None:
    assert Settings(data_dir=shop.desk.folder).gate_passages_changed == 0.2
    url, folder = shop.desk.database.url, shop.desk.folder
    services = build_services(settings_for(url, folder, gate_passages_changed=share))
    shop.desk.shelf.corpus = services.corpus
    shop.rules(edited(2))
    services.close()
    assert shop.newest().state == state


def test_a_deleted_document_counts_at_once(shop: Shop) -> None:
    shop.delete("rules.txt")
    row, version = shop.newest(), shop.desk.corpus.versions.live()
    assert version is not None
    assert (row.state, row.index_version) == ("revoked", version.id)
    assert "8 are gone and 0 are new" in row.reason
    assert shop.answered() == "held"


def test_deletions_add_up_and_one_that_comes_back_in_time_is_no_change(shop: Shop) -> None:
    shop.desk.shelf.store("a.txt", "The door is locked at ten.")
    shop.desk.shelf.store("b.txt", "The lift is checked in May.")
    shop.desk.shelf.store("c.txt", "The roof was mended last year.")
    shop.desk.shelf.index()  # 3 of 13
    assert shop.newest().state == "revoked"
    label(shop.house, 0, 80)
    made = shop.house.certify()
    assert isinstance(made, Certificate)
    shop.delete("a.txt")
    shop.delete("b.txt")
    assert shop.newest().state == "live"
    shop.desk.shelf.store("a.txt", "The door is locked at ten.")
    shop.desk.shelf.index()
    shop.delete("c.txt")
    assert shop.newest().state == "live"
    shop.delete("a.txt")
    assert shop.newest().state == "revoked"


def test_a_rollback_counts_too(shop: Shop) -> None:
    shop.rules(edited(2))
    label(shop.house, 0, 80)
    assert isinstance(shop.house.certify(), Certificate)
    assert shop.newest().state == "live"
    shop.desk.corpus.versions.rollback()
    assert shop.newest().state == "revoked"


def test_labels_of_the_old_documents_certify_nothing_anew(shop: Shop) -> None:
    shop.rules(edited(2))
    again = shop.house.certify()
    assert isinstance(again, NotCertifiable)
    assert (again.code, again.labels) == ("too_few_labels", 0)
    label(shop.house, 0, 80)
    made = shop.house.certify()
    assert isinstance(made, Certificate)
    assert (made.labels, shop.answered()) == (80, "released")


@pytest.mark.parametrize("stratum", ["board+main", "0" * 64])
def test_every_stratum_that_names_the_collection_ends(shop: Shop, stratum: str) -> None:
    """A name too long to keep is a hash: its certificate is for all collections."""
    joined(shop, stratum)
    shop.rules(edited(1))
    assert states(shop) == {"main": "live", stratum: "live"}
    shop.rules(edited(2))
    assert states(shop) == {"main": "revoked", stratum: "revoked"}


def test_a_change_of_one_of_two_collections_is_enough(shop: Shop) -> None:
    joined(shop, "board+main")
    shop.desk.shelf.store("salaries.txt", "Nobody earns anything.", collection="board")
    shop.desk.shelf.index()
    assert states(shop) == {"main": "live", "board+main": "revoked"}


def joined(shop: Shop, stratum: str) -> None:
    """Another certificate, from the labels of main."""
    with shop.desk.database.transaction() as session:
        for row in session.scalars(select(LabelRow)):
            row.collection = stratum
    made = shop.house.certify(stratum)
    assert isinstance(made, Certificate)


def states(shop: Shop) -> dict[str, str]:
    return {row.collection: row.state for row in shop.house.certificates()}


# Nothing fails open


@pytest.mark.parametrize("table", [IndexPassagesRow, CertificatePassagesRow])
def test_what_was_never_noted_counts_as_changed(shop: Shop, table: Any) -> None:
    version = shop.desk.corpus.versions.live()
    assert version is not None
    with shop.desk.database.transaction() as session:
        session.execute(delete(table))
    shop.desk.corpus.versions.promote(version.id)
    assert shop.newest().reason == "passages changed: it is not known how many"
    assert shop.answered() == "held"


def test_lost_index_files_do_not_matter(shop: Shop) -> None:
    version = shop.desk.corpus.versions.live()
    assert version is not None
    shop.rules(edited(1))
    shutil.rmtree(shop.desk.settings.index_dir / version.id)
    shop.rules(edited(2))
    assert "2 are gone and 2 are new" in shop.newest().reason


def test_the_other_processes_see_it_at_once(shop: Shop) -> None:
    elsewhere = Database(shop.desk.database.url)
    there = Desk(elsewhere, shop.desk.folder)
    there.shelf.ids |= shop.desk.shelf.ids
    other = House(there, None, gate_mode="certified")
    try:
        assert other.ask(question=EXCESS)["status"] == "released"
        shop.rules(edited(8))
        (row,) = other.certificates()  # at once, without a second look
        assert row.state == "revoked"
        assert other.ask(question=EXCESS)["status"] == "held"
    finally:
        elsewhere.close()


def test_a_certificate_waits_for_a_version_that_is_going_live(shop: Shop) -> None:
    """Else it could be made for documents that were just replaced."""
    with ThreadPoolExecutor(1) as pool:
        with shop.desk.database.transaction() as session:
            lock_index(session)
            made = pool.submit(shop.house.certify)
            with pytest.raises(TimeoutError):
                made.result(timeout=0.3)
        assert isinstance(made.result(timeout=120), Certificate)


def test_the_shipped_certificate_is_bound_to_no_documents(
    database: Database, tmp_path: Path
) -> None:
    shop = Shop(database, tmp_path)
    house = House(shop.desk, certificate(), audit_share=1.0)
    assert house.ask()["gate"]["certified"]
    shop.rules(edited(8))
    seen = house.ask()
    assert (seen["status"], seen["gate"]["provisional"]) == ("released", True)
    house.decide(seen["answer_id"], "approve")  # from now on it has a row
    shop.rules(RULES)
    kept = [row for row in house.certificates() if row.certificate["provisional"]]
    assert [row.state for row in kept] == ["live"]


def test_what_ended_certificates_were_for_is_not_kept(shop: Shop) -> None:
    assert shop.count(CertificatePassagesRow) == 1
    shop.rules(edited(2))
    label(shop.house, 0, 80)
    shop.house.certify()
    assert (shop.count(CertificateRow), shop.count(CertificatePassagesRow)) == (2, 1)


def test_the_command_keeps_to_the_setting_and_shows_the_reason(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = shop.desk.corpus.versions.live()
    assert first is not None
    shop.allow(1)
    shop.rules(edited(2))
    settings = settings_for(shop.desk.database.url, shop.desk.folder)
    monkeypatch.setenv("COUNTERSIGN_DATABASE_URL", settings.database)
    monkeypatch.setenv("COUNTERSIGN_DATA_DIR", str(settings.data_dir))
    second = shop.desk.corpus.versions.live()
    assert second is not None
    monkeypatch.setenv("COUNTERSIGN_GATE_PASSAGES_CHANGED", "1")
    run("index", "promote", second.id)
    assert shop.newest().state == "live"
    monkeypatch.delenv("COUNTERSIGN_GATE_PASSAGES_CHANGED")
    run("index", "promote", second.id)
    monkeypatch.setattr(console, "width", 300)
    assert "passages changed: of 10" in CliRunner().invoke(commands, ["gate", "status"]).output
    (row,) = run("gate", "status")["certificates"]
    assert (row["state"], row["reason"][:16]) == ("revoked", "passages changed")


def run(*words: str) -> Any:
    done = CliRunner().invoke(commands, [*words, "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)
