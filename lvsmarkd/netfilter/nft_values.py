"""Fields and values in the words of ``nft -j``. Source: libnftables-json(5)."""

from collections.abc import Mapping, Sequence
from ipaddress import ip_address, ip_network

from lvsmarkd.model.fields import Field, Interval, NamePrefix, Value
from lvsmarkd.model.protocols import TRANSPORTS
from lvsmarkd.model.rule_spec import GO_ON, Effect, Element, Jump, Lookup, Opaque, Verdict
from lvsmarkd.model.service import Address, Family
from lvsmarkd.netfilter.nft_words import words_of
from lvsmarkd.netfilter.protocols import protocol_number

ADDRESSES = {"ip": Family.INET, "ip6": Family.INET6}
VERDICTS = {
    "accept": Verdict.ACCEPT,
    "drop": Verdict.DROP,
    "reject": Verdict.DROP,
    "return": Verdict.RETURN,
    "queue": Verdict.QUEUE,
    "synproxy": Verdict.STOLEN,
}
_PORTS = {"dport": Field.DESTINATION_PORT, "sport": Field.SOURCE_PORT}
_SIDES = {"daddr": Field.DESTINATION, "saddr": Field.SOURCE}
_TYPES = {"daddr": Field.DESTINATION_TYPE, "saddr": Field.SOURCE_TYPE}
_META = {
    "l4proto": Field.PROTOCOL,
    "iifname": Field.IN_INTERFACE,
    "iif": Field.IN_INTERFACE,
    "oifname": Field.OUT_INTERFACE,
    "oif": Field.OUT_INTERFACE,
    "mark": Field.MARK,
    "pkttype": Field.PACKET_TYPE,
    "length": Field.LENGTH,
}
_CT = {
    "mark": Field.CONNMARK,
    "state": Field.CT_STATE,
    "direction": Field.CT_DIRECTION,
    "status": Field.CT_STATUS,
}
_UPPER = frozenset(
    {Field.CT_STATE, Field.CT_DIRECTION, Field.CT_STATUS, Field.SOURCE_TYPE}
    | {Field.DESTINATION_TYPE, Field.PACKET_TYPE}
)
_MARK_BITS = 32
ALL_FLAGS = "FIN,SYN,RST,PSH,ACK,URG,ECN,CWR"
_NAMES = frozenset({Field.IN_INTERFACE, Field.OUT_INTERFACE})


class NotUnderstoodError(ValueError):
    """There is no such field or value in the neutral form."""


def field_of(left: object) -> tuple[Field, Family | None, int | None]:
    """The field, the family that has it, the protocol that has it.

    Raises NotUnderstoodError.
    """
    match left:
        case {"payload": {"protocol": str(name), "field": str(part)}}:
            return _payload(name, part)
        case {"meta": {"key": str(key)}} if key in _META:
            return _META[key], None, None
        case {"ct": {"key": str(key), **more}} if key in _CT and not more:
            return _CT[key], None, None
        case {"fib": {"result": "type", "flags": [str(side)]}} if side in _TYPES:
            return _TYPES[side], None, None
        case {"fib": {"result": "type", "flags": str(side)}} if side in _TYPES:
            return _TYPES[side], None, None
    raise NotUnderstoodError(words_of(left))


def _payload(name: str, part: str) -> tuple[Field, Family | None, int | None]:
    if name in ADDRESSES and part in _SIDES:
        return _SIDES[part], ADDRESSES[name], None
    if (name, part) in {("ip", "protocol"), ("ip6", "nexthdr")}:
        return Field.PROTOCOL, ADDRESSES[name], None
    if (name, part) == ("ip", "length"):
        return Field.LENGTH, ADDRESSES[name], None
    if part in _PORTS and name == "th":
        return _PORTS[part], None, None
    if part in _PORTS and name in TRANSPORTS:
        return _PORTS[part], None, TRANSPORTS[name]
    if (name, part) == ("ether", "saddr"):
        return Field.SOURCE_MAC, None, None
    raise NotUnderstoodError(f"{name} {part}")


def value_of(field: Field | None, right: object) -> Value:
    """One value, as the field has it; None: of a field that is not understood.

    Raises NotUnderstoodError.
    """
    try:
        match right:
            case {"elem": {"val": value}}:
                return value_of(field, value)
            case {"prefix": {"addr": str(address), "len": int(length)}}:
                return ip_network(f"{address}/{length}", strict=False)
            case {"prefix": {"addr": int(first), "len": int(length)}} if length <= _MARK_BITS:
                return Interval(first, first | ((1 << (_MARK_BITS - length)) - 1))
            case {"range": [first, last]}:
                return Interval(_end(field, first), _end(field, last))
            case bool():
                raise NotUnderstoodError(words_of(right))
            case int() if field in {Field.DESTINATION_PORT, Field.SOURCE_PORT}:
                return Interval(right, right)
            case int():
                return right
            case str():
                return _named(field, right)
    except ValueError as error:
        raise NotUnderstoodError(str(error)) from error
    raise NotUnderstoodError(words_of(right))


def _end(field: Field | None, value: object) -> Address | int:
    if isinstance(value, int):
        return value
    if field in {Field.SOURCE, Field.DESTINATION, None} and isinstance(value, str):
        return ip_address(value)
    raise NotUnderstoodError(words_of(value))


def _named(field: Field | None, text: str) -> Value:
    if field in {Field.SOURCE, Field.DESTINATION}:
        return ip_network(ip_address(text))
    if field is Field.PROTOCOL:
        number = protocol_number(text)
        if number is None:
            raise NotUnderstoodError(text)
        return number
    if field in _NAMES and text.endswith("*"):
        return NamePrefix(text[:-1])
    return text.upper() if field in _UPPER else text


def values_of(field: Field | None, right: object) -> tuple[Value, ...]:
    """One value, or those of a set without a name. Raises NotUnderstoodError."""
    match right:
        case {"set": list(several)} | list(several):
            return tuple(value_of(field, each) for each in several)
        case _:
            return (value_of(field, right),)


def lookup_of(left: object, data: object) -> Lookup:
    """What is looked up (one field, or a concatenation) in a named set or map, or in elements.

    Never fails: what is not understood of it keeps its words.
    """
    parts = left["concat"] if isinstance(left, Mapping) and "concat" in left else [left]
    key = tuple(map(_part, parts if isinstance(parts, Sequence) else [parts]))
    if isinstance(data, str):
        return Lookup(data.removeprefix("@"), key)
    inside = data.get("set") if isinstance(data, Mapping) else None
    if not isinstance(inside, list):
        return Lookup("", (Opaque("nft", (words_of(data),)),))
    fields = tuple(part if isinstance(part, Field) else None for part in key)
    return Lookup("", key, elements=tuple(element_of(fields, each) for each in inside))


def _part(left: object) -> Field | Opaque:
    try:
        return field_of(left)[0]
    except NotUnderstoodError:
        return Opaque("nft", (words_of(left),))


def element_of(fields: Sequence[Field | None], listed: object) -> Element:
    """One element of a set, or of a map with its data. Never fails."""
    match listed:
        case [key, data]:
            pass
        case key:
            data = None
    try:
        found = _key(fields, key)
        return Element(found, None if data is None else _data(data))
    except NotUnderstoodError:
        return Element("", None, (words_of(listed),))


def _key(fields: Sequence[Field | None], key: object) -> Value:
    match key:
        case {"elem": {"val": value}}:
            return _key(fields, value)
        case {"concat": list(parts)}:
            known = fields if len(fields) == len(parts) else [None] * len(parts)
            return tuple(value_of(f, part) for f, part in zip(known, parts, strict=True))
        case _:
            return value_of(fields[0] if len(fields) == 1 else None, key)


def _data(data: object) -> "int | Effect":
    match data:
        case bool():
            pass
        case int():
            return data
        case {"jump": {"target": str(chain)}}:
            return Jump(chain)
        case {"goto": {"target": str(chain)}}:
            return Jump(chain, goto=True)
        case {"continue": _}:
            return GO_ON
        case {**one} if len(one) == 1 and (name := next(iter(one))) in VERDICTS:
            return VERDICTS[name]
    raise NotUnderstoodError(words_of(data))


def flags_of(listed: object) -> str:
    """TCP flags in iptables' words."""
    match listed:
        case str():
            return listed.upper()
        case [*names] | {"|": [*names]}:
            return ",".join(map(flags_of, names))
        case _:
            raise NotUnderstoodError(words_of(listed))
