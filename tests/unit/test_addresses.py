"""Which IP addresses may be called for somebody who chooses the address."""

import pytest

from app.addresses import is_public

LOCAL = """
127.0.0.1 10.1.2.3 172.16.0.1 192.168.1.1 169.254.169.254 100.64.0.1 0.0.0.0 224.0.0.1
192.0.0.8 192.88.99.1 198.18.0.1 240.0.0.1 255.255.255.255
::1 :: fe80::1 fe80::1%eth0 fec0::1 fc00::1 fd00:ec2::254 ff02::1
::ffff:10.0.0.1 ::ffff:127.0.0.1 ::127.0.0.1 ::ffff:0:127.0.0.1
64:ff9b::a00:1 64:ff9b::a9fe:a9fe 64:ff9b:1::a9fe:a9fe
2002:7f00:1::1 2002:0a00:0001:: 2001:0:7f00:1:: 2001::ffff:5601:5601
2001:4860::5efe:7f00:1 2001:4860::200:5efe:a00:1
2001:db8::1 3fff::1 5f00::1
""".split()
"""This machine, this network, and what leads there wrapped in an address of version 6."""
PUBLIC = """
8.8.8.8 93.184.216.34 2606:4700::1111 2a00:1450:4001:81b::200e
64:ff9b::808:808 ::ffff:8.8.8.8 2002:808:808::1
""".split()


@pytest.mark.parametrize("address", LOCAL)
def test_what_is_not_in_the_public_network_may_not_be_called(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_what_is_in_the_public_network_may_be_called(address: str) -> None:
    assert is_public(address)
