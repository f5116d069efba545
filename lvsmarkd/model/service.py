"""What keepalived programmes into IPVS for a mark."""

from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from msgspec import Struct

from lvsmarkd.model.origin import Origin
from lvsmarkd.model.protocols import Transport

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

MAX_MARK = 0xFFFF_FFFF


class Family(StrEnum):
    """An address family, under the names keepalived and nftables give it."""

    INET = "inet"
    INET6 = "inet6"

    @classmethod
    def of(cls, address: Address | Network) -> "Family":
        """The family of an address or a network."""
        return cls.INET if address.version == 4 else cls.INET6


class ServiceKey(Struct, frozen=True, order=True):
    """The key of a service in IPVS: mark 5 inet and mark 5 inet6 are two services."""

    family: Family
    mark: int

    def __str__(self) -> str:
        return f"fwmark {self.mark} {self.family}"


class Service(Struct, frozen=True):
    """One service by mark, as keepalived would programme it.

    ``real_ports`` are the ports of its real servers (0 or none left out). In a service
    by mark they say nothing reliable about the ports clients use: they serve suggestions, as do
    ``transports``, which ``protocol`` and health checks name, and the addresses of real servers.
    ``nat_servers`` are those whose answers come back through this host, by NAT.
    """

    key: ServiceKey
    origins: tuple[Origin, ...]
    group: str | None = None
    real_ports: tuple[int, ...] = ()
    transports: tuple[Transport, ...] = ()
    real_addresses: tuple[Address, ...] = ()
    nat_servers: tuple[Address, ...] = ()


class FlowSource(StrEnum):
    """Where a service's flows come from."""

    DECLARED = "declared"
    INFERRED = "inferred"
    NONE = "none"
    """Nowhere: a foreign rule marks it, or nothing does."""
