"""What a reading of keepalived.conf gives."""

from dataclasses import dataclass
from enum import StrEnum

from lvsmarkd.model.origin import Origin, Problem
from lvsmarkd.model.service import Address, Family, Service


class Fitness(StrEnum):
    """How far a reading can be trusted to be the whole configuration.

    Only a ``WHOLE`` one may take a service away: a file that is being written, was
    emptied by accident or cannot be read never removes a rule.
    """

    WHOLE = "whole"
    SUSPECT = "suspect"
    """Read, but looks cut off: 0 bytes, or a block still open at the end."""
    UNREADABLE = "unreadable"
    """Nothing was read: missing, a directory, no permission, not text."""


@dataclass(frozen=True, slots=True)
class VrrpInstance:
    """One vrrp_instance: what of it matters to packet rules."""

    name: str
    origin: Origin
    interface: str | None = None
    vips: tuple[Address, ...] = ()
    family: Family | None = None
    """That of its adverts: its first virtual_ipaddress decides; None where it has none."""
    auth_ah: bool = False
    """``auth_type AH``: IPv4 adverts come as IP protocol 51 instead of 112."""

    def vips_of(self, family: Family) -> tuple[Address, ...]:
        """The instance's addresses of one family, in the order written."""
        return tuple(vip for vip in self.vips if Family.of(vip) is family)


@dataclass(frozen=True, slots=True)
class Annotation:
    """A ``lvsmarkd:`` comment: the text after the colon, stripped.

    ``marks`` are those that the line or the block around it is about: one for
    ``virtual_server fwmark N`` or a ``fwmark N`` line of a group, all of the group's for a
    group, none at top level.
    """

    text: str
    origin: Origin
    marks: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """keepalived.conf and its includes, as keepalived would read them.

    ``files`` are all files opened, the first being keepalived.conf itself; ``lookups``
    are the absolute glob patterns of the includes (also of those that matched nothing), so
    that a file which starts to match is noticed.
    """

    fitness: Fitness
    services: tuple[Service, ...] = ()
    instances: tuple[VrrpInstance, ...] = ()
    annotations: tuple[Annotation, ...] = ()
    problems: tuple[Problem, ...] = ()
    files: tuple[str, ...] = ()
    lookups: tuple[str, ...] = ()
