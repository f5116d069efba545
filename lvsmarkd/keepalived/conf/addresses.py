"""Addresses as keepalived reads them."""

import re
import socket
from ipaddress import IPv4Address, IPv6Address, ip_network, summarize_address_range

from msgspec import Struct

from lvsmarkd.keepalived.conf.unsigned import read_unsigned
from lvsmarkd.model.service import Address, Family, Network

MAX_PORT = 65535
_DECIMAL = re.compile(r"[ \t\f\r\v]*\+?([0-9]*)")
_HEXADECIMAL = re.compile(r"[ \t\f\r\v]*\+?(?:0[xX](?=[0-9a-fA-F]))?([0-9a-fA-F]*)")


class Endpoint(Struct, frozen=True):
    """An address and a port; 0 where no port was given."""

    address: Address
    port: int

    @property
    def family(self) -> Family:
        """The address's family."""
        return Family.of(self.address)


def endpoint(address: str, port: str = "") -> Endpoint | None:
    """An address with a port, or None where keepalived rejects it.

    lib/utils.c, inet_stosockaddr: a colon makes it IPv6, what follows ``-`` or ``/`` is cut
    off, names are not resolved; a port of zeros alone is none (check_data.c, alloc_rs).
    """
    number: int | None = 0
    if port.lstrip("0"):
        number = read_unsigned(port, 1, MAX_PORT)
    found = parse_address(address.partition("-" if "-" in address else "/")[0])
    if number is None or found is None:
        return None
    return Endpoint(found, number)


def parse_address(text: str) -> Address | None:
    """One numeric address, as inet_pton reads it."""
    try:
        if ":" in text:
            return IPv6Address(socket.inet_pton(socket.AF_INET6, text))
        return IPv4Address(socket.inet_pton(socket.AF_INET, text))
    except (OSError, ValueError):
        return None


class GroupAddress(Struct, frozen=True):
    """An address line of a virtual_server_group: each of these addresses is a service, at one port
    (0: at every one).
    """

    networks: tuple[Network, ...]
    port: int

    @property
    def family(self) -> Family:
        """That of all of them."""
        return Family.of(self.networks[0])


def group_address(words: list[str]) -> GroupAddress | None:
    """An address line in a virtual_server_group; None where it is rejected.

    check_data.c, alloc_vsg_entry: ``ADDRESS``, ``ADDRESS/MASK``, ``A.B.C.x-y`` or
    ``FIRST-LAST``, then an optional port.
    """
    address = words[0]
    first = endpoint(address, words[1] if len(words) > 1 else "")
    if first is None:
        return None
    if "/" in address:
        networks = _masked(first.address, address.partition("/")[2])
    elif "-" in address:
        networks = _range(first.address, address.partition("-")[2])
    else:
        networks = (ip_network(first.address),)
    return GroupAddress(networks, first.port) if networks else None


def _masked(address: Address, mask: str) -> tuple[Network, ...]:
    bits = int(mask) if re.fullmatch(r"0*[0-9]{1,3}", mask, re.ASCII) else 0
    host_bits = address.max_prefixlen - bits
    accepted = bits > 0 and host_bits >= 0 and not int(address) & ((1 << host_bits) - 1)
    return (ip_network(f"{address}/{bits}"),) if accepted else ()


def _range(first: Address, end: str) -> tuple[Network, ...]:
    separator, base, low_bits = (".", 10, 8) if first.version == 4 else (":", 16, 16)
    if separator in end:
        last = parse_address(end)
        return () if last is None else _from_to(first, last)
    # As C's strtoul reads it, a sign, and 0x before hexadecimal digits, included.
    digits = (_HEXADECIMAL if base == 16 else _DECIMAL).match(end)
    highest = int(digits[1] or "0", base) if digits and not end.lstrip().startswith("-") else 0
    low = int(first) & ((1 << low_bits) - 1)
    if not low < highest < 1 << low_bits:
        return ()
    return _from_to(first, type(first)(int(first) - low + highest))


def _from_to(first: Address, last: Address) -> tuple[Network, ...]:
    match first, last:
        case (IPv4Address(), IPv4Address()) if first <= last:
            return tuple(summarize_address_range(first, last))
        case (IPv6Address(), IPv6Address()) if first <= last:
            return tuple(summarize_address_range(first, last))
        case _:
            return ()
