"""Notices as e-mail over SMTP: to the addresses of the settings, and to people whose account is
named by their address."""

import smtplib
import ssl
from email.message import EmailMessage
from email.utils import format_datetime

from app.addresses import listed
from app.errors import DependencyFailed
from app.notices.contents import Notice
from app.settings import Settings
from guardrails.checks.wording import as_seen

TIMEOUT_S = 5.0


class Mail:
    """One mail server; each notice is a message of its own, to one person."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.reviewers = listed(settings.notice_reviewers)
        self.escalated = listed(settings.notice_escalated) or self.reviewers

    def send(self, notice: Notice, to: str) -> None:
        """Raises ``DependencyFailed`` where the server did not take it."""
        try:
            with self._connected() as server:
                # In the header's own reading, a part of an address may stand for another one.
                server.send_message(self._message(notice, to), to_addrs=[to])
        except (smtplib.SMTPException, OSError, UnicodeError) as error:  # no ASCII, or no name
            raise DependencyFailed(
                f"The mail server did not take it ({type(error).__name__})."
            ) from error

    def _connected(self) -> smtplib.SMTP:
        name, port = self._settings.smtp_host, self._settings.smtp_port
        safe = ssl.create_default_context()
        if self._settings.smtp_security == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(name, port, timeout=TIMEOUT_S, context=safe)
        else:
            server = smtplib.SMTP(name, port, timeout=TIMEOUT_S)
        if self._settings.smtp_security == "starttls":
            server.starttls(context=safe)
        if self._settings.smtp_user:
            server.login(self._settings.smtp_user, self._settings.smtp_password)
        return server

    def _message(self, notice: Notice, to: str) -> EmailMessage:
        message = EmailMessage()
        message["Subject"] = notice.words
        message["From"], message["To"] = self._settings.smtp_from, to
        message["Date"] = format_datetime(notice.at)
        host = self._settings.smtp_from.rpartition("@")[2]
        # Of two copies with one id, mail programs show one.
        message["Message-ID"] = f"<{notice.event_id}@{host}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(_text(notice))
        return message


def _text(notice: Notice) -> str:
    shown = ("question", "note", "queue", "urgency", "expires_at")
    told = [f"{name}: {_one_line(notice.about[name])}" for name in shown if notice.about.get(name)]
    return "\n".join([f"{notice.words}.", "", *told, *([notice.url] if notice.url else [])]) + "\n"


def _one_line(value: object) -> str:
    """What somebody wrote as the rest of its own line: no other line of the mail can be made up."""
    return " ".join(as_seen(str(value)).split())
