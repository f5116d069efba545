"""What of the host decides on packets' way."""

from msgspec import Struct

from lvsmarkd.model.service import Network

_NOBODYS = frozenset({"lo"})
"""By it comes what the host itself sends."""
ANY_INTERFACE = ""
"""Stands for all interfaces that no rule names, where the host's own are not known."""


class HostView(Struct, frozen=True):
    """``interfaces`` that packets of clients may come by; ``local`` is what is delivered to this
    host. None: not known.
    """

    interfaces: frozenset[str] | None = None
    local: tuple[Network, ...] | None = None

    def entries(self, named: frozenset[str]) -> frozenset[str]:
        """The interfaces that packets may come by: where they are not known, or none is up yet,
        those that rules name, and one that stands for all others.
        """
        if self.interfaces:
            return self.interfaces
        return named - _NOBODYS | {ANY_INTERFACE}

    def delivers(self, version: int, first: int, last: int) -> bool | None:
        """Whether packets to these addresses are delivered here; None: some, or not known."""
        if self.local is None:
            return None
        spans = sorted(
            (int(network.network_address), int(network.broadcast_address))
            for network in self.local
            if network.version == version
        )
        at, part = first, False
        for low, high in spans:
            if low <= at <= high:
                at = high + 1
            part = part or (low <= last and first <= high)
        return True if at > last else None if part else False


UNKNOWN_HOST = HostView()
