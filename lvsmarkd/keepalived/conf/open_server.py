"""A virtual server while its block is read: real servers and the address family.

keepalived/check/check_parser.c: the handlers of virtual_server and real_server.
"""

import socket
from enum import Enum, auto

from msgspec import Struct, field

from lvsmarkd.keepalived.conf.addresses import Endpoint, endpoint
from lvsmarkd.keepalived.conf.logical import LogicalLine
from lvsmarkd.keepalived.conf.servers import VirtualServer
from lvsmarkd.keepalived.conf.unsigned import read_plain
from lvsmarkd.model.origin import Origin
from lvsmarkd.model.protocols import Transport
from lvsmarkd.model.service import Family


class Forwarding(Enum):
    """How packets go to a real server, as far as address families depend on it."""

    WITHIN_FAMILY = auto()
    """NAT, DR, or not set yet."""
    TUNNEL = auto()
    """The only one by which a real server may be of another family than its service."""


_FORWARDINGS = {
    "NAT": Forwarding.WITHIN_FAMILY,
    "DR": Forwarding.WITHIN_FAMILY,
    "TUN": Forwarding.TUNNEL,
}

_PROTOCOLS = {"TCP": Transport.TCP, "UDP": Transport.UDP, "SCTP": Transport.SCTP}


class _Destination(Struct):
    endpoint: Endpoint
    forwarding: Forwarding

    def forward(self, word: str) -> None:
        self.forwarding = _FORWARDINGS.get(word, self.forwarding)


class OpenServer(Struct):
    """A virtual server between its ``{`` and its ``}``."""

    origin: Origin
    mark: int | None = None
    group: str | None = None
    family: Family | None = None
    lost: list[str] = field(default_factory=list)
    """Why real servers were dropped, each a clause."""
    _protocol: Transport = Transport.UDP
    _forwarding: Forwarding = Forwarding.WITHIN_FAMILY
    _real: list[Endpoint] = field(default_factory=list)
    _current: _Destination | None = None
    _sorry: _Destination | None = None

    @property
    def marks(self) -> tuple[int, ...]:
        """The mark it is about, where it has one of its own."""
        return (self.mark,) if self.mark else ()

    def forward(self, word: str) -> None:
        """``lb_kind``: how real servers that follow are reached, unless they say otherwise."""
        self._forwarding = _FORWARDINGS.get(word, self._forwarding)

    def set_family(self, word: str) -> str | None:
        """``ip_family``; what is wrong with it, if it is ignored (ip_family_handler)."""
        try:
            family = Family(word)
        except ValueError:
            return f"ip_family is inet or inet6: keepalived ignores {word!r}"
        if self.family not in (None, family):
            return f"the service is {self.family} already: keepalived ignores ip_family {word}"
        self.family = family
        return None

    def set_granularity(self, word: str) -> None:
        """``persistence_granularity``, which sets the family too (pgr_handler)."""
        if self.family is not None:
            return
        if "." not in word:
            if read_plain(word, 1, 128) is not None:
                self.family = Family.INET6
            return
        try:
            socket.inet_aton(word)
        except (OSError, ValueError):
            return
        self.family = Family.INET

    def set_protocol(self, word: str) -> None:
        """``protocol``; another word is ignored (proto_handler)."""
        self._protocol = _PROTOCOLS.get(word.upper(), self._protocol)

    def open_real(self, line: LogicalLine) -> bool:
        """``real_server``; false where its address or port is invalid, and its block skipped."""
        self._current = self._destination(line)
        if self._current is None:
            self.lost.append(f"{' '.join(line.words)!r} is no address with a port")
        return self._current is not None

    @property
    def in_real(self) -> bool:
        """Whether a valid real server is being read."""
        return self._current is not None

    def forward_real(self, word: str) -> None:
        """``lvs_method`` inside a real_server."""
        if self._current is not None:
            self._current.forward(word)

    def close_real(self) -> bool:
        """The end of a real_server: it sets the family, or must be of it (rs_end_handler).

        Tells whether it is kept.
        """
        if (current := self._current) is None:
            return False
        self._current = None
        if current.forwarding is not Forwarding.TUNNEL:
            family = current.endpoint.family
            self.family = self.family or family
            if self.family is not family:
                address = current.endpoint.address
                self.lost.append(f"real_server {address} is {family}, the service {self.family}")
                return False
        self._real.append(current.endpoint)
        return True

    def sorry_server(self, line: LogicalLine) -> None:
        """``sorry_server``: the last valid one counts."""
        self._sorry = self._destination(line) or self._sorry

    def forward_sorry(self, line: LogicalLine) -> bool:
        """``sorry_server_lvs_method``; false where a word is missing."""
        if self._sorry is None:
            return True
        if len(line.words) < 2:
            return False
        self._sorry.forward(line.words[1])
        return True

    def end(self) -> None:
        """The end of its block: a family that nothing has set yet is set now (vs_end_handler)."""
        sorry = self._sorry
        if sorry is not None and sorry.forwarding is not Forwarding.TUNNEL:
            self.family = self.family or sorry.endpoint.family
        if self.family is None and self.group is None:
            self.family = self._family_of_tunnels()

    def close(self) -> VirtualServer | None:
        """The server, or None where no real server has survived."""
        if not self._real:
            return None
        ports = dict.fromkeys(real.port for real in self._real if real.port)
        return VirtualServer(
            self.origin, self.mark, self.group, self.family, tuple(ports), self._protocol
        )

    def _family_of_tunnels(self) -> Family:
        families = {real.family for real in self._real}
        if self._sorry is not None:
            families.add(self._sorry.endpoint.family)
        return families.pop() if len(families) == 1 else Family.INET

    def _destination(self, line: LogicalLine) -> _Destination | None:
        words = line.words
        found = endpoint(words[1], words[2] if len(words) > 2 else "")
        return None if found is None else _Destination(found, self._forwarding)
