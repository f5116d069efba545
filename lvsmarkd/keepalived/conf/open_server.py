"""A virtual server while its block is read: real servers and the address family.

keepalived/check/check_parser.c: the handlers of virtual_server and real_server.
"""

import socket
from enum import Enum, auto

from msgspec import Struct, field

from lvsmarkd.keepalived.conf.addresses import Endpoint, endpoint
from lvsmarkd.keepalived.conf.logical import LogicalLine
from lvsmarkd.keepalived.conf.scheduling import Remark, Scheduling, unknown_method
from lvsmarkd.keepalived.conf.servers import VirtualServer
from lvsmarkd.keepalived.conf.unsigned import read_plain, read_unsigned
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


_SPOKEN = {"UDP_CHECK": Transport.UDP, "DNS_CHECK": Transport.UDP}
"""Checks by TCP are made of any service."""
_MAX_NUMBER = 2**32 - 1
_MAX_WEIGHT = 2**31 - 1


class Destination(Struct):
    """A real server, or the sorry server."""

    endpoint: Endpoint
    forwarding: Forwarding
    origin: Origin
    method: str = ""
    """How packets go there, where the server itself says it, or ``lb_kind`` before it did."""
    weight: int | None = None

    def forward(self, word: str) -> None:
        """``lvs_method``; another word is ignored."""
        if word in _FORWARDINGS:
            self.forwarding, self.method = _FORWARDINGS[word], word


class OpenServer(Struct):
    """A virtual server between its ``{`` and its ``}``."""

    origin: Origin
    mark: int | None = None
    group: str | None = None
    family: Family | None = None
    lost: list[str] = field(default_factory=list)
    """Why real servers were dropped, each a clause."""
    port: int = 0
    """Of one by address."""
    scheduling: Scheduling = field(default_factory=Scheduling)
    remarks: list[Remark] = field(default_factory=list)
    """What is worth a word where this turns out to be a service by mark."""
    real: list[Destination] = field(default_factory=list)
    """The real servers that are left."""
    sorry: Destination | None = None
    address: Endpoint | None = None
    """Of one by address."""
    checked: set[Transport] = field(default_factory=set)
    """What health checks of its real servers speak, as far as that tells what these serve."""
    protocol: Transport | None = None
    suspends: Origin | None = None
    """Of ``ha_suspend``."""
    quorum: int = 1
    hysteresis: int = 0
    weight: int = 1
    _forwarding: Forwarding = Forwarding.WITHIN_FAMILY
    _other_kinds: bool = False
    """Whether an ``lb_kind`` other than NAT was there."""
    _current: Destination | None = None

    @property
    def marks(self) -> tuple[int, ...]:
        """The mark it is about, where it has one of its own."""
        return (self.mark,) if self.mark else ()

    def line(self, line: LogicalLine) -> None:
        """A line that says how its packets are handed out, or one that does not matter."""
        match line.words:
            case ["lb_kind" | "lvs_method", str(word), *_]:
                self.remark(self.scheduling.forward(line))
                self._forwarding = _FORWARDINGS.get(word, self._forwarding)
                self._other_kinds = self._other_kinds or self.scheduling.method not in {"", "NAT"}
            case ["lb_algo" | "lvs_sched", _, *_]:
                self.remark(self.scheduling.schedule(line))
            case ["persistence_timeout", *_]:
                self.remark(self.scheduling.persist(line))
            case ["persistence_granularity", str(word), *_]:
                self.remark(self.scheduling.mask(line, self.family))
                self.set_granularity(word)
            case ["protocol", str(word), *_]:
                self.protocol = _PROTOCOLS.get(word.upper(), self.protocol)
            case ["ha_suspend", *_]:
                self.suspends = line.origin
            case ["quorum", str(word), *_]:
                self.quorum = read_unsigned(word, 1, _MAX_NUMBER) or 1
            case ["hysteresis", str(word), *_]:
                self.hysteresis = read_unsigned(word, 0, _MAX_NUMBER) or 0
            case ["weight", str(word), *_]:
                self.weight = read_unsigned(word, 1, _MAX_WEIGHT) or self.weight

    def remark(self, remark: Remark | None) -> None:
        """Keep what is to be said."""
        if remark is not None:
            self.remarks.append(remark)

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

    def real_line(self, line: LogicalLine) -> None:
        """A line inside a real_server."""
        if (current := self._current) is None:
            return
        match line.words:
            case ["lvs_method", str(word), *_]:
                instead = current.method or self.scheduling.method or "what lb_kind says"
                self.remark(unknown_method(line, instead))
                current.forward(word)
            case ["weight", str(word), *_]:
                self._weigh(current, line, word)
            case [str(word), *_] if word in _SPOKEN:
                self.checked.add(_SPOKEN[word])

    def close_real(self) -> bool:
        """The end of a real_server: it sets the family, or must be of it (rs_end_handler).

        False where it is dropped.
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
        self.real.append(current)
        return True

    def sorry_server(self, line: LogicalLine) -> None:
        """``sorry_server``: the last valid one counts."""
        sorry = self._destination(line)
        if sorry is None:
            self.remarks.append(
                Remark(
                    line.origin,
                    f"keepalived drops sorry_server {' '.join(line.words[1:])!r}, which is no "
                    "address with a port: write a numeric one",
                )
            )
            return
        sorry.method = self.scheduling.method
        self.sorry = sorry

    def forward_sorry(self, line: LogicalLine) -> bool:
        """``sorry_server_lvs_method``; false where a word is missing."""
        if self.sorry is None:
            return True
        if len(line.words) < 2:
            return False
        self.sorry.forward(line.words[1])
        return True

    def end(self) -> None:
        """The end of its block: a family that nothing has set yet is set now (vs_end_handler)."""
        sorry = self.sorry
        if sorry is not None and sorry.forwarding is not Forwarding.TUNNEL:
            self.family = self.family or sorry.endpoint.family
            if self.family is not sorry.endpoint.family:
                self.remarks.append(
                    Remark(
                        sorry.origin,
                        f"keepalived drops sorry_server {sorry.endpoint.address}, since it is "
                        f"{sorry.endpoint.family} and the service {self.family}: write one of "
                        "the service's family",
                    )
                )
                self.sorry = None
        if self.family is None and self.group is None:
            self.family = self._family_of_tunnels()

    def close(self) -> VirtualServer | None:
        """The server, or None where no real server has survived."""
        if not self.real:
            return None
        ports = dict.fromkeys(real.endpoint.port for real in self.real if real.endpoint.port)
        protocol = self.protocol or Transport.UDP
        said = {self.protocol} - {None} | self.checked
        return VirtualServer(
            self.origin,
            self.mark,
            self.group,
            self.family,
            tuple(ports),
            protocol,
            tuple(each for each in Transport if each in said),
            tuple(dict.fromkeys(real.endpoint.address for real in self.real)),
            self.address,
            tuple(real.endpoint.address for real in self.real if self._is_nat(real)),
        )

    def _is_nat(self, real: Destination) -> bool:
        """Whether packets go there by NAT, which is what no lb_kind means (check_data.c: alloc_rs,
        validate_check_config). One that was changed after the real server is not followed.
        """
        if real.method:
            return real.method == "NAT"
        return not self._other_kinds

    def _weigh(self, real: Destination, line: LogicalLine, word: str) -> None:
        weight = read_unsigned(word, 0, _MAX_WEIGHT)
        real.weight = real.weight if weight is None else weight
        if read_plain(word, 0, _MAX_WEIGHT) is None:
            then = "passes over it" if weight is None else f"reads it as {weight}"
            self.remarks.append(
                Remark(
                    line.origin,
                    f"weight {word!r} is no number from 0 to {_MAX_WEIGHT}, and keepalived "
                    f"{then}: write one decimal number",
                )
            )

    def _family_of_tunnels(self) -> Family:
        families = {real.endpoint.family for real in self.real}
        if self.sorry is not None:
            families.add(self.sorry.endpoint.family)
        return families.pop() if len(families) == 1 else Family.INET

    def _destination(self, line: LogicalLine) -> Destination | None:
        words = line.words
        found = endpoint(words[1], words[2] if len(words) > 2 else "")
        return None if found is None else Destination(found, self._forwarding, line.origin)
