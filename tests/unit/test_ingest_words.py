"""What ``countersign ingest`` says of what it did."""

import pytest

from cli.ingest import print_report
from ingestion.pipeline import Report


@pytest.mark.parametrize(
    ("count", "said"),
    [(1, "(1 passage), 0 unchanged, 0 failed, 1 suspect passage;"), (2, "2 suspect passages;")],
)
def test_one_passage_is_not_several(
    count: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    print_report(Report(ingested=1, passages=count, suspects=count, index_version="v"))
    assert said in " ".join(capsys.readouterr().out.split())
