"""What global_defs says about all vrrp_instances.

keepalived/core/global_parser.c (2.2.7: vrrp_strict_handler, vrrp_version_handler,
dynamic_interfaces_handler, vrrp_mcast_group4_handler, vrrp_mcast_group6_handler,
vrrp_iptables_handler, vrrp_nftables_handler, vrrp_nftables_priority_handler).
"""

import re
from ipaddress import IPv4Address, IPv6Address

from msgspec import Struct

from lvsmarkd.keepalived.conf.addresses import endpoint
from lvsmarkd.keepalived.conf.logical import LogicalLine
from lvsmarkd.keepalived.conf.unsigned import read_unsigned
from lvsmarkd.model.origin import Origin
from lvsmarkd.model.service import Address, Family

VERSIONS = (2, 3)
"""Of the VRRP protocol."""
_NFTABLES_PRIORITY = -1
"""Where ``nftables`` says no other."""
_INTEGER = re.compile(r"[+-]?[0-9]{1,10}")


class VrrpDefaults(Struct, frozen=True):
    """``strict`` and ``version`` hold for the instances that say nothing themselves.

    With ``dynamic_interfaces`` an interface need not be there when keepalived starts.
    """

    strict: bool = False
    version: int = VERSIONS[0]
    dynamic_interfaces: bool = False
    group4: Address = IPv4Address("224.0.0.18")
    group6: Address = IPv6Address("ff02::12")
    strict_origin: Origin | None = None
    drop_priority: int = 0
    """Of the chain at hook input in which keepalived drops packets."""
    in_iptables: bool = False
    """It is asked to do so in iptables instead, if it was built with that."""

    def group(self, family: Family) -> Address:
        """Where the adverts of a family go, unless an instance has its own ``mcast_dst_ip``."""
        return self.group4 if family is Family.INET else self.group6


class OpenVrrpDefaults(Struct):
    """The same, while global_defs is read."""

    strict: bool = False
    version: int = VERSIONS[0]
    dynamic_interfaces: bool = False
    group4: Address = VrrpDefaults().group4
    group6: Address = VrrpDefaults().group6
    strict_origin: Origin | None = None
    drop_priority: int = 0
    in_iptables: bool = False
    in_nftables: bool = False

    def line(self, line: LogicalLine) -> None:
        """Take in a line of global_defs."""
        match line.words:
            case ["vrrp_strict", *_]:
                self.strict, self.strict_origin = True, line.origin
            case ["vrrp_version", str(word), *_]:
                self.version = read_unsigned(word, *VERSIONS) or self.version
            case ["dynamic_interfaces", *_]:
                self.dynamic_interfaces = True
            case ["vrrp_mcast_group4", str(word), *_] if group := multicast(word, Family.INET):
                self.group4 = group
            case ["vrrp_mcast_group6", str(word), *_] if group := multicast(word, Family.INET6):
                self.group6 = group
            case ["vrrp_iptables", *_]:
                self.in_iptables = True
            case ["nftables", *_] if not self.in_nftables:
                self.in_nftables, self.drop_priority = True, _NFTABLES_PRIORITY
            case ["nftables_priority", str(word), *_] if _INTEGER.fullmatch(word):
                self.drop_priority = int(word)

    def close(self) -> VrrpDefaults:
        """What holds in the end."""
        return VrrpDefaults(
            self.strict,
            self.version,
            self.dynamic_interfaces,
            self.group4,
            self.group6,
            self.strict_origin,
            self.drop_priority,
            self.in_iptables and not self.in_nftables,
        )


def multicast(word: str, family: Family) -> Address | None:
    """A group of a family that keepalived takes: of IPv6, only link-local ones."""
    found = endpoint(word)
    if found is None or found.family is not family or not found.address.is_multicast:
        return None
    if isinstance(found.address, IPv6Address) and found.address.packed[1] & 0xF != 2:
        return None
    return found.address
