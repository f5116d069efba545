"""A rule as ``iptables-save`` lists it, understood as far as marks and accepts need it.

What is not understood narrows the rule (``partial``): it may match, but nothing is
concluded from its matching. Both variants list all accepted spellings alike (measured
over 42 idioms on 1.8.9).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from ipaddress import ip_network

from lvsmarkd.model.packets import EVERY_PACKET, Packets
from lvsmarkd.model.ports import PortRange
from lvsmarkd.model.protocols import AH_PROTOCOL, VRRP_PROTOCOL, Transport
from lvsmarkd.model.service import MAX_MARK
from lvsmarkd.model.snapshot import MarkGuard
from lvsmarkd.netfilter.iptables_qualifiers import read_option

_TOKEN = re.compile(r'(?<!\S)"((?:[^"\\]|\\.)*)"|(\S+)', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_PROTOCOLS = {str(t): int(t) for t in Transport} | {"vrrp": VRRP_PROTOCOL, "ah": AH_PROTOCOL}


@dataclass(frozen=True, slots=True)
class Syntax:
    """One rule: what it matches, where it leads, and what is said of it.

    ``options`` are the words after the target. ``stale_only`` says that it does not match the
    first packet of a connection that nobody announced, ``related`` that it may match that of
    one that was (FTP's data), ``limited`` that it may miss others.
    """

    match: Packets = EVERY_PACKET
    partial: bool = False
    guards: tuple[MarkGuard, ...] = ()
    stale_only: bool = False
    related: bool = False
    limited: bool = False
    target: str = ""
    goto: bool = False
    options: tuple[str, ...] = ()
    comment: str | None = None


def words(text: str) -> list[str]:
    """Split as iptables-restore does: blanks part words, double quotes keep them together."""
    if '"' not in text:
        return text.split()
    return [
        _ESCAPED.sub(r"\1", found[1]) if found[1] is not None else found[2]
        for found in _TOKEN.finditer(text)
    ]


def read_rule(text: str) -> Syntax:
    """Understand one rule, given as listed after the chain's name. Never fails."""
    rule = Syntax()
    for option, negated, values in _options(words(text)):
        if option in {"-j", "-g"}:
            return replace(
                rule,
                target=values[0] if values else "",
                goto=option == "-g",
                options=tuple(values[1:]),
            )
        try:
            rule = _narrow(rule, option, values, negated=negated)
        except (ValueError, IndexError):
            rule = replace(rule, partial=True)
    return rule


def _options(tokens: list[str]) -> Iterator[tuple[str, bool, list[str]]]:
    """Each option with its values; the target takes all the words that are left."""
    index = 0
    while index < len(tokens):
        negated = tokens[index] == "!"
        index += negated
        if index == len(tokens):
            return
        option, index = tokens[index], index + 1
        if option in {"-j", "-g"}:
            yield option, negated, tokens[index:]
            return
        start = index
        while index < len(tokens) and tokens[index] != "!" and not tokens[index].startswith("-"):
            index += 1
        if option == "--comment":
            index = start + 1
        yield option, negated, tokens[start:index]


def _narrow(rule: Syntax, option: str, values: list[str], *, negated: bool) -> Syntax:
    match = rule.match
    if option == "-m":
        return rule if set(values) <= _SILENT else replace(rule, partial=True)
    if option == "--comment":
        return replace(rule, comment=values[0])
    if option == "--mark":
        value, _, mask = values[0].partition("/")
        guard = MarkGuard(int(value, 0), int(mask, 0) if mask else MAX_MARK, negated)
        return replace(rule, guards=(*rule.guards, guard))
    qualifier = read_option(option, values[0], negated=negated) if len(values) == 1 else None
    if qualifier is not None:
        both = match.narrowed(qualifier)
        return replace(rule, partial=True) if both is None else replace(rule, match=both)
    if negated:
        return replace(rule, partial=True)
    if option in {"--ctstate", "--state"}:
        return _in_states(rule, set(values[0].split(",")))
    match option:
        case "-d":
            return replace(rule, match=replace(match, destination=ip_network(values[0])))
        case "-p":
            protocol = _PROTOCOLS.get(values[0]) or _number(values[0])
            if protocol is None:
                return replace(rule, partial=True)
            return replace(rule, match=replace(match, protocol=protocol))
        case "--dport" | "--dports":
            return replace(rule, match=replace(match, ports=_ports(values[0])))
        case _:
            return replace(rule, partial=True)


def _in_states(rule: Syntax, states: set[str]) -> Syntax:
    partial = rule.partial or "NEW" not in states
    late = states <= {"ESTABLISHED", "RELATED"}
    return replace(
        rule, limited=True, partial=partial, stale_only=late, related="RELATED" in states
    )


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() else _WELL_KNOWN.get(text)


_WELL_KNOWN = {
    "icmp": 1,
    "igmp": 2,
    "ipencap": 4,
    "gre": 47,
    "esp": 50,
    "ipv6-icmp": 58,
    "ospf": 89,
}
"""Protocols by the names that listings use, so that they are told from those with ports."""


def _ports(text: str) -> tuple[PortRange, ...]:
    ranges = []
    for part in text.split(","):
        first, _, last = part.partition(":")
        ranges.append(PortRange(max(1, int(first)), int(last or first)))
    return tuple(sorted(ranges))


_SILENT = frozenset({*map(str, Transport), "udplite", "multiport", "comment", "mac", "mark"})
_SILENT |= {"conntrack", "state", "icmp", "icmp6", "iprange", "limit", "hashlimit"}
"""Matches that match nothing by themselves: their options do, each of which is read or makes
the rule partial. Others (socket, rpfilter…) narrow a rule by their mere name."""


def number(text: str) -> int | None:
    """The value before a mask; None where it is no number, or the mask not the whole."""
    value, _, mask = text.partition("/")
    try:
        return int(value, 0) if not mask or int(mask, 0) == MAX_MARK else None
    except ValueError:
        return None


def set_mark_of(rule: Syntax) -> tuple[int, int] | None:
    """Value and mask of a MARK target; every spelling is listed as ``--set-xmark V/M``."""
    if rule.target != "MARK" or len(rule.options) != 2 or rule.options[0] != "--set-xmark":
        return None
    value, _, mask = rule.options[1].partition("/")
    try:
        return int(value, 0), int(mask, 0) if mask else MAX_MARK
    except ValueError:
        return None
