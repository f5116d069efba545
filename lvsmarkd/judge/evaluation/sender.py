"""Who sends: what rules may ask of a packet besides where it goes to."""

from collections.abc import Container
from ipaddress import IPv4Address, IPv6Address

from msgspec import Struct

from lvsmarkd.model.service import Family


class Sender(Struct, frozen=True):
    """One sender, by all that rules may look at. ``mac`` is empty for one that no rule names."""

    source: int
    port: int = 43210
    mac: str = ""


SENDERS = {
    Family.INET: [
        int(IPv4Address(text))
        for text in (
            *("91.198.174.192", "62.210.16.6", "185.15.59.224", "203.0.113.77", "8.30.200.17"),
            *("151.101.3.5", "17.253.144.10", "104.16.1.1", "133.11.0.1", "196.216.2.6"),
            *("200.3.14.10", "45.33.32.156", "212.58.244.70", "5.45.207.1", "77.88.55.60"),
        )
    ],
    Family.INET6: [
        int(IPv6Address(text))
        for text in (
            *("2a02:ec80:300:ed1a::1", "2001:4860:4860::7777", "2606:4700::1111:7"),
            *("2400:cb00:2048:1::1", "2804:d40::17", "2c0f:f248::9", "2001:db8:ffff::77"),
        )
    ],
}
"""Addresses from all over the world: a client is some address that no rule names."""
SOURCE_PORTS = (43210, 51234, 35791, 60001, 32777, 49999)
"""Ephemeral ports of Linux' default range, 32768 to 60999, and beside it."""


def ordinary_sender(
    family: Family, named_addresses: Container[int], named_ports: Container[int]
) -> Sender:
    """A client as most are: from an address that no rule names, if there is one, and from a port
    of no meaning.
    """
    addresses = SENDERS[family]
    source = next((each for each in addresses if each not in named_addresses), addresses[0])
    port = next((each for each in SOURCE_PORTS if each not in named_ports), SOURCE_PORTS[0])
    return Sender(source, port)
