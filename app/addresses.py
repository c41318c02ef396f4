"""The forms of addresses that settings hold: of the web, of hosts, of e-mail."""

import re
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

WEB = ("http", "https")
LOCAL_HOSTS = frozenset({"127.0.0.1", "::1", "localhost"})
"""What may be reached without encryption: it is this machine."""
HOST = re.compile(r"\w[\w.-]{0,252}")
PLACE = re.compile(r"(?:ray://)?(?:[\w.-]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}")
E_MAIL = re.compile(r"[^\s@,;:<>()\[\]\\\"]{1,64}@[A-Za-z0-9.-]{1,255}")


def web_address(text: str) -> str:
    """``text``, an address of http or https; raises ``ValueError``."""
    if _parts(text) is None:
        raise ValueError("must be an address of http or https, such as https://host/path")
    return text


def base_address(text: str) -> str:
    """``text``, an address of the web to which a path can be added; raises ``ValueError``."""
    if "?" in web_address(text) or "#" in text:
        raise ValueError("must be an address without a query and without a mark")
    return text


def safe_address(text: str) -> str:
    """``text``, a base address that nobody on the way can change; raises ``ValueError``."""
    if not is_safe(base_address(text)):
        raise ValueError("must begin with https://")
    return text


def is_safe(address: str) -> bool:
    """Whether nobody on the way to the address can read or change what is sent."""
    parts = _parts(address)
    return parts is not None and (parts.scheme == "https" or parts.hostname in LOCAL_HOSTS)


def host(text: str) -> str:
    """``text``, a name of a host or an IP address, without a port; raises ``ValueError``."""
    if not HOST.fullmatch(text) and not _is_ip(text):
        raise ValueError("must be the name of a host or an IP address, without a port")
    return text


def cluster(text: str) -> str:
    """``text``, the address of a Ray cluster; raises ``ValueError``."""
    if text not in ("auto", "local") and not PLACE.fullmatch(text):
        raise ValueError("must be auto, or a host with its port, such as 10.0.0.5:6379")
    return text


def is_e_mail(text: str) -> bool:
    """Whether the text can be written to: a plain e-mail address and nothing else."""
    return E_MAIL.fullmatch(text) is not None and text.isascii()


def e_mail(text: str) -> str:
    """``text``, an e-mail address; raises ``ValueError``."""
    if not is_e_mail(text):
        raise ValueError("must be an e-mail address")
    return text


def e_mails(text: str) -> str:
    """``text``, e-mail addresses with commas between them; raises ``ValueError``."""
    for one in listed(text):
        if not is_e_mail(one):
            raise ValueError(f"must hold e-mail addresses; {one[:80]!r} is none")
    return text


def listed(text: str) -> list[str]:
    """What stands between commas."""
    return [one.strip() for one in text.split(",") if one.strip()]


def _parts(text: str) -> SplitResult | None:
    """The parts of an address of the web; None where it is none."""
    if not text.isprintable() or " " in text:
        return None
    try:
        parts = urlsplit(text)
        there = bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port or brackets that cannot be
        return None
    return parts if there and parts.scheme in WEB else None


def _is_ip(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
