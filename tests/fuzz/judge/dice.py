"""Chance that is the same every time, and the words that generated rules are made of."""

from collections.abc import Callable, Sequence
from random import Random
from typing import TypeVar

from msgspec import Struct

from lvsmarkd.model.service import Family
from tests.fuzz.judge.director import PREFIXES, VIPS
from tests.fuzz.judge.packets import TCP, UDP, Packet

T = TypeVar("T")

V4 = tuple(vip for vip in VIPS if ":" not in vip)
V6 = tuple(vip for vip in VIPS if ":" in vip)
PORTS = (20, 21, 22, 25, 53, 80, 443, 587, 8000, 8080, 8443, 10000, 15000, 15001, 20000, 50080)
MACS = ("02:00:00:00:0c:00", "52:54:00:12:34:56", "02:00:00:00:00:01")
CLIENTS = {
    Family.INET: {
        "eth0": ("172.16.5.5", "192.168.1.20", "203.0.114.9", "8.8.4.4", "198.51.100.2"),
        "eth1": ("10.9.8.7", "10.1.2.3", "203.0.113.2"),
    },
    Family.INET6: {
        "eth0": ("2a00:1450::9", "2001:db8:5::5", "2001:db8:77::2"),
        "eth1": ("fd00:9::7", "fd12::1"),
    },
}
"""Each is answered by the interface that its packets come by."""
NETWORKS = {
    Family.INET: {
        "source": ("172.16.0.0/12", "10.0.0.0/8", "203.0.114.0/24", "8.8.4.4", "10.9.8.7",
                   "192.168.0.0/16", "10.1.2.0/30", "0.0.0.0/1"),
        "destination": (*V4, *V4, PREFIXES[0], "192.0.2.8/30", "192.0.2.12/31", "192.0.2.0/24",
                        "198.18.7.4", "198.18.7.8/29", "203.0.113.1", "0.0.0.0/0", "192.0.2.99"),
        "range": ("192.0.2.9-192.0.2.11", "192.0.2.12-192.0.2.20", "198.18.7.3-198.18.7.9",
                  "192.0.2.13-198.18.7.2", "10.0.0.1-10.9.8.7", "172.16.0.0-203.0.114.200"),
    },
    Family.INET6: {
        "source": ("2a00::/16", "fd00::/8", "2001:db8:5::/48", "fd12::1", "2000::/3"),
        "destination": (*V6, *V6, PREFIXES[1], "2001:db8:10::10/127", "2001:db8:10::/48",
                        "2001:db8:18::5", "2001:db8:18::8/125", "::/0", "2001:db8:10::99"),
        "range": ("2001:db8:10::f-2001:db8:10::11", "2001:db8:18::3-2001:db8:18::9",
                  "fd00::-fd10::"),
    },
}  # fmt: skip
MARKS = (80, 80, 80, 25, 9, 99, 0x100, 0x1, 0x4000, 0x50FF00, 0xFFFFFFFF, 0)
MASKS = (0xFF, 0xFF00, 0xF, 0x4000, 0xFF0000, 0xFFFF0000, 0x50, 1)


class Dice(Struct):
    """A source of chance for one ruleset, and the few words that this one uses again and again:
    what rules are about is more often the same than not.
    """

    random: Random
    family: Family
    ports: tuple[int, ...]
    marks: tuple[int, ...]

    @classmethod
    def of(cls, seed: str, family: Family) -> "Dice":
        """The dice of one seed."""
        random = Random(f"{seed} {family}")
        return cls(
            random,
            family,
            tuple(random.sample(PORTS, 5)),
            tuple(random.choices(MARKS, k=4)),
        )

    def one(self, several: Sequence[T]) -> T:
        """One of them."""
        return self.random.choice(several)

    def likely(self, chance: float) -> bool:
        """Whether it happens, of 1."""
        return self.random.random() < chance

    def weighed(self, table: Sequence[tuple[float, T]]) -> T:
        """One of them, by weights."""
        return self.random.choices([t for _, t in table], [weight for weight, _ in table])[0]

    def times(self, most: int) -> int:
        """How many, fewer more often than more."""
        return min(self.random.randint(0, most), self.random.randint(0, most))

    def port(self) -> int:
        """A port that rules are about."""
        return self.one(self.ports)

    def span(self) -> tuple[int, int]:
        """From one port to another."""
        first, last = sorted((self.port(), self.one(PORTS)))
        return first, last

    def mark(self) -> int:
        """A mark that rules are about."""
        return self.one(self.marks)

    def network(self, side: str) -> str:
        """Addresses on a side of packets."""
        return self.one(NETWORKS[self.family][side])


Words = Callable[[Dice], str]


def packets(seed: str, families: Sequence[Family], count: int) -> list[Packet]:
    """Packets to all that rules are about, and beside it."""
    random = Random(f"{seed} packets")
    sources = [*_SPECIAL, *random.sample(range(max(_SPECIAL) + 1, 65536), count - len(_SPECIAL))]
    found = []
    for source_port in sources:
        family = random.choice(families)
        interface = random.choice(("eth0", "eth0", "eth1"))
        found.append(
            Packet(
                family,
                _to(random, family),
                random.choice((TCP, TCP, UDP)),
                random.choice(PORTS) + random.choice((0, 0, 0, 0, 1, -1)),
                interface,
                random.choice(CLIENTS[family][interface]),
                source_port,
                random.choice((MACS[0], *MACS)),
            )
        )
    return found


_SPECIAL = (53, 67, 20, 123, 443, 1023, 1024)
"""Source ports that rules name."""


def _to(random: Random, family: Family) -> str:
    if family is Family.INET:
        return random.choice((*V4, *V4, *(f"198.18.7.{random.randrange(16)}",) * 3, "203.0.113.1"))
    return random.choice((*V6, *V6, *(f"2001:db8:18::{random.randrange(16):x}",) * 3))
