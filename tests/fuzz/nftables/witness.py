"""What ``nft -j`` lists of sets, as values: read on its own, by what nft's manual says."""

import socket
from typing import Any

from lvsmarkd.netfilter.nftables.datatypes import DataType, Value, packed_key, value_of
from lvsmarkd.netfilter.nftables.expressions import NftVerdict, VerdictCode
from lvsmarkd.netfilter.nftables.objects import NftElement, NftSet

_VERDICTS = {
    "accept": VerdictCode.ACCEPT,
    "drop": VerdictCode.DROP,
    "return": VerdictCode.RETURN,
    "jump": VerdictCode.JUMP,
    "goto": VerdictCode.GOTO,
}


def listed_elements(of: NftSet, listed: dict[str, Any]) -> tuple[NftElement, ...]:
    """The elements of a set or a map, sorted by their keys."""
    found = [_element(of, each) for each in listed.get("elem", [])]
    return tuple(sorted(found, key=lambda each: each.start))


def any_ports(said: Any) -> Any:  # noqa: ANN401 - as JSON has it
    """The same, where a port is one of any protocol: nft says it of the protocol that was asked for
    before.
    """
    match said:
        case {"payload": {"field": "dport"}}:
            return {"payload": {"protocol": "th", "field": "dport"}}
        case dict():
            return {name: any_ports(each) for name, each in said.items()}
        case list():
            return [any_ports(each) for each in said]
        case _:
            return said


def _element(of: NftSet, listed: Any) -> NftElement:  # noqa: ANN401 - as JSON has it
    key, data = listed if of.data is not None else (listed, None)
    if isinstance(key, dict) and "elem" in key:
        assert ("counter" in key["elem"]) == of.counters, listed
        key = key["elem"]["val"]
    fields = key["concat"] if of.concatenated else [key]
    ranges = [_range(kind, each) for kind, each in zip(of.key, fields, strict=True)]
    first = packed_key(of.key, [low for low, _ in ranges])
    last = packed_key(of.key, [high for _, high in ranges])
    if of.data is DataType.VERDICT:
        assert isinstance(data, dict)
        ((word, target),) = data.items()
        goes_to = target["target"] if target else ""
        return NftElement(first, last, NftVerdict(_VERDICTS[word], goes_to))
    return of.element(*(low for low, _ in ranges), to=[high for _, high in ranges], data=data)


def _range(kind: DataType, listed: Any) -> tuple[Value, Value]:  # noqa: ANN401 - likewise
    match listed:
        case {"range": [first, last]}:
            return _value(kind, first), _value(kind, last)
        case {"prefix": {"addr": address, "len": length}}:
            first = _value(kind, address)
            rest = (1 << 8 * kind.length - length) - 1
            number = int.from_bytes(packed_key((kind,), [first])) | rest
            return first, value_of(kind, number.to_bytes(kind.length))
        case _:
            return _value(kind, listed), _value(kind, listed)


def _value(kind: DataType, listed: Any) -> Value:  # noqa: ANN401 - likewise
    match kind, listed:
        case DataType.INET_PROTO, str():
            return socket.getprotobyname(listed)
        case DataType.IPV4_ADDR | DataType.IPV6_ADDR, str():
            family = socket.AF_INET if kind is DataType.IPV4_ADDR else socket.AF_INET6
            return value_of(kind, socket.inet_pton(family, listed))
        case _:
            assert isinstance(listed, int | str)
            return listed
