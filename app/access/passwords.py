"""Passwords: hashed with Argon2, checked in the same time whether the name exists or not."""

import secrets
from functools import cached_property

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error

from app.errors import Invalid

SHORTEST, LONGEST = 12, 1000
"""Characters of a password that somebody chose."""
HASHER = PasswordHasher()
"""Argon2id with what RFC 9106 asks for where memory is short: 64 MiB, three passes, four lanes."""


def new_password() -> str:
    """A random password, 96 bits."""
    return secrets.token_urlsafe(12)


def check_password(password: str) -> None:
    """Raise ``Invalid`` for a password that is too short to be safe, or too long."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise Invalid(f"A password has {SHORTEST} to {LONGEST} characters.")


class Passwords:
    """Hashes and checks passwords."""

    def hash(self, password: str) -> str:
        """The hash to store, with its salt and parameters; raises ``Invalid``."""
        try:
            return HASHER.hash(password)
        except UnicodeEncodeError as error:
            raise Invalid("The password holds half a character.") from error

    def fits(self, stored: str | None, password: str) -> bool:
        """Whether the password is the stored one; with None the answer is no, just as late."""
        try:
            right = HASHER.verify(stored or self._nobody, password)
        except (Argon2Error, UnicodeEncodeError):
            return False
        return right and stored is not None

    @cached_property
    def _nobody(self) -> str:
        return HASHER.hash(secrets.token_urlsafe(16))
