"""Documents over HTTP: list, upload, remove. Ingestion itself runs elsewhere."""

import hashlib
import json
import secrets
from datetime import date
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, File, Form, Query, UploadFile
from pydantic import BaseModel, Field

from app.access.permissions import authorise
from app.access.principals import Principal
from app.api.requests import (
    MAX_INT,
    Guarded,
    IdempotencyKey,
    May,
    ServicesDep,
    is_storable,
    once,
    page_limit,
)
from app.corpus.documents import document_wire
from app.corpus.tables import DocumentRow
from app.errors import Invalid, TooLarge, from_os_error
from app.wiring import Services


class DocumentView(BaseModel):
    """A document and where it stands."""

    document_id: str
    collection: str
    title: str
    source: str
    media_type: str
    state: Literal["pending", "ready", "failed"]
    error_code: str | None
    error_message: str | None
    passages: int
    updated_at: str
    valid_until: str | None = Field(description="Its last valid day, if it has one.")


class DocumentsView(BaseModel):
    """A page of documents, and how many there are in all."""

    documents: list[DocumentView]
    total: int


router = APIRouter(prefix="/v1/documents", tags=["documents"], route_class=Guarded)
Reader = Annotated[Principal, Depends(May("documents.read"))]
Changer = Annotated[Principal, Depends(May("documents.change"))]
BLOCK = 1 << 20
MAX_NAME = 255


@router.get("", response_model=DocumentsView, summary="Documents in scope")
def documents(
    services: ServicesDep,
    principal: Reader,
    collection: str | None = None,
    limit: int = 100,
    offset: Annotated[int, Query(ge=0, le=MAX_INT)] = 0,
) -> Any:
    """By source; failed ones say why."""
    names = principal.readable(services.corpus.collections())
    chosen = [name for name in names if collection in (None, name)]
    rows, total = services.corpus.documents(chosen, limit=page_limit(limit, 500), offset=offset)
    counts = services.corpus.passage_counts([row.id for row in rows])
    listed = [_shown(row, counts.get(row.id, 0), principal) for row in rows]
    return {"documents": listed, "total": total}


@router.get("/{document_id}", response_model=DocumentView, summary="One document")
def document(document_id: str, services: ServicesDep, principal: Reader) -> Any:
    """Its state, and the reason when it failed."""
    return _wire(services, _readable(services, principal, document_id), principal)


@router.post("", status_code=202, response_model=DocumentView, summary="Add a document")
def add(
    file: Annotated[UploadFile, File(description="Markdown, text, HTML, PDF or DOCX.")],
    collection: Annotated[str, Form()],
    services: ServicesDep,
    principal: Changer,
    valid_until: Annotated[
        date | None, Form(description="Its last valid day; answers from it are held afterwards.")
    ] = None,
    key: IdempotencyKey = None,
) -> Any:
    """Accepted as pending; the ingestion worker makes it ready, or failed with a reason."""
    authorise(
        principal,
        "documents.change",
        [collection],
        "There is no such collection, or it is not yours to see.",
    )
    name = PurePosixPath((file.filename or "").replace("\\", "/")).name
    if not name or not name.isprintable() or not is_storable(name) or len(name) > MAX_NAME:
        raise Invalid(f"The upload needs a file name of 1 to {MAX_NAME} printable characters.")
    stored, digest = _store(services, file, collection, name)

    def run() -> dict[str, Any]:
        row, _ = services.corpus.add_document(
            collection, name, str(stored), digest, valid_until=valid_until
        )
        return _wire(services, row, principal)

    def again(document_id: str) -> dict[str, Any]:
        return _wire(services, _readable(services, principal, document_id), principal)

    request = ["add", collection, name, digest, *([str(valid_until)] if valid_until else [])]
    return once(services.access, principal, key, request, run, _id, again)


@router.delete("/{document_id}", status_code=204, summary="Remove a document")
def remove(document_id: str, services: ServicesDep, principal: Changer) -> None:
    """At once: no later answer can use or cite it."""
    _readable(services, principal, document_id)
    row = services.corpus.delete_document(document_id)
    stored = Path(row.stored_at)
    if stored.parent == services.settings.upload_dir.resolve():
        stored.unlink(missing_ok=True)


def _id(wire: dict[str, Any]) -> str:
    return str(wire["document_id"])


def _readable(services: Services, principal: Principal, document_id: str) -> DocumentRow:
    row = services.corpus.document(document_id)
    authorise(principal, "documents.read", [row.collection], "There is no such document.")
    return row


def _wire(services: Services, row: DocumentRow, principal: Principal) -> dict[str, Any]:
    return _shown(row, services.corpus.passage_counts([row.id]).get(row.id, 0), principal)


def _shown(row: DocumentRow, passages: int, principal: Principal) -> dict[str, Any]:
    """Where a document lies on the server is for operators only; others see its name."""
    wire = document_wire(row, passages)
    if "operator" not in principal.roles:
        wire["source"] = PurePosixPath(row.source).name
    return wire


def _store(services: Services, upload: UploadFile, collection: str, name: str) -> tuple[Path, str]:
    """Copy the upload to disk under a name of its own; returns its path and SHA-256.

    Two documents with the same content have two files: removing one leaves the other.
    """
    folder = services.settings.upload_dir.resolve()
    suffix = PurePosixPath(name).suffix[:16]
    owner = hashlib.sha256(json.dumps([collection, name]).encode()).hexdigest()[:16]
    partial = folder / f".{secrets.token_hex(8)}.partial"
    digest, size = hashlib.sha256(), 0
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as target:
            while block := upload.file.read(BLOCK):
                size += len(block)
                if size > services.settings.max_upload_bytes:
                    raise TooLarge("The document is larger than allowed.")
                digest.update(block)
                target.write(block)
        stored = folder / f"{owner}-{digest.hexdigest()}{suffix}"
        partial.replace(stored)
    except OSError as error:
        raise from_os_error(error) from error
    finally:
        partial.unlink(missing_ok=True)
    return stored, digest.hexdigest()
