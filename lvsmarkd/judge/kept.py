"""What is kept of the last good state where a file is not whole, or what it declares is refused."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from msgspec.structs import replace

from lvsmarkd.model.declaration import DeclaredFlow
from lvsmarkd.model.keepalived import VrrpInstance
from lvsmarkd.model.lanes import Lanes
from lvsmarkd.model.packets import Packets
from lvsmarkd.model.service import FlowSource, Service, ServiceKey

if TYPE_CHECKING:
    from lvsmarkd.judge.desired import Desired

Flows = Mapping[ServiceKey, tuple[DeclaredFlow, ...]]


def kept_flows(
    before: "Desired",
    used: Flows,
    frozen_marks: frozenset[int],
    configured: Mapping[ServiceKey, Service],
    *,
    whole: bool,
) -> dict[ServiceKey, tuple[DeclaredFlow, ...]]:
    """The flows that services had before, where their declaration is refused now, is gone from
    a file that is not whole, or went with the service, which is still in use. Of a service that a
    file which is not whole declares in part, these and what it had besides.
    """
    known = {
        key: before.flows[key]
        for key, coverage in before.coverage.items()
        if coverage is FlowSource.DECLARED and key not in before.short
    }
    kept = {
        key: own
        for key, own in known.items()
        if key.mark in frozen_marks
        or not (whole or key in used)
        or (key not in configured and key not in used)
    }
    if not whole:
        besides = _besides({key: own for key, own in known.items() if key not in kept}, used)
        kept |= {key: (*used[key], *own) for key, own in besides.items()}
    return kept


def kept_instances(
    now: Iterable[VrrpInstance], before: Collection[VrrpInstance]
) -> tuple[VrrpInstance, ...]:
    """The instances of a file that is not whole, with what is known of them and of others: the
    addresses that no instance has now.
    """
    now = tuple(now)
    taken = {vip for each in now for vip in each.vips}
    left = {each.name: tuple(vip for vip in each.vips if vip not in taken) for each in before}
    known = {each.name: each for each in before if left[each.name] or not each.vips}
    found = []
    for each in now:
        old = known.pop(each.name, None)
        if old is None:
            found.append(each)
        else:
            settled = each if each.vips else old
            found.append(replace(settled, vips=(*each.vips, *left[each.name])))
    return (*found, *(replace(each, vips=left[each.name]) for each in known.values()))


def _besides(known: Flows, used: Flows) -> dict[ServiceKey, tuple[DeclaredFlow, ...]]:
    """What services had besides what they have now, but for what is declared another's."""
    left = {
        key: rest
        for key, own in known.items()
        if key in used and (rest := tuple(_without(own, used[key])))
    }
    if not left:
        return {}
    now = [(own.flow, key) for key, many in used.items() for own in many]
    then = [(own.flow, (key, own)) for key, many in left.items() for own in many]
    around, within = Lanes(now), Lanes(then)
    taken = {
        own
        for flow, (key, own) in then
        if any(other.mark != key.mark for _, other in around.around(flow))
    }
    taken |= {
        own
        for flow, other in now
        for _, (key, own) in within.around(flow)
        if other.mark != key.mark
    }
    free = {key: tuple(own for own in many if own not in taken) for key, many in left.items()}
    return {key: own for key, own in free.items() if own}


def _without(known: Iterable[DeclaredFlow], now: Iterable[DeclaredFlow]) -> Iterator[DeclaredFlow]:
    """Flows less others, each with no more than one range of ports; what cannot be parted stays."""
    said = dict.fromkeys(own.flow for own in now)
    for own in known:
        if own.flow in said:
            continue
        parts = [own.flow]
        for other in said:
            parts = [piece for part in parts for piece in _less(part, other)]
        for part in parts:
            for ports in part.ports or ((),):
                flow = replace(part, ports=(ports,)) if ports else part
                yield replace(own, flow=flow)


def _less(part: Packets, other: Packets) -> tuple[Packets, ...]:
    left = part.subtract(other)
    return (part,) if left is None else left
