"""What an answer about packets depends on: with which chains they were compared, and as what."""

from collections.abc import Iterable

from msgspec import Struct, field

from lvsmarkd.judge.evaluation.changes import ChainName
from lvsmarkd.judge.evaluation.packet_class import PacketClass
from lvsmarkd.model.rule_spec import Lookup
from lvsmarkd.model.ruleset import TableKey

_Seen = tuple[int, int, int, int, int | None]
"""What of packets an index of rules looks at (`RuleIndex.next`)."""


class Needs(Struct):
    """Noted while packets are followed. A rule that may hold for none of the ``classes`` of its
    chain changes nothing of the answer, and a set in which each of the ``lookups`` finds the same
    does not either.
    """

    classes: dict[ChainName, dict[_Seen, PacketClass]] = field(default_factory=dict)
    lookups: set[tuple[TableKey, Lookup, PacketClass]] = field(default_factory=set)

    def compared(self, table: TableKey, chain: str, packets: PacketClass) -> None:
        """Packets were compared with rules of a chain."""
        found = self.classes.get((table, chain))
        if found is None:
            found = self.classes[table, chain] = {}
        seen = (packets.first, packets.last, packets.low, packets.high, packets.mark)
        if seen not in found:
            found[seen] = packets

    def looked_up(self, table: TableKey, lookup: Lookup, packets: PacketClass) -> None:
        """Packets were looked up in a set that has a name."""
        if lookup.name:
            self.lookups.add((table, lookup, packets))

    def of(self, chain: ChainName) -> Iterable[PacketClass]:
        """The classes that were compared with rules of a chain."""
        found = self.classes.get(chain)
        return () if found is None else found.values()
