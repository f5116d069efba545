"""What the guard has marked, by service, over all tables that it had since lvsmarkd began."""

from collections import Counter
from collections.abc import Mapping
from sys import byteorder

from msgspec import Struct, field

from lvsmarkd.model.service import Family, ServiceKey
from lvsmarkd.netfilter.nftables.datatypes import DataType
from lvsmarkd.netfilter.nftables.objects import NftSet, TableContents

_FAMILIES = {DataType.IPV4_ADDR: Family.INET, DataType.IPV6_ADDR: Family.INET6}


class _Tally(Struct, frozen=True):
    service: ServiceKey
    packets: int


class Counted(Struct):
    """Adds up the counters of elements, which end with these. For one thread at a time."""

    hits: int = 0
    """What the table's rules had counted when its elements were read last."""
    _gone: Counter[ServiceKey] = field(default_factory=Counter)
    """What elements had counted that are there no more."""
    _there: dict[tuple[str, bytes], _Tally] = field(default_factory=dict)

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
        before, self._there, self.hits = self._there, {}, hits
        for of in found.sets:
            family = _FAMILIES.get(of.key[0]) if isinstance(of, NftSet) else None
            for element in found.elements.get(of.name, ()):
                if family and element.counts is not None and isinstance(element.data, bytes):
                    service = ServiceKey(family, int.from_bytes(element.data, byteorder))
                    tally = _Tally(service, element.counts.packets)
                    self._there[of.name, element.start] = tally
        for place, old in before.items():
            new = self._there.get(place)
            if new is None or new.service != old.service or new.packets < old.packets:
                self._gone[old.service] += old.packets

    def restart(self) -> None:
        """The table is gone: the next one begins at 0."""
        for each in self._there.values():
            self._gone[each.service] += each.packets
        self._there, self.hits = {}, 0
