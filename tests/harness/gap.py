"""How many packets of a stream come to IPVS's place without their mark, whatever is flushed.

The counters are in a table of our own socket's, which ``nft flush ruleset`` passes by.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_network

from lvsmarkd.kernel.nf_tables import NftFamily
from lvsmarkd.kernel.nf_tables_socket import NfTablesSocket
from lvsmarkd.model.ports import PortRange
from lvsmarkd.model.rule import Hook
from lvsmarkd.model.service import Family
from lvsmarkd.netfilter.nftables.changes import add
from lvsmarkd.netfilter.nftables.contents import read_contents
from lvsmarkd.netfilter.nftables.expressions import Counts, Expression
from lvsmarkd.netfilter.nftables.matches import (
    has_mark,
    of_family,
    of_protocol,
    to_network,
    to_ports,
)
from lvsmarkd.netfilter.nftables.objects import (
    ChainBase,
    NftChain,
    NftRule,
    NftTable,
    TableFlag,
    TableId,
)
from lvsmarkd.netfilter.nftables.transaction import write
from tests.bench.traffic import PORT, sender, vip
from tests.harness.daemon import until

_TABLE = TableId(NftFamily.INET, "gap")
_FIRST, _LAST = "first", "last"
UDP = 17


@dataclass(frozen=True, slots=True)
class Passed:
    """Packets that came, and those of them without their mark behind all that marks."""

    came: int = 0
    unmarked: int = 0

    def __sub__(self, before: "Passed") -> "Passed":
        return Passed(self.came - before.came, self.unmarked - before.unmarked)


class Gap:
    """Counts while it is open. Use it by ``stream``."""

    def __init__(self) -> None:
        self._kernel = NfTablesSocket()

    def watch(self, _vips: list[str]) -> None:
        """Count from now on."""
        to = (
            *of_family(Family.INET),
            *to_network(ip_network(vip(1))),
            *of_protocol(UDP),
            *to_ports(PortRange(PORT, PORT)),
        )
        rules: dict[str, tuple[int, tuple[Expression, ...]]] = {
            _FIRST: (-390, to),
            _LAST: (260, (*to, *has_mark(1, not_it=True))),
        }
        table = NftTable(_TABLE, TableFlag.OWNER)
        changes = add(table)
        for name, (priority, matches) in rules.items():
            base = ChainBase(Hook.PREROUTING, priority)
            rule = NftRule(_TABLE, name, (*matches, Counts()))
            changes += add(NftChain(_TABLE, name, base), rule)
        write(self._kernel, changes)

    def passed(self) -> Passed:
        """Up to now."""
        found = read_contents(self._kernel, _TABLE)
        first, last = (self._packets(found.rules[name][0]) for name in (_FIRST, _LAST))
        return Passed(first, last)

    @staticmethod
    def _packets(rule: NftRule) -> int:
        (counts,) = (each for each in rule.expressions if isinstance(each, Counts))
        return counts.packets

    def close(self) -> None:
        """Count no more."""
        self._kernel.close()


@contextmanager
def gap(rate: int) -> Iterator[Gap]:
    """A stream to the service with mark 1; it has begun when this begins."""
    made = Gap()
    try:
        with sender(1, rate, max(1, rate // 1000), made.watch):
            until(lambda: made.passed().came > 0, "the stream")
            yield made
            time.sleep(0.05)
    finally:
        made.close()
