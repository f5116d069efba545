"""What is told of the way of packets: from keepalived.conf to IPVS, or to the rule that ends it."""

from msgspec import Struct

from lvsmarkd.model.declaration import DeclaredFlow
from lvsmarkd.model.fate import FateStep, PacketFate
from lvsmarkd.model.origin import Origin
from lvsmarkd.model.packets import Packets
from lvsmarkd.model.rule import Hook
from lvsmarkd.model.service import Address, Family, Service, ServiceKey


class PacketQuestion(Struct, frozen=True):
    """Packets that somebody asks about. What is None is left to whoever answers: an ordinary
    client, any interface.
    """

    packets: Packets
    family: Family
    source: Address | None = None
    interface: str | None = None


class ExplainedStep(Struct, frozen=True):
    """A rule on the way, ``depth`` jumps below a chain that is registered at ``hook`` with
    ``priority``. ``is_own``: it is one of lvsmarkd's.
    """

    taken: FateStep
    hook: Hook | None = None
    priority: int | None = None
    depth: int = 0
    is_own: bool = False


class ExplainedPackets(Struct, frozen=True):
    """One part of a flow, all of which goes the same way: ``packets`` together. ``fate`` is that of
    the first of them. ``interfaces`` are those that they come by, where that is not all; ``serves``
    is the service that IPVS finds by the mark that they come with.
    """

    packets: tuple[Packets, ...]
    fate: PacketFate
    steps: tuple[ExplainedStep, ...] = ()
    interfaces: tuple[str, ...] | None = None
    serves: Service | None = None


class ExplainedFlow(Struct, frozen=True):
    """A flow of a service, or packets that were asked about, from ``source``, which stands for any
    client that no rule names unless it was asked about (``is_any_client``). ``interface`` is the
    one that was asked about; ``declared`` says where the flow was declared.
    """

    packets: Packets
    source: Address
    parts: tuple[ExplainedPackets, ...]
    declared: DeclaredFlow | None = None
    interface: str | None = None
    is_any_client: bool = True


class Explanation(Struct, frozen=True):
    """The way of packets of one family. ``service`` is the one that was asked about, or whose flow
    it is; ``origins`` are its lines in keepalived.conf. ``remarks`` say what else must be known.
    ``unread`` are tables that could not be looked into, with the reason: because of them nothing
    is certain. ``services_known`` is false where keepalived.conf could not be read as a whole, so
    that there may be further services.
    """

    family: Family
    flows: tuple[ExplainedFlow, ...]
    service: ServiceKey | None = None
    origins: tuple[Origin, ...] = ()
    remarks: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    services_known: bool = True
