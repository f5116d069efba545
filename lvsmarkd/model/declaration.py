"""Declarations: the operator's statement of which flows belong to a mark."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from lvsmarkd.model.flow import Flow, PortRange, Transport
from lvsmarkd.model.origin import Origin, Problem
from lvsmarkd.model.service import Network, ServiceKey


@dataclass(frozen=True, slots=True)
class Ports:
    """A transport with one range of ports, or with every port where ``ports`` is None."""

    transport: Transport
    ports: PortRange | None = None


@dataclass(frozen=True, slots=True)
class Declaration:
    """One declaration, as written; names of instances are not resolved yet.

    ``to`` holds networks (a plain address is a host network) and names of vrrp_instances;
    ``ports`` is empty where the whole destination is meant, of every protocol.
    """

    mark: int
    to: tuple[Network | str, ...]
    ports: tuple[Ports, ...]
    origin: Origin
    accept: bool = False
    not_from_mac: tuple[str, ...] = ()
    in_interface: str | None = None


@dataclass(frozen=True, slots=True)
class DeclaredFlow:
    """One flow of a service, whether to accept it too, and the declaration it comes from."""

    flow: Flow
    accept: bool
    origin: Origin


@dataclass(frozen=True, slots=True)
class Declared:
    """All declarations together, names resolved. The flows of one service are disjoint.

    ``named`` are the services declared by names of vrrp_instances only. A name means the
    addresses of the service's family, so those of the other family are no mistake.
    """

    flows: Mapping[ServiceKey, tuple[DeclaredFlow, ...]] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    named: frozenset[ServiceKey] = frozenset()
