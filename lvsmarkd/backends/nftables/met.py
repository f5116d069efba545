"""Whether packets get to what a table is to have, and what it has besides."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from ipaddress import ip_network

from lvsmarkd.backends.nftables.flow_maps import SPELT_OUT
from lvsmarkd.backends.nftables.mark_table import BASES, FlowGroup, mark_table
from lvsmarkd.model.packets import Packets
from lvsmarkd.model.ports import PortRange, PortSet
from lvsmarkd.model.protocols import Transport
from lvsmarkd.model.qualifiers import InInterface, NotFromMac, Qualifier
from lvsmarkd.model.rule import Hook, Rule, SetMark
from lvsmarkd.model.service import Family
from lvsmarkd.netfilter.nftables.datatypes import DataType
from lvsmarkd.netfilter.nftables.objects import NftElement, NftRule, NftSet, TableContents

_SOME = {
    Family.INET: ("192.0.2.1/32", "198.51.100.0/24"),
    Family.INET6: ("2001:db8::1/128", "2001:db8:1::/48"),
}
"""A host and a network of each family."""


def is_met(wanted: TableContents, found: TableContents) -> bool:
    """Whether packets of what is wanted get to it, whatever else is there. Elements of maps are
    taken for granted: what is wanted is made of them.
    """
    return (
        set(wanted.chains) <= set(found.chains)
        and all(
            _are_among(rules, found.rules.get(name, ())) for name, rules in wanted.rules.items()
        )
        and all(_leads(of, wanted, found) for of in wanted.sets if isinstance(of, NftSet))
    )


def _are_among(wanted: Sequence[NftRule], found: Iterable[NftRule]) -> bool:
    """In this order."""
    rest = iter(found)
    return all(any(each == rule for each in rest) for rule in wanted)


def _leads(of: NftSet, wanted: TableContents, found: TableContents) -> bool:
    """Whether a set that is no map of marks has its elements, or such as hold these."""
    if of.data is DataType.MARK:
        return True
    meant, there = wanted.elements.get(of.name, ()), found.elements.get(of.name, ())
    if of.data is not None:
        return set(meant) <= set(there)
    ordered = sorted(there, key=lambda each: each.start)
    starts = [each.start for each in ordered]
    return all(_holds(ordered, bisect_right(starts, each.start), each) for each in meant)


def _holds(ordered: Sequence[NftElement], behind: int, element: NftElement) -> bool:
    return behind > 0 and element.end <= ordered[behind - 1].end


def strange_parts(
    groups: Iterable[FlowGroup], wanted: TableContents, found: TableContents
) -> Iterator[str]:
    """What the table has and can have of nobody but others: names of it. A map of ours without
    elements is none of that.
    """
    assert found.table is not None  # noqa: S101 - who has nothing has nothing strange
    every = [rule for group in groups for rule in _samples(group)]
    possible = mark_table(found.table, every, only_unmarked=False, hooks=tuple(BASES))
    chains = {*wanted.chains, *possible.chains}
    sets = {*wanted.sets, *possible.sets}
    own = {of.name: of for of in sets if isinstance(of, NftSet)}
    rules = {
        each for table in (wanted, possible) for those in table.rules.values() for each in those
    }
    for chain in found.chains:
        if chain not in chains:
            yield f"chain {chain.name}"
        else:
            for rule in found.rules.get(chain.name, ()):
                if rule not in rules:
                    yield f"rule {rule.handle} of chain {chain.name}"
    for of in found.sets:
        if isinstance(of, NftSet) and of.anonymous:
            continue  # it belongs to a rule
        mine = own.get(of.name)
        if not isinstance(of, NftSet) or mine is None or _type(of) != _type(mine):
            yield f"set {of.name}"
        elif of.data is DataType.VERDICT:
            meant = set(possible.elements.get(of.name, ()))
            if not meant.issuperset(found.elements.get(of.name, ())):
                yield f"elements of map {of.name}"


def _type(of: NftSet) -> object:
    return of.key, of.data, of.counters


def _samples(group: FlowGroup) -> Iterator[Rule]:
    """Rules of a group that need all its maps."""
    qualifiers: list[Qualifier] = [InInterface.of(group.interface)] if group.interface else []
    if group.macs:
        qualifiers.append(NotFromMac.of(*group.macs))
    hook = Hook.OUTPUT if group.local else Hook.PREROUTING
    host, network = map(ip_network, _SOME[group.family])
    few: PortSet = (PortRange(1, 1),)
    many: PortSet = (PortRange(2, SPELT_OUT + 2),)
    for to, protocol, ports in (
        (host, int(Transport.TCP), few),
        (host, int(Transport.TCP), many),
        (host, None, ()),
        (network, None, ()),
    ):
        match = Packets(
            destination=to, protocol=protocol, ports=ports, qualifiers=tuple(qualifiers)
        )
        yield Rule(group.family, hook, match, SetMark(1), 1)
