"""IPVS' services as /proc/net/ip_vs lists them: the second-best source.

    Prot LocalAddress:Port Scheduler Flags
      -> RemoteAddress:Port Forward Weight ActiveConn InActConn
    FWM  00000050 rr
      -> 0A010001:0050      Masq    1      0          0

    TCP  0A000001:0050 rr
    UDP  [2001:0db8:0000:0000:0000:0000:0000:0001]:0035 rr

Marks, ports and addresses of IPv4 are hexadecimal. A service by mark does not show its family. Its
real servers do, since only a tunnel leads to one of another family (ip_vs_ctl.c,
ip_vs_genl_set_cmd; measured), and so does the netmask of a persistent one, where it is no length of
a prefix of IPv6.
"""

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_network
from pathlib import Path

from lvsmarkd.model.ipvs import KernelServices, LoadedIpvs, NoIpvs
from lvsmarkd.model.packets import Packets
from lvsmarkd.model.ports import PortRange
from lvsmarkd.model.protocols import TRANSPORTS
from lvsmarkd.model.service import Family, ServiceKey
from lvsmarkd.model.unknown import Unknown

PROC_IP_VS = Path("/proc/thread-self/net/ip_vs")
"""Of the thread's own network namespace: /proc/net is that of the process' first thread."""

_LOOKS = 3
_AT_ONCE = 2048
"""Characters that are surely made in one go: a page less the longest line."""

_MARK = re.compile(r"FWM +([0-9A-F]{8}) (?:.* persistent \d+ (FFFFFFFF)$)?")
_SERVICE = re.compile(r"(TCP|UDP|SCTP) +(?:\[([0-9a-f:.]+)\]|([0-9A-F]{8})):([0-9A-F]{4}) ")
_REAL_SERVER = re.compile(r"  -> (?:(\[[0-9a-f:.]+\])|[0-9A-F]{8}):[0-9A-F]{4} +(\S+) ")
_HEADER = ("IP Virtual Server version ", "Prot LocalAddress:Port ", "  -> RemoteAddress:Port ")
_WITHIN_FAMILY = frozenset({"Masq", "Route"})


def services_in_proc(path: Path = PROC_IP_VS) -> KernelServices:
    """Read the file. It is there if, and only if, the module is loaded (measured).

    A text of more than a page is made in several goes, each going on by counting services
    (ip_vs_ctl.c, ip_vs_info_seq_start), so that services that stay may be passed over when
    others go: it is read until it says twice the same. That it happens was not seen.
    """
    known: KernelServices | None = None
    for _ in range(_LOOKS):
        try:
            text = path.read_text("ascii")
        except FileNotFoundError:
            if path.parent.is_dir():
                return NoIpvs()
            return Unknown(f"{path.parent} is not there, so IPVS cannot be seen: mount /proc")
        except (OSError, ValueError) as error:
            return Unknown(f"{path} could not be read: {error}")
        found = read_proc(text)
        if len(text) <= _AT_ONCE or found == known:
            return found
        known = found
    return Unknown(f"{path} was changing each of the {_LOOKS} times that it was read")


def read_proc(text: str) -> KernelServices:
    """Read the text. A service by mark with no telling real server makes its mark ``unsure``."""
    lines = text.splitlines()
    if len(lines) < len(_HEADER) or not all(map(str.startswith, lines, _HEADER)):
        return Unknown("the kernel lists IPVS' services in a form that was not understood")
    services: set[ServiceKey] = set()
    unsure: set[int] = set()
    for mark, family in _families(lines[len(_HEADER) :]):
        if mark is None:
            return Unknown("the kernel lists an IPVS service in a way that was not understood")
        if family is None:
            unsure.add(mark)
        else:
            services.add(ServiceKey(family, mark))
    by_address = frozenset(_by_address(found) for found in map(_SERVICE.match, lines) if found)
    return LoadedIpvs(frozenset(services), frozenset(unsure), by_address)


def _by_address(service: re.Match[str]) -> Packets:
    protocol, inet6, inet, port = service.groups()
    number = int(port, 16)
    return Packets(
        destination=ip_network(IPv6Address(inet6) if inet6 else IPv4Address(int(inet, 16))),
        protocol=int(TRANSPORTS[protocol.lower()]),
        ports=(PortRange(number, number),) if number else (),
    )


def _families(lines: Iterable[str]) -> Iterable[tuple[int | None, Family | None]]:
    """Each service by mark, with its family where that is told; no mark for an odd line."""
    mark: int | None = None
    family: Family | None = None
    for line in lines:
        if (server := _REAL_SERVER.match(line)) is not None:
            if server[2] in _WITHIN_FAMILY:
                family = Family.INET6 if server[1] else Family.INET
            continue
        if mark is not None:
            yield mark, family
        mark, family = None, None
        if (service := _MARK.match(line)) is not None:
            mark = int(service[1], 16)
            family = Family.INET if service[2] else None
        elif not _SERVICE.match(line):
            yield None, None
    if mark is not None:
        yield mark, family
