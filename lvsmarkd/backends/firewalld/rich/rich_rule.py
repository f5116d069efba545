"""Rich rules as values: two spellings of one rule are equal here, though not to firewalld.

firewalld keeps most of a rule as it was typed: 80 and 0x50, 192.0.2.1 and 192.0.2.1/32, 80 and
080 are three rules to it, each listed, each to be removed by its own text (measured).
"""

import re
import socket
from enum import StrEnum
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network

from msgspec import Struct

from lvsmarkd.backends.firewalld.rich.words import (
    ALTERNATIVES,
    RichRuleError,
    RichWords,
    WrittenElement,
    read_words,
)
from lvsmarkd.model.ports import MAX_PORT, PortRange
from lvsmarkd.model.protocols import TRANSPORTS
from lvsmarkd.model.service import MAX_MARK, Family, Network

FAMILIES = {"ipv4": Family.INET, "ipv6": Family.INET6}
MAX_PRIORITY = 32767
_MAX_PROTOCOL = 255
_MAC = re.compile(r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}")


class Party(Struct, frozen=True):
    """A source or a destination: one of a network, a MAC (lower case) and the name of a set."""

    network: Network | None = None
    mac: str | None = None
    ipset: str | None = None
    inverted: bool = False


class RichPorts(Struct, frozen=True):
    """Packets of a protocol, to (or, ``source``, from) these ports."""

    protocol: int
    ports: PortRange
    source: bool = False


class Protocol(Struct, frozen=True):
    """Packets of an IP protocol."""

    number: int


class ServiceName(Struct, frozen=True):
    """Packets of a service that firewalld knows by this name."""

    name: str


class OtherElement(Struct, frozen=True):
    """An element that does not matter to marks, or narrows a rule in a way not looked into."""

    name: str
    attributes: tuple[tuple[str, str], ...] = ()


What = RichPorts | Protocol | ServiceName | OtherElement


class Verb(StrEnum):
    """What a rule does with a packet."""

    ACCEPT = "accept"
    REJECT = "reject"
    DROP = "drop"
    MARK = "mark"


class Mark(Struct, frozen=True):
    """The mark that is set. A mask means opposite things in firewalld's two backends."""

    value: int
    mask: int | None = None


class RichRule(Struct, frozen=True):
    """One rich rule. ``limit`` is that of the action; ``logs`` says that it logs or audits.

    ``family`` None stands for both. Without ``verb`` it only logs, or does what ``what`` says
    (masquerade, forward-port).
    """

    family: Family | None = None
    source: Party | None = None
    destination: Party | None = None
    what: What | None = None
    verb: Verb | None = None
    mark: Mark | None = None
    priority: int = 0
    limit: str | None = None
    logs: bool = False


@lru_cache(maxsize=16_384)
def read_rich_rule(text: str) -> RichRule:
    """Understand a rich rule, as firewalld lists it or as people type it; once per text, since
    nearly all rules are those of the last look.

    Raises NotUnderstoodError for what firewalld refuses, and for what is not known here (later
    versions have more).
    """
    words = read_words(text)
    elements, logs, verbs = ALTERNATIVES
    family = _family(words, text)
    action = words.one_of(verbs)
    what = words.one_of(elements)
    rule = RichRule(
        family,
        _party(words.elements.get("source"), family, text),
        _party(words.elements.get("destination"), family, text),
        None if what is None else _what(what, text),
        None if action is None else Verb(action.name),
        _mark(action, text) if action is not None and action.name == "mark" else None,
        _priority(words, text),
        None if action is None or action.limit is None else _limit(action.limit),
        words.one_of(logs) is not None or "audit" in words.elements,
    )
    if rule == RichRule(verb=rule.verb, mark=rule.mark, limit=rule.limit):
        raise RichRuleError(f"no element, no source, no destination, no priority: {text}")
    return rule


def _family(words: RichWords, text: str) -> Family | None:
    name = words.attributes.get("family")
    if name is None:
        return None
    if name not in FAMILIES:
        raise RichRuleError(f"family is ipv4 or ipv6, found {name}: {text}")
    return FAMILIES[name]


def _priority(words: RichWords, text: str) -> int:
    try:
        priority = int(words.attributes.get("priority", "0"))
    except ValueError as error:
        raise RichRuleError(f"priority is a number: {text}") from error
    if not -MAX_PRIORITY - 1 <= priority <= MAX_PRIORITY:
        raise RichRuleError(f"priority is at most {MAX_PRIORITY}: {text}")
    return priority


def _party(element: WrittenElement | None, family: Family | None, text: str) -> Party | None:
    if element is None:
        return None
    known = {name: element.attributes.get(name) for name in ("address", "mac", "ipset")}
    if sum(value is not None for value in known.values()) != 1:
        raise RichRuleError(f"{element.name} is one of address, mac, ipset: {text}")
    inverted = element.negated or "invert" in element.attributes
    if known["mac"] is not None:
        mac = known["mac"].lower()
        if not _MAC.fullmatch(mac):
            raise RichRuleError(f"no MAC: {text}")
        return Party(mac=mac, inverted=inverted)
    if family is None and (known["address"] or element.name == "destination"):
        raise RichRuleError(f"{element.name} needs a family: {text}")
    if known["address"] is None:
        return Party(ipset=known["ipset"], inverted=inverted)
    return Party(_network(known["address"], family, text), inverted=inverted)


def _network(address: str, family: Family | None, text: str) -> Network:
    try:
        if family is Family.INET:
            return IPv4Network(address, strict=False)
        host, slash, length = address.partition("/")
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
        return IPv6Network(f"{host}{slash}{length}", strict=False)
    except ValueError as error:
        raise RichRuleError(f"{error}: {text}") from error


def _what(element: WrittenElement, text: str) -> What:
    given = element.attributes
    match element.name:
        case "port" | "source-port":
            protocol = TRANSPORTS.get(given.get("protocol", ""))
            if protocol is None:
                raise RichRuleError(f"ports have a protocol, tcp udp sctp or dccp: {text}")
            name = given.get("protocol", "")
            ports = port_range(given.get("port", ""), name)
            if ports is None:
                raise RichRuleError(f"no port, nor range of ports: {text}")
            return RichPorts(int(protocol), ports, element.name == "source-port")
        case "protocol":
            number = protocol_number(given.get("value", ""))
            if number is None:
                raise RichRuleError(f"no protocol of this name: {text}")
            return Protocol(number)
        case "service":
            if "name" not in given:
                raise RichRuleError(f"service has a name: {text}")
            return ServiceName(given["name"])
        case name:
            return OtherElement(name, tuple(sorted(given.items())))


def port_range(text: str, protocol: str) -> PortRange | None:
    """Ports as people write them to firewalld: a number, `a-b` in any order, a name."""
    whole = _port(text, protocol)
    parts = [whole, whole] if whole else [_port(p, protocol) for p in text.split("-", 1)]
    known = [port for port in parts if port is not None]
    if len(known) != 2:
        return None
    try:
        return PortRange(min(known), max(known))
    except ValueError:
        return None


def _port(text: str, protocol: str) -> int | None:
    if text.isascii() and text.isdigit():
        return _number(text, MAX_PORT)
    try:
        return socket.getservbyname(text, protocol)
    except (OSError, ValueError):  # not there, or no name at all
        return None


def _number(text: str, most: int) -> int | None:
    """A number in digits. Python refuses to read one of thousands of them."""
    digits = text.lstrip("0") or "0"
    if len(digits) > len(str(most)):
        return None
    value = int(digits)
    return value if value <= most else None


def protocol_number(text: str) -> int | None:
    """An IP protocol by number or name."""
    if text.isascii() and text.isdigit():
        return _number(text, _MAX_PROTOCOL)
    try:
        return socket.getprotobyname(text)
    except (OSError, ValueError):
        return None


def _mark(element: WrittenElement, text: str) -> Mark:
    value, slash, mask = element.attributes.get("set", "").partition("/")
    try:
        mark = Mark(int(value, 0), int(mask, 0) if slash else None)
    except ValueError as error:
        raise RichRuleError(f"no mark: {text}") from error
    if not (0 <= mark.value <= MAX_MARK and 0 <= (mark.mask or 0) <= MAX_MARK):
        raise RichRuleError(f"a mark has 32 bits: {text}")
    return mark


def _limit(value: str) -> str:
    """`10/second` is `10/s`."""
    rate, slash, unit = value.partition("/")
    return f"{rate}{slash}{unit[:1] if unit in {'second', 'minute', 'hour', 'day'} else unit}"
