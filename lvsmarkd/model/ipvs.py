"""What the kernel's IPVS holds: the services by firewall mark that balance packets now."""

from dataclasses import dataclass

from lvsmarkd.model.service import ServiceKey


@dataclass(frozen=True, slots=True)
class Loaded:
    """IPVS is there, and these are its services by mark; others (address and port) are left out.

    ``unsure`` are marks of services whose family could not be told: such a mark has a service
    of at least one family. It is empty wherever the kernel answered by netlink.
    """

    services: frozenset[ServiceKey] = frozenset()
    unsure: frozenset[int] = frozenset()

    def holds(self, key: ServiceKey) -> bool | None:
        """Whether a service is there; None where its family could not be told."""
        if key in self.services:
            return True
        return None if key.mark in self.unsure else False


@dataclass(frozen=True, slots=True)
class NoIpvs:
    """The kernel has no IPVS: its module is not loaded. No service is there, for certain."""

    def holds(self, key: ServiceKey) -> bool | None:
        """Whether a service is there: none is."""
        del key
        return False


@dataclass(frozen=True, slots=True)
class Unreadable:
    """IPVS could not be read, and why, in one sentence. What it holds is unknown, not absent."""

    reason: str

    def holds(self, key: ServiceKey) -> bool | None:
        """Whether a service is there: that is not known."""
        del key
        return None


KernelServices = Loaded | NoIpvs | Unreadable
