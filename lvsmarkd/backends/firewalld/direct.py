"""Marks that others set past firewalld: direct rules, and whoever uses iptables or nft himself."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from lvsmarkd.backends.firewalld.expression import Expression, read_expression
from lvsmarkd.backends.firewalld.kernel import NFTABLES
from lvsmarkd.backends.firewalld.listing import Listing
from lvsmarkd.backends.iptables.syntax import Syntax, read_rule
from lvsmarkd.backends.iptables.walk import effects_of
from lvsmarkd.model.packets import EVERY_PACKET, Packets
from lvsmarkd.model.rule import Accept, ChainKey, Hook, Plane, SetMark
from lvsmarkd.model.service import Family
from lvsmarkd.model.snapshot import (
    Drop,
    Effect,
    ForeignRule,
    LeavesTable,
    SetsUnknownMark,
    Side,
    Snapshot,
)

FAMILIES = {"ipv4": Family.INET, "ipv6": Family.INET6}
_LONG = {
    "--jump": "-j",
    "--goto": "-g",
    "--destination": "-d",
    "--dst": "-d",
    "--source": "-s",
    "--src": "-s",
    "--protocol": "-p",
    "--proto": "-p",
    "--in-interface": "-i",
    "--out-interface": "-o",
    "--match": "-m",
    "--destination-port": "--dport",
    "--destination-ports": "--dports",
    "--set-mark": "--set-xmark",
}
"""Other spellings of what iptables-save prints. Of a whole mark the last is the same."""
_OF_FIREWALLD = re.compile(
    r"chain (?:(?:PRE|IN|FWD|FWDI|FWDO|POST|OUT)_.+|.+_(?:ZONES|ZONES_SOURCE|POLICIES_pre|"
    r"POLICIES_post))$"
)
_COMMANDS = frozenset({"-A", "-I", "--append", "--insert"})
_HOOKS = {"PREROUTING": False, "INPUT": True}
_IPTABLES_TABLES = frozenset({"raw", "mangle", "nat", "filter", "security"})
_NATIVE_FAMILIES = {"ip": (Family.INET,), "ip6": (Family.INET6,), "inet": tuple(Family)}
_PRIORITY = -140
"""Of firewalld's own chain that marks: mangle + 10."""
_DEPTH = 16


def of_iptables(seen: Snapshot, backend: str, runtime: Listing) -> Iterator[ForeignRule]:
    """What the iptables backend saw, as far as it bears on rules in firewalld.

    With firewalld's nftables backend (``backend``) iptables' chains are others that packets pass
    besides, and before: what is accepted there may still be refused. With its iptables backend
    firewalld's own chains are left out; they are read from its lists. What is one of firewalld's
    direct rules (``runtime`` lists them) should be in its permanent configuration too.
    """
    direct = {_value(rule) for rule in of_direct(runtime)}
    for rule in seen.foreign:
        if backend != NFTABLES and _is_firewallds(rule):
            continue
        if isinstance(rule.effect, LeavesTable | Accept):
            continue
        if rule.chain_key.hook is Hook.OUTPUT:
            continue
        side = rule.side if rule.later else Side.BEFORE
        yield replace(rule, side=side, fleeting=_value(rule) in direct)


def _value(rule: ForeignRule) -> tuple[object, ...]:
    path = tuple(match for match in rule.path if match != EVERY_PACKET)
    return (rule.chain_key.family, rule.chain_key.hook, rule.effect, path, rule.guards)


def _is_firewallds(rule: ForeignRule) -> bool:
    at_input = rule.chain_key.hook is Hook.INPUT and rule.where.endswith("chain INPUT")
    return at_input or _OF_FIREWALLD.search(rule.where) is not None


def of_direct(listing: Listing) -> Iterator[ForeignRule]:
    """The direct rules of one plane that set a mark, and passthroughs, as they were typed."""
    for ipv, table, chain, priority, arguments in listing.direct:
        said = f"{ipv} {table} {chain} {priority} {' '.join(arguments)}"
        yield from _direct(listing.plane, ipv, (table, chain, arguments), said)
    for ipv, arguments in listing.passthroughs:
        table, chain, rest = unwrapped(arguments)
        said = f"{ipv} {' '.join(arguments)}"
        yield from _direct(listing.plane, ipv, (table, chain, rest), said)


def _direct(
    plane: Plane, ipv: str, rule: tuple[str, str, Sequence[str]], said: str
) -> Iterator[ForeignRule]:
    table, chain, arguments = rule
    family = FAMILIES.get(ipv)
    if family is None or table != "mangle" or chain not in _HOOKS:
        return
    syntax = read_typed(arguments)
    for effect in effects_of(syntax, Hook.PREROUTING):
        if isinstance(effect, LeavesTable | Drop):
            continue
        yield ForeignRule(
            ChainKey(plane, family, Hook.PREROUTING),
            Side.AFTER if _HOOKS[chain] else Side.BEFORE,
            effect,
            (syntax.match,) if syntax.match != EVERY_PACKET else (),
            "firewalld's direct rules",
            said,
            syntax.partial,
            syntax.guards,
            _HOOKS[chain],
        )


def read_typed(arguments: Sequence[str]) -> Syntax:
    """Understand a rule in iptables' words, as people type them."""
    words = [_LONG.get(word, word) for word in arguments]
    return read_rule(" ".join(f'"{w}"' if " " in w or not w else w for w in words))


def unwrapped(arguments: Sequence[str]) -> tuple[str, str, list[str]]:
    """A passthrough's table, chain and rule."""
    table, chain, rest = "filter", "", list[str]()
    words = iter(arguments)
    for word in words:
        if word in {"-t", "--table"}:
            table = next(words, "")
        elif word in _COMMANDS and not chain:
            chain = next(words, "")
        else:
            rest.append(word)
    if rest[:1] and rest[0].isdecimal():
        del rest[0]  # the place to insert at
    return table, chain, rest


@dataclass(slots=True)
class Natives:
    """The marks that other native tables of nftables set where packets arrive."""

    objects: Iterable[Mapping[str, Any]]
    _rules: dict[tuple[str, str, str], list[Expression]] = field(default_factory=dict)

    def foreign(self) -> Iterator[ForeignRule]:
        """All of them; what iptables wrote is read by iptables."""
        bases: list[tuple[str, str, str, bool, int]] = []
        for each in self.objects:
            found = each.get("chain") or each.get("rule") or {}
            family, table = str(found.get("family")), str(found.get("table"))
            if family not in _NATIVE_FAMILIES:
                continue
            if table in _IPTABLES_TABLES and family != "inet":
                continue
            if "rule" in each:
                rule = read_expression(found.get("expr"))
                self._rules.setdefault((family, table, str(found.get("chain"))), []).append(rule)
            elif found.get("hook") in {"prerouting", "input"}:
                later = found.get("hook") == "input"
                priority = found.get("prio")
                number = priority if isinstance(priority, int) else 0
                bases.append((family, table, str(found.get("name")), later, number))
        for family, table, name, later, number in bases:
            side = Side.AFTER if later or number >= _PRIORITY else Side.BEFORE
            way = _NativeWay(family, table, side, later)
            yield from self._chain(way, name, (), depth=0, partial=False)

    def _chain(
        self, way: "_NativeWay", name: str, path: tuple[Packets, ...], *, depth: int, partial: bool
    ) -> Iterator[ForeignRule]:
        for rule in self._rules.get((way.family, way.table, name), ()):
            here = (*path, rule.match) if rule.match != EVERY_PACKET else path
            narrow = partial or rule.partial
            only = replace(way, only=rule.family or way.only)
            if rule.target and depth < _DEPTH:
                yield from self._chain(only, rule.target, here, depth=depth + 1, partial=narrow)
            effect: Effect | None = None
            if rule.mark is not None:
                effect = SetMark(rule.mark)
            elif rule.obscure:
                effect = SetsUnknownMark("meta mark set")
            partial = partial or bool(rule.verdict) or rule.goto
            if effect is None:
                continue
            for family in (only.only,) if only.only else _NATIVE_FAMILIES[way.family]:
                yield ForeignRule(
                    ChainKey(Plane.RUNTIME, family, Hook.PREROUTING),
                    way.side,
                    effect,
                    here,
                    f"nft table {way.family} {way.table}, chain {name}",
                    f"{' '.join(each.text(prefixes=True) for each in here) or 'any'} {effect}",
                    narrow,
                    (),
                    way.later,
                )


@dataclass(frozen=True, slots=True)
class _NativeWay:
    """Where a base chain stands; ``only`` is the one family that gets on from there."""

    family: str
    table: str
    side: Side
    later: bool
    only: Family | None = None
