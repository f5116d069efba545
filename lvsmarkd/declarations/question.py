"""A question about packets, as it is typed: ``[fwmark] MARK``, or what a packet is like.

ADDRESS[/LENGTH] [TRANSPORT [PORTS]] [from ADDRESS] [in INTERFACE]
"""

import re
from collections.abc import Sequence
from ipaddress import ip_address

from msgspec.structs import replace

from lvsmarkd.declarations import port_ranges, values
from lvsmarkd.model.explanation import PacketQuestion
from lvsmarkd.model.packets import Packets
from lvsmarkd.model.ports import joined
from lvsmarkd.model.protocols import TRANSPORTS
from lvsmarkd.model.qualifiers import InInterface
from lvsmarkd.model.refusal import RefusalError, either
from lvsmarkd.model.service import Address, Family, Network

EXPECTED = "a mark, or an address as 192.0.2.10 tcp 443 from 203.0.113.5 in eth0"

_MARK = re.compile(r"[0-9]{1,20}|0[xX][0-9a-fA-F]{1,16}", re.ASCII)
"""In hexadecimal too, as rules list it."""

Question = int | PacketQuestion
"""A mark, or packets."""


def parse_question(words: Sequence[str]) -> Question:
    """What is asked. Raises RefusalError."""
    if not words:
        raise RefusalError(None, EXPECTED)
    first, *rest = words
    if first == "fwmark" and rest:
        first, *rest = rest
    if _MARK.fullmatch(first):
        if rest:
            raise RefusalError(rest[0], "nothing after a mark", "ask for an address, or a mark")
        return values.mark(int(first, 16 if first[1:2] in {"x", "X"} else 10))
    to = first if first in values.reserved() else values.target(first)
    if isinstance(to, str):
        raise RefusalError(first, EXPECTED)
    return _about(to, rest)


_KINDS = {"from": "sender", "in": "interface"}


def _about(to: Network, words: Sequence[str]) -> PacketQuestion:
    question = PacketQuestion(Packets(destination=to), Family.of(to))
    rest = list(words)
    told = set[str]()
    while rest:
        word, *rest = rest
        kind = "transport" if word in TRANSPORTS else word
        if kind in told:
            raise RefusalError(word, f"one {_KINDS.get(kind, kind)} at most", "ask twice")
        told.add(kind)
        match word:
            case _ if word in TRANSPORTS:
                packets = replace(question.packets, protocol=int(TRANSPORTS[word]))
                if rest and rest[0] not in {"from", "in"}:
                    ports = joined(port_ranges.ranges(rest.pop(0)))
                    packets = replace(packets, ports=ports)
                question = replace(question, packets=packets)
            case "from":
                source = _address(rest.pop(0) if rest else None)
                if Family.of(source) is not question.family:
                    raise RefusalError(
                        str(source), f"an address of {question.family}, as the first"
                    )
                question = replace(question, source=source)
            case "in":
                if not rest:
                    raise RefusalError(None, f'{InInterface.expected} after "in"')
                question = replace(question, interface=InInterface.checked(rest.pop(0)))
            case _:
                raise RefusalError(word, either((*TRANSPORTS, "from", "in")))
    return question


def _address(word: str | None) -> Address:
    try:
        return ip_address(word or "")
    except ValueError:
        raise RefusalError(word, 'an address after "from"') from None
