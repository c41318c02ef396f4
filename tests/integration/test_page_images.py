"""Pages of PDFs as images over HTTP: who may see them, and of which content."""

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient

from app.corpus.passages import NewPassage
from app.main import create_app
from app.settings import Settings
from app.wiring import Services, build_services
from ingestion.formats.page_image import PageImages, is_image
from tests.site import coded
from tests.unit import sample_documents as samples


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory, migrated_sqlite: Path) -> Iterator[Services]:
    folder = tmp_path_factory.mktemp("pages")
    shutil.copy(migrated_sqlite, folder / "countersign.db")
    services = build_services(Settings(data_dir=folder))
    yield services
    services.close()


def client(
    services: Services, name: str, scope: list[str], images: PageImages | None
) -> TestClient:
    """Somebody who may read these collections; no model is loaded."""
    app = create_app(services.settings, page_images=images)
    app.state.services = services
    services.access.accounts.create(name, ["asker"], scope=scope)
    key = services.access.keys.create(name).key
    return TestClient(app, headers={"Authorization": f"Bearer {key}"})


def ready(services: Services, name: str, content: bytes, media_type: str) -> tuple[str, Path]:
    """A document of collection main that was ingested, and its file."""
    path = services.settings.data_dir / name
    path.write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    documents = services.corpus.documents
    added = documents.add("main", name, str(path), sha256)
    vector = np.zeros(384, dtype=np.float32)
    passages = [NewPassage("Words.", 0, 6, 1, vector)]
    assert documents.save(
        added.document_id,
        sha256,
        title=name,
        media_type=media_type,
        embedder="none",
        passages=passages,
    )
    return added.document_id, path


def test_a_page_is_shown_to_whom_may_read_it(services: Services) -> None:
    reader = client(services, "ann", ["main"], PageImages())
    stranger = client(services, "bob", ["elsewhere"], PageImages())
    pdf, path = ready(services, "a.pdf", samples.pdf([["One."], ["Two."]]), "application/pdf")
    shown = reader.get(f"/v1/documents/{pdf}/pages/2/image")
    assert shown.status_code == 200 and shown.headers["content-type"] == "image/png"
    assert shown.headers["cache-control"] == "no-store" and is_image(shown.content)
    coded(stranger.get(f"/v1/documents/{pdf}/pages/2/image"), 404, "not_found")
    for page, status in (("3", 404), ("0", 422), ("x", 422)):
        assert reader.get(f"/v1/documents/{pdf}/pages/{page}/image").status_code == status
    text, _ = ready(services, "b.md", b"Words.", "text/markdown")
    coded(reader.get(f"/v1/documents/{text}/pages/1/image"), 404, "not_found")
    bad, _ = ready(services, "c.pdf", b"%PDF-1.7 nothing", "application/pdf")
    coded(reader.get(f"/v1/documents/{bad}/pages/1/image"), 422, "document_refused")
    path.write_bytes(samples.pdf([["Other words."]]))
    coded(reader.get(f"/v1/documents/{pdf}/pages/1/image"), 404, "not_found")
    services.corpus.documents.delete(pdf)  # also what was kept in memory
    coded(reader.get(f"/v1/documents/{pdf}/pages/2/image"), 404, "not_found")
    undrawn = client(services, "cid", ["main"], None)
    coded(undrawn.get(f"/v1/documents/{bad}/pages/1/image"), 404, "not_found")
