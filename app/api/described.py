"""What the OpenAPI document says beside the forms: each operation's role, reach and errors."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from fastapi.routing import APIRoute

from app import errors
from app.access.permissions import RULES, Reach
from app.api.requests import SAFE_METHODS, Guarded
from app.errors import CountersignError, error_classes

GROUPS: Mapping[str, str] = {
    "questions": "Ask, search, read answers, and open what they cite.",
    "conversations": "What a chat works with: threads, suggestions, feedback.",
    "openai": "The same for OpenAI's clients.",
    "reviews": "The queue of held drafts: list, claim, change, decide; and what was released.",
    "labelling": "One task after the other, for the labels of a certificate.",
    "documents": "Add, read, replace and remove documents; passages that seem to give orders.",
    "jobs": "What is being ingested, and how far it is.",
    "widget": "The chat on other sites, by a publishable key.",
    "sessions": "Sign-in by a browser, and one's own password.",
    "accounts": "People and programs, their roles, scopes and keys.",
    "operations": "Health, metrics, index versions, the policy, checks of the audit chain.",
    "gate": "How answers are released, and the kill switch.",
}
"""The groups of operations, in the order of the reference."""
Errors = Sequence[type[CountersignError]]
DECIDING: Errors = (errors.AlreadyDecided, errors.ClaimLost, errors.ApprovalVoid)
ASKING: Errors = (errors.QuestionEmpty, errors.QuestionNotText)
OF_WIDGETS: Errors = (
    errors.NotFound,
    errors.OriginRefused,
    errors.Unauthenticated,
    errors.CredentialsExpired,
)
OF_THEIR_OWN: Mapping[tuple[str, str], Errors] = {
    ("POST", "/v1/session"): (errors.Unauthenticated, errors.QuotaExceeded),
    ("POST", "/v1/session/oidc"): (errors.NotFound, errors.QuotaExceeded, errors.SettingsInvalid),
    ("POST", "/v1/session/oidc/finish"): (
        errors.OidcRefused,
        errors.Forbidden,
        errors.Conflict,
        errors.NotFound,
        errors.QuotaExceeded,
        errors.Unauthenticated,
    ),
    ("PUT", "/v1/session/password"): (errors.Forbidden, errors.QuotaExceeded),
    ("POST", "/v1/ask"): (*ASKING, errors.SchemaRefused),
    ("POST", "/v1/search"): ASKING,
    ("POST", "/v1/chat/completions"): (*ASKING, errors.SchemaRefused),
    ("POST", "/v1/responses"): (*ASKING, errors.SchemaRefused),
    ("POST", "/v1/embeddings"): (errors.QuotaExceeded, errors.NotReady, errors.Overloaded),
    ("POST", "/v1/documents"): (errors.DocumentRefused,),
    ("PUT", "/v1/documents/{document_id}"): (errors.DocumentRefused,),
    ("GET", "/v1/documents/{document_id}/pages/{page}/image"): (
        errors.DocumentRefused,
        errors.Overloaded,
    ),
    ("POST", "/v1/documents/{document_id}/retry"): (errors.Conflict,),
    ("POST", "/v1/index/rollback"): (errors.Conflict,),
    ("POST", "/v1/index/{version_id}/promote"): (errors.Conflict,),
    ("POST", "/v1/policy/dry-run"): (errors.PolicyRefused,),
    ("POST", "/v1/users"): (errors.Conflict,),
    ("PUT", "/v1/users/{name}"): (errors.Conflict,),
    ("POST", "/v1/keys"): (errors.NotFound,),
    ("POST", "/v1/reviews/{task_id}/claim"): DECIDING,
    ("POST", "/v1/reviews/{task_id}/comments"): DECIDING,
    ("PUT", "/v1/reviews/{task_id}/assignment"): DECIDING,
    ("PUT", "/v1/reviews/{task_id}/snooze"): DECIDING,
    ("POST", "/v1/reviews/{task_id}/escalate"): DECIDING,
    ("POST", "/v1/reviews/{task_id}/evidence"): DECIDING,
    ("POST", "/v1/reviews/{task_id}/draft"): (*DECIDING, errors.Conflict, errors.NotReady),
    ("POST", "/v1/reviews/{task_id}/decision"): (*DECIDING, errors.EditNotSupported),
    ("POST", "/v1/reviews/{task_id}/undo"): (errors.UndoTooLate, errors.Conflict),
    ("POST", "/v1/released/{answer_id}/withdrawal"): (errors.Conflict,),
    ("POST", "/v1/released/{answer_id}/review"): (errors.Conflict,),
    ("POST", "/v1/released/{answer_id}/keep"): (errors.Conflict,),
    ("GET", "/readyz"): (errors.NotReady,),
    ("POST", "/v1/widget-keys"): (errors.NotFound,),
    ("POST", "/v1/widget/{key}/visits"): (*OF_WIDGETS, errors.QuotaExceeded),
    ("POST", "/v1/widget/{key}/questions"): (*OF_WIDGETS, *ASKING, errors.Forbidden),
    ("GET", "/v1/widget/{key}/answers"): OF_WIDGETS,
    ("GET", "/v1/widget/{key}/answers/{answer_id}"): OF_WIDGETS,
    ("GET", "/v1/widget/{key}/answers/{answer_id}/events"): OF_WIDGETS,
}
"""Errors that follow from what an operation does, and not from how it is called."""


def groups() -> list[dict[str, str]]:
    """The groups as OpenAPI writes them."""
    return [{"name": name, "description": what} for name, what in GROUPS.items()]


def describe(document: dict[str, Any], routes: Iterable[APIRoute]) -> None:
    """Add the role, the reach and the errors of each operation to the document, and all errors.

    ``x-role`` is null where any caller may; operations without ``x-reach`` are public.
    """
    document["x-errors"] = [_told(kind) for kind in error_classes()]
    for route in routes:
        for method in (route.methods or ()) if route.include_in_schema else ():
            operation = document["paths"][route.path_format][method.lower()]
            action = route.action if isinstance(route, Guarded) else None
            if action is not None:
                rule = RULES[action]
                operation["x-role"], operation["x-reach"] = rule.role, rule.reach.name.lower()
            codes = dict.fromkeys(kind.code for kind in _errors(route, method, operation))
            operation["x-errors"] = list(codes)


def _told(kind: type[CountersignError]) -> dict[str, object]:
    return {
        "code": kind.code,
        "status": kind.status,
        "retryable": kind.retryable,
        "retry_after_s": kind.retry_after_s,
        "message": kind.default_message,
    }


def _errors(
    route: APIRoute, method: str, operation: Mapping[str, Any]
) -> Iterator[type[CountersignError]]:
    """What the operation can refuse with, in the order in which it is looked at."""
    action = route.action if isinstance(route, Guarded) else None
    if action is not None:
        yield from (errors.Unauthenticated, errors.CredentialsExpired)
        if method not in SAFE_METHODS:
            yield errors.CsrfFailed
        if RULES[action].role is not None or RULES[action].reach is Reach.SERVICE:
            yield errors.Forbidden
        if "{" in route.path or RULES[action].reach is Reach.COLLECTION:
            yield errors.NotFound
    if "requestBody" in operation:
        yield from (errors.RequestTimeout, errors.TooLarge)
    if "requestBody" in operation or operation.get("parameters"):
        yield errors.BadRequest
    if "requestBody" in operation or operation.get("parameters") or _only_known(route):
        yield errors.Invalid
    if any(one["name"] == "Idempotency-Key" for one in operation.get("parameters", ())):
        yield from (errors.RequestInProgress, errors.IdempotencyMismatch)
    yield from OF_THEIR_OWN.get((method, route.path_format), ())
    if isinstance(route, Guarded) and route.answers:
        yield from (errors.QuotaExceeded, errors.Overloaded, errors.NotReady)
        yield errors.DeadlineExceeded
    yield errors.DependencyFailed
    if method not in SAFE_METHODS:
        yield errors.StorageFull
    yield errors.CountersignError


def _only_known(route: APIRoute) -> bool:
    return isinstance(route, Guarded) and route.only_known
