"""Transports and ports of a declaration, the same in TOML and in annotations."""

import re
from collections.abc import Iterable

from lvsmarkd.model.declaration import Ports
from lvsmarkd.model.ports import MAX_PORT, PortRange, joined
from lvsmarkd.model.protocols import TRANSPORTS, Transport
from lvsmarkd.model.refusal import RefusalError, either, nearest

PORT = f"a port from 1 to {MAX_PORT}, a range as 10000-20000, or a list as 80,443"
ENTRY = 'a transport with its ports as "tcp/80" or "udp/10000-20000", or "tcp" for every port'

_RANGE = re.compile(r"([0-9]{1,9})(?:-([0-9]{1,9}))?")
_SERVICES = {
    "domain": 53,
    "dns": 53,
    "ftp": 21,
    "http": 80,
    "https": 443,
    "imap": 143,
    "imaps": 993,
    "ldap": 389,
    "ldaps": 636,
    "ntp": 123,
    "smtp": 25,
    "ssh": 22,
    "syslog": 514,
}
"""For hints only: what a name stands for differs from one /etc/services to the next."""


def transport_of(word: str) -> Transport:
    """The transport that a word names. Raises RefusalError."""
    if word in TRANSPORTS:
        return TRANSPORTS[word]
    near = nearest(word, TRANSPORTS)
    hint = f"did you mean {near}?" if near else "leave the ports out for every protocol"
    raise RefusalError(word, either(TRANSPORTS), hint)


def ranges(text: str) -> tuple[PortRange, ...]:
    """The ports of a list such as ``80,443,10000-20000``. Raises RefusalError."""
    return tuple(_range(item.strip()) for item in text.split(","))


def entry(text: str) -> tuple[Ports, ...]:
    """The ports of an item such as ``tcp/80,443`` or ``tcp``. Raises RefusalError."""
    word, slash, listed = text.partition("/")
    if slash and listed in TRANSPORTS and word not in TRANSPORTS:
        raise RefusalError(text, ENTRY, f'write "{listed}/{word}"')
    if not slash and _RANGE.fullmatch(word):
        raise RefusalError(text, ENTRY, f'write "tcp/{word}" or "udp/{word}"')
    if not slash and (spelt := re.fullmatch(r"([a-z]+)[ :]+([0-9].*)", word)):
        raise RefusalError(text, ENTRY, f'write "{spelt[1]}/{spelt[2]}"')
    transport = transport_of(word)
    if not slash:
        return (Ports(transport),)
    if listed in {"", "*", "any", "all"}:
        raise RefusalError(text, ENTRY, f'write "{word}" for every port')
    return tuple(Ports(transport, each) for each in ranges(listed))


def normal(ports: Iterable[Ports]) -> tuple[Ports, ...]:
    """The same ports in the one form that has them sorted, and no two that touch.

    A transport without ports swallows its ranges.
    """
    by_transport: dict[Transport, list[PortRange] | None] = {}
    for each in ports:
        known = by_transport.setdefault(each.transport, [])
        if each.ports is None:
            by_transport[each.transport] = None
        elif known is not None:
            known.append(each.ports)
    return tuple(
        Ports(transport, each)
        for transport, own in sorted(by_transport.items())
        for each in ((None,) if own is None else joined(own))
    )


def _range(text: str) -> PortRange:
    spelt = _RANGE.fullmatch(text)
    if spelt is None:
        raise RefusalError(text, PORT, _hint(text))
    first = int(spelt[1])
    last = first if spelt[2] is None else int(spelt[2])
    if not (1 <= first <= MAX_PORT and 1 <= last <= MAX_PORT):
        raise RefusalError(text, PORT)
    if first > last:
        raise RefusalError(text, "a range with the lower port first", f"write {last}-{first}")
    return PortRange(first, last)


def _hint(text: str) -> str:
    if text.lower() in _SERVICES:
        return f"write {_SERVICES[text.lower()]}"
    if re.fullmatch(r"[0-9]+(:|\.\.| - )[0-9]+", text):
        return "write " + re.sub(r"[^0-9]+", "-", text)
    if re.fullmatch(r"[0-9]+( +[0-9]+)+", text):
        return "write " + re.sub(r" +", ",", text)
    return "names of services are not looked up" if text.isalpha() else ""
