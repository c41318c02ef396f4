"""A small SMTP server of this machine that keeps what it was sent, for tests."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import cast


class Mailbox(socketserver.ThreadingTCPServer):
    """Takes every message; ``refuse`` answers with 451 instead. ``offers`` is what it says that it
    can do, such as ``AUTH PLAIN``. ``recipients`` are whom messages were handed in for."""

    allow_reuse_address = daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Session)
        self.messages: list[EmailMessage] = []
        self.recipients: list[str] = []
        self.refuse = False
        self.offers = ""

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])


class _Session(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        box = cast("Mailbox", self.server)
        self._say("220 mailbox")
        while line := self.rfile.readline().decode("ascii").strip():
            verb = line.split()[0].upper()
            if verb == "QUIT":
                return self._say("221 bye")
            if verb == "RCPT":
                box.recipients.append(line.partition("<")[2].rpartition(">")[0])
            if verb == "DATA" and not box.refuse:
                self._say("354 go on")
                box.messages.append(self._message())
            if verb == "EHLO" and box.offers:
                self._say(f"250-{box.offers}")
            self._say("451 later" if box.refuse and verb == "DATA" else "250 mailbox")
        return None

    def _message(self) -> EmailMessage:
        lines = iter(self.rfile.readline, b".\r\n")
        text = b"".join(line.removeprefix(b".") for line in lines)
        return message_from_bytes(text, policy=policy.default)

    def _say(self, line: str) -> None:
        self.wfile.write(line.encode("ascii") + b"\r\n")


@contextmanager
def mailbox() -> Iterator[Mailbox]:
    """A server that runs until the block is left."""
    box = Mailbox()
    thread = threading.Thread(target=box.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield box
    finally:
        box.shutdown()
        box.server_close()
