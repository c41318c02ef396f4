"""The sockets that a service takes before it loads anything."""

import socket

import pytest

from app.errors import Conflict
from cli.serve import bound, place_of


def test_a_name_with_two_addresses_has_a_socket_for_each() -> None:
    named = {info[4][0] for info in socket.getaddrinfo("localhost", 0)}
    with bound("localhost", 0) as doors:
        assert {door.getsockname()[0] for door in doors} == named


def test_an_address_of_version_six_is_one_like_any_other() -> None:
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    with bound("::1", 0) as (door,):
        door.listen()
        with socket.create_connection(door.getsockname()[:2], timeout=10) as caller:
            assert caller.getpeername()[1] == door.getsockname()[1]
    assert (place_of("::1", 80), place_of("127.0.0.1", 80)) == ("[::1]:80", "127.0.0.1:80")


def test_a_port_that_somebody_has_is_refused_and_one_that_was_left_is_free() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(Conflict, match="COUNTERSIGN_PORT"), bound("127.0.0.1", port):
            pass
    for _ in range(2):
        with bound("127.0.0.1", port) as (door,):
            door.listen()


def test_an_address_that_is_not_ours_is_refused() -> None:
    for host in ("nowhere.invalid", "192.0.2.7"):
        with pytest.raises(Conflict, match="COUNTERSIGN_HOST"), bound(host, 0):
            pass
