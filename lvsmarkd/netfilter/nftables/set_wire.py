"""Sets and maps as the attributes of their messages, and read from these.

The kernel knows how long keys are. What types their fields have, and in which byte order keys and
marks are, is noted for nft: without the latter it lists mark 0x50 as 0x50000000 (measured).
"""

from lvsmarkd.kernel.netlink import attributes
from lvsmarkd.netfilter.nftables import wire
from lvsmarkd.netfilter.nftables.datatypes import (
    ByteOrder,
    DataType,
    fields_of,
    key_length,
    type_number,
)
from lvsmarkd.netfilter.nftables.expression_wire import expression_parts, read_expression
from lvsmarkd.netfilter.nftables.expressions import Counts
from lvsmarkd.netfilter.nftables.notes import comment_in, comment_note, number_note, userdata
from lvsmarkd.netfilter.nftables.object_wire import NAME, TABLE, opened
from lvsmarkd.netfilter.nftables.objects import NftSet, TableId, UnknownSet

_FLAGS, _KEY_TYPE, _KEY_LEN, _DATA_TYPE, _DATA_LEN = 3, 4, 5, 6, 7  # NFTA_SET_*
_DESC, _ID, _USERDATA, _EXPR, _EXPRESSIONS = 9, 10, 13, 17, 18
_DESC_SIZE, _DESC_CONCAT, _FIELD_LEN = 1, 2, 1  # NFTA_SET_DESC_*, NFTA_SET_FIELD_LEN
_ANONYMOUS, _CONSTANT, _INTERVAL, _MAP, _CONCAT = 0x1, 0x2, 0x4, 0x8, 0x80  # NFT_SET_*
_KNOWN_FLAGS = _ANONYMOUS | _CONSTANT | _INTERVAL | _MAP | _CONCAT
_KEY_ORDER, _DATA_ORDER, _COMMENT = 0, 1, 7
# NFTNL_UDATA_SET_KEYBYTEORDER, NFTNL_UDATA_SET_DATABYTEORDER, NFTNL_UDATA_SET_COMMENT


def set_parts(of: NftSet) -> bytes:
    """The attributes of a set. Raises ValueError for one that belongs to a rule, and for intervals
    of what has no order: a mark is in the host's own byte order, and nft turns it round where it is
    a field of an interval (measured).
    """
    if of.anonymous:
        raise ValueError(f"{of} belongs to a rule")
    if of.interval and (DataType.MARK in of.key or of.key == (DataType.IFNAME,)):
        raise ValueError(f"{of} cannot have intervals")
    flags = _INTERVAL if of.interval else 0
    description = wire.be32(_DESC_SIZE, of.size) if of.size else b""
    if of.interval and of.concatenated:
        flags |= _CONCAT
        fields = (wire.be32(_FIELD_LEN, each.length) for each in of.key)
        description += wire.listed(_DESC_CONCAT, fields)
    data = b""
    if of.data is not None:
        flags |= _MAP
        data = wire.be32(_DATA_TYPE, of.data) + wire.be32(_DATA_LEN, of.data.length)
    order = ByteOrder.NONE if of.concatenated else of.key[0].order
    notes = number_note(_KEY_ORDER, order)
    if of.data is not None:
        notes += number_note(_DATA_ORDER, of.data.order)
    return (
        wire.text(TABLE, of.table.name)
        + wire.text(NAME, of.name)
        + wire.be32(_FLAGS, flags)
        + wire.be32(_KEY_TYPE, type_number(of.key))
        + wire.be32(_KEY_LEN, key_length(of.key))
        + data
        + (wire.nest(_DESC, description) if description else b"")
        # Rules of this transaction that name no set ask for it by this number.
        + wire.be32(_ID, 1)
        + userdata(_USERDATA, notes + comment_note(_COMMENT, of.comment))
        + (wire.nest(_EXPR, expression_parts(Counts())) if of.counters else b"")
    )


def read_set(body: bytes) -> NftSet | UnknownSet:
    """The set of a message. Raises NetlinkError where it is none."""
    family, parts = opened(body)
    table = TableId(family, wire.name(parts.get(TABLE, b"")))
    name = wire.name(parts.get(NAME, b""))
    flags = wire.number(parts.get(_FLAGS, b""))
    key = fields_of(wire.number(parts.get(_KEY_TYPE, b"")))
    data = fields_of(wire.number(parts.get(_DATA_TYPE, b"")))
    counters = _counts(parts)
    of_one_type = data is not None and len(data) == 1 if flags & _MAP else data is None
    if key is None or not of_one_type or flags & ~_KNOWN_FLAGS or counters is None:
        return UnknownSet(table, name)
    return NftSet(
        table,
        name,
        key,
        data[0] if data else None,
        interval=bool(flags & _INTERVAL),
        counters=counters,
        size=wire.number(attributes(parts.get(_DESC, b"")).get(_DESC_SIZE, b"")),
        comment=comment_in(parts.get(_USERDATA, b""), _COMMENT),
        anonymous=bool(flags & _ANONYMOUS),
    )


def _counts(parts: dict[int, bytes]) -> bool | None:
    """Whether elements count; None where they do something else."""
    found = [parts[_EXPR]] if _EXPR in parts else []
    found += wire.list_of(parts.get(_EXPRESSIONS, b""))
    known = [isinstance(read_expression(each), Counts) for each in found]
    return None if not all(known) or len(known) > 1 else bool(known)
