"""``users`` and ``keys``: principals, passwords and API keys."""

import secrets
from datetime import timedelta
from typing import Annotated

import typer

from app.access.sessions import Access
from app.db import now
from app.settings import Settings
from app.wiring import open_database
from cli.output import Json, console, print_json

user_commands = typer.Typer(help="Principals.", no_args_is_help=True)
key_commands = typer.Typer(help="API keys.", no_args_is_help=True)


@user_commands.command("create")
def create_user(
    name: str,
    role: Annotated[list[str], typer.Option(help="asker, reviewer or operator (repeatable).")],
    collection: Annotated[
        list[str] | None, typer.Option(help="Collection they may read (repeatable); default all.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Create a principal; the generated password is shown once."""
    settings = Settings()
    database = open_database(settings)
    password = secrets.token_urlsafe(12)
    try:
        Access(database, settings).create_principal(name, role, scope=collection, password=password)
    finally:
        database.close()
    if as_json:
        print_json({"name": name, "roles": role, "scope": collection, "password": password})
    else:
        console.print(f"{name}'s password (shown once): {password}", highlight=False, markup=False)


@key_commands.command("create")
def create_key(
    user: Annotated[str, typer.Argument(help="The principal the key belongs to.")],
    days: Annotated[
        float | None, typer.Option(help="Days until it expires; default never.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Create an API key; it is shown once."""
    settings = Settings()
    database = open_database(settings)
    expires_at = now() + timedelta(days=days) if days is not None else None
    try:
        key_id, key = Access(database, settings).create_key(user, expires_at=expires_at)
    finally:
        database.close()
    if as_json:
        print_json({"key_id": key_id, "principal": user, "key": key})
    else:
        console.print(f"Key {key_id} (shown once): {key}", highlight=False, markup=False)


@key_commands.command("revoke")
def revoke_key(key_id: str, as_json: Json = False) -> None:
    """End an API key at once."""
    settings = Settings()
    database = open_database(settings)
    try:
        Access(database, settings).revoke_key(key_id)
    finally:
        database.close()
    if as_json:
        print_json({"key_id": key_id, "revoked": True})
    else:
        console.print(f"Key {key_id} is revoked.", highlight=False)
