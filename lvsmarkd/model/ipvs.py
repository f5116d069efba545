"""What the kernel's IPVS holds: the services that balance packets now."""

from msgspec import Struct

from lvsmarkd.model.packets import Packets
from lvsmarkd.model.service import ServiceKey
from lvsmarkd.model.unknown import Unknown


class LoadedIpvs(Struct, frozen=True):
    """IPVS is there, and these are its services by mark, and by ``addresses``.

    ``unsure`` are marks of services whose family could not be told: such a mark has a service
    of at least one family. It is empty wherever the kernel answered by netlink.
    """

    services: frozenset[ServiceKey] = frozenset()
    unsure: frozenset[int] = frozenset()
    addresses: frozenset[Packets] = frozenset()


class NoIpvs(Struct, frozen=True):
    """The kernel has no IPVS: its module is not loaded. No service is there, for certain."""


KernelServices = LoadedIpvs | NoIpvs | Unknown


def in_ipvs(kernel: KernelServices, key: ServiceKey) -> bool | None:
    """Whether a service is in the kernel's IPVS; None where that cannot be told."""
    match kernel:
        case LoadedIpvs(services, unsure):
            if key in services:
                return True
            return None if key.mark in unsure else False
        case NoIpvs():
            return False
        case Unknown():
            return None
