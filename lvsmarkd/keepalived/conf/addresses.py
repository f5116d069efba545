"""Addresses as keepalived reads them."""

import re
import socket
from ipaddress import IPv4Address, IPv6Address

from msgspec import Struct

from lvsmarkd.keepalived.conf.unsigned import read_unsigned
from lvsmarkd.model.service import Address, Family

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


def group_entry_family(words: list[str]) -> Family | None:
    """The family of an address line in a virtual_server_group; None where it is rejected.

    check_data.c, alloc_vsg_entry: ``ADDRESS``, ``ADDRESS/MASK``, ``A.B.C.x-y`` or
    ``FIRST-LAST``, then an optional port.
    """
    address = words[0]
    first = endpoint(address, words[1] if len(words) > 1 else "")
    if first is None:
        return None
    if "/" in address:
        accepted = _mask_accepted(first.address, address.partition("/")[2])
    elif "-" in address:
        accepted = _range_accepted(first.address, address.partition("-")[2])
    else:
        accepted = True
    return first.family if accepted else None


def _mask_accepted(address: Address, mask: str) -> bool:
    bits = int(mask) if re.fullmatch(r"0*[0-9]{1,3}", mask, re.ASCII) else 0
    host_bits = address.max_prefixlen - bits
    return bits > 0 and host_bits >= 0 and not int(address) & ((1 << host_bits) - 1)


def _range_accepted(first: Address, end: str) -> bool:
    separator, base, low_bits = (".", 10, 8) if first.version == 4 else (":", 16, 16)
    if separator in end:
        last = parse_address(end)
        return last is not None and last.version == first.version and last >= first  # type: ignore[operator]  # the same version
    # As C's strtoul reads it, a sign, and 0x before hexadecimal digits, included.
    digits = (_HEXADECIMAL if base == 16 else _DECIMAL).match(end)
    highest = int(digits[1] or "0", base) if digits and not end.lstrip().startswith("-") else 0
    return int(first) & ((1 << low_bits) - 1) < highest < 1 << low_bits
