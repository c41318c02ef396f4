"""Notices as signed HTTP requests: HMAC-SHA256 over time and body, to public addresses only."""

import hashlib
import hmac
import socket
import time
from collections.abc import Mapping

import httpx

from app.addresses import is_public
from app.errors import DependencyFailed, SettingsInvalid
from app.notices.contents import Notice
from app.settings import Settings
from guardrails.contract import canonical_json

SIGNATURE_HEADER = "Countersign-Signature"
TIMEOUT_S = 5.0


def signature(secret: str, seconds: int, body: bytes) -> str:
    """The value of the header: the time in seconds since 1970, and the HMAC in hex over that time,
    a full stop and the body."""
    signed = hmac.new(secret.encode("utf-8"), f"{seconds}.".encode() + body, hashlib.sha256)
    return f"t={seconds},v1={signed.hexdigest()}"


class Webhook:
    """One address that takes every notice; any status from 200 to 299 says that it was taken.

    The name is looked up once for each try, and the connection goes to the address that was
    checked, so that a name cannot point elsewhere in between. Redirects are not followed.
    """

    def __init__(self, settings: Settings) -> None:
        """Raises ``SettingsInvalid`` for an address that cannot be used."""
        try:
            self._url = httpx.URL(settings.notice_webhook)
        except httpx.InvalidURL as error:
            raise SettingsInvalid("The setting notice_webhook is not an address.") from error
        self._secret = settings.notice_webhook_secret
        self._private = settings.notice_private_addresses

    def send(self, notice: Notice) -> None:
        """Raises ``DependencyFailed`` where it was not taken."""
        body = canonical_json(notice.wire()).encode("utf-8")
        headers = {
            "Host": self._url.netloc.decode("ascii"),
            "Content-Type": "application/json",
            "Countersign-Event": notice.event_id,
            SIGNATURE_HEADER: signature(self._secret, int(time.time()), body),
        }
        try:
            status = self._post(body, headers)
        except (httpx.HTTPError, OSError, UnicodeError) as error:  # the last: no name of a host
            raise DependencyFailed(
                f"The webhook did not answer ({type(error).__name__})."
            ) from error
        if not 200 <= status < 300:
            raise DependencyFailed(f"The webhook answered {status}.")

    def _post(self, body: bytes, headers: Mapping[str, str]) -> int:
        to = self._url.copy_with(host=self._address())
        more = {"sni_hostname": self._url.host}
        with (
            httpx.Client(timeout=TIMEOUT_S, trust_env=False) as client,
            client.stream("POST", to, content=body, headers=headers, extensions=more) as answer,
        ):
            return answer.status_code  # what it says besides is not read: it may never end

    def _address(self) -> str:
        """Where the name leads now; refused when any of its addresses is not public."""
        port = self._url.port or (443 if self._url.scheme == "https" else 80)
        found = socket.getaddrinfo(self._url.host, port, type=socket.SOCK_STREAM)
        addresses = [str(entry[4][0]) for entry in found]
        if not self._private and not all(map(is_public, addresses)):
            raise DependencyFailed(
                "The webhook leads to a private address; see notice_private_addresses."
            )
        return addresses[0]
