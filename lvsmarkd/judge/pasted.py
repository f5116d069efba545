"""Declarations to paste: the annotations that say some flows."""

from collections.abc import Iterable, Iterator, Mapping

from msgspec.structs import replace

from lvsmarkd.model.declaration import Declaration, Ports
from lvsmarkd.model.origin import Origin
from lvsmarkd.model.packets import Packets
from lvsmarkd.model.protocols import Transport
from lvsmarkd.model.qualifiers import Qualifier
from lvsmarkd.model.service import Network

_Saying = tuple[tuple[Ports, ...], tuple[Qualifier, ...]]
"""What a declaration says besides destinations."""
_Alike = dict[_Saying, list[Network]]


def annotations(mark: int, flows: Iterable[Packets]) -> Iterator[str]:
    """As few declarations as say these flows: one for all destinations that have the same."""
    spans: dict[Packets, dict[int | None, list[Packets]]] = {}
    for flow in flows:
        bare = replace(flow, protocol=None, ports=())
        spans.setdefault(bare, {}).setdefault(flow.protocol, []).append(flow)
    alike: _Alike = {}
    for bare, by_protocol in spans.items():
        if bare.destination is not None:
            same = (tuple(_ports(by_protocol)), bare.qualifiers)
            alike.setdefault(same, []).append(bare.destination)
    for (ports, qualifiers), to in alike.items():
        declaration = Declaration(
            mark=mark, to=tuple(to), ports=ports, origin=Origin(""), qualifiers=qualifiers
        )
        yield f"# lvsmarkd: {declaration.text()}"


def _ports(by_protocol: Mapping[int | None, Iterable[Packets]]) -> Iterator[Ports]:
    """Each transport with its ports, none where all are meant; nothing where every packet is."""
    if None in by_protocol:
        return
    for protocol, flows in by_protocol.items():
        if protocol is not None:
            transport = Transport(protocol)
            if all(flow.ports for flow in flows):
                ranges = sorted({ports for flow in flows for ports in flow.ports})
                yield from (Ports(transport, each) for each in ranges)
            else:
                yield Ports(transport)
