"""What tables of nf_tables are made of, as values: tables, chains, rules, sets, elements.

Two that are equal do the same: what was counted and the handles of rules are not compared. A
handle is the kernel's, and 0 in what is to be made.
"""

from collections.abc import Mapping, Sequence
from enum import IntFlag, StrEnum

from msgspec import Struct, field

from lvsmarkd.kernel.nf_tables import NftFamily
from lvsmarkd.model.rule import Hook
from lvsmarkd.netfilter.nftables.datatypes import DataType, KeyType, Value, packed, packed_key
from lvsmarkd.netfilter.nftables.expressions import Counts, Data, Expression, NftVerdict


class TableFlag(IntFlag):
    """Flags of a table (NFT_TABLE_F_*)."""

    DORMANT = 1
    """No packet meets it."""
    OWNER = 2
    """It is the socket's that made it: nobody else changes it, and it goes with the socket."""
    PERSIST = 4
    """It stays where its owner goes, and whoever adds it with OWNER then is its owner."""


class TableId(Struct, frozen=True):
    """Which table: all that is in it says so by this."""

    family: NftFamily
    name: str

    def __str__(self) -> str:
        return f"{self.family.name.lower()} {self.name}"


class NftTable(Struct, frozen=True):
    """A table. ``owner`` is the netlink port of the socket that it belongs to now; 0: of none."""

    id: TableId
    flags: TableFlag = TableFlag(0)
    comment: str = ""
    owner: int = 0

    def __str__(self) -> str:
        return f"table {self.id}"


class ChainType(StrEnum):
    """What a base chain may do: ``route`` has packets routed anew that it gives another mark."""

    FILTER = "filter"
    ROUTE = "route"
    NAT = "nat"


class ChainBase(Struct, frozen=True):
    """Where a chain is registered, and what becomes of packets that come to its end."""

    hook: Hook
    priority: int
    type: ChainType = ChainType.FILTER
    drops: bool = False


class NftChain(Struct, frozen=True):
    """A chain; without ``base`` it is met by jumps only."""

    table: TableId
    name: str
    base: ChainBase | None = None

    def __str__(self) -> str:
        return f"chain {self.table} {self.name}"


class UnknownChain(Struct, frozen=True):
    """A chain at a hook, or of a type, that is not known here."""

    table: TableId
    name: str

    def __str__(self) -> str:
        return f"chain {self.table} {self.name}"


class NftRule(Struct, frozen=True):
    """A rule of a chain."""

    table: TableId
    chain: str
    expressions: tuple[Expression, ...]
    comment: str = ""
    handle: int = 0

    def __eq__(self, other: object) -> bool:
        """Whether it does the same at the same place, whatever it has counted and is called by."""
        return isinstance(other, NftRule) and self._meaning() == other._meaning()

    def __hash__(self) -> int:
        return hash(self._meaning())

    def _meaning(self) -> tuple[object, ...]:
        uncounted = (Counts() if isinstance(each, Counts) else each for each in self.expressions)
        return (self.table, self.chain, tuple(uncounted), self.comment)

    def __str__(self) -> str:
        which = f"rule {self.handle}" if self.handle else "a rule"
        return f"{which} of chain {self.table} {self.chain}"


class NftSet(Struct, frozen=True):
    """A set, or, with ``data``, a map: what it gives for a key.

    ``interval``: elements are ranges of keys. ``counters``: each element counts. ``size`` is the
    most elements it takes; 0: as many as there are. An ``anonymous`` one belongs to the rule that
    looks into it; such are read and not made.
    """

    table: TableId
    name: str
    key: KeyType
    data: DataType | None = None
    interval: bool = False
    counters: bool = False
    size: int = 0
    comment: str = ""
    anonymous: bool = False

    @property
    def concatenated(self) -> bool:
        """Whether its keys have several fields."""
        return len(self.key) > 1

    def element(
        self, *first: Value, to: Sequence[Value] = (), data: Value | NftVerdict | None = None
    ) -> "NftElement":
        """An element of it: one key, or, with ``to``, the keys from one to another, in each field.

        Raises ValueError where the values are not of its types.
        """
        start = packed_key(self.key, first)
        given: Data | None
        match data:
            case None | NftVerdict():
                given = data
            case _ if self.data is None:
                raise ValueError(f"set {self.name} gives nothing for a key")
            case _:
                given = packed(self.data, data)
        return NftElement(start, packed_key(self.key, to) if to else start, given)

    def __str__(self) -> str:
        return f"{'set' if self.data is None else 'map'} {self.table} {self.name}"


class UnknownSet(Struct, frozen=True):
    """A set with something that is not known here: a timeout, a type, a flag."""

    table: TableId
    name: str

    def __str__(self) -> str:
        return f"set {self.table} {self.name}"


class NftElement(Struct, frozen=True):
    """Keys ``start`` to ``end``, which are the same for one key; what the map gives for them; how
    often it was found, where that is counted.
    """

    start: bytes
    end: bytes
    data: Data | None = None
    counts: Counts | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NftElement) and self._meaning() == other._meaning()

    def __hash__(self) -> int:
        return hash(self._meaning())

    def _meaning(self) -> tuple[object, ...]:
        return self.start, self.end, self.data


class Elements(Struct, frozen=True):
    """Some elements of a set, to be added to it or deleted."""

    of: NftSet
    elements: tuple[NftElement, ...]

    def __str__(self) -> str:
        return f"{len(self.elements)} elements of {self.of}"


class TableContents(Struct, frozen=True):
    """A table with all that is in it: as it is to be, or as it was at a ``generation``. Where there
    is none, ``table`` is None.

    Rules are in the order in which packets meet them, by the name of their chain; elements are
    sorted by their keys, by the name of their set.
    """

    table: NftTable | None = None
    chains: tuple[NftChain | UnknownChain, ...] = ()
    sets: tuple[NftSet | UnknownSet, ...] = ()
    rules: Mapping[str, tuple[NftRule, ...]] = field(default_factory=dict)
    elements: Mapping[str, tuple[NftElement, ...]] = field(default_factory=dict)
    generation: int = 0
