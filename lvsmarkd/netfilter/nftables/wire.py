"""Attributes as nf_tables has them: numbers in network byte order, names that end in a zero byte.

include/uapi/linux/netfilter/nf_tables.h has their numbers. They are read by
lvsmarkd/kernel/netlink.py.
"""

from collections.abc import Iterable, Iterator
from struct import Struct

from lvsmarkd.kernel.netlink import NetlinkError, each_attribute

_HEADER = Struct("=HH")  # length, type
_NESTED = 0x8000  # NLA_F_NESTED
_ELEMENT = 1  # NFTA_LIST_ELEM
MOST_BYTES = 0xFFFF
"""The length of an attribute has 16 bits, and counts its own four bytes."""


def attribute(kind: int, data: bytes) -> bytes:
    """An attribute, padded for another one behind it. Raises ValueError where it is too long."""
    length = _HEADER.size + len(data)
    if length > MOST_BYTES:
        raise ValueError(f"{length} bytes are too many for an attribute")
    return _HEADER.pack(length, kind) + data + bytes(-length % 4)


def nest(kind: int, *parts: bytes) -> bytes:
    """An attribute of attributes."""
    return attribute(kind | _NESTED, b"".join(parts))


def listed(kind: int, values: Iterable[bytes]) -> bytes:
    """A list of attributes, each of which is one of attributes itself."""
    return nest(kind, *(nest(_ELEMENT, each) for each in values))


def be32(kind: int, number: int) -> bytes:
    """A number of 32 bits, with a sign or without. Raises OverflowError for others."""
    return attribute(kind, number.to_bytes(4, signed=number < 0))


def be64(kind: int, number: int) -> bytes:
    """A number of 64 bits."""
    return attribute(kind, number.to_bytes(8))


def text(kind: int, words: str) -> bytes:
    """A name."""
    return attribute(kind, words.encode(errors="surrogateescape") + b"\0")


def number(data: bytes) -> int:
    """The number in an attribute; of none, 0."""
    return int.from_bytes(data)


def signed(data: bytes) -> int:
    """The same of one that may have a sign."""
    return int.from_bytes(data, signed=True)


def name(data: bytes) -> str:
    """The name in an attribute; of none, the empty one."""
    return data.rstrip(b"\0").decode(errors="surrogateescape")


def list_of(data: bytes) -> Iterator[bytes]:
    """What is in each attribute of a list. Raises NetlinkError where it is no list."""
    for kind, _, value in each_attribute(data):
        if kind != _ELEMENT:
            raise NetlinkError(f"an attribute {kind} in a list")
        yield value
