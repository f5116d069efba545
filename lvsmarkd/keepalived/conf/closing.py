"""Whether keepalived drops what comes for an instance's addresses, as soon as it holds them.

Its rule is ``ip daddr @vips drop`` at hook input of its own table, before IPVS, and has addresses
of ``virtual_ipaddress`` and ``virtual_ipaddress_excluded`` alike. keepalived/vrrp/vrrp.c
(vrrp_complete_instance, 2.2.7: 2904-2910 and 3152-3168; vrrp_handle_accept_mode, 165; 2.4.3: the
same), vrrp_parser.c (vrrp_state_handler, vrrp_prio_handler), vrrp_nftables.c.
"""

from enum import Enum, auto

from msgspec import Struct

from lvsmarkd.keepalived.conf.dialect import Dialect
from lvsmarkd.keepalived.conf.logical import LogicalLine
from lvsmarkd.keepalived.conf.unsigned import read_plain
from lvsmarkd.keepalived.conf.vrrp_defaults import VERSIONS, VrrpDefaults
from lvsmarkd.model.keepalived import VipClosing
from lvsmarkd.model.origin import Origin
from lvsmarkd.model.running import BuildOption

_OWNER = 255
_DEFAULT_PRIORITY = 100
_LAST_BEFORE_IPVS = 98
"""At hook input IPVS takes packets by 99; a chain there may come before it, or after."""


class _WantedState(Enum):
    UNSET = auto()
    MASTER = auto()
    BACKUP = auto()


class OpenClosing(Struct):
    """What an instance says about it, while it is read: of ``accept`` and ``no_accept`` the last
    one counts, and who owns the addresses (priority 255) drops nothing.
    """

    accepts: bool | None = None
    origin: Origin | None = None
    """Of the last of these two words."""
    strict_origin: Origin | None = None
    """Of the instance's own ``strict_mode``."""
    _priority: int = 0
    _state: _WantedState = _WantedState.UNSET

    def line(self, line: LogicalLine) -> None:
        """Take in a line of the instance's block."""
        match line.words:
            case ["accept" | "no_accept" as word, *_]:
                self.accepts, self.origin = word == "accept", line.origin
            case ["strict_mode", *_]:
                self.strict_origin = line.origin
            case ["priority", str(word), *_]:
                self._priority = read_plain(word, 1, _OWNER) or _DEFAULT_PRIORITY
            case ["state", "MASTER", *_]:
                self._state = _WantedState.MASTER
            case ["state", str(word), *_]:
                # A BACKUP after a MASTER is ignored, any other word is taken for BACKUP.
                if word != "BACKUP" or self._state is not _WantedState.MASTER:
                    self._state = _WantedState.BACKUP

    def settled(
        self, defaults: VrrpDefaults, dialect: Dialect, version: int, *, strict: bool
    ) -> VipClosing | None:
        """What closes the addresses, if anything does, of an instance of a VRRP version.

        Strict mode drops by default, and in VRRP version 2 whatever ``accept`` says.
        """
        priority = self._priority or (
            _OWNER if self._state is _WantedState.MASTER else _DEFAULT_PRIORITY
        )
        if priority == _OWNER or not _drops(defaults, dialect):
            return None
        takes_accept = not strict or version != VERSIONS[0]
        if self.accepts is False and self.origin is not None:
            return VipClosing("no_accept", self.origin, takes_accept)
        if not strict or (self.accepts and takes_accept):
            return None
        if self.strict_origin is not None:
            return VipClosing("strict_mode", self.strict_origin, takes_accept)
        if defaults.strict_origin is not None:
            return VipClosing("vrrp_strict", defaults.strict_origin, takes_accept)
        return None


def _drops(defaults: VrrpDefaults, dialect: Dialect) -> bool:
    """Whether what keepalived is to drop is dropped before IPVS sees it, for certain. Of a chain of
    iptables that is not known; keepalived's own table is used without ``nftables``, too.
    """
    lacks = dialect.build.lacks
    if {BuildOption.NFTABLES, BuildOption.IPTABLES} <= lacks:
        return False
    in_iptables = defaults.in_iptables or BuildOption.NFTABLES in lacks
    if in_iptables and BuildOption.IPTABLES not in lacks:
        return False
    return defaults.drop_priority <= _LAST_BEFORE_IPVS
