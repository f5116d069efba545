"""On which answers about packets a change of rules may bear."""

from lvsmarkd.judge.evaluation.changes import Changes
from lvsmarkd.judge.evaluation.lookups import Found
from lvsmarkd.judge.evaluation.needs import Needs
from lvsmarkd.judge.evaluation.packet_class import PacketClass
from lvsmarkd.judge.evaluation.rule_index import RuleIndex
from lvsmarkd.judge.evaluation.sender import Sender
from lvsmarkd.judge.evaluation.terrain import Terrain
from lvsmarkd.model.rule_spec import Lookup
from lvsmarkd.model.ruleset import Lister, TableChain, TableKey


class Bearing:
    """What the changes from one terrain to another bear on, for packets of one sender."""

    def __init__(self, before: Terrain, now: Terrain, different: Changes, sender: Sender) -> None:
        self._before = before
        self._now = now
        self._different = different
        self._sender = sender
        self._rules = {
            change.chain: RuleIndex(TableChain("", change.rules), now.family)
            for change in different.chains
        }
        moved = [change.chain for change in different.chains if change.moved]
        self._ambiguous = [
            (table, chain)
            for table, chain in moved
            if any(
                table != other.key and _is_named_alike(table, other.key) for other in now.tables()
            )
        ]

    def is_on(self, needs: Needs) -> bool:
        """Whether they may bear on what depends on that."""
        for chain, rules in self._rules.items():
            for packets in needs.of(chain):
                if rules.may_hold(packets, self._sender):
                    return True
        if any(chain in needs.classes for chain in self._ambiguous):
            return True
        return bool(needs.lookups) and any(map(self._finds_another, needs.lookups))

    def _finds_another(self, looked_up: tuple[TableKey, Lookup, PacketClass]) -> bool:
        table, lookup, packets = looked_up
        if table not in self._different.sets and not (self._different.ipsets and lookup.directions):
            return False
        before = self._found(self._before, table, lookup, packets)
        return before is None or before != self._found(self._now, table, lookup, packets)

    def _found(
        self, terrain: Terrain, key: TableKey, lookup: Lookup, packets: PacketClass
    ) -> list[tuple[PacketClass, Found]] | None:
        table = terrain.table(key)
        if table is None:
            return None
        return terrain.conditions(table).found(lookup, packets, self._sender)


def _is_named_alike(one: TableKey, other: TableKey) -> bool:
    """Whether rules of two tables bear the same names: of both variants of iptables."""
    return Lister.NFT not in {one.source, other.source} and one.name == other.name
