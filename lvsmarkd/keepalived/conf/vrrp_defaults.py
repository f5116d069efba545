"""What global_defs says about all vrrp_instances.

keepalived/core/global_parser.c (2.2.7: vrrp_strict_handler, vrrp_version_handler,
dynamic_interfaces_handler, vrrp_mcast_group4_handler, vrrp_mcast_group6_handler).
"""

from ipaddress import IPv4Address, IPv6Address

from msgspec import Struct

from lvsmarkd.keepalived.conf.addresses import endpoint
from lvsmarkd.keepalived.conf.logical import LogicalLine
from lvsmarkd.keepalived.conf.unsigned import read_unsigned
from lvsmarkd.model.service import Address, Family

VERSIONS = (2, 3)
"""Of the VRRP protocol."""


class VrrpDefaults(Struct, frozen=True):
    """``strict`` and ``version`` hold for the instances that say nothing themselves.

    With ``dynamic_interfaces`` an interface need not be there when keepalived starts.
    """

    strict: bool = False
    version: int = VERSIONS[0]
    dynamic_interfaces: bool = False
    group4: Address = IPv4Address("224.0.0.18")
    group6: Address = IPv6Address("ff02::12")

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

    def line(self, line: LogicalLine) -> None:
        """Take in a line of global_defs."""
        match line.words:
            case ["vrrp_strict", *_]:
                self.strict = True
            case ["vrrp_version", str(word), *_]:
                self.version = read_unsigned(word, *VERSIONS) or self.version
            case ["dynamic_interfaces", *_]:
                self.dynamic_interfaces = True
            case ["vrrp_mcast_group4", str(word), *_] if group := multicast(word, Family.INET):
                self.group4 = group
            case ["vrrp_mcast_group6", str(word), *_] if group := multicast(word, Family.INET6):
                self.group6 = group

    def close(self) -> VrrpDefaults:
        """What holds in the end."""
        return VrrpDefaults(
            self.strict, self.version, self.dynamic_interfaces, self.group4, self.group6
        )


def multicast(word: str, family: Family) -> Address | None:
    """A group of a family that keepalived takes: of IPv6, only link-local ones."""
    found = endpoint(word)
    if found is None or found.family is not family or not found.address.is_multicast:
        return None
    if isinstance(found.address, IPv6Address) and found.address.packed[1] & 0xF != 2:
        return None
    return found.address
