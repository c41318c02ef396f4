"""The sockets that a service takes before it loads anything."""

import socket

import pytest

from app.errors import Conflict
from cli.serve import bound


def test_a_name_with_two_addresses_has_a_socket_for_each() -> None:
    doors = bound("localhost", 0)
    try:
        named = {info[4][0] for info in socket.getaddrinfo("localhost", 0)}
        assert {door.getsockname()[0] for door in doors} == named
    finally:
        for door in doors:
            door.close()


def test_an_address_of_version_six_is_one_like_any_other() -> None:
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    (door,) = bound("::1", 0)
    with door:
        door.listen()
        with socket.create_connection(door.getsockname()[:2], timeout=10) as caller:
            assert caller.getpeername()[1] == door.getsockname()[1]


def test_a_port_that_somebody_has_is_refused_and_nothing_of_it_kept() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(Conflict, match="COUNTERSIGN_PORT"):
            bound("127.0.0.1", port)
    for door in bound("127.0.0.1", port):
        door.close()


def test_a_name_that_nobody_has_is_refused() -> None:
    with pytest.raises(Conflict, match="Cannot listen"):
        bound("nowhere.invalid", 8000)
