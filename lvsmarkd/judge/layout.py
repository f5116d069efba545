"""From flows to rules: grouped into as few as the firewall can hold."""

from collections.abc import Iterable, Iterator

from lvsmarkd.model.declaration import DeclaredFlow
from lvsmarkd.model.flow import Flow, PortRange
from lvsmarkd.model.rule import Accept, Hook, Match, Rule, SetMark
from lvsmarkd.model.service import ServiceKey


def rules_of(
    key: ServiceKey, flows: Iterable[DeclaredFlow], *, slots: int, local: bool
) -> Iterator[Rule]:
    """The rules that mark a service's flows, and accept those that ask for it.

    ``slots`` is how many ports one rule may name, a range counting two (15 with iptables'
    multiport, measured). ``local`` asks for rules for the director's own packets too: these
    have no in-interface and no sender's MAC, so a flow limited to an interface has none.
    """
    declared = tuple(flows)
    mark = SetMark(key.mark)
    for match in _matches((d.flow for d in declared), slots):
        yield Rule(key.family, Hook.PREROUTING, match, mark, key.mark)
    if local:
        own = (
            Flow(d.flow.destination, d.flow.transport, d.flow.ports)
            for d in declared
            if d.flow.in_interface is None
        )
        for match in _matches(own, slots):
            yield Rule(key.family, Hook.OUTPUT, match, mark, key.mark)
    for match in _matches((d.flow for d in declared if d.accept), slots):
        yield Rule(key.family, Hook.INPUT, match, Accept(), key.mark)


def _matches(flows: Iterable[Flow], slots: int) -> Iterator[Match]:
    alike: dict[Match, list[PortRange]] = {}
    for flow in flows:
        protocol = None if flow.transport is None else int(flow.transport)
        # Everywhere is no limit, and no firewall lists it as one.
        to = flow.destination if flow.destination.prefixlen else None
        bare = Match(to, protocol, (), flow.in_interface, flow.not_from_mac)
        if flow.ports is None:
            yield bare
        else:
            alike.setdefault(bare, []).append(flow.ports)
    for bare, ranges in alike.items():
        for ports in _batches(sorted(set(ranges)), slots):
            yield Match(
                bare.destination, bare.protocol, ports, bare.in_interface, bare.not_from_mac
            )


def _batches(ranges: Iterable[PortRange], slots: int) -> Iterator[tuple[PortRange, ...]]:
    batch: list[PortRange] = []
    used = 0
    for ports in ranges:
        need = 1 if ports.first == ports.last else 2
        if batch and used + need > slots:
            yield tuple(batch)
            batch, used = [], 0
        batch.append(ports)
        used += need
    if batch:
        yield tuple(batch)
