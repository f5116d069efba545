"""What is different between two rulesets: which rules of which chains, and which sets.

Where more than rules and elements differ (a table, a base chain, its policy), that is no question
of rules, and everything is to be looked at anew.
"""

from collections.abc import Iterator, Mapping

from msgspec import Struct, field

from lvsmarkd.model.ruleset import Ruleset, Table, TableChain, TableKey, TableRule

ChainName = tuple[TableKey, str]
NOWHERE = -1
_FAR = 16
"""So many rules at once are looked among for the one at which two listings are alike again."""


class ChainChange(Struct, frozen=True):
    """The rules of a chain that went, and those that came. ``stood`` tells of each rule that is
    there now at which place it stood before, or `NOWHERE`; ``moved`` are the lines that became
    others: before, and now.
    """

    chain: ChainName
    went: tuple[TableRule, ...]
    came: tuple[TableRule, ...]
    stood: tuple[int, ...]
    moved: Mapping[int, int]

    @property
    def rules(self) -> tuple[TableRule, ...]:
        """All of them."""
        return (*self.went, *self.came)


class Changes(Struct, frozen=True):
    """All of it. ``sets`` are the tables of which some set differs."""

    chains: tuple[ChainChange, ...] = ()
    sets: frozenset[TableKey] = frozenset()
    ipsets: bool = False

    @property
    def size(self) -> int:
        """How many rules."""
        return sum(len(change.went) + len(change.came) for change in self.chains)

    def __bool__(self) -> bool:
        return bool(self.chains or self.sets or self.ipsets)


class _Found(Struct):
    chains: list[ChainChange] = field(default_factory=list)
    sets: set[TableKey] = field(default_factory=set)


def changes(before: Ruleset, now: Ruleset) -> Changes | None:
    """What is different; None where more is than rules and elements."""
    if before.tables.keys() != now.tables.keys() or before.unread != now.unread:
        return None
    found = _Found()
    for key, table in now.tables.items():
        other = before.tables[key]
        if other is table:
            continue
        if not isinstance(table, Table) or not isinstance(other, Table):
            if other != table:
                return None
        elif not _same_frame(other, table):
            return None
        else:
            found.chains += _of_table(other, table)
            if other.sets != table.sets:
                found.sets.add(key)
    ipsets = before.ipsets is not now.ipsets and before.ipsets != now.ipsets
    return Changes(tuple(found.chains), frozenset(found.sets), ipsets)


def _same_frame(before: Table, now: Table) -> bool:
    """Whether packets come to the same base chains in the same order."""
    return (
        (before.hidden, before.handle, before.dormant) == (now.hidden, now.handle, now.dormant)
    ) and list(_frame(before)) == list(_frame(now))


def _frame(table: Table) -> Iterator[object]:
    for chain in table.chains.values():
        if chain.base is not None:
            yield chain.name, chain.base, chain.handle, bool(chain.rules)


def _of_table(before: Table, now: Table) -> Iterator[ChainChange]:
    for name in dict.fromkeys((*before.chains, *now.chains)):
        one, other = before.chains.get(name), now.chains.get(name)
        if one is other:
            continue
        change = _of_chain((now.key, name), _rules(one), _rules(other))
        if change is not None:
            yield change


def _rules(chain: TableChain | None) -> tuple[TableRule, ...]:
    return () if chain is None else chain.rules


def _of_chain(
    chain: ChainName, before: tuple[TableRule, ...], now: tuple[TableRule, ...]
) -> ChainChange | None:
    if len(before) == len(now) and all(map(_is_same, before, now)):
        return None
    stood = _stood(before, now)
    pairs = [(before[place], rule) for place, rule in zip(stood, now, strict=True) if place >= 0]
    still = frozenset(stood)
    return ChainChange(
        chain,
        tuple(rule for place, rule in enumerate(before) if place not in still),
        tuple(rule for place, rule in zip(stood, now, strict=True) if place == NOWHERE),
        tuple(stood),
        {one.line: other.line for one, other in pairs if one.line != other.line},
    )


def _stood(before: tuple[TableRule, ...], now: tuple[TableRule, ...]) -> list[int]:
    """For each rule that is there now its place before. Rules that merely changed places are taken
    for others.
    """
    found: list[int] = []
    at = 0
    while len(found) < len(now):
        begin = len(found)
        for one, other in zip(before[at:], now[begin:], strict=False):
            if not _is_same(one, other):
                break
            found.append(at)
            at += 1
        went, came = _until_alike(before, at, now, len(found))
        found += [NOWHERE] * came
        at += went
    return found


def _until_alike(
    before: tuple[TableRule, ...], at: int, now: tuple[TableRule, ...], begin: int
) -> tuple[int, int]:
    """How many rules went, and how many came, until both are alike again."""
    for far in range(1, _FAR):
        for went in range(far + 1):
            came = far - went
            if (
                at + went < len(before)
                and begin + came < len(now)
                and _is_same(before[at + went], now[begin + came])
            ):
                return went, came
    return _FAR, min(_FAR, len(now) - begin)


def _is_same(one: TableRule, other: TableRule) -> bool:
    """Whether two rules are one; their counters, lines and handles may differ."""
    return (one.spec is other.spec or one.spec == other.spec) and one.text == other.text
