"""Chance that is the same every time, and the values that tables are made of."""

from ipaddress import IPv4Address, IPv6Address
from random import Random

from lvsmarkd.netfilter.nftables.datatypes import ByteOrder, DataType, Value, value_of


class Chance:
    """A source of chance for one seed."""

    def __init__(self, seed: str) -> None:
        self.random = Random(seed)

    def likely(self, chance: float) -> bool:
        """Whether it happens, of 1."""
        return self.random.random() < chance

    def comment(self) -> str:
        """A comment, or none."""
        return self.random.choice(("", "", "a comment", "ümlaut, and: more"))

    def mark(self) -> int:
        """A mark."""
        return self.random.choice((0, 1, 80, 0x50000000, 0xFFFFFFFF, self.random.getrandbits(32)))

    def value(self, kind: DataType) -> Value:
        """A value of a type, often one that was there before."""
        match kind:
            case DataType.IFNAME:
                return self.random.choice(("eth0", "eth1", "bond0.100", "a-long-if-name1", "lo"))
            case DataType.ETHER_ADDR:
                return f"52:54:00:00:{self.random.randrange(3):02x}:{self.random.randrange(9):02x}"
            case DataType.IPV4_ADDR:
                return IPv4Address(self._near(32, 0x0A000000))
            case DataType.IPV6_ADDR:
                return IPv6Address(self._near(128, 0x20010DB8 << 96))
            case DataType.INET_PROTO:
                return self.random.choice((0, 1, 6, 17, 47, 58, 132, 200, 255))
            case DataType.INET_SERVICE:
                return self._near(16, 80)
            case _:
                return self.mark()

    def _near(self, bits: int, base: int) -> int:
        top = (1 << bits) - 1
        spread = self.random.choice((1, 10, 300, 70_000))
        return self.random.choice((0, top, *[min(top, base + self.random.randrange(spread))] * 12))

    def until(self, kind: DataType, value: Value) -> Value:
        """The last value of a range from one on: often the same, or of a prefix."""
        if kind.order is not ByteOrder.NETWORK or self.likely(0.3):
            return value
        number = (
            value
            if isinstance(value, int)
            else int(str(value).replace(":", ""), 16)
            if isinstance(value, str)
            else int(value)
        )
        bits = self.random.choice((1, 4, 8, 12))
        top = (1 << 8 * kind.length) - 1
        last = number | (1 << bits) - 1 if self.likely(0.5) else number + (1 << bits)
        return value_of(kind, min(top, last).to_bytes(kind.length))
