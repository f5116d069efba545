"""A rule as ``nft -j`` prints it, understood as far as marks and accepts need it.

As with iptables' rules, what is not understood narrows the rule: it may match, and nothing is
concluded from its matching. Source: libnftables-json(5).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address, ip_network

from lvsmarkd.backends.firewalld.rich import FAMILIES, protocol_number
from lvsmarkd.model.packets import EVERY_PACKET, Packets
from lvsmarkd.model.ports import PortRange
from lvsmarkd.model.protocols import TRANSPORTS
from lvsmarkd.model.service import Family, Network
from lvsmarkd.netfilter.nft_qualifiers import read_match

_ADDRESSES = {"ip": Family.INET, "ip6": Family.INET6}
_SILENT = frozenset({"counter", "log", "comment"})
_VERDICTS = frozenset({"accept", "drop", "reject", "return", "queue"})


@dataclass(frozen=True, slots=True)
class Expression:
    """One rule. ``family`` None is both; ``mark`` is what it sets the packet's mark to.

    ``obscure`` says that it changes the mark in a way that is not a plain number. ``verdict``
    is accept, drop, reject, return or queue; ``target`` is the chain it leads to.
    """

    match: Packets = EVERY_PACKET
    family: Family | None = None
    partial: bool = False
    mark: int | None = None
    obscure: bool = False
    verdict: str = ""
    target: str = ""
    goto: bool = False


def read_expression(statements: object) -> Expression:
    """Understand one rule's ``expr``. Never fails."""
    rule = Expression()
    if not isinstance(statements, Sequence):
        return replace(rule, partial=True)
    for statement in statements:
        if not isinstance(statement, Mapping) or len(statement) != 1:
            return replace(rule, partial=True)
        ((name, value),) = statement.items()
        rule = _with(rule, str(name), value)
    return rule


def _with(rule: Expression, name: str, value: object) -> Expression:
    match name, value:
        case "match", {"op": op, "left": left, "right": right}:
            return _narrow(rule, str(op), left, right)
        case "mangle", {"key": {"meta": {"key": "mark"}}, "value": int(mark)}:
            return replace(rule, mark=mark)
        case "mangle", {"key": {"meta": {"key": "mark"}}}:
            return replace(rule, obscure=True)
        case (("jump" | "goto"), {"target": str(target)}):
            return replace(rule, target=target, goto=name == "goto")
        case _ if name in _VERDICTS:
            return replace(rule, verdict=name)
        case _ if name in _SILENT:
            return rule
        case _:
            return replace(rule, partial=True)


def _narrow(rule: Expression, op: str, left: object, right: object) -> Expression:
    match left, op, right:
        case {"payload": {"protocol": str(name), "field": "daddr"}}, "==", _ if name in _ADDRESSES:
            network = _network(right)
            if network is not None and Family.of(network) is _ADDRESSES[name]:
                return replace(
                    rule,
                    match=replace(rule.match, destination=network),
                    family=_ADDRESSES[name],
                )
            return replace(rule, family=_ADDRESSES[name], partial=True)
        case {"payload": {"protocol": str(name), "field": "dport"}}, "==", _ if name in TRANSPORTS:
            narrowed = replace(rule.match, protocol=int(TRANSPORTS[name]))
            ports = _ports(right)
            if ports is None:
                return replace(rule, match=narrowed, partial=True)
            return replace(rule, match=replace(narrowed, ports=(ports,)))
        case {"meta": {"key": "l4proto"}}, "==", str() | int():
            number = protocol_number(str(right))
            if number is not None:
                return replace(rule, match=replace(rule.match, protocol=number))
        case {"meta": {"key": "nfproto"}}, "==", str() if right in FAMILIES:
            return replace(rule, family=FAMILIES[str(right)])
    qualifier = read_match(left, op, right)
    both = None if qualifier is None else rule.match.narrowed(qualifier)
    if both is not None:
        return replace(rule, match=both)
    return replace(rule, partial=True)


def _network(right: object) -> Network | None:
    try:
        match right:
            case str():
                return ip_network(ip_address(right))
            case {"prefix": {"addr": str(address), "len": int(length)}}:
                return ip_network(f"{address}/{length}")
    except ValueError:
        return None
    return None


def _ports(right: object) -> PortRange | None:
    try:
        match right:
            case int():
                return PortRange(right, right)
            case {"range": [int(first), int(last)]}:
                return PortRange(first, last)
    except ValueError:
        return None
    return None
