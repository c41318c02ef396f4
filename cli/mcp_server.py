"""``mcp``: a running service as a server of the Model Context Protocol, over standard input."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from app.errors import DependencyFailed, SettingsInvalid
from app.settings import Settings
from countersign import __version__
from countersign.client import Answer, AsyncClient, ClientError, Collection, Hit, Passage

if TYPE_CHECKING:
    from mcp.server import MCPServer

KEY = "COUNTERSIGN_API_KEY"
MOST_WAIT_S = 300.0
"""Programs give up on a tool that takes longer."""
INSTRUCTIONS = (
    "Answers from an organisation's own documents, each sentence with its source. An answer with "
    "the status held waits for a person: its text is not known yet. Call follow with its id later, "
    "and never make up what it might say."
)


def serve_mcp(
    address: Annotated[
        str | None, typer.Option(help="Where the service runs; by default as the settings say.")
    ] = None,
) -> None:
    """Let a program that speaks MCP ask a running service; its key is in COUNTERSIGN_API_KEY."""
    key = os.environ.get(KEY, "")
    if not key:
        raise SettingsInvalid(f"{KEY} holds no API key: `countersign keys create NAME` makes one.")
    settings = Settings()
    build_server(address or f"http://{settings.host}:{settings.port}", key).run()


def build_server(address: str, key: str) -> "MCPServer":
    """The server whose tools call the service at ``address``; raises ``DependencyFailed``
    without the SDK."""
    try:
        from mcp.server import MCPServer
    except ImportError as error:
        raise DependencyFailed("MCP needs its SDK: install countersign[mcp].") from error
    service = AsyncClient(address, key)
    server: MCPServer = MCPServer(
        "countersign", instructions=INSTRUCTIONS, version=__version__, log_level="WARNING"
    )

    @server.tool()
    async def ask(
        question: str, collections: list[str] | None = None, previous_answer_id: str | None = None
    ) -> Answer:
        """Ask the documents. `status` says whether there is an answer: `released` (in `answer`,
        with citations), `held` (a person is checking, call follow), `abstained` (where `choices`
        say what the question may be about, ask one of them; `message` says why) or `blocked`."""
        with _told():
            return await service.ask(question, collections=collections, previous=previous_answer_id)

    @server.tool()
    async def follow(answer_id: str, wait_s: float = 0.0) -> Answer:
        """An answer as it stands now, or when a person has decided, within `wait_s` seconds."""
        with _told():
            if wait_s > 0:
                try:
                    return await service.follow(answer_id, min(wait_s, MOST_WAIT_S))
                except TimeoutError:
                    pass  # nobody has decided yet
            return await service.answer(answer_id)

    @server.tool()
    async def search(
        question: str, collections: list[str] | None = None, limit: int = 5
    ) -> list[Hit]:
        """The passages that are closest to a question, best first: sources, and no answer."""
        with _told():
            return await service.search(question, collections=collections, limit=limit)

    @server.tool()
    async def passage(passage_id: str) -> Passage:
        """The whole passage that a citation points into."""
        with _told():
            return await service.passage(passage_id)

    @server.tool()
    async def collections() -> list[Collection]:
        """The collections of documents that can be asked."""
        with _told():
            return await service.collections()

    return server


@contextmanager
def _told() -> Iterator[None]:
    """What the service refuses, the model is told."""
    import httpx
    from mcp.server.mcpserver.exceptions import ToolError

    try:
        yield
    except ClientError as error:
        raise ToolError(str(error)) from error
    except httpx.TransportError as error:
        raise ToolError("The service cannot be reached (dependency_failed)") from error
