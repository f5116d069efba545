"""From flows to rules: grouped into as few as the firewall can hold."""

from collections.abc import Iterable, Iterator
from functools import partial

from msgspec.structs import replace

from lvsmarkd.model.declaration import DeclaredFlow
from lvsmarkd.model.packets import Packets
from lvsmarkd.model.ports import PortRange, joined
from lvsmarkd.model.rule import Accept, Hook, Rule, SetMark
from lvsmarkd.model.service import ServiceKey


def rules_of(
    key: ServiceKey,
    flows: Iterable[DeclaredFlow],
    *,
    max_ports_per_rule: int,
    local: bool,
    joins_ports: bool = False,
) -> Iterator[Rule]:
    """The rules that mark a service's flows, and accept those that ask for it.

    A range counts two of ``max_ports_per_rule``. ``local`` asks for rules for the director's own
    packets too. ``joins_ports``: those that touch are one range.
    """
    declared = tuple(flows)
    mark = SetMark(key.mark)
    matches = partial(_matches, max_ports_per_rule=max_ports_per_rule, joins_ports=joins_ports)
    for match in matches(d.flow for d in declared):
        yield Rule(key.family, Hook.PREROUTING, match, mark, key.mark)
    if local:
        own = (sent for d in declared if (sent := d.flow.sent_by_host()) is not None)
        for match in matches(own):
            yield Rule(key.family, Hook.OUTPUT, match, mark, key.mark)
    for match in matches(d.flow for d in declared if d.accept):
        yield Rule(key.family, Hook.INPUT, match, Accept(), key.mark)


def _matches(
    flows: Iterable[Packets], *, max_ports_per_rule: int, joins_ports: bool
) -> Iterator[Packets]:
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
        ordered = joined(ranges) if joins_ports else sorted(ranges)
        for ports in _batches(ordered, max_ports_per_rule):
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
