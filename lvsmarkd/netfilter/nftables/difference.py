"""What makes of a table as it is the one that is wanted: changes of one transaction, as few as do.

Packets never meet a half of it: the kernel puts all of a transaction in force at once. Elements
that stay are not touched, so that they go on counting; where a set has to be made anew, its
elements begin at what they had counted.
"""

from collections.abc import Iterator

from msgspec.structs import replace

from lvsmarkd.netfilter.nftables.changes import NftChange, add, delete, flush
from lvsmarkd.netfilter.nftables.objects import (
    Elements,
    NftRule,
    NftSet,
    NftTable,
    TableContents,
    TableFlag,
)
from lvsmarkd.netfilter.nftables.ownership import Ownership, ownership

CHEAP_DELETES = 16
"""Elements that are deleted from a map of ranges one by one: each costs up to 16 ms where it has
10,000. A map that is made anew costs 100 ms then (measured)."""

_KEPT = TableFlag.OWNER | TableFlag.PERSIST
"""Flags that a table has for good; but that whoever adds an orphan is its owner."""


def difference(wanted: TableContents, found: TableContents, port: int) -> tuple[NftChange, ...]:
    """The changes, for the socket with this netlink port; none where all is as it is wanted.

    A table that persists without an owner is taken over as it is; one that cannot be owned, though
    that is wanted, is made anew. One that is somebody else's is to be left alone by whoever
    calls this: the kernel would refuse the changes.
    """
    table = wanted.table
    if table is None:
        return delete(found.table) if found.table else ()
    if found.table is None:
        return add(table) + _all_of(wanted, found)
    if _has_to_be_made_anew(table, found.table, port):
        return delete(found.table) + add(table) + _all_of(wanted, found)
    claim = () if table.flags == found.table.flags else add(table)
    return claim + _within(wanted, found)


def _has_to_be_made_anew(wanted: NftTable, found: NftTable, port: int) -> bool:
    """The kernel takes nobody for the owner of a plain table, lets none give up his, and neither
    adds nor drops ``persist``.
    """
    match ownership(found, port):
        case Ownership.PLAIN:
            return bool(wanted.flags & _KEPT)
        case Ownership.ORPHAN:
            return not wanted.flags & TableFlag.PERSIST
        case _:
            return bool((wanted.flags ^ found.flags) & _KEPT)


def _all_of(wanted: TableContents, found: TableContents) -> tuple[NftChange, ...]:
    """All that is to be in a table that has nothing yet."""
    sets = _sets(wanted)
    return (
        *add(*wanted.chains, *sets),
        *(change for of in sets for change in _filled(of, wanted, found)),
        *add(*_rules(wanted)),
    )


def _within(wanted: TableContents, found: TableContents) -> tuple[NftChange, ...]:
    """Of a table that stays."""
    kept = [of for of in _sets(wanted) if of in found.sets and not _is_dear(of, wanted, found)]
    new_sets = [of for of in _sets(wanted) if of not in kept]
    # An anonymous one goes with its rule.
    gone_sets = [
        of for of in found.sets if of not in kept and not (isinstance(of, NftSet) and of.anonymous)
    ]
    new_chains = [chain for chain in wanted.chains if chain not in found.chains]
    gone_chains = [chain for chain in found.chains if chain not in wanted.chains]
    changes = [_elements(of, wanted, found) for of in kept]
    out = [change for gone, _ in changes for change in gone]
    into = [change for _, new in changes for change in new]
    if not (new_sets or gone_sets or new_chains or gone_chains) and all(
        wanted.rules.get(chain.name, ()) == found.rules.get(chain.name, ())
        for chain in wanted.chains
    ):
        return (*out, *into)
    # What others ask for goes after them, and comes before them.
    return (
        *flush(*found.chains),
        *delete(*gone_sets),
        *out,
        *delete(*gone_chains),
        *add(*new_chains, *new_sets),
        *into,
        *(change for of in new_sets for change in _filled(of, wanted, found)),
        *add(*_rules(wanted)),
    )


def _elements(
    of: NftSet, wanted: TableContents, found: TableContents
) -> tuple[tuple[NftChange, ...], tuple[NftChange, ...]]:
    """What goes out of a set that stays, and what comes into it."""
    there, meant = found.elements.get(of.name, ()), wanted.elements.get(of.name, ())
    held, kept = set(there), set(meant)
    gone = tuple(each for each in there if each not in kept)
    new = tuple(each for each in meant if each not in held)
    return (
        delete(Elements(of, gone)) if gone else (),
        add(Elements(of, new)) if new else (),
    )


def _is_dear(of: NftSet, wanted: TableContents, found: TableContents) -> bool:
    """Whether it costs less to make it anew."""
    if not of.interval or not of.concatenated:
        return False
    meant = set(wanted.elements.get(of.name, ()))
    gone = sum(each not in meant for each in found.elements.get(of.name, ()))
    return gone > CHEAP_DELETES


def _filled(of: NftSet, wanted: TableContents, found: TableContents) -> tuple[NftChange, ...]:
    """A new set's elements, with what those that were there before had counted."""
    counts = {each: each.counts for each in found.elements.get(of.name, ()) if of.counters}
    elements = tuple(
        replace(each, counts=counts[each]) if each in counts else each
        for each in wanted.elements.get(of.name, ())
    )
    return add(Elements(of, elements)) if elements else ()


def _sets(contents: TableContents) -> list[NftSet]:
    return [of for of in contents.sets if isinstance(of, NftSet)]


def _rules(contents: TableContents) -> Iterator[NftRule]:
    for chain in contents.chains:
        yield from contents.rules.get(chain.name, ())
