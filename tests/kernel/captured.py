"""What a real kernel answered: Debian 12's 6.1.0-56-amd64, little-endian, in a virtual machine.

`none`: ip_vs not loaded. `empty`: loaded. `mixed`: services by mark of both families, persistent
ones, tunnels, some by address and port. `many`: marks 1001 to 1300. `keepalived`: made by
keepalived 2.2.7, with `nftables_ipvs`.
"""

import base64
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lvsmarkd.model.service import Family, ServiceKey

NAMES = ("none", "empty", "mixed", "many", "keepalived")
FAMILIES, SERVICES = 1, 2


@dataclass(frozen=True, slots=True)
class Captured:
    """Datagrams by the number of the question, /proc/net/ip_vs, and what was there."""

    datagrams: tuple[tuple[int, bytes], ...]
    proc: str | None
    services: frozenset[ServiceKey]

    def answering(self, question: int) -> Iterator[bytes]:
        return (data for number, data in self.datagrams if number == question)


def captured(name: str) -> Captured:
    found = json.loads((Path(__file__).parent / "captured.json").read_text())[name]
    return Captured(
        tuple(
            (number, zlib.decompress(base64.b64decode(text))) for number, text in found["datagrams"]
        ),
        found["proc"],
        keys(found["services"]),
    )


def keys(text: str) -> frozenset[ServiceKey]:
    """As in ``"inet 5, inet6 7"``."""
    pairs = (pair.split() for pair in text.split(",") if pair)
    return frozenset(ServiceKey(Family(family), int(mark)) for family, mark in pairs)
