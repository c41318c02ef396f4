"""Accounts and API keys over HTTP, for administrators."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from app.access.accounts import UNCHANGED, Account
from app.access.keys import KeyEntry, NewKey
from app.access.passwords import new_password
from app.access.principals import MAX_NAME, Principal
from app.access.sessions import SignInEntry
from app.access.widgets import QUESTIONS_PER_MINUTE, NewWidgetKey, WidgetKeyEntry
from app.api.requests import Body, Day, Guarded, May, ServicesDep, Text

Name = Annotated[Text, Field(max_length=MAX_NAME)]
Names = Annotated[list[Name], Field(max_length=1000)]
MAX_DAYS = 36_500


class AccountBody(Body):
    """An account as it shall stand."""

    roles: Names = Field(description="asker, reviewer, operator, admin")
    scope: Names | None = Field(
        default=None, description="Collections it may read; null: every collection."
    )
    disabled: bool = Field(
        default=False, description="Ends sign-ins, event streams and API keys at once."
    )
    authority: Text | None = Field(
        default=None,
        max_length=200,
        description="By what right they review, such as a role or a licence; null leaves it.",
    )
    trained_on: Day | None = Field(
        default=None, description="When they were last trained to review; left out: as it was."
    )


class NewAccountBody(Body):
    """An account to add."""

    name: Name
    roles: Names
    scope: Names | None = None


class PasswordView(BaseModel):
    """A generated password, shown once."""

    name: str
    password: str


class AccountsView(BaseModel):
    """Every account, by name."""

    users: list[Account]


class SignInsView(BaseModel):
    """An account's sign-ins that are in force."""

    sessions: list[SignInEntry]


class EndedView(BaseModel):
    """How many sign-ins were ended."""

    ended: int


class KeyBody(Body):
    """An API key to make."""

    user: Name
    days: float | None = Field(
        default=None, gt=0, le=MAX_DAYS, description="Days until it expires; null: never."
    )


class KeysView(BaseModel):
    """API keys, newest first."""

    keys: list[KeyEntry]


class WidgetKeyBody(Body):
    """A publishable key to make."""

    user: Name = Field(description="The account whose scope the widget searches.")
    origins: list[Annotated[Text, Field(max_length=300)]] = Field(
        min_length=1,
        max_length=50,
        description="Sites that may show the widget.",
        examples=[["https://www.example.org"]],
    )
    questions_per_minute: int = Field(
        default=QUESTIONS_PER_MINUTE, ge=1, le=10_000, description="Of all its visitors together."
    )


class WidgetKeysView(BaseModel):
    """Publishable keys, newest first."""

    keys: list[WidgetKeyEntry]


router = APIRouter(prefix="/v1", tags=["accounts"], route_class=Guarded)
Admin = Annotated[Principal, Depends(May("accounts.manage"))]


@router.get("/users", response_model=AccountsView, summary="Every account")
def users(services: ServicesDep, _admin: Admin) -> AccountsView:
    """By name, with their sign-ins and keys that are in force."""
    return AccountsView(users=services.access.accounts.all())


@router.post("/users", status_code=201, response_model=PasswordView, summary="Add an account")
def add_user(body: NewAccountBody, services: ServicesDep, admin: Admin) -> PasswordView:
    """The generated password is shown once."""
    password = new_password()
    services.access.accounts.create(
        body.name, body.roles, scope=body.scope, password=password, by=admin.name
    )
    return PasswordView(name=body.name, password=password)


@router.put("/users/{name}", response_model=Account, summary="Change an account")
def change_user(name: str, body: AccountBody, services: ServicesDep, admin: Admin) -> Account:
    """Roles, scope and whether it is disabled, all three; 409 when no administrator is left."""
    trained = body.trained_on if "trained_on" in body.model_fields_set else UNCHANGED
    return services.access.accounts.change(
        name,
        admin.name,
        roles=body.roles,
        scope=body.scope,
        disabled=body.disabled,
        authority=body.authority,
        trained_on=trained,
    )


@router.post("/users/{name}/password", response_model=PasswordView, summary="Reset a password")
def reset_password(name: str, services: ServicesDep, admin: Admin) -> PasswordView:
    """A new generated password, shown once; every sign-in of the account ends."""
    password = new_password()
    services.access.accounts.reset_password(name, password, admin.name)
    return PasswordView(name=name, password=password)


@router.get("/users/{name}/sessions", response_model=SignInsView, summary="An account's sign-ins")
def sessions(name: str, services: ServicesDep, _admin: Admin) -> SignInsView:
    """Those in force."""
    return SignInsView(sessions=services.access.sessions.all(name))


@router.delete("/users/{name}/sessions", response_model=EndedView, summary="End all sign-ins")
def end_sessions(name: str, services: ServicesDep, admin: Admin) -> EndedView:
    """At once; API keys stay."""
    return EndedView(ended=services.access.sessions.end_all(name, admin.name))


@router.get("/keys", response_model=KeysView, summary="API keys")
def keys(services: ServicesDep, _admin: Admin, user: Text | None = None) -> KeysView:
    """All, or those of one user: when they expire, and when they were last used."""
    return KeysView(keys=services.access.keys.all(user))


@router.post("/keys", status_code=201, response_model=NewKey, summary="Make an API key")
def make_key(body: KeyBody, services: ServicesDep, admin: Admin) -> NewKey:
    """It is shown once."""
    lifetime = timedelta(days=body.days) if body.days is not None else None
    return services.access.keys.create(body.user, lifetime=lifetime, by=admin.name)


@router.delete("/keys/{key_id}", status_code=204, summary="Revoke an API key")
def revoke_key(key_id: str, services: ServicesDep, admin: Admin) -> None:
    """At once."""
    services.access.keys.revoke(key_id, admin.name)


@router.get("/widget-keys", response_model=WidgetKeysView, summary="Keys of widgets on other sites")
def widget_keys(services: ServicesDep, _admin: Admin, user: Text | None = None) -> WidgetKeysView:
    """All, or those of one account."""
    return WidgetKeysView(keys=services.access.widgets.all(user))


@router.post(
    "/widget-keys",
    status_code=201,
    response_model=NewWidgetKey,
    summary="Make a key for a widget on other sites",
)
def make_widget_key(body: WidgetKeyBody, services: ServicesDep, admin: Admin) -> NewWidgetKey:
    """The key may stand in a page; the secret, with which a site signs its users, is shown once."""
    return services.access.widgets.create(
        body.user, body.origins, questions_per_minute=body.questions_per_minute, by=admin.name
    )


@router.delete("/widget-keys/{widget_key_id}", status_code=204, summary="Revoke a widget's key")
def revoke_widget_key(widget_key_id: str, services: ServicesDep, admin: Admin) -> None:
    """At once, with every visit."""
    services.access.widgets.revoke(widget_key_id, admin.name)
