"""Every command with the line that help shows; its module is imported when it is called."""

import gc
import logging
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

COMMANDS = {
    "serve": ("cli.serve:serve", "Start the service; Ctrl-C finishes what is running and stops."),
    "ingest": ("cli.ingest:ingest_commands", "Ingest files and folders; jobs, and what failed."),
    "ask": (
        "cli.serve:ask",
        "Ask one question here, with the same checks and the same record as over HTTP.",
    ),
    "mcp": (
        "cli.mcp_server:serve_mcp",
        "Let a program that speaks MCP ask a running service; its key is in COUNTERSIGN_API_KEY.",
    ),
    "replay": (
        "cli.records:replay",
        "Judge a recorded answer again; its own policy must give the same verdict.",
    ),
    "export": (
        "cli.records:export",
        "Write all evidence of one answer with its proof, as `audit export` does.",
    ),
    "regress": (
        "cli.regress:regress",
        "Ask every corrected question again; exit status 1 when a mistake would go out again.",
    ),
    "erase": (
        "cli.erase:erase_commands",
        "Erase the words of an answer, a document or a principal, for good.",
    ),
    "audit": ("cli.audit:audit_commands", "The audit chain: verify, sign, export."),
    "index": ("cli.index:index_commands", "Index versions."),
    "review": ("cli.review:review_commands", "The review queue."),
    "gaps": (
        "cli.gaps:gaps",
        "Questions that got no answer, those that ask the same together; the most asked first.",
    ),
    "canary": (
        "cli.canary:canary_commands",
        "Try another version of the generator on a share of the questions.",
    ),
    "larger": (
        "cli.larger:larger",
        "What the larger generator gains, by what is asked, and what is left of its budget.",
    ),
    "gate": ("cli.gate:gate_commands", "The release gate."),
    "gold": ("cli.gold:gold_commands", "Gold items, which measure reviewers."),
    "policy": ("cli.policies:policy_commands", "Policies: check, test, try."),
    "models": ("cli.models:model_commands", "Shipped models."),
    "keys": ("cli.people:key_commands", "API keys."),
    "users": ("cli.people:user_commands", "Accounts."),
    "notices": (
        "cli.notices:notice_commands",
        "Notices: what waits, and a test of webhook and mail.",
    ),
    "widgets": ("cli.people:widget_commands", "Keys of chat widgets on other sites."),
    "background": (
        "cli.background:background_commands",
        "Periodic work: expiry of reviews, drift, purge.",
    ),
    "backup": (
        "cli.backup:write_backup",
        "Write database, index versions, uploads and keys into one archive; the service may go on.",
    ),
    "restore": (
        "cli.backup:restore_backup",
        "Restore an archive into an empty database and data folder, and verify its audit chain.",
    ),
    "migrate": (
        "cli.schema:migrate_database",
        "Migrate the database; one process does it, others wait.",
    ),
    "doctor": (
        "cli.doctor:doctor",
        "Show every setting and try every part; exit status 1 when something is missing.",
    ),
}
"""Name: where the command is, and the first sentence of its own help."""


class Commands(TyperGroup):
    """The commands of ``COMMANDS``. Importing all of them would take a second."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, (_, line) in COMMANDS.items():
            self.commands[name] = TyperCommand(name, help=line)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] in COMMANDS:
            self.commands[args[0]] = load_command(args[0])
        return super().resolve_command(ctx, args)


def load_command(name: str) -> Any:
    """The command itself, authorised before it runs; groups hold the commands below them."""
    from app.access.principals import LOCAL
    from app.telemetry import configure_logging
    from cli.permissions import guard

    # The default writes to standard output, and shows local variables: keys, words of documents.
    configure_logging(logging.WARNING)
    module, _, attribute = COMMANDS[name][0].partition(":")
    found = getattr(import_module(module), attribute)
    if not gc.isenabled():  # what is imported stays
        gc.freeze()
        gc.enable()
    if isinstance(found, typer.Typer):
        command: Any = typer.main.get_group(found)
    else:
        alone = typer.Typer(add_completion=False)
        alone.command(name)(found)
        command = typer.main.get_command(alone)
    command.name = name
    return guard(command, LOCAL, name)
