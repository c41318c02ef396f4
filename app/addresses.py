"""The forms of addresses that settings hold: of the web, of hosts, of e-mail."""

import re
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

WEB = ("http", "https")
LOCAL_HOSTS = frozenset({"127.0.0.1", "::1", "localhost"})
"""What may be reached without encryption: it is this machine."""
UNICAST = ip_network("2000::/3")
"""Where addresses of version 6 are given out: all others are local, or wrap another address."""
NAT64 = ip_network("64:ff9b::/96")
ISATAP = (0x0000_5EFE, 0x0200_5EFE)
"""What stands before an address of version 4 at the end of one of version 6."""
RESERVED = (ip_network("192.0.0.0/24"), ip_network("192.88.99.0/24"), ip_network("3fff::/20"))
"""For protocols, relays and documentation, though the library may call them global."""
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


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public network, also where it wraps another one."""
    return all(map(_is_global, _meant(ip_address(address.partition("%")[0]))))


def _is_global(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv6Address) and address not in UNICAST:
        return False
    reserved = any(address in one for one in RESERVED if one.version == address.version)
    return address.is_global and not address.is_multicast and not reserved


def _meant(address: IPv4Address | IPv6Address) -> list[IPv4Address | IPv6Address]:
    """The address, or those that it stands for in another network, with itself where it is one of
    its own there too."""
    if isinstance(address, IPv4Address):
        return [address]
    last = IPv4Address(int(address) & 0xFFFF_FFFF)
    if address.ipv4_mapped is not None or address in NAT64:
        return [last]
    meant: list[IPv4Address | IPv6Address] = [address, *(address.teredo or ())]
    if address.sixtofour is not None:
        meant.append(address.sixtofour)
    if int(address) >> 32 & 0xFFFF_FFFF in ISATAP:
        meant.append(last)
    return meant


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
