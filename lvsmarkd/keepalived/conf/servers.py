"""What the checker keeps of a configuration, as far as marks go."""

from msgspec import Struct

from lvsmarkd.keepalived.conf.addresses import Endpoint, GroupAddress
from lvsmarkd.keepalived.conf.tls_files import TlsFile
from lvsmarkd.model.origin import Origin
from lvsmarkd.model.protocols import Transport
from lvsmarkd.model.service import Address, Family


class VirtualServer(Struct, frozen=True):
    """A virtual server that survived its own block: by mark, by group or by address."""

    origin: Origin
    mark: int | None
    group: str | None
    family: Family | None
    real_ports: tuple[int, ...]
    protocol: Transport = Transport.UDP
    """UDP where none is given (check_data.c, validate_check_config). Services by mark have none."""
    transports: tuple[Transport, ...] = ()
    """Those that ``protocol`` and health checks name."""
    real_addresses: tuple[Address, ...] = ()
    address: Endpoint | None = None
    """Of one by address."""
    nat_servers: tuple[Address, ...] = ()
    """The real servers to which packets go by NAT, for certain."""


class GroupMark(Struct, frozen=True):
    """A ``fwmark N [inet|inet6]`` line of a group."""

    mark: int
    family: Family | None
    origin: Origin


class Group(Struct, frozen=True):
    """A virtual_server_group that survived its own block.

    ``families`` are those that its lines name: its addresses' and its marks' own.
    """

    name: str
    origin: Origin
    marks: tuple[GroupMark, ...]
    families: frozenset[Family]
    addresses: tuple[tuple[GroupAddress, Origin], ...] = ()
    """With the lines where they stand."""

    @property
    def numbers(self) -> tuple[int, ...]:
        """The marks alone, each once; 0 is none."""
        return tuple(dict.fromkeys(entry.mark for entry in self.marks if entry.mark))


class CheckerConfig(Struct, frozen=True):
    """All that the checker keeps."""

    servers: tuple[VirtualServer, ...]
    groups: tuple[Group, ...]
    checker_marks: tuple[tuple[int, Origin], ...]
    """Marks that health checks put on their own packets: no services."""
    tls_files: tuple[TlsFile, ...] = ()
    """Files without which the checker does not start, in the order in which it loads them."""
    doubtful: bool = False
    """What keepalived makes of it cannot be known."""
