"""Flows: the packets that should bear a mark."""

from dataclasses import dataclass

from lvsmarkd.model.ports import MAX_PORT as MAX_PORT  # noqa: PLC0414 - until all is changed over
from lvsmarkd.model.ports import PortRange as PortRange  # noqa: PLC0414 - until all is changed over
from lvsmarkd.model.protocols import Transport as Transport  # noqa: PLC0414 - until all is changed over
from lvsmarkd.model.service import Family, Network


@dataclass(frozen=True, slots=True)
class Flow:
    """Packets to a destination: of one transport, or of every protocol where it is None;
    to one range of ports, or to every port where it is None.

    ``in_interface`` limits it to packets that enter there. ``not_from_mac`` leaves out those
    that another director sent (directors that are also real servers).
    """

    destination: Network
    transport: Transport | None = None
    ports: PortRange | None = None
    in_interface: str | None = None
    not_from_mac: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.ports is not None and self.transport is None:
            raise ValueError("ports without a transport")

    @property
    def family(self) -> Family:
        """The family of its destination."""
        return Family.of(self.destination)

    def overlaps(self, other: "Flow") -> bool:
        """Whether one packet may belong to both.

        Two different in-interfaces keep flows apart; ``not_from_mac`` does not, since every
        other sender is still in both.
        """
        if self.family is not other.family:
            return False
        if not self.destination.overlaps(other.destination):
            return False
        if self.in_interface and other.in_interface and self.in_interface != other.in_interface:
            return False
        if None in (self.transport, other.transport):
            return True
        if self.transport is not other.transport:
            return False
        if self.ports is None or other.ports is None:
            return True
        return self.ports.overlaps(other.ports)

    def __str__(self) -> str:
        whole = self.destination.prefixlen == self.destination.max_prefixlen
        words = [str(self.destination.network_address if whole else self.destination)]
        if self.transport is not None:
            words.append(str(self.transport))
        if self.ports is not None:
            words.append(str(self.ports))
        if self.in_interface:
            words.append(f"in-interface {self.in_interface}")
        if self.not_from_mac:
            words.append(f"not-from-mac {','.join(self.not_from_mac)}")
        return " ".join(words)
