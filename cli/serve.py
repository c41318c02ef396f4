"""``serve`` and ``ask``: the service over HTTP, and one question without it."""

import errno
import gc
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import structlog
import typer
from rich.panel import Panel
from rich.text import Text

from app.access.passwords import new_password
from app.access.principals import LOCAL, ROLES
from app.access.service import Access
from app.answering.answerer import Ask
from app.corpus.documents import USUAL_COLLECTION
from app.errors import Conflict, NotReady
from app.settings import Settings, unknown_variables
from app.telemetry import configure_logging
from app.wiring import Services, open_services
from cli.output import (
    Json,
    console,
    pages_of,
    print_json,
    print_rule,
    what_makes_an_index,
)

FIRST_USER = "admin"


def serve(
    ingest: Annotated[
        list[Path] | None, typer.Option(help="Ingest these files or folders first.")
    ] = None,
    collection: Annotated[str, typer.Option(help="Collection for --ingest.")] = USUAL_COLLECTION,
    create: Annotated[bool, typer.Option("--create", help="The collection may be new.")] = False,
    first_login: Annotated[
        bool, typer.Option(help="Create a first user when there is none, and show its password.")
    ] = True,
    workers: Annotated[
        int, typer.Option(help="Processes that serve, each with its models.", min=1, max=64)
    ] = 1,
    as_json: Json = False,
) -> None:
    """Start the service; Ctrl-C finishes what is running and stops."""
    from app.allocator import use_few_arenas
    from cli.ingest import ingest_paths, print_report

    use_few_arenas()
    settings = Settings()
    configure_logging()
    with bound(settings.host, settings.port) as doors:
        for said in unknown_variables():
            structlog.get_logger().warning("unknown_variable", message=said)
        services = open_services(settings)
        if ingest:
            if not create:
                services.corpus.documents.require_collection(collection)
            report = ingest_paths(services, ingest, collection, as_json)
            if not as_json:
                print_report(report)
        password = first_password(services.access) if first_login else None
        for door in doors:
            door.listen()  # whoever comes now waits for what is still loaded
        _announce(settings, password, as_json)
        if workers == 1:
            _run(settings, services, doors)
            return
        services.close()
        from cli.workers import run_workers

        run_workers(settings, workers, doors)


def _run(settings: Settings, services: Services, doors: list[socket.socket]) -> None:
    """Serve in this process until a signal."""
    gc.disable()  # until it serves (``prompt``): what a start makes stays
    import uvicorn

    from app import background
    from app.api.protocol import timed_protocol
    from app.main import create_app
    from cli.workers import prompt, server_options
    from ingestion.formats.page_image import PageImages
    from ingestion.worker import worker

    config = uvicorn.Config(
        create_app(settings, [worker, background.worker, prompt], services, PageImages()),
        http=timed_protocol(settings.header_timeout_s),
        **server_options(settings),
    )
    with suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(doors)


def ask(
    question: Annotated[str, typer.Argument(help="The question.")],
    collection: Annotated[
        list[str] | None, typer.Option(help="Search only this collection (repeatable).")
    ] = None,
    previous: Annotated[
        str | None, typer.Option(help="Id of the answer that this question follows.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Ask one question here, with the same checks and the same record as over HTTP."""
    services = open_services(Settings())
    try:
        answer = services.answerer.answer(
            LOCAL, Ask(question, collection, previous_answer_id=previous)
        )
    except NotReady as error:
        if services.corpus.versions.live() is not None:  # it is something else
            raise
        helps = what_makes_an_index(services.corpus.documents.collections())
        raise NotReady(f"{error.message} {helps}") from error
    finally:
        services.close()
    if as_json:
        print_json(asdict(answer))
    else:
        _print_answer(asdict(answer))


@contextmanager
def bound(host: str, port: int) -> Iterator[list[socket.socket]]:
    """Sockets of each address that a host has here; raises ``Conflict`` where they cannot be had.

    They are taken before anything is loaded, and nobody else gets them within the block.
    """
    doors: list[socket.socket] = []
    with ExitStack() as open_doors:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
            for family, _, _, _, address in dict.fromkeys(found):
                door = open_doors.enter_context(_door(family))
                try:
                    door.bind(address)
                except OSError as error:
                    # "localhost" may name an address of IPv6 where the system has none.
                    if error.errno != errno.EADDRNOTAVAIL or (
                        address == found[-1][4] and not doors
                    ):
                        raise
                else:
                    doors.append(door)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise Conflict(
                    f"Port {port} is taken; set COUNTERSIGN_PORT to another one."
                ) from error
            raise Conflict(
                f"Cannot listen on {place_of(host, port)} ({error.strerror}): COUNTERSIGN_HOST is "
                "an address of this machine, and COUNTERSIGN_PORT one that this user may take."
            ) from error
        yield doors


def _door(family: int) -> socket.socket:
    door = socket.socket(family, socket.SOCK_STREAM)
    door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:  # that of IPv4 is bound beside it where it is wanted
        door.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    return door


def place_of(host: str, port: int) -> str:
    """Host and port as an address has them."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def first_password(access: Access) -> str | None:
    """The password of the first account, which is made here; None where there are accounts."""
    if access.accounts.exist():
        return None
    password = new_password()
    try:
        access.accounts.create(FIRST_USER, ROLES, password=password)
    except Conflict:  # another process, started at the same moment, has made it and shows it
        return None
    return password


def _announce(settings: Settings, password: str | None, as_json: bool) -> None:
    address = f"http://{place_of(settings.host, settings.port)}"
    if as_json:
        login = {"username": FIRST_USER, "password": password} if password else None
        print_json({"chat": f"{address}/", "review": f"{address}/review", "first_login": login})
        return
    lines = [f"Chat    {address}/", f"Review  {address}/review"]
    if password:
        lines += ["", f"First login (shown once): {FIRST_USER}  {password}"]
    lines += ["", "Ctrl-C stops the service."]
    panel = Panel(Text("\n".join(lines)), title="Countersign", expand=False)
    console.print(panel, highlight=False, soft_wrap=False)


def _print_answer(answer: dict[str, Any]) -> None:
    print_rule(f"{answer['status']} · {answer['answer_id']}")
    searched = answer["searched"].get("question")
    if searched and searched != answer["question"]:
        console.print(f"searched for: {searched}", markup=False, style="dim")
    if answer["answer"] is None:
        console.print(answer["message"], markup=False)
        for choice in answer["choices"]:
            console.print(f"- {choice['label']}: {choice['question']}", markup=False)
        return
    console.print(answer["answer"]["text"], markup=False)
    for citation in answer["answer"]["citations"]:
        pages = pages_of(citation["page"], citation.get("last_page"))
        console.print(f"[{citation['number']}] {citation['title']}{pages}", markup=False)
        console.print(f"    {citation['quote']}", markup=False, style="dim")
    if answer["message"]:
        console.print(answer["message"], markup=False, style="yellow")
    if behind := _behind(answer):
        console.print(behind, markup=False, highlight=False, style="yellow")


def _behind(answer: dict[str, Any]) -> str:
    """What stands behind a release that no person has seen, in words."""
    gate = answer["gate"]
    if answer["released_by"] == "reviewer" or gate is None:
        return ""
    if gate["certified"]:
        weighed = ", weighed by the harm they do" if gate.get("weighed") else ""
        return f"certified: at most {gate['alpha']:.1%} of such answers are wrong{weighed}"
    return "provisional: nothing was measured on these documents" if gate["provisional"] else ""
