"""Declarations: the operator's statement of which flows belong to a mark."""

from collections.abc import Mapping

from msgspec import Struct, field

from lvsmarkd.model.origin import Origin, Problem
from lvsmarkd.model.packets import Packets, written
from lvsmarkd.model.ports import PortRange
from lvsmarkd.model.protocols import Transport
from lvsmarkd.model.qualifiers import Qualifier
from lvsmarkd.model.service import Network, ServiceKey


class Ports(Struct, frozen=True):
    """A transport with one range of ports, or with every port where ``ports`` is None."""

    transport: Transport
    ports: PortRange | None = None


class Declaration(Struct, frozen=True):
    """One declaration, as written; names of instances are not resolved yet.

    ``to`` holds networks (a plain address is a host network) and names of vrrp_instances;
    ``ports`` is empty where the whole destination is meant, of every protocol.
    """

    mark: int
    to: tuple[Network | str, ...]
    ports: tuple[Ports, ...]
    origin: Origin
    accept: bool = False
    qualifiers: tuple[Qualifier, ...] = ()

    def text(self) -> str:
        """The annotation that makes it, without the ``# lvsmarkd:`` before it."""
        words = [f"fwmark {self.mark} to", ",".join(map(target_text, self.to))]
        by_transport: dict[Transport, list[str]] = {}
        for each in self.ports:
            listed = by_transport.setdefault(each.transport, [])
            if each.ports is not None:
                listed.append(str(each.ports))
        for transport, listed in by_transport.items():
            words += [str(transport), ",".join(listed)] if listed else [str(transport)]
        words += ["accept"] if self.accept else []
        # As the manual has them.
        return " ".join([*words, *map(str, reversed(self.qualifiers))])


def target_text(target: Network | str) -> str:
    """A target as people write it."""
    return target if isinstance(target, str) else written(target)


class DeclaredFlow(Struct, frozen=True):
    """One flow of a service, whether to accept it too, and the declaration it comes from. A flow
    has a destination, and no more than one range of ports.
    """

    flow: Packets
    accept: bool
    origin: Origin


class DeclaredName(Struct, frozen=True):
    """The name of a vrrp_instance in a declaration, and where that stands."""

    name: str
    origin: Origin


class Declared(Struct, frozen=True):
    """All declarations together, names resolved. The flows of one service are disjoint.

    ``named`` are the services declared by names of vrrp_instances only. A name means the
    addresses of the service's family, so those of the other family are no mistake. ``names``
    are those in the declarations of each mark.
    """

    flows: Mapping[ServiceKey, tuple[DeclaredFlow, ...]] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    named: frozenset[ServiceKey] = frozenset()
    names: Mapping[int, tuple[DeclaredName, ...]] = field(default_factory=dict)
