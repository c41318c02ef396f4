"""Every failed request is a ``CountersignError``; a bad answer is data, not an error.

    CountersignError
    ├── BadRequest            400  the request cannot be read
    │   ├── QuestionEmpty
    │   ├── QuestionNotText
    │   └── SchemaRefused          the caller's JSON schema is not usable
    ├── Unauthenticated       401  no credentials, or wrong ones
    │   ├── CredentialsExpired
    │   └── OidcRefused            what came back from the sign-in provider does not hold
    ├── Forbidden             403  the principal may not do this
    │   ├── CsrfFailed
    │   └── OriginRefused          a page of a site that the widget's key does not name
    ├── NotFound              404  no such thing, or not for this principal
    ├── MethodNotAllowed      405
    ├── RequestTimeout        408  the body came too slowly
    ├── Conflict              409  somebody else was first, or the thing changed
    │   ├── AlreadyDecided
    │   ├── ClaimLost
    │   ├── ApprovalVoid
    │   ├── UndoTooLate
    │   ├── TooSoon                a risky task is decided before it can have been read
    │   ├── AuditBroken            the audit chain, or a checkpoint of it, does not hold
    │   ├── NotReplayable          the record lacks what judging needs
    │   └── RequestInProgress
    ├── TooLarge              413  the body exceeds a limit
    ├── Invalid               422  well-formed, but not acceptable
    │   ├── IdempotencyMismatch
    │   ├── EditNotSupported       a reviewer's text fails checks, and no reason says to release it
    │   ├── BackupRefused          an archive cannot be written or restored
    │   ├── PolicyRefused          a policy that was sent to be tried
    │   └── DocumentRefused        a document cannot be ingested (has its own reasons)
    ├── QuotaExceeded         429
    ├── Overloaded            503  retryable, with Retry-After
    ├── NotReady              503  no live index, or a model is still loading
    ├── DependencyFailed      503  database, disk or model server
    │   ├── StorageFull
    │   ├── SchemaOutdated         the database's schema is older than this release
    │   ├── SchemaNewer            the database's schema is newer than this release
    │   ├── SettingsInvalid        a setting, or the policy file, cannot be used
    │   └── ModelRefused           weights that do not match their manifest
    ├── DeadlineExceeded      504
    └── CallerGone            499  nobody waits for the answer any more

The one wire form is ``{code, message, retryable, request_id}``.
"""

import errno
import math
from typing import Any, ClassVar


class CountersignError(Exception):
    """A failed request: ``code`` is stable, ``message`` is for people.

    ``param`` names the part of the request at fault, where one is known; only OpenAI's form of an
    error tells it.
    """

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False
    retry_after_s: int | None = None
    default_message: ClassVar[str] = "Something went wrong on our side."

    def __init__(self, message: str | None = None, *, param: str | None = None) -> None:
        self.message, self.param = message or self.default_message, param
        super().__init__(self.message)

    def __reduce__(self) -> tuple[Any, ...]:
        """How it comes out of another process: as it was, whatever its constructor asks for."""
        return _as_it_was, (type(self), self.args, vars(self))

    def wire(self, request_id: str) -> dict[str, Any]:
        """The error as every route sends it."""
        return {
            "code": self.code,
            "message": self.message,
            "retryable": self.retryable,
            "request_id": request_id,
        }


def _as_it_was(
    kind: type[CountersignError], args: tuple[Any, ...], said: dict[str, Any]
) -> CountersignError:
    error = kind.__new__(kind, *args)
    vars(error).update(said)
    return error


class BadRequest(CountersignError):
    code, status = "bad_request", 400
    default_message = "The request could not be read."


class QuestionEmpty(BadRequest):
    code = "question_empty"
    default_message = "Please write a question."


class QuestionNotText(BadRequest):
    code = "question_not_text"
    default_message = "The question must be plain text; it holds control characters."


class SchemaRefused(BadRequest):
    code = "schema_refused"
    default_message = "The answer schema cannot be used."


class Unauthenticated(CountersignError):
    code, status = "unauthenticated", 401
    default_message = "Sign in, or send a valid API key."


class CredentialsExpired(Unauthenticated):
    code = "credentials_expired"
    default_message = "These credentials have expired or were revoked."


class OidcRefused(Unauthenticated):
    code = "oidc_refused"
    default_message = "The sign-in does not hold; please try again."


class Forbidden(CountersignError):
    code, status = "forbidden", 403
    default_message = "You are not allowed to do this."


class CsrfFailed(Forbidden):
    code = "csrf_failed"
    default_message = "The request lacks a valid CSRF token; reload the page."


class OriginRefused(Forbidden):
    code = "origin_refused"
    default_message = "This widget is not meant for this site."


class NotFound(CountersignError):
    code, status = "not_found", 404
    default_message = "There is no such thing, or you may not see it."


class MethodNotAllowed(CountersignError):
    code, status = "method_not_allowed", 405
    default_message = "This address does not take that method."


class RequestTimeout(CountersignError):
    code, status, retryable = "request_timeout", 408, True
    default_message = "The request came too slowly."


class Conflict(CountersignError):
    code, status = "conflict", 409
    default_message = "This conflicts with an earlier change."


class AlreadyDecided(Conflict):
    code = "already_decided"
    default_message = "This draft has already been decided."


class ClaimLost(Conflict):
    code = "claim_lost"
    default_message = "Another reviewer holds this draft, or your claim ran out."


class ApprovalVoid(Conflict):
    code = "approval_void"
    default_message = "What you saw has changed since; the approval does not count."


class UndoTooLate(Conflict):
    code = "undo_too_late"
    default_message = "This decision can be taken back no more; withdraw the answer instead."


class TooSoon(Conflict):
    code, retryable = "too_soon", True
    default_message = "This task is risky: start it and read it before you decide."


class NotReplayable(Conflict):
    code = "not_replayable"
    default_message = "This answer cannot be judged again from its record."


class RequestInProgress(Conflict):
    code, retryable, retry_after_s = "request_in_progress", True, 2
    default_message = "A request with this idempotency key is still running."


class TooLarge(CountersignError):
    code, status = "too_large", 413
    default_message = "The request is larger than allowed."


class Invalid(CountersignError):
    code, status = "invalid", 422
    default_message = "The request is well-formed but not acceptable."


class EditNotSupported(Invalid):
    code = "edit_not_supported"
    default_message = "The sources do not support this text; say why it is to go out all the same."


class IdempotencyMismatch(Invalid):
    code = "idempotency_mismatch"
    default_message = "This idempotency key was used for a different request."


class AuditBroken(Conflict):
    code = "audit_broken"
    default_message = "The audit chain does not hold."


class BackupRefused(Invalid):
    code = "backup_refused"
    default_message = "The archive cannot be used."


class PolicyRefused(Invalid):
    code = "policy_invalid"
    default_message = "The policy cannot be used."


class DocumentRefused(Invalid):
    """A document that cannot be ingested; ``reason`` is a stable code of its own."""

    code = "document_refused"

    def __init__(self, reason: str, message: str) -> None:
        self.reason = reason
        super().__init__(message)


class QuotaExceeded(CountersignError):
    code, status, retryable, retry_after_s = "quota_exceeded", 429, True, 60
    default_message = "Too many requests; try again in a minute."

    @classmethod
    def until(cls, what: str, seconds: float) -> "QuotaExceeded":
        """Too many of ``what``; one is free again after so many seconds."""
        wait = max(1, math.ceil(seconds))
        error = cls(f"Too many {what}; try again in {wait} second{'s' if wait > 1 else ''}.")
        error.retry_after_s = wait
        return error


class Overloaded(CountersignError):
    code, status, retryable, retry_after_s = "overloaded", 503, True, 2
    default_message = "The service is at its limit; try again shortly."


class NotReady(CountersignError):
    code, status, retryable, retry_after_s = "not_ready", 503, True, 5
    default_message = "The service is not ready: no index is live yet."


class DependencyFailed(CountersignError):
    code, status, retryable = "dependency_failed", 503, True
    retry_after_s: int | None = 5
    default_message = "A part the service depends on did not answer."


class StorageFull(DependencyFailed):
    code = "storage_full"
    default_message = "The disk is full; nothing was changed."


class SchemaOutdated(DependencyFailed):
    code, retryable, retry_after_s = "schema_outdated", False, None
    default_message = (
        "The database has an older schema than this release; run `countersign migrate` once."
    )


class SchemaNewer(DependencyFailed):
    code, retryable, retry_after_s = "schema_newer", False, None
    default_message = (
        "The database has a newer schema than this release; start the release that migrated it."
    )


class SettingsInvalid(DependencyFailed):
    code, retryable, retry_after_s = "settings_invalid", False, None
    default_message = "A setting cannot be used."


class ModelRefused(DependencyFailed):
    code, retryable, retry_after_s = "model_refused", False, None
    default_message = "A model file does not match its manifest."


class DeadlineExceeded(CountersignError):
    code, status, retryable = "deadline_exceeded", 504, True
    default_message = "The answer took too long."


class CallerGone(CountersignError):
    code, status, retryable = "caller_gone", 499, True
    default_message = "The caller hung up before the answer was there."


DISK_FULL = frozenset({errno.ENOSPC, errno.EFBIG, errno.EDQUOT})
MISNAMED = (
    FileNotFoundError,
    PermissionError,
    IsADirectoryError,
    NotADirectoryError,
    FileExistsError,
)
"""What another name or other rights would mend, and another try would not."""


def from_os_error(error: OSError, path: object = "") -> DependencyFailed | Invalid:
    """The coded form of a file system failure; a full disk is told apart.

    ``path`` is what whoever asked has named; others are not told where our files lie.
    """
    if error.errno in DISK_FULL:
        return StorageFull()
    told = f"{path or 'A file'} could not be read or written ({error.strerror})."
    return Invalid(told) if path and isinstance(error, MISNAMED) else DependencyFailed(told)


def error_classes(root: type[CountersignError] = CountersignError) -> list[type[CountersignError]]:
    """``root`` and all its subclasses, depth first (for docs and tests)."""
    return [root, *(c for child in root.__subclasses__() for c in error_classes(child))]
