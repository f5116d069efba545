"""What a reading of keepalived.conf gives."""

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct, field

from lvsmarkd.model.address_service import AddressService
from lvsmarkd.model.origin import Origin, Problem
from lvsmarkd.model.protocols import Transport
from lvsmarkd.model.service import Address, Family, Network, Service, ServiceKey


class Completeness(StrEnum):
    """How far a reading can be trusted to be the whole configuration.

    Only a ``WHOLE`` one may take a service away: a file that is being written, was
    emptied by accident or cannot be read never removes a rule.
    """

    WHOLE = "whole"
    SUSPECT = "suspect"
    """Read, but looks cut off: 0 bytes, or a block still open at the end."""
    UNREADABLE = "unreadable"
    """Nothing was read: missing, a directory, no permission, not text."""


class VipClosing(Struct, frozen=True):
    """What has keepalived drop all that comes for the addresses of an instance, while it holds
    them: a keyword, and its line. ``takes_accept``: ``accept`` in the instance would change that;
    in strict mode it does with VRRP version 3 only.
    """

    keyword: str
    origin: Origin
    takes_accept: bool = True


class VrrpInstance(Struct, frozen=True):
    """One vrrp_instance: what of it matters to packet rules."""

    name: str
    origin: Origin
    interface: str | None = None
    vips: tuple[Address, ...] = ()
    family: Family = Family.INET
    """That of its adverts, and of each virtual_ipaddress that is kept; of those that are
    excluded, some may be of the other."""
    auth_ah: bool = False
    """``auth_type AH`` where it holds: adverts come as IP protocol 51 instead of 112."""
    closing: VipClosing | None = None
    """What keeps packets for its addresses from IPVS; None where nothing of the file does."""

    def vips_of(self, family: Family) -> tuple[Address, ...]:
        """The instance's addresses of one family, in the order written."""
        return tuple(vip for vip in self.vips if Family.of(vip) is family)


class Annotation(Struct, frozen=True):
    """A ``lvsmarkd:`` comment: the text after the colon, stripped.

    ``marks`` are those that the line or the block around it is about: one for
    ``virtual_server fwmark N`` or a ``fwmark N`` line of a group, all of the group's for a
    group, none at top level.
    """

    text: str
    origin: Origin
    marks: tuple[int, ...] = ()


class ReservedMark(Struct, frozen=True):
    """A mark that keepalived gives to one protocol of one group of addresses.

    ``keys`` are its services in IPVS, one for each family of the group's addresses.
    """

    mark: int
    keys: tuple[ServiceKey, ...]
    group: str
    protocol: Transport
    origin: Origin
    """Of the virtual_server that uses the group for this protocol first."""


class ReservedMarks(Struct, frozen=True):
    """The marks that keepalived hands out, and sets in an nftables table of its own.

    It does so with ``nftables_ipvs`` in global_defs. The table is of family ip and of ip6; its
    one chain is at hook input, where it replaces the mark that a packet bears. Marks are
    counted up from ``start``, in the order in which groups and protocols are first used at
    keepalived's start; a reload keeps those that were handed out, so that the marks in the kernel
    may be others than these until keepalived is restarted.
    """

    table: str
    start: int
    origin: Origin
    """Of the line ``nftables_ipvs``."""
    marks: tuple[ReservedMark, ...] = ()

    @property
    def keys(self) -> frozenset[ServiceKey]:
        """The services by these marks: their packets need no rule of ours."""
        return frozenset(key for mark in self.marks for key in mark.keys)


class Namespace(Struct, frozen=True):
    """A network namespace by its name under /run/netns, and the line that names it."""

    name: str
    origin: Origin


class SeenFiles(Struct, frozen=True):
    """The files of a reading as they were before each of them was read: what changes meanwhile, or
    comes, or goes, differs from this. A stamp for each, None where it is not there; and what
    each pattern matched.
    """

    stamps: Mapping[str, tuple[int, ...] | None] = field(default_factory=dict)
    matches: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


class Reading(Struct, frozen=True):
    """keepalived.conf and its includes, as keepalived would read them.

    ``files`` are all files opened, the first being keepalived.conf itself; ``lookups``
    are the absolute glob patterns of the includes (also of those that matched nothing), so
    that a file which starts to match is noticed; ``seen`` is how both were. ``services`` are those
    by marks that the configuration names; what keepalived marks by itself is in ``reserved``,
    services by address in ``address_services``. ``local`` is what it makes local besides the
    addresses of instances.
    """

    completeness: Completeness
    services: tuple[Service, ...] = ()
    instances: tuple[VrrpInstance, ...] = ()
    annotations: tuple[Annotation, ...] = ()
    problems: tuple[Problem, ...] = ()
    files: tuple[str, ...] = ()
    lookups: tuple[str, ...] = ()
    reserved: ReservedMarks | None = None
    namespace: Namespace | None = None
    address_services: tuple[AddressService, ...] = ()
    local: tuple[Network, ...] = ()
    seen: SeenFiles = SeenFiles()
