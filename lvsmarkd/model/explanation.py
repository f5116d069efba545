"""What is told of the way of packets: from keepalived.conf to IPVS, or to the rule that ends it."""

from msgspec import Struct

from lvsmarkd.model.declaration import DeclaredFlow
from lvsmarkd.model.fate import PacketFate
from lvsmarkd.model.origin import Origin
from lvsmarkd.model.packets import Packets
from lvsmarkd.model.service import Address, Family, ServiceKey


class PacketQuestion(Struct, frozen=True):
    """Packets that somebody asks about. What is None is left to whoever answers: an ordinary
    client, any interface.
    """

    packets: Packets
    family: Family
    source: Address | None = None
    interface: str | None = None


class ExplainedPackets(Struct, frozen=True):
    """One part of a flow, all of which goes the same way. ``serves`` is the service that IPVS
    finds by the mark that they come with.
    """

    fate: PacketFate
    serves: ServiceKey | None = None


class ExplainedFlow(Struct, frozen=True):
    """A flow of a service, or packets that were asked about, from ``source``. ``declared`` says
    where it was declared.
    """

    packets: Packets
    source: Address
    parts: tuple[ExplainedPackets, ...]
    declared: DeclaredFlow | None = None


class Explanation(Struct, frozen=True):
    """The way of packets of one family. ``service`` is the one that was asked about, or whose flow
    it is; ``origins`` are its lines in keepalived.conf. ``remarks`` say what else must be known.
    ``unread`` are tables that could not be looked into, with the reason: all is without them.
    """

    family: Family
    flows: tuple[ExplainedFlow, ...]
    service: ServiceKey | None = None
    origins: tuple[Origin, ...] = ()
    remarks: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
