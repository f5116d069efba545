"""From flows to rules: grouped into as few as the firewall can hold."""

from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from lvsmarkd.model.declaration import DeclaredFlow
from lvsmarkd.model.packets import Packets
from lvsmarkd.model.ports import PortRange
from lvsmarkd.model.rule import Accept, Hook, Rule, SetMark
from lvsmarkd.model.service import ServiceKey


def rules_of(
    key: ServiceKey, flows: Iterable[DeclaredFlow], *, max_ports_per_rule: int, local: bool
) -> Iterator[Rule]:
    """The rules that mark a service's flows, and accept those that ask for it.

    A range counts two of ``max_ports_per_rule``. ``local`` asks for rules for the director's own
    packets too.
    """
    declared = tuple(flows)
    mark = SetMark(key.mark)
    for match in _matches((d.flow for d in declared), max_ports_per_rule):
        yield Rule(key.family, Hook.PREROUTING, match, mark, key.mark)
    if local:
        own = (sent for d in declared if (sent := d.flow.sent_by_host()) is not None)
        for match in _matches(own, max_ports_per_rule):
            yield Rule(key.family, Hook.OUTPUT, match, mark, key.mark)
    for match in _matches((d.flow for d in declared if d.accept), max_ports_per_rule):
        yield Rule(key.family, Hook.INPUT, match, Accept(), key.mark)


def _matches(flows: Iterable[Packets], max_ports_per_rule: int) -> Iterator[Packets]:
    alike: dict[Packets, set[PortRange]] = {}
    for flow in flows:
        bare = replace(flow, ports=())
        if bare.destination is not None and not bare.destination.prefixlen:
            # Everywhere is no limit, and no firewall lists it as one.
            bare = replace(bare, destination=None)
        if flow.ports:
            alike.setdefault(bare, set()).update(flow.ports)
        else:
            yield bare
    for bare, ranges in alike.items():
        for ports in _batches(sorted(ranges), max_ports_per_rule):
            yield replace(bare, ports=ports)


def _batches(ranges: Iterable[PortRange], room: int) -> Iterator[tuple[PortRange, ...]]:
    batch: list[PortRange] = []
    used = 0
    for ports in ranges:
        need = 1 if ports.first == ports.last else 2
        if batch and used + need > room:
            yield tuple(batch)
            batch, used = [], 0
        batch.append(ports)
        used += need
    if batch:
        yield tuple(batch)
