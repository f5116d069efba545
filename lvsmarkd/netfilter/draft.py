"""The packets of a rule that is being read: what their algebra can say of it, condition by
condition.
"""

from collections.abc import Iterable

from msgspec import Struct, field

from lvsmarkd.model.fields import Interval
from lvsmarkd.model.packets import EVERY_PACKET, Packets
from lvsmarkd.model.ports import PortRange, PortSet
from lvsmarkd.model.qualifiers import Qualifier, in_order
from lvsmarkd.model.service import Network


class PacketsDraft(Struct):
    """Each method takes one condition, and gives False where the algebra cannot say it besides
    what is there already: it is a condition of its own then.
    """

    destination: Network | None = None
    protocol: int | None = None
    ports: PortSet = ()
    qualifiers: dict[type[Qualifier], Qualifier] = field(default_factory=dict)

    def to(self, network: Network) -> bool:
        """Its destination is in the network."""
        if self.destination is not None:
            return False
        self.destination = network
        return True

    def of_protocol(self, number: int) -> bool:
        """It is of the protocol."""
        if self.protocol not in {None, number}:
            return False
        self.protocol = number
        return True

    def to_ports(self, intervals: Iterable[Interval]) -> bool:
        """Its destination port is in one of them. No service has port 0: what names it alone is a
        condition of its own, a range that begins with it begins with 1.
        """
        try:
            ports = tuple(
                sorted(PortRange(max(1, int(each.first)), int(each.last)) for each in intervals)
            )
        except (ValueError, TypeError):
            return False
        if self.ports or not ports:
            return False
        self.ports = ports
        return True

    def qualify(self, qualifier: Qualifier) -> bool:
        """It has the quality."""
        kind = type(qualifier)
        both = self.qualifiers[kind].intersect(qualifier) if kind in self.qualifiers else qualifier
        if both is None:
            return False
        self.qualifiers[kind] = both
        return True

    def packets(self) -> Packets:
        """What it comes to."""
        if self == _NOTHING:
            return EVERY_PACKET
        return Packets(
            destination=self.destination,
            protocol=self.protocol,
            ports=self.ports,
            qualifiers=in_order(self.qualifiers.values()),
        )


_NOTHING = PacketsDraft()
