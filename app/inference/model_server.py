"""A generator behind an OpenAI-compatible model server."""

import asyncio
import json
import re
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import httpx
import stamina

from app.deadline import Deadline
from app.errors import DeadlineExceeded, DependencyFailed
from app.inference.hedging import Hedge
from app.inference.writing.drafting import ModelText, draft_of
from app.inference.writing.json_form import answer_schema
from app.inference.writing.prompt import (
    INSTRUCTIONS,
    JSON_INSTRUCTIONS,
    Messages,
    answerable,
    build_prompt,
    rewrite_prompt,
)
from app.ports import TOKENS_READ, TOKENS_WRITTEN, DraftRequest, RewriteRequest
from guardrails.contract import Draft

MOST_TOKENS = 10_000_000
"""A server that claims more for one answer does not count."""


class _Retryable(Exception):
    """The server may answer if asked again; the message says what it did and holds no secret."""


class OpenAIGenerator:
    """Any server that speaks OpenAI's ``/chat/completions``, such as vLLM.

    ``base_url`` comes from the server's settings only, ends before ``/chat/completions`` and
    holds no credentials; the API key appears in no message, log line or ``repr``. Every request
    of a batch is sent at once. ``timeout_s`` bounds the wait for one reply; the deadline bounds
    all tries together. ``as_json`` asks the server to hold its model to ``answer_schema``
    (``response_format``). ``hedged_share`` of the calls may be sent a second time (``Hedge``).
    Raises ``ValueError`` for a URL or key that cannot be used.
    Features: ``truncated`` and ``copied``, as ``TransformersGenerator`` has them; ``tokens_read``
    and ``tokens_written``, where the server says how many there were.
    """

    ATTEMPTS = 4
    MAX_REPLY_BYTES = 1_000_000
    MOST_READ, MOST_WRITTEN = 6_000, 160
    """Tokens of a prompt, roughly counted, and of a draft."""

    def __init__(
        self,
        base_url: str,
        model: str,
        api_key: str | None = None,
        timeout_s: float = 30.0,
        as_json: bool = False,
        hedged_share: float = 0.0,
    ) -> None:
        parts = urlsplit(base_url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username:
            raise ValueError("base_url must be http(s)://host/path, without credentials")
        if api_key is not None and not re.fullmatch(r"[!-~]+", api_key):
            raise ValueError("the API key holds characters that a header cannot carry")
        self.name = model
        self._base_url = base_url.rstrip("/")
        self._host = parts.netloc
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._timeout_s = timeout_s
        self._as_json = as_json
        self._hedge = Hedge(hedged_share) if hedged_share else None
        self._tls = httpx.create_ssl_context()

    def warm_up(self) -> None:
        """Ask the server for its models; raises ``DependencyFailed`` when it does not answer.

        A server without that route (404, 405) counts as reached.
        """
        asyncio.run(self._warm_up())

    def draft(self, requests: Sequence[DraftRequest]) -> list[Draft]:
        """One draft per request; call it from a thread that runs no event loop."""
        for request in requests:
            request.deadline.remaining()
        return asyncio.run(self._draft_all(requests))

    def rewrite(self, requests: Sequence[RewriteRequest]) -> list[str]:
        """Each question as the model says it stands alone; call it as ``draft``."""
        for request in requests:
            request.deadline.remaining()
        return asyncio.run(self._rewrite_all(requests))

    async def _rewrite_all(self, requests: Sequence[RewriteRequest]) -> list[str]:
        async with self._client() as client:
            return await asyncio.gather(*(self._rewrite(client, r) for r in requests))

    async def _rewrite(self, client: httpx.AsyncClient, request: RewriteRequest) -> str:
        prompt = rewrite_prompt(request, _count_roughly, self.MOST_READ)
        body = self._body(prompt.messages)
        reply = await self._send(client, "POST", "/chat/completions", body, request.deadline)
        text, truncated = self._read(reply)
        return "" if truncated else text

    async def _warm_up(self) -> None:
        limit = Deadline(self._timeout_s)
        try:
            async with self._client() as client:
                await self._send(client, "GET", "/models", None, limit, {404, 405})
        except DeadlineExceeded:
            raise self._silent() from None

    async def _draft_all(self, requests: Sequence[DraftRequest]) -> list[Draft]:
        async with self._client() as client:
            return await asyncio.gather(*(self._draft(client, r) for r in requests))

    async def _draft(self, client: httpx.AsyncClient, request: DraftRequest) -> Draft:
        if not answerable(request):
            return Draft((), (), self.name)
        instructions = JSON_INSTRUCTIONS if self._as_json else INSTRUCTIONS
        prompt = build_prompt(request, _count_roughly, self.MOST_READ, instructions)
        body = self._body(prompt.messages)
        if self._as_json:
            schema = answer_schema(len(prompt.evidence))
            form = {"name": "answer", "strict": True, "schema": schema}
            body["response_format"] = {"type": "json_schema", "json_schema": form}
        reply = await self._send(client, "POST", "/chat/completions", body, request.deadline)
        text, truncated = self._read(reply)
        figures = {"truncated": float(truncated), **_usage(reply)}
        written = ModelText(text, figures, truncated)
        try:
            return draft_of(request, prompt, written, self.name, self._as_json)
        except ValueError:
            raise DependencyFailed(
                f"the model server at {self._host} did not keep to response_format; "
                "set generator_constraint to none"
            ) from None

    def _body(self, messages: Messages) -> dict[str, Any]:
        return {
            "model": self.name,
            "messages": messages,
            "temperature": 0,
            "max_tokens": self.MOST_WRITTEN,
        }

    def _client(self) -> httpx.AsyncClient:
        # The environment's proxies and .netrc must not redirect evidence or change credentials.
        return httpx.AsyncClient(
            headers=self._headers, timeout=self._timeout_s, trust_env=False, verify=self._tls
        )

    async def _send(
        self,
        client: httpx.AsyncClient,
        method: str,
        route: str,
        body: dict[str, Any] | None,
        deadline: Deadline,
        also_fine: set[int] | frozenset[int] = frozenset(),
    ) -> bytes:
        """The reply's body, after retries; one time limit covers tries and pauses together."""
        retries = stamina.retry_context(
            on=_Retryable,
            attempts=self.ATTEMPTS,
            timeout=None,
            wait_initial=0.1,
            wait_max=2.0,
            wait_jitter=0.1,
        )
        send = partial(self._try, client, method, route, body, also_fine)
        try:
            async with asyncio.timeout(deadline.remaining()):
                async for attempt in retries:
                    with attempt:
                        return await self._once(send)
        except TimeoutError:
            raise DeadlineExceeded from None
        except _Retryable as error:
            raise DependencyFailed(str(error)) from None
        raise AssertionError("stamina ends by returning or raising")

    async def _once(self, send: Callable[[], Coroutine[Any, Any, bytes]]) -> bytes:
        return await (self._hedge.run(send) if self._hedge else send())

    async def _try(
        self,
        client: httpx.AsyncClient,
        method: str,
        route: str,
        body: dict[str, Any] | None,
        also_fine: set[int] | frozenset[int],
    ) -> bytes:
        # Causes are cut off ("from None"): the libraries' messages can quote headers.
        try:
            async with client.stream(method, self._base_url + route, json=body) as response:
                self._judge_status(response.status_code, also_fine)
                return await self._read_capped(response)
        except (httpx.ReadTimeout, httpx.WriteTimeout):
            raise self._silent() from None
        except httpx.TransportError as error:
            what = type(error).__name__
            raise _Retryable(f"the model server at {self._host} failed: {what}") from None
        except httpx.HTTPError as error:
            what = type(error).__name__
            raise DependencyFailed(f"the model server at {self._host} failed: {what}") from None

    def _silent(self) -> DependencyFailed:
        return DependencyFailed(
            f"the model server at {self._host} did not answer in {self._timeout_s:g} s"
        )

    def _judge_status(self, status: int, also_fine: set[int] | frozenset[int]) -> None:
        if status == 200 or status in also_fine:
            return
        message = f"the model server at {self._host} answered with status {status}"
        if status == 429 or status >= 500:
            raise _Retryable(message)
        raise DependencyFailed(message)

    async def _read_capped(self, response: httpx.Response) -> bytes:
        body = bytearray()
        async for block in response.aiter_bytes():
            body += block
            if len(body) > self.MAX_REPLY_BYTES:
                raise DependencyFailed(f"the model server at {self._host} sent too long a reply")
        return bytes(body)

    def _read(self, reply: bytes) -> tuple[str, bool]:
        """The text of a chat completion and whether it was stopped before its end."""
        try:
            choice = json.loads(reply)["choices"][0]
            text, reason = choice["message"].get("content"), choice.get("finish_reason")
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            text, reason = 0, None
        if text is not None and not isinstance(text, str):
            raise DependencyFailed(
                f"the model server at {self._host} sent no chat completion that can be read"
            )
        return text or "", reason not in {None, "stop"}


def _usage(reply: bytes) -> dict[str, float]:
    """The tokens that the server says it read and wrote; empty unless both are counts."""
    usage = json.loads(reply).get("usage")
    usage = usage if isinstance(usage, dict) else {}
    names = {TOKENS_READ: "prompt_tokens", TOKENS_WRITTEN: "completion_tokens"}
    counts = {feature: usage.get(name) for feature, name in names.items()}
    if not all(type(one) is int and 0 <= one < MOST_TOKENS for one in counts.values()):
        return {}
    return {feature: float(count) for feature, count in counts.items() if count is not None}


def _count_roughly(text: str) -> int:
    """Tokens, overestimated: three bytes each, since only the server has the tokenizer."""
    return len(text.encode("utf-8", "replace")) // 3 + 1
