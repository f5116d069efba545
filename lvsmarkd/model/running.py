"""The running keepalived, as far as it can be seen from outside."""

from enum import Enum

from msgspec import Struct

from lvsmarkd.model.unknown import Unknown

Version = tuple[int, int, int]


class BuildOption(Enum):
    """What keepalived may be built without, so that it knows fewer words.

    The values are its own names (``keepalived --version``, "Config options" and "System
    options"); LINKBEAT and TRACK_PROCESS are ours: it lists only that it lacks them.
    """

    LVS = "LVS"
    VRRP = "VRRP"
    BFD = "BFD"
    REGEX = "REGEX"
    NFTABLES = "NFTABLES"
    IPTABLES = "IPTABLES"
    VRRP_AUTH = "VRRP_AUTH"
    VRRP_VMAC = "VRRP_VMAC"
    VRRP_IPVLAN = "VRRP_IPVLAN"
    VRF = "VRF"
    SO_MARK = "SO_MARK"
    OLD_CHECKSUM = "OLD_CHKSUM_COMPAT"
    JSON = "JSON"
    DBUS = "DBUS"
    SNMP_VRRP = "SNMP_VRRP"
    SNMP_CHECKER = "SNMP_CHECKER"
    LINKBEAT = "LINKBEAT"
    TRACK_PROCESS = "TRACK_PROCESS"


class Build(Struct, frozen=True):
    """Which keepalived it is.

    ``lacks`` is what it was built without; where it does not tell, it is taken as built with all.
    """

    version: Version
    lacks: frozenset[BuildOption] = frozenset()

    @property
    def dotted(self) -> str:
        """The version as people write it."""
        return ".".join(map(str, self.version))


class RunningKeepalived(Struct, frozen=True):
    """keepalived's parent process. ``(pid, started)`` names one process for ever.

    ``started`` is in clock ticks since boot. ``config`` is the ``-f`` of its command line,
    absolute; None where there is none, or its place cannot be told. ``instance`` is the name
    in its pid file's name. ``net_namespace`` is that of ``-s``. ``checker`` is False where its
    command line leaves the checker out (``-P``).

    ``elsewhere``: its network namespace is another than ours, so that rules here do not meet
    its packets; None where that could not be seen. ``contained``: it has a file system or a
    pid namespace of its own, as in a container; its paths mean nothing here, so that
    ``executable`` and ``config`` are None.

    ``build`` is not to be seen of a process: the caller fills it in.
    """

    pid: int
    started: int
    executable: str | None
    config: str | None
    config_id: str | None
    instance: str | None
    net_namespace: str | None
    checker: bool
    elsewhere: bool | None
    build: Build | None = None
    contained: bool = False

    def same_process(self, other: "Running | None") -> bool:
        """Whether both are one process; a number alone may be another's by now."""
        return isinstance(other, RunningKeepalived) and (self.pid, self.started) == (
            other.pid,
            other.started,
        )


class Stopped(Struct, frozen=True):
    """No keepalived runs here."""


Running = RunningKeepalived | Stopped | Unknown
