"""The services that firewalld knows by name: which packets each stands for."""

from collections.abc import Iterable, Mapping

from msgspec import Struct

from lvsmarkd.backends.firewalld.client.calls import (
    FirewalldClient,
    FirewalldError,
    Interface,
    Request,
)
from lvsmarkd.backends.firewalld.planes.listing import Settings, pairs, strings
from lvsmarkd.backends.firewalld.rich.rich_rule import port_range, protocol_number
from lvsmarkd.model.packets import EVERY_PACKET, Packets
from lvsmarkd.model.protocols import TRANSPORTS

_DEPTH = 8
"""Services that include others that include others are followed as deep as this."""


class ServiceMatches(Struct, frozen=True):
    """What packets of a service match. ``narrowed``: some of it is not understood."""

    matches: tuple[Packets, ...]
    narrowed: bool = False


Services = Mapping[str, ServiceMatches]
UNKNOWN = ServiceMatches((EVERY_PACKET,), narrowed=True)
"""Of a service that firewalld does not tell: it may be any packet."""


def ask_services(firewalld: FirewalldClient, names: Iterable[str]) -> Services:
    """Ask firewalld for the services of these names, and for those that they include.

    Raises BusError. A name that firewalld does not know is left out.
    """
    known: dict[str, Settings] = {}
    wanted = set(names)
    for _ in range(_DEPTH):
        asked = sorted(wanted - known.keys())
        if not asked:
            break
        answers = firewalld.calls(
            [Request(Interface.MAIN, "getServiceSettings2", (name,)) for name in asked]
        )
        for name, answer in zip(asked, answers, strict=True):
            usable = isinstance(answer, Mapping) and not isinstance(answer, FirewalldError)
            known[name] = answer if usable and isinstance(answer, Mapping) else {}
            wanted |= set(strings(known[name], "includes"))
    return {name: _matches(name, known) for name in known if known[name]}


def _matches(name: str, known: Mapping[str, Settings]) -> ServiceMatches:
    matches: list[Packets] = []
    narrowed = False
    seen: set[str] = set()
    waiting = [name]
    while waiting:
        one = waiting.pop()
        settings = known.get(one)
        if one in seen:
            continue
        seen.add(one)
        if not settings:
            narrowed = True
            continue
        waiting += strings(settings, "includes")
        narrowed = narrowed or bool(settings.get("destination"))
        found, whole = matches_of(settings)
        matches += found
        narrowed = narrowed or not whole
    return ServiceMatches(tuple(matches), narrowed)


def matches_of(settings: Settings) -> tuple[list[Packets], bool]:
    """What the ports and protocols of a service or a zone match; whether that is all of it."""
    matches: list[Packets] = []
    whole = not settings.get("source_ports")
    for ports, protocol in pairs(settings, "ports"):
        number = TRANSPORTS.get(protocol)
        span = port_range(ports, protocol) if ports else None
        if number is None or (ports and span is None):
            whole = False
        else:
            matches.append(Packets(protocol=int(number), ports=(span,) if span else ()))
    for protocol in strings(settings, "protocols"):
        value = protocol_number(protocol)
        if value is None:
            whole = False
        else:
            matches.append(Packets(protocol=value))
    return matches, whole
