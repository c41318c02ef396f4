"""Errors in OpenAI's form, on its addresses only; the codes are ours."""

from pydantic import BaseModel

from app.errors import CountersignError

ADDRESSES = ("/v1/chat/completions", "/v1/responses", "/v1/models", "/v1/embeddings")
BELOW = tuple(f"{address}/" for address in ADDRESSES)
TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}


class ErrorDetail(BaseModel):
    """What went wrong; ``param`` names the part of the request at fault, where one is known."""

    message: str
    type: str
    code: str
    param: str | None


class OpenAIErrorView(BaseModel):
    """An error as OpenAI's clients read it."""

    error: ErrorDetail


def is_openai(path: str) -> bool:
    """Whether this address, which may not exist, is one of OpenAI's."""
    return path in ADDRESSES or path.startswith(BELOW)


def openai_error(error: CountersignError) -> OpenAIErrorView:
    """The error in OpenAI's form."""
    kind = "server_error" if error.status >= 500 else "invalid_request_error"
    return OpenAIErrorView(
        error=ErrorDetail(
            message=error.message,
            type=TYPES.get(error.status, kind),
            code=error.code,
            param=error.param,
        )
    )
