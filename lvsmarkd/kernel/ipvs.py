"""The services in the kernel's IPVS, asked by netlink, else read from /proc.

No event tells of their changes (the genetlink family has no multicast group, measured): whoever
wants to know has to look. Looking never loads the module: only genetlink's request for one
family *by name* does that, so all families are listed instead (net/netlink/genetlink.c).
"""

import errno
import struct
from collections.abc import Callable, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_network
from pathlib import Path

from lvsmarkd.kernel.netlink import (
    NETLINK_GENERIC,
    Dump,
    NetlinkError,
    NetlinkSocket,
    attributes,
    number,
)
from lvsmarkd.kernel.proc_ip_vs import PROC_IP_VS, services_in_proc
from lvsmarkd.model.ipvs import KernelServices, LoadedIpvs, NoIpvs
from lvsmarkd.model.packets import Packets
from lvsmarkd.model.ports import PortRange
from lvsmarkd.model.service import Family, ServiceKey
from lvsmarkd.model.unknown import Unknown

TIMEOUT_SECONDS = 2.0
"""The kernel answers within a millisecond; only a service being removed holds it up."""

_LOOKS = 3
"""How often a table of several datagrams is read to find it twice the same."""

_AT_ONCE = 2
"""Datagrams of a table that came at one moment: the services, and the end."""

_CONTROLLER = 0x10  # GENL_ID_CTRL
_GETFAMILY = 3  # CTRL_CMD_GETFAMILY
_FAMILY_ID, _FAMILY_NAME = 1, 2  # CTRL_ATTR_FAMILY_ID, CTRL_ATTR_FAMILY_NAME
_GENLMSG = struct.Struct("=BBH")  # command, version, reserved
_IPVS = b"IPVS\0"
_GET_SERVICE = 4  # IPVS_CMD_GET_SERVICE
_SERVICE = 1  # IPVS_CMD_ATTR_SERVICE
_AF, _PROTOCOL, _ADDR, _PORT, _FWMARK = 1, 2, 3, 4, 5  # IPVS_SVC_ATTR_*
_FAMILIES = {2: Family.INET, 10: Family.INET6}

# No CAP_NET_ADMIN (in the first user namespace: GENL_ADMIN_PERM), or no netlink at all, as
# systemd's RestrictAddressFamilies= has it.
_REFUSALS = frozenset({errno.EPERM, errno.EACCES, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT})


def kernel_services(timeout: float = TIMEOUT_SECONDS, proc: Path = PROC_IP_VS) -> KernelServices:
    """The services of the calling thread's network namespace, within ``timeout`` seconds.

    Without CAP_NET_ADMIN the kernel refuses by netlink, and ``proc`` is read, where the families
    of some services cannot be told. Raises nothing: what could not be read is Unknown.
    """
    try:
        with NetlinkSocket(NETLINK_GENERIC, timeout) as kernel:
            family = ipvs_family(kernel.dump(_CONTROLLER, _GENLMSG.pack(_GETFAMILY, 1, 0)))
            if family is None:
                return NoIpvs()
            return settled(lambda: kernel.dump(family, _GENLMSG.pack(_GET_SERVICE, 1, 0)))
    except NetlinkError as error:
        return Unknown(f"the kernel's answer about IPVS was not understood: {error}")
    except OSError as error:
        if error.errno in _REFUSALS:
            return services_in_proc(proc)
        return Unknown(f"the kernel does not tell what IPVS holds: {error.strerror or error}")


def ipvs_family(answer: Dump) -> int | None:
    """The number of the genetlink family of IPVS among all families; None where there is none."""
    for body in answer.bodies:
        family = attributes(body, _GENLMSG.size)
        if family.get(_FAMILY_NAME) != _IPVS:
            continue
        if _FAMILY_ID not in family:
            raise NetlinkError("its genetlink family has no number")
        return number(family[_FAMILY_ID])
    return None


def services_of(answer: Dump) -> LoadedIpvs:
    """The services in a dump of all of them. Raises NetlinkError at an odd one."""
    keys: set[ServiceKey] = set()
    addresses: set[Packets] = set()
    for body in answer.bodies:
        service = attributes(attributes(body, _GENLMSG.size).get(_SERVICE, b""))
        if not {_FWMARK, _ADDR} & service.keys():
            raise NetlinkError("a service has neither a mark nor an address")
        if _FWMARK in service:
            af, mark = number(service.get(_AF, b"")), number(service[_FWMARK])
            if af not in _FAMILIES:
                raise NetlinkError(f"a service by mark {mark} is of address family {af}")
            keys.add(ServiceKey(_FAMILIES[af], mark))
        else:
            addresses.add(_by_address(service))
    return LoadedIpvs(frozenset(keys), addresses=frozenset(addresses))


def _by_address(service: Mapping[int, bytes]) -> Packets:
    """The packets of a service by address. Its address takes 16 bytes, of which IPv4 uses four;
    its port is in the network's order.
    """
    af, address = number(service.get(_AF, b"")), service[_ADDR]
    if af not in _FAMILIES or len(address) != 16:
        raise NetlinkError(f"a service by address is of address family {af}")
    host = IPv4Address(address[:4]) if _FAMILIES[af] is Family.INET else IPv6Address(address)
    said = service.get(_PORT, b"")
    if len(said) > 2:
        raise NetlinkError(f"a service by address has a port of {len(said)} bytes")
    port = int.from_bytes(said)
    return Packets(
        destination=ip_network(host),
        protocol=number(service.get(_PROTOCOL, b"")),
        ports=(PortRange(port, port),) if port else (),
    )


def settled(dump: Callable[[], Dump]) -> KernelServices:
    """A table that came whole: in one datagram, or twice the same.

    The kernel goes on where it stopped by counting services, and does not tell of changes
    (ip_vs_ctl.c, ip_vs_genl_dump_services): if one goes away between two datagrams, another
    one that is still there is passed over (measured: 8 of 172 dumps of 340 services, while
    others came and went). One datagram holds about 100 services.
    """
    known: LoadedIpvs | None = None
    for _ in range(_LOOKS):
        answer = dump()
        found = services_of(answer)
        if not answer.interrupted and (answer.datagrams <= _AT_ONCE or found == known):
            return found
        known = found
    return Unknown(f"IPVS was changing each of the {_LOOKS} times that it was looked at")
