"""First packets of connections, as frames on a wire."""

import socket
import struct
from ipaddress import ip_address

from msgspec import Struct

from lvsmarkd.judge.evaluation.packet_class import PacketClass
from lvsmarkd.judge.evaluation.sender import Sender
from lvsmarkd.model.service import Family

TCP, UDP = 6, 17
_SYN = 0x02
_ETHERTYPE = {Family.INET: 0x0800, Family.INET6: 0x86DD}


class Packet(Struct, frozen=True):
    """One packet: to whom, by which interface, from whom. Its source port is its name."""

    family: Family
    destination: str
    protocol: int
    port: int
    interface: str
    source: str
    source_port: int
    mac: str

    def __str__(self) -> str:
        name = {TCP: "tcp", UDP: "udp"}[self.protocol]
        return (
            f"{self.destination} {name} {self.port} in {self.interface}"
            f" from {self.source} port {self.source_port} {self.mac}"
        )

    @property
    def sender(self) -> Sender:
        """Who sends it."""
        return Sender(int(ip_address(self.source)), self.source_port, self.mac)

    @property
    def alone(self) -> PacketClass:
        """The class of this packet and no other."""
        to = int(ip_address(self.destination))
        ports = (self.port, self.port)
        return PacketClass(self.family, to, to, self.protocol, *ports, frozenset({self.interface}))

    def frame(self, to: bytes) -> bytes:
        """As it is on the wire, for the interface of this MAC."""
        link = (
            to
            + bytes.fromhex(self.mac.replace(":", ""))
            + struct.pack("!H", _ETHERTYPE[self.family])
        )
        source, destination = ip_address(self.source).packed, ip_address(self.destination).packed
        inside = self._transport(source + destination)
        if self.family is Family.INET6:
            head = struct.pack("!IHBB", 6 << 28, len(inside), self.protocol, 64)
            return link + head + source + destination + inside
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(inside), 1, 0, 64, self.protocol, 0)
        head += source + destination
        return link + head[:10] + struct.pack("!H", _checksum(head)) + head[12:] + inside

    def _transport(self, addresses: bytes) -> bytes:
        ports = struct.pack("!HH", self.source_port, self.port)
        if self.protocol == UDP:
            length = 8 + 4
            inside, at = ports + struct.pack("!HH", length, 0) + b"ping", 6
        else:
            # Nothing but a maximum segment size among the options.
            said = struct.pack("!IIBBHHH", 1, 0, 6 << 4, _SYN, 64240, 0, 0)
            inside, at = ports + said + b"\x02\x04\x05\xb4", 16
        pseudo = addresses + struct.pack("!IHH", len(inside), 0, self.protocol)
        total = struct.pack("!H", _checksum(pseudo + inside))
        return inside[:at] + total + inside[at + 2 :]


def _checksum(data: bytes) -> int:
    words = struct.unpack(f"!{len(data) // 2}H", data)
    total: int = sum(words)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Wire:
    """The far ends of the director's cables: by each interface frames can be put on one."""

    def __init__(self, ends: dict[str, str], macs: dict[str, str]) -> None:
        self._macs = {name: bytes.fromhex(mac.replace(":", "")) for name, mac in macs.items()}
        self._sockets = {name: _socket(end) for name, end in ends.items()}

    def send(self, packet: Packet) -> None:
        """Put a packet on the wire."""
        self._sockets[packet.interface].send(packet.frame(self._macs[packet.interface]))

    def close(self) -> None:
        """No more packets."""
        for each in self._sockets.values():
            each.close()


def _socket(interface: str) -> socket.socket:
    found = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    found.bind((interface, 0))
    return found
