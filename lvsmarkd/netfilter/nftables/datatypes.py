"""Types of what sets hold, by the numbers that nft knows them by, and their values as bytes.

The kernel knows lengths only: the numbers and byte orders are for whoever lists (nft's
include/datatype.h). A key of several fields is their numbers in six bits each, the first on top; in
it each field takes whole words of four bytes.
"""

from collections.abc import Sequence
from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address
from sys import byteorder

from msgspec import Struct

Value = int | str | IPv4Address | IPv6Address
"""A number; the name of an interface or a MAC address; an address."""

_FIELD_BITS = 6  # TYPE_BITS
_WORD = 4


class ByteOrder(IntEnum):
    """Of values of a type, as nft notes it (enum byteorder)."""

    NONE = 0
    HOST = 1
    NETWORK = 2


class DataType(IntEnum):
    """A type (enum datatypes of nft), and of what length its values are."""

    IPV4_ADDR = 7
    IPV6_ADDR = 8
    ETHER_ADDR = 9
    INET_PROTO = 12
    INET_SERVICE = 13
    MARK = 19
    IFNAME = 41
    VERDICT = 0xFFFFFF00
    """NFT_DATA_VERDICT: what a map gives that tells where to go on; no field of a key."""

    @property
    def length(self) -> int:
        """Bytes of a value."""
        return _FORMS[self].length

    @property
    def order(self) -> ByteOrder:
        """In which order these are."""
        return _FORMS[self].order


class _Form(Struct, frozen=True):
    length: int
    order: ByteOrder


_FORMS = {
    DataType.IPV4_ADDR: _Form(4, ByteOrder.NETWORK),
    DataType.IPV6_ADDR: _Form(16, ByteOrder.NETWORK),
    DataType.ETHER_ADDR: _Form(6, ByteOrder.NETWORK),
    DataType.INET_PROTO: _Form(1, ByteOrder.NETWORK),
    DataType.INET_SERVICE: _Form(2, ByteOrder.NETWORK),
    DataType.MARK: _Form(4, ByteOrder.HOST),
    DataType.IFNAME: _Form(16, ByteOrder.HOST),
    DataType.VERDICT: _Form(0, ByteOrder.NONE),
}

KeyType = tuple[DataType, ...]
"""The fields of a key, one at least."""


def padded(length: int) -> int:
    """The same in whole words."""
    return length + -length % _WORD


def key_length(fields: KeyType) -> int:
    """Bytes of a key."""
    if len(fields) == 1:
        return fields[0].length
    return sum(padded(each.length) for each in fields)


def type_number(fields: KeyType) -> int:
    """The number of a type of several fields, or of the one."""
    found = 0
    for each in fields:
        found = found << _FIELD_BITS | each
    return found


def fields_of(found: int) -> KeyType | None:
    """The fields that a number stands for; None where one of them is not known here."""
    if found == DataType.VERDICT:
        return (DataType.VERDICT,)
    fields: list[DataType] = []
    while found:
        if found & 0x3F not in _FORMS:
            return None
        fields.insert(0, DataType(found & 0x3F))
        found >>= _FIELD_BITS
    return tuple(fields) or None


def packed(kind: DataType, value: Value) -> bytes:
    """A value as the kernel compares it. Raises ValueError for one of another type."""
    match kind, value:
        case DataType.IPV4_ADDR, IPv4Address():
            return value.packed
        case DataType.IPV6_ADDR, IPv6Address():
            return value.packed
        case DataType.ETHER_ADDR, str():
            found = bytes.fromhex(value.replace(":", ""))
        case DataType.IFNAME, str() if len(value.encode()) < DataType.IFNAME.length:
            found = value.encode().ljust(DataType.IFNAME.length, b"\0")
        case DataType.MARK, int() if 0 <= value < 1 << 32:
            found = value.to_bytes(4, byteorder)
        case DataType.INET_PROTO | DataType.INET_SERVICE, int() if 0 <= value < 256**kind.length:
            found = value.to_bytes(kind.length)
        case _:
            raise ValueError(f"{value} is no {kind.name.lower()}")
    if len(found) != kind.length:
        raise ValueError(f"{value} is no {kind.name.lower()}")
    return found


def packed_key(fields: KeyType, values: Sequence[Value]) -> bytes:
    """A key of such fields. Raises ValueError where the values are others."""
    if len(fields) == 1:
        (value,) = values
        return packed(fields[0], value)
    return b"".join(
        packed(kind, value).ljust(padded(kind.length), b"\0")
        for kind, value in zip(fields, values, strict=True)
    )


def key_values(fields: KeyType, key: bytes) -> tuple[Value, ...]:
    """The values in a key. Raises ValueError where it is none of such fields."""
    if len(key) != key_length(fields):
        raise ValueError(f"a key of {len(key)} bytes, not {key_length(fields)}")
    values = []
    at = 0
    for each in fields:
        values.append(value_of(each, key[at : at + each.length]))
        at += padded(each.length)
    return tuple(values)


def value_of(kind: DataType, data: bytes) -> Value:
    """The value that bytes are."""
    match kind:
        case DataType.IPV4_ADDR:
            return IPv4Address(data)
        case DataType.IPV6_ADDR:
            return IPv6Address(data)
        case DataType.ETHER_ADDR:
            return data.hex(":")
        case DataType.IFNAME:
            return data.rstrip(b"\0").decode(errors="surrogateescape")
        case DataType.MARK:
            return int.from_bytes(data, byteorder)
        case _:
            return int.from_bytes(data)
