"""``users``, ``keys`` and ``widgets``: accounts, passwords, sign-ins, and keys of every kind."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Annotated, Any

import typer

from app.access.accounts import Account
from app.access.passwords import new_password
from app.access.principals import LOCAL
from app.access.service import Access
from app.access.widgets import QUESTIONS_PER_MINUTE
from app.errors import Invalid
from app.settings import Settings
from app.wiring import open_database
from cli.output import Json, console, print_json, print_table

user_commands = typer.Typer(help="Accounts.", no_args_is_help=True)
key_commands = typer.Typer(help="API keys.", no_args_is_help=True)
widget_commands = typer.Typer(help="Keys of chat widgets on other sites.", no_args_is_help=True)
Role = Annotated[list[str], typer.Option(help="asker, reviewer, operator or admin (repeatable).")]
Collections = Annotated[
    list[str] | None, typer.Option(help="Collection they may read (repeatable); default all.")
]


@user_commands.command("create")
def create_user(
    name: str, role: Role, collection: Collections = None, as_json: Json = False
) -> None:
    """Add an account; the generated password is shown once."""
    password = new_password()
    with _access() as access:
        access.accounts.create(name, role, scope=collection, password=password)
    if as_json:
        print_json({"name": name, "roles": role, "scope": collection, "password": password})
    else:
        _print_password(name, password)


@user_commands.command("list")
def list_users(as_json: Json = False) -> None:
    """Every account, with its sign-ins and keys that are in force."""
    with _access() as access:
        found = access.accounts.all()
    if as_json:
        print_json({"users": [asdict(account) for account in found]})
        return
    columns = ["name", "roles", "collections", "state", "sign-ins", "keys", "since"]
    print_table("Accounts", columns, [_cells(account) for account in found])


@user_commands.command("role")
def set_roles(name: str, role: Role, as_json: Json = False) -> None:
    """Give an account other roles; they count from the next request."""
    with _access() as access:
        _told(access.accounts.change(name, LOCAL.name, roles=role), as_json)


@user_commands.command("scope")
def set_scope(name: str, collection: Collections = None, as_json: Json = False) -> None:
    """Give an account other collections to read; without --collection it may read all."""
    with _access() as access:
        _told(access.accounts.change(name, LOCAL.name, scope=collection), as_json)


@user_commands.command()
def reviewing(
    name: str,
    authority: Annotated[
        str | None, typer.Option(help="By what right they review: a role, a licence.")
    ] = None,
    trained_on: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="When they were last trained.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say by what authority somebody reviews and when they were trained; exports show it."""
    given: dict[str, Any] = {} if trained_on is None else {"trained_on": trained_on.date()}
    with _access() as access:
        _told(access.accounts.change(name, LOCAL.name, authority=authority, **given), as_json)


@user_commands.command()
def disable(name: str, as_json: Json = False) -> None:
    """Lock an account out: its sign-ins, event streams and API keys end at once."""
    with _access() as access:
        _told(access.accounts.change(name, LOCAL.name, disabled=True), as_json)


@user_commands.command()
def enable(name: str, as_json: Json = False) -> None:
    """Let a disabled account in again; it needs new API keys."""
    with _access() as access:
        _told(access.accounts.change(name, LOCAL.name, disabled=False), as_json)


@user_commands.command()
def reset(name: str, as_json: Json = False) -> None:
    """A new generated password, shown once; every sign-in of the account ends."""
    password = new_password()
    with _access() as access:
        access.accounts.reset_password(name, password, LOCAL.name)
    if as_json:
        print_json({"name": name, "password": password})
    else:
        _print_password(name, password)


@user_commands.command()
def sessions(
    name: str,
    end: Annotated[bool, typer.Option("--end", help="End all of them.")] = False,
    as_json: Json = False,
) -> None:
    """The sign-ins of an account that are in force."""
    with _access() as access:
        found = access.sessions.all(name)
        ended = access.sessions.end_all(name) if end else 0
    if as_json:
        print_json({"sessions": [asdict(entry) for entry in found], "ended": ended})
        return
    rows = [(entry.session_id, entry.started_at, entry.expires_at) for entry in found]
    print_table("Sign-ins", ["sign-in", "started", "ends"], rows)
    if end:
        console.print(f"{ended} ended.", highlight=False)


@key_commands.command("list")
def list_keys(
    user: Annotated[str | None, typer.Option(help="Only keys of this account.")] = None,
    as_json: Json = False,
) -> None:
    """API keys, newest first: when they expire, and when they were last used."""
    with _access() as access:
        found = access.keys.all(user)
    if as_json:
        print_json({"keys": [asdict(entry) for entry in found]})
        return
    columns = ["key", "account", "made", "expires", "revoked", "last used"]
    print_table("API keys", columns, [list(asdict(entry).values()) for entry in found])


@key_commands.command("create")
def create_key(
    user: Annotated[str, typer.Argument(help="The account the key belongs to.")],
    days: Annotated[
        float | None, typer.Option(help="Days until it expires; default never.", min=0, max=36_500)
    ] = None,
    as_json: Json = False,
) -> None:
    """Create an API key; it is shown once."""
    if days is not None and days <= 0:
        raise Invalid("A key must last for some time: more than 0 days, or for ever.")
    lifetime = timedelta(days=days) if days is not None else None
    with _access() as access:
        made = access.keys.create(user, lifetime=lifetime)
    if as_json:
        print_json(asdict(made))
    else:
        console.print(f"Key {made.key_id} (shown once): {made.key}", highlight=False, markup=False)


@key_commands.command("revoke")
def revoke_key(key_id: str, as_json: Json = False) -> None:
    """End an API key at once."""
    with _access() as access:
        access.keys.revoke(key_id)
    if as_json:
        print_json({"key_id": key_id, "revoked": True})
    else:
        console.print(f"Key {key_id} is revoked.", highlight=False)


@widget_commands.command("create")
def create_widget(
    user: Annotated[str, typer.Argument(help="The account whose scope the widget searches.")],
    origin: Annotated[
        list[str], typer.Option(help="A site that may show it, https://example.org (repeatable).")
    ],
    questions_per_minute: Annotated[
        int, typer.Option(help="Questions of all its visitors in a minute.", min=1, max=10_000)
    ] = QUESTIONS_PER_MINUTE,
    as_json: Json = False,
) -> None:
    """Make a key for a chat widget on other sites; its secret is shown once."""
    with _access() as access:
        made = access.widgets.create(user, origin, questions_per_minute=questions_per_minute)
    if as_json:
        print_json(asdict(made))
        return
    lines = (
        f"Key {made.key_id}: {made.key}",
        f"Secret (shown once), for a server that signs its users: {made.secret}",
        f'In the page: <script src="ADDRESS/widget.js" data-key="{made.key}"></script>',
    )
    for line in lines:
        console.print(line, highlight=False, markup=False)


@widget_commands.command("list")
def list_widgets(
    user: Annotated[str | None, typer.Option(help="Only those of this account.")] = None,
    as_json: Json = False,
) -> None:
    """Keys of chat widgets, newest first, with the sites that may show them."""
    with _access() as access:
        found = access.widgets.all(user)
    if as_json:
        print_json({"keys": [asdict(entry) for entry in found]})
        return
    columns = ["id", "account", "key", "origins", "per minute", "made", "revoked"]
    rows = [[*asdict(entry).values()] for entry in found]
    shown = [[*row[:3], ", ".join(row[3]), *row[4:]] for row in rows]
    print_table("Widget keys", columns, shown)


@widget_commands.command("revoke")
def revoke_widget(key_id: str, as_json: Json = False) -> None:
    """End a widget's key and every visit at once."""
    with _access() as access:
        access.widgets.revoke(key_id)
    if as_json:
        print_json({"key_id": key_id, "revoked": True})
    else:
        console.print(f"Widget key {key_id} is revoked.", highlight=False)


@contextmanager
def _access() -> Iterator[Access]:
    settings = Settings()
    database = open_database(settings)
    try:
        yield Access(database, settings)
    finally:
        database.close()


def _told(account: Account, as_json: bool) -> None:
    if as_json:
        print_json(asdict(account))
        return
    name, roles, collections, state, *_ = _cells(account)
    words = f"{name}: {roles}; collections: {collections}; {state}"
    console.print(words, highlight=False, markup=False)


def _cells(account: Account) -> list[str]:
    collections = "all" if account.scope is None else ", ".join(account.scope) or "none"
    state = "disabled" if account.disabled else "active"
    return [
        account.name,
        ", ".join(account.roles),
        collections,
        state,
        str(account.sessions),
        str(account.keys),
        account.created_at,
    ]


def _print_password(name: str, password: str) -> None:
    console.print(f"{name}'s password (shown once): {password}", highlight=False, markup=False)
