"""Expressions as attributes: one table says for each class the kernel's name of it and its parts.

What is dumped is what was written, whatever short cut the kernel made of it (nft_cmp_fast and the
like dump as the plain ones); what it dumps besides, or newly, is left as UnknownExpression.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import Struct

from lvsmarkd.kernel.netlink import NetlinkError, attributes
from lvsmarkd.netfilter.nftables import wire
from lvsmarkd.netfilter.nftables.expressions import (
    Bitwise,
    Cmp,
    CmpRange,
    Comparison,
    Counts,
    CtKey,
    Data,
    Expression,
    FibResult,
    Immediate,
    LoadCt,
    LoadFib,
    LoadMeta,
    MetaKey,
    NftVerdict,
    Payload,
    PayloadBase,
    SetLookup,
    StoreCt,
    StoreMeta,
    UnknownExpression,
    VerdictCode,
)

_NAME, _DATA = 1, 2  # NFTA_EXPR_NAME, NFTA_EXPR_DATA
_VALUE, _VERDICT = 1, 2  # NFTA_DATA_VALUE, NFTA_DATA_VERDICT
_CODE, _CHAIN = 1, 2  # NFTA_VERDICT_CODE, NFTA_VERDICT_CHAIN
_REG_1, _REG32_00 = 1, 8  # NFT_REG_1, NFT_REG32_00
_WORDS_OF_REGISTER = 4
_INVERTED = 1  # NFT_LOOKUP_F_INV


class _Coding(Struct, frozen=True):
    """How a value is written into an attribute, and read."""

    write: Callable[[int, Any], bytes]
    read: Callable[[bytes], Any]


def data_parts(data: Data) -> bytes:
    """Data in an attribute of its own."""
    if isinstance(data, bytes):
        return wire.attribute(_VALUE, data)
    chain = (wire.text(_CHAIN, data.chain),) if data.chain else ()
    return wire.nest(_VERDICT, wire.be32(_CODE, data.code), *chain)


def read_data(parts: bytes) -> Data:
    """The same read. Raises NetlinkError and ValueError where it is something else."""
    match attributes(parts):
        case {1: value}:
            return value
        case {2: parts}:
            found = attributes(parts)
            code = VerdictCode(wire.signed(found.get(_CODE, b"")))
            return NftVerdict(code, wire.name(found.get(_CHAIN, b"")))
    raise NetlinkError("data that is neither a value nor a verdict")


def _register_number(word: int) -> int:
    """The kernel's: it names one that begins at a whole old register by that one's number."""
    if word % _WORDS_OF_REGISTER:
        return _REG32_00 + word
    return _REG_1 + word // _WORDS_OF_REGISTER


def _register_word(number: int) -> int:
    if number >= _REG32_00:
        return number - _REG32_00
    return (number - _REG_1) * _WORDS_OF_REGISTER if number else -1


def _number_as(kind: Callable[[int], Any]) -> _Coding:
    return _Coding(wire.be32, lambda data: kind(wire.number(data)))


_NUMBER = _number_as(int)
_COMPARISON = _number_as(Comparison)
_LONG = _Coding(wire.be64, wire.number)
_TEXT = _Coding(wire.text, wire.name)
_FLAG = _Coding(
    lambda kind, value: wire.be32(kind, _INVERTED if value else 0),
    lambda data: {0: False, _INVERTED: True}[wire.number(data)],
)
_REGISTER = _Coding(
    lambda kind, word: wire.be32(kind, 0 if word < 0 else _register_number(word)),
    lambda data: _register_word(wire.number(data)),
)
_ANY_DATA = _Coding(lambda kind, data: wire.nest(kind, data_parts(data)), read_data)
_ALWAYS_0 = _Coding(wire.be32, lambda data: {0: None}[wire.number(data)])
"""Of what is written without, and dumped as 0: something else is not known here."""

_LAYOUT: dict[type[Expression], tuple[str, dict[int, tuple[str, _Coding]]]] = {
    Payload: (
        "payload",
        {
            1: ("register", _REGISTER),
            2: ("base", _number_as(PayloadBase)),
            3: ("offset", _NUMBER),
            4: ("length", _NUMBER),
        },
    ),
    LoadMeta: ("meta", {1: ("register", _REGISTER), 2: ("key", _number_as(MetaKey))}),
    StoreMeta: ("meta", {2: ("key", _number_as(MetaKey)), 3: ("register", _REGISTER)}),
    LoadCt: (
        "ct",
        {
            1: ("register", _REGISTER),
            2: ("key", _number_as(CtKey)),
            3: (
                "direction",
                _Coding(lambda kind, way: wire.attribute(kind, bytes([way])), wire.number),
            ),
        },
    ),
    StoreCt: ("ct", {2: ("key", _number_as(CtKey)), 4: ("register", _REGISTER)}),
    LoadFib: (
        "fib",
        {
            1: ("register", _REGISTER),
            2: ("result", _number_as(FibResult)),
            3: ("asked_by", _NUMBER),
        },
    ),
    Cmp: (
        "cmp",
        {1: ("register", _REGISTER), 2: ("comparison", _COMPARISON), 3: ("data", _ANY_DATA)},
    ),
    CmpRange: (
        "range",
        {
            1: ("register", _REGISTER),
            2: ("comparison", _COMPARISON),
            3: ("first", _ANY_DATA),
            4: ("last", _ANY_DATA),
        },
    ),
    Bitwise: (
        "bitwise",
        {
            1: ("source", _REGISTER),
            2: ("register", _REGISTER),
            3: ("length", _NUMBER),
            4: ("mask", _ANY_DATA),
            5: ("xor", _ANY_DATA),
            6: ("", _ALWAYS_0),  # NFTA_BITWISE_OP: NFT_BITWISE_MASK_XOR
        },
    ),
    SetLookup: (
        "lookup",
        {
            1: ("name", _TEXT),
            2: ("source", _REGISTER),
            3: ("target", _REGISTER),
            5: ("inverted", _FLAG),
        },
    ),
    Immediate: ("immediate", {1: ("register", _REGISTER), 2: ("data", _ANY_DATA)}),
    Counts: ("counter", {1: ("octets", _LONG), 2: ("packets", _LONG)}),
}


_NAMED: dict[str, list[type[Expression]]] = {}
for _kind, (_name, _) in _LAYOUT.items():
    _NAMED.setdefault(_name, []).append(_kind)


def expression_parts(expression: Expression) -> bytes:
    """The attributes of an expression, which an attribute of a list holds."""
    if isinstance(expression, UnknownExpression):
        name, parts = expression.name, expression.attributes
    else:
        name, layout = _LAYOUT[type(expression)]
        given = {field: getattr(expression, field) for field, _ in layout.values() if field}
        parts = b"".join(
            coding.write(number, given[field])
            for number, (field, coding) in layout.items()
            if given.get(field) is not None
        )
    return wire.text(_NAME, name) + wire.nest(_DATA, parts)


@lru_cache(4096)  # most elements of a set counted nothing yet
def read_expression(parts: bytes) -> Expression:
    """The same read. Raises NetlinkError where attributes are not well formed."""
    whole = attributes(parts)
    name, inner = wire.name(whole.get(_NAME, b"")), whole.get(_DATA, b"")
    # One without a value is padding (NFTA_COUNTER_PAD).
    found = {number: data for number, data in attributes(inner).items() if data}
    for kind in _NAMED.get(name, ()):
        layout = _LAYOUT[kind][1]
        if found.keys() <= layout.keys():
            try:
                values = {
                    layout[number][0]: layout[number][1].read(data)
                    for number, data in found.items()
                }
                values.pop("", None)
                # Checked: bytes where a verdict cannot be, and all that has to be there.
                return msgspec.convert(values, kind)
            except (ValueError, KeyError, msgspec.ValidationError):
                continue
    return UnknownExpression(name, inner)
