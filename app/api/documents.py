"""Documents over HTTP: list, upload, remove. Ingestion itself runs elsewhere."""

from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, File, Form, Query, Request, Response, UploadFile
from fastapi import Path as PathParameter

from app.access.permissions import authorise
from app.access.principals import Principal
from app.api.requests import (
    FIELD,
    MAX_INT,
    Day,
    Guarded,
    IdempotencyKey,
    May,
    ServicesDep,
    Text,
    is_storable,
    once,
    only_known,
    page_limit,
)
from app.corpus.documents import check_collection_name
from app.corpus.passages import DocumentText
from app.corpus.registering import ValidDays
from app.corpus.uploads import Uploads
from app.corpus.views import DocumentsView, DocumentView
from app.errors import Conflict, CountersignError, DependencyFailed, Invalid, NotFound
from app.ports import PageImages
from app.wiring import Services

router = APIRouter(prefix="/v1/documents", tags=["documents"], route_class=Guarded)
Reader = Annotated[Principal, Depends(May("documents.read"))]
Changer = Annotated[Principal, Depends(May("documents.change"))]
MAX_NAME = 255


@router.get("", response_model=DocumentsView, summary="Documents in scope")
def documents(
    services: ServicesDep,
    principal: Reader,
    collection: str | None = None,
    limit: int = 100,
    offset: Annotated[int, Query(ge=0, le=MAX_INT)] = 0,
    state: Literal["pending", "ready", "failed"] | None = None,
    find: Annotated[Text, Query(max_length=200, description="Part of a title.")] = "",
) -> Any:
    """By source; failed ones say why. Operators also find by file name."""
    names = principal.readable(services.corpus.documents.collections())
    chosen = [name for name in names if collection in (None, name)]
    found = services.corpus.documents.page(
        chosen,
        limit=page_limit(limit, 500),
        offset=offset,
        state=state,
        find=find,
        in_source="operator" in principal.roles,
    )
    return replace(found, documents=[_shown(one, principal) for one in found.documents])


@router.get("/{document_id}", response_model=DocumentView, summary="One document")
def document(document_id: str, services: ServicesDep, principal: Reader) -> Any:
    """Its state, and the reason when it failed."""
    return _shown(_readable(services, principal, document_id), principal)


async def only_known_fields(request: Request) -> None:
    """Refuse a field of the form that the route has not: a date that is misspelt would be lost."""
    known = {field.alias for field in request.scope["route"].dependant.body_params}
    only_known((name for name, _ in (await request.form()).multi_items()), known, FIELD)


OnlyKnown = Depends(only_known_fields)


@router.post(
    "",
    status_code=202,
    response_model=DocumentView,
    summary="Add a document",
    dependencies=[OnlyKnown],
)
def add(
    file: Annotated[UploadFile, File(description="Its content says which format it is.")],
    collection: Annotated[str, Form()],
    services: ServicesDep,
    principal: Changer,
    valid_until: Annotated[
        Day | None, Form(description="Its last valid day; answers from it are held afterwards.")
    ] = None,
    valid_from: Annotated[
        Day | None, Form(description="Its first valid day; answers from it are held before.")
    ] = None,
    create: Annotated[bool, Form(description="The collection may be new.")] = False,
    key: IdempotencyKey = None,
) -> Any:
    """Accepted as pending; the ingestion worker makes it ready, or failed with a reason."""
    authorise(
        principal,
        "documents.change",
        [collection],
        "There is no such collection, or you may not see it.",
    )
    name, valid = _file_name(file), ValidDays(valid_from, valid_until)
    check_collection_name(collection)
    if not create:
        services.corpus.documents.require_collection(collection)
    uploads = _uploads(services)
    stored = uploads.store(file.file, name)
    unused = [stored.path]

    def run() -> DocumentView:
        added = services.corpus.documents.add(
            collection,
            name,
            str(stored.path),
            stored.sha256,
            valid=valid,
            owner=principal.name,
            size=stored.size,
            by=principal.name,
            create=create,
        )
        unused[:] = [Path(added.replaced)]
        return _shown(services.corpus.documents.get(added.document_id), principal)

    def again(document_id: str) -> DocumentView:
        return _shown(_readable(services, principal, document_id), principal)

    days = [str(valid_until)] if valid_until else []
    days += [f"from {valid_from}"] if valid_from else []
    request = ["add", collection, name, stored.sha256, *days]
    try:
        return once(services.access, principal, key, request, run, again)
    except DependencyFailed:
        # It may be stored all the same, and name the file. If it does not, the worker sweeps it.
        unused.clear()
        raise
    finally:
        for path in unused:
            uploads.remove(path)


@router.get(
    "/{document_id}/passages", response_model=DocumentText, summary="The text of a document"
)
def passages(
    document_id: str,
    services: ServicesDep,
    principal: Reader,
    first: Annotated[int, Query(ge=0, le=MAX_INT)] = 0,
    limit: int = 100,
    around: Annotated[Text | None, Query(max_length=64, description="A passage's id.")] = None,
) -> Any:
    """Its passages in their order, with their headings. ``start`` and ``end`` count characters of
    the document: where passages overlap, the same words stand in both."""
    found = _readable(services, principal, document_id)
    text = services.corpus.passages.text_of(
        found.document_id, first=first, limit=page_limit(limit, 500), around=around
    )
    if "operator" in principal.roles:
        return text
    return replace(text, passages=[replace(one, suspect=None) for one in text.passages])


@router.get(
    "/{document_id}/pages/{page}/image",
    summary="A page as it looks",
    response_class=Response,
    responses={200: {"content": {"image/png": {}}}},
)
def page_image(
    document_id: str,
    page: Annotated[int, PathParameter(ge=1, le=MAX_INT)],
    request: Request,
    services: ServicesDep,
    principal: Reader,
) -> Response:
    """A page of a PDF as PNG, drawn out of the file that was read; 404 for other documents."""
    found = _readable(services, principal, document_id)
    path, sha256 = services.corpus.documents.printed(found.document_id)
    images: PageImages | None = request.app.state.page_images
    if images is None:
        raise NotFound("Pages are not drawn here.")
    return Response(images.image(Path(path), sha256, page), media_type="image/png")


@router.put(
    "/{document_id}",
    status_code=202,
    response_model=DocumentView,
    summary="Replace",
    dependencies=[OnlyKnown],
)
def change(
    document_id: str,
    file: Annotated[UploadFile, File(description="The document's new content, in any format.")],
    services: ServicesDep,
    principal: Changer,
    valid_until: Annotated[Day | None, Form(description="As in `POST /v1/documents`.")] = None,
    valid_from: Annotated[Day | None, Form(description="As in `POST /v1/documents`.")] = None,
) -> Any:
    """New content for a document that keeps its id; until it is ready, the old content answers."""
    found = _readable(services, principal, document_id)
    uploads, valid = _uploads(services), ValidDays(valid_from, valid_until)
    stored = uploads.store(file.file, _file_name(file))
    try:
        added = services.corpus.documents.add(
            found.collection,
            found.source,
            str(stored.path),
            stored.sha256,
            valid=valid,
            owner=principal.name,
            size=stored.size,
            by=principal.name,
        )
    except CountersignError as error:
        if not isinstance(error, DependencyFailed):  # else it may be stored, and name the file
            uploads.remove(stored.path)
        raise
    uploads.remove(added.replaced)
    return _shown(services.corpus.documents.get(added.document_id), principal)


@router.post(
    "/{document_id}/retry", status_code=202, response_model=DocumentView, summary="Try again"
)
def retry(document_id: str, services: ServicesDep, principal: Changer) -> Any:
    """Ingest a document again that failed; 409 for any other."""
    _readable(services, principal, document_id)
    if not services.corpus.documents.retry([document_id]):
        raise Conflict("Only a document that failed can be tried again.")
    return _shown(services.corpus.documents.get(document_id), principal)


@router.delete("/{document_id}", status_code=204, summary="Remove a document")
def remove(document_id: str, services: ServicesDep, principal: Changer) -> None:
    """At once: no later answer can use or cite it."""
    _readable(services, principal, document_id)
    _uploads(services).remove(services.corpus.documents.delete(document_id))


def _file_name(file: UploadFile) -> str:
    name = PurePosixPath((file.filename or "").replace("\\", "/")).name
    if not name or not name.isprintable() or not is_storable(name) or len(name) > MAX_NAME:
        raise Invalid(f"The upload needs a file name of 1 to {MAX_NAME} printable characters.")
    return name


def _readable(services: Services, principal: Principal, document_id: str) -> DocumentView:
    found = services.corpus.documents.get(document_id)
    authorise(principal, "documents.read", [found.collection], "There is no such document.")
    return found


def _shown(document: DocumentView, principal: Principal) -> DocumentView:
    """Where a document lies on the server is for operators only; others see its name."""
    if "operator" in principal.roles:
        return document
    return replace(document, source=PurePosixPath(document.source).name)


def _uploads(services: Services) -> Uploads:
    return Uploads(services.settings.upload_dir, services.settings.max_upload_bytes)
