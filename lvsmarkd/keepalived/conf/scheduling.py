"""How a virtual server hands out its packets: scheduler, forwarding and persistence.

keepalived/check/check_parser.c: lbalgo_handler, svr_forwarding_handler, pto_handler, pgr_handler;
check_data.c, validate_check_config.
"""

import socket
from collections.abc import Iterator

from msgspec import Struct

from lvsmarkd.keepalived.conf.logical import LogicalLine
from lvsmarkd.keepalived.conf.unsigned import read_plain
from lvsmarkd.model.origin import Origin
from lvsmarkd.model.refusal import nearest
from lvsmarkd.model.service import Family

_SCHEDULERS = (
    *("rr", "wrr", "lc", "wlc", "lblc", "lblcr", "sh", "mh", "dh", "fo", "ovf", "sed", "nq"),
    "twos",
)
_DEFAULT_SCHEDULER = "wlc"
_METHODS = ("NAT", "DR", "TUN")
_DEFAULT_METHOD = "NAT"
_MAX_TIMEOUT = 2678400
"""Seconds, of persistence: 31 days."""
_DEFAULT_TIMEOUT = 360
_MAX_PREFIX = 128


class Remark(Struct, frozen=True):
    """Something about a server that is worth a word, as a sentence.

    ``warned`` tells that keepalived warns of it, too; ``note`` that nothing is lost by it.
    """

    origin: Origin
    message: str
    warned: bool = True
    note: bool = False


class Scheduling(Struct):
    """What the lines of one virtual server say of it, as they are read."""

    scheduler: str = ""
    method: str = ""
    refused_method: bool = False
    _timeout: bool = False
    _granularity: Origin | None = None

    def schedule(self, line: LogicalLine) -> Remark | None:
        """``lb_algo``, ``lvs_sched``."""
        word = line.words[1]
        if word in _SCHEDULERS:
            self.scheduler = word
            return None
        near = nearest(word, _SCHEDULERS)
        return Remark(
            line.origin,
            f"keepalived has no scheduler {word!r}, so that "
            f"{self.scheduler or _DEFAULT_SCHEDULER} is used: write "
            + (near or f"one of {', '.join(_SCHEDULERS)}"),
        )

    def forward(self, line: LogicalLine) -> Remark | None:
        """``lb_kind``, ``lvs_method``."""
        remark = unknown_method(line, self.method or _DEFAULT_METHOD)
        if remark is None:
            self.method = line.words[1]
        self.refused_method = self.refused_method or remark is not None
        return remark

    def persist(self, line: LogicalLine) -> Remark | None:
        """``persistence_timeout``; without a word it is 360 seconds."""
        if line.words[1:] and read_plain(line.words[1], 1, _MAX_TIMEOUT) is None:
            # An earlier one, and what comes of persistence_granularity, stay.
            then = "an earlier one stays in force" if self._timeout else "there is no persistence"
            return Remark(
                line.origin,
                f"persistence_timeout {line.words[1]!r} is no number of seconds from 1 to "
                f"{_MAX_TIMEOUT}, so that {then}: write such a number, or no line",
            )
        self._timeout = True
        return None

    def mask(self, line: LogicalLine, family: Family | None) -> Remark | None:
        """``persistence_granularity``, in a server of this family, if it has one yet."""
        word = line.words[1]
        family = family or (Family.INET if "." in word else Family.INET6)
        if family is Family.INET6 and read_plain(word, 1, _MAX_PREFIX) is None:
            return Remark(
                line.origin,
                f"keepalived passes over persistence_granularity {word!r} in a service of inet6: "
                f"write the length of a prefix, from 1 to {_MAX_PREFIX}",
            )
        if family is Family.INET and not _is_inet(word):
            return Remark(
                line.origin,
                f"keepalived passes over persistence_granularity {word!r} in a service of inet: "
                "write a mask such as 255.255.255.0",
            )
        self._granularity = line.origin
        if family is Family.INET and "." not in word:
            return Remark(
                line.origin,
                f"keepalived reads persistence_granularity {word!r} as the mask "
                f"{socket.inet_ntoa(socket.inet_aton(word))}: write one such as 255.255.255.0",
                warned=False,
            )
        return None

    def end(self) -> Iterator[Remark]:
        """What is to be said once all lines are read."""
        if self._granularity is not None and not self._timeout:
            yield Remark(
                self._granularity,
                "persistence_granularity alone makes the service persistent for "
                f"{_DEFAULT_TIMEOUT} seconds: write persistence_timeout too, or remove it",
                warned=False,
                note=True,
            )


def unknown_method(line: LogicalLine, instead: str) -> Remark | None:
    """What to say of a forwarding method that there is not, where ``instead`` is used."""
    word = line.words[1]
    if word in _METHODS:
        return None
    meant = word.upper() if word.upper() in _METHODS else "NAT, DR or TUN"
    return Remark(
        line.origin,
        f"keepalived knows no {line.words[0]} {word!r}, so that packets go by {instead}: "
        f"write {meant}",
    )


def _is_inet(word: str) -> bool:
    try:
        socket.inet_aton(word)
    except (OSError, ValueError):
        return False
    return True
