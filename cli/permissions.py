"""What each command does, as ``app.access.permissions`` names it: authorised before it runs."""

from collections.abc import Callable, Mapping
from typing import Any

from app.access.permissions import Action, authorise
from app.access.principals import Principal

ACTIONS: Mapping[str, Action] = {
    "ask": "answers.ask",
    "audit checkpoint": "service.operate",
    "audit export": "records.prove",
    "audit rotate": "service.operate",
    "audit seal": "service.operate",
    "audit verify": "records.prove",
    "background run": "service.operate",
    "backup": "service.operate",
    "canary answers": "records.prove",
    "canary start": "gate.switch",
    "canary status": "gate.read",
    "canary stop": "gate.switch",
    "doctor": "service.operate",
    "erase answer": "service.operate",
    "erase document": "service.operate",
    "erase principal": "service.operate",
    "export": "records.prove",
    "gaps": "gaps.read",
    "gate carry": "gate.certify",
    "gate certify": "gate.certify",
    "gate clear": "gate.certify",
    "gate disagreements": "gate.read",
    "gate look": "gate.certify",
    "gate mode": "gate.switch",
    "gate plan": "gate.read",
    "gate report": "gate.read",
    "gate revoke": "gate.certify",
    "gate status": "gate.read",
    "gold add": "gold.manage",
    "gold import": "gold.manage",
    "gold list": "gold.manage",
    "index admit": "documents.audit",
    "index build": "index.change",
    "index list": "index.read",
    "index promote": "index.change",
    "index rollback": "index.change",
    "index suspects": "documents.audit",
    "ingest cancel": "jobs.change",
    "ingest files": "documents.change",
    "ingest jobs": "jobs.read",
    "ingest retry": "jobs.change",
    "ingest show": "jobs.read",
    "keys create": "accounts.manage",
    "keys list": "accounts.manage",
    "keys revoke": "accounts.manage",
    "larger": "gate.read",
    "mcp": "answers.ask",
    "migrate": "service.operate",
    "models list": "service.operate",
    "models verify": "service.operate",
    "notices again": "service.operate",
    "notices list": "service.operate",
    "notices test": "service.operate",
    "policy check": "policy.read",
    "policy diff": "policy.try",
    "policy shadow": "policy.try",
    "policy test": "policy.read",
    "regress": "records.prove",
    "replay": "records.prove",
    "restore": "service.operate",
    "review again": "reviews.decide",
    "review approve": "reviews.decide",
    "review changed": "reviews.read",
    "review edits": "reviews.read",
    "review list": "reviews.read",
    "review reject": "reviews.decide",
    "review show": "reviews.read",
    "review withdraw": "reviews.decide",
    "serve": "service.operate",
    "users create": "accounts.manage",
    "users disable": "accounts.manage",
    "users enable": "accounts.manage",
    "users list": "accounts.manage",
    "users reviewing": "accounts.manage",
    "users reset": "accounts.manage",
    "users role": "accounts.manage",
    "users scope": "accounts.manage",
    "users sessions": "accounts.manage",
    "widgets create": "accounts.manage",
    "widgets list": "accounts.manage",
    "widgets revoke": "accounts.manage",
}


def guard(command: Any, caller: Principal, name: str = "") -> Any:
    """The command with every command below it authorised for ``caller`` before it runs.

    Raises ``KeyError`` for one that has no action: a new command needs a row above.
    """
    below = getattr(command, "commands", None)
    if below is None:
        command.callback = _authorised(command.callback, caller, ACTIONS[name])
        return command
    for word, child in below.items():
        guard(child, caller, f"{name} {word}".strip())
    return command


def _authorised(run: Callable[..., Any], caller: Principal, action: Action) -> Callable[..., Any]:
    def authorised(*arguments: Any, **options: Any) -> Any:
        authorise(caller, action)
        return run(*arguments, **options)

    return authorised
