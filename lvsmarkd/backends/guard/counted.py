"""What the guard has marked, by service, over all tables that it had since lvsmarkd began."""

from collections import Counter
from collections.abc import Mapping

from msgspec import Struct, field

from lvsmarkd.backends.nftables.mark_table import ElementCount, counted
from lvsmarkd.model.service import ServiceKey
from lvsmarkd.netfilter.nftables.objects import TableContents


class Counted(Struct):
    """Adds up the counters of elements, which end with these. For one thread at a time."""

    hits: int = 0
    """What the table's rules had counted when its elements were read last."""
    _gone: Counter[ServiceKey] = field(default_factory=Counter)
    """What elements had counted that are there no more."""
    _there: dict[tuple[str, bytes], ElementCount] = field(default_factory=dict)

    @property
    def packets(self) -> Mapping[ServiceKey, int]:
        """All packets so far."""
        total = Counter(self._gone)
        for each in self._there.values():
            total[each.service] += each.packets
        return {key: packets for key, packets in total.items() if packets}

    def begin(self, hits: int, found: TableContents) -> None:
        """Count from here: an earlier lvsmarkd has told what the table holds by now."""
        self.look(hits, found)
        self._gone.subtract(self.packets)

    def look(self, hits: int, found: TableContents) -> None:
        """See what the elements of the table's maps have counted."""
        before, self.hits = self._there, hits
        self._there = {each.place: each for each in counted(found)}
        for place, old in before.items():
            new = self._there.get(place)
            if new is None or new.service != old.service or new.packets < old.packets:
                self._gone[old.service] += old.packets

    def restart(self) -> None:
        """The table is gone: the next one begins at 0."""
        for each in self._there.values():
            self._gone[each.service] += each.packets
        self._there, self.hits = {}, 0
