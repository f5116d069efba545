"""What packets meet on their way to IPVS: the base chains, in the order in which they are met.

This is where the order of hooks is decided. IPVS takes packets at LOCAL_IN, at priority 99
(net/netfilter/ipvs/ip_vs_core.c; at 98 it looks for answers of real servers only): what is
registered there behind it sees none of them.
"""

from itertools import groupby
from operator import attrgetter

from msgspec import Struct

from lvsmarkd.model.rule import Hook
from lvsmarkd.model.ruleset import (
    BaseChain,
    Lister,
    Ruleset,
    Table,
    TableChain,
    TableKey,
)
from lvsmarkd.model.service import Family
from lvsmarkd.model.unknown import Unknown

CONNTRACK = -200
"""Priority at which conntrack sees packets that arrive (NF_IP_PRI_CONNTRACK)."""
IPVS = 99
"""Priority at LOCAL_IN at which IPVS takes packets."""
_DESTINATION_NAT = -100
"""All chains of type nat hang on one hook at PREROUTING, whatever their priorities: these order
them among themselves (net/netfilter/nf_nat_core.c, nf_nat_register_fn)."""
_NAT = "nat"
_HOOKS = (Hook.INGRESS, Hook.PREROUTING, Hook.INPUT)
_BACK = (Hook.INGRESS, Hook.PREROUTING, Hook.FORWARD)
_LAST = {Hook.INPUT: IPVS, Hook.FORWARD: IPVS}
"""At FORWARD IPVS takes answers of real servers at 100."""


class HookedChain(Struct, frozen=True):
    """A base chain where it is registered. ``priority`` is where the kernel calls it."""

    table: Table
    chain: TableChain
    base: BaseChain
    priority: int

    @property
    def is_nat(self) -> bool:
        """Whether only packets of connections meet it, and each connection one such chain that
        translates.
        """
        return self.base.kind == _NAT


class Stage(Struct, frozen=True):
    """Base chains of one hook and priority; of several, no listing tells which comes first: the
    one that was registered later (measured).
    """

    hook: Hook
    priority: int
    chains: tuple[HookedChain, ...]

    @property
    def is_at_ipvs(self) -> bool:
        """Whether IPVS may have taken packets before they come here, or not."""
        return self.hook is Hook.INPUT and self.priority == IPVS

    @property
    def is_at_conntrack(self) -> bool:
        """Whether conntrack may have seen packets before they come here, or not."""
        return self.hook is Hook.PREROUTING and self.priority == CONNTRACK


class HookPath(Struct, frozen=True):
    """All that packets of a family meet, first to last. ``unread`` are tables of which it is not
    known what they hold, with the reasons.
    """

    family: Family
    stages: tuple[Stage, ...]
    unread: tuple[tuple[TableKey | Lister, str], ...] = ()

    @property
    def tables(self) -> frozenset[TableKey]:
        """The tables that they meet chains of."""
        return frozenset(each.table.key for stage in self.stages for each in stage.chains)


def base_chains(ruleset: Ruleset, family: Family, hook: Hook) -> list[HookedChain]:
    """The base chains that packets of a family meet at a hook, first to last.

    At equal priority, tables and chains that were made later come first, as far as their handles
    tell: a guess, where they are of several tables.
    """
    found = [
        HookedChain(table, chain, chain.base, _called_at(chain.base))
        for table in ruleset.readable()
        if family in table.key.families and not table.dormant
        for chain in table.chains.values()
        if chain.base is not None and chain.base.hook is hook
    ]
    found.sort(
        key=lambda each: (
            each.priority,
            each.base.priority,
            -(each.table.handle or 0),
            -(each.chain.handle or 0),
        )
    )
    return found


def hook_path(ruleset: Ruleset, family: Family) -> HookPath:
    """What packets of a family meet on their way to IPVS."""
    return _path(ruleset, family, _HOOKS)


def way_back(ruleset: Ruleset, family: Family) -> HookPath:
    """What answers of real servers meet that are sent through this host, up to IPVS."""
    return _path(ruleset, family, _BACK)


def _path(ruleset: Ruleset, family: Family, hooks: tuple[Hook, ...]) -> HookPath:
    stages = []
    for hook in hooks:
        chains = [
            each
            for each in base_chains(ruleset, family, hook)
            if hook not in _LAST or each.priority <= _LAST[hook]
        ]
        for priority, group in groupby(chains, attrgetter("priority")):
            stages += _stages(hook, priority, tuple(group))
    return HookPath(family, tuple(stages), tuple(_unread(ruleset, family)))


def _stages(hook: Hook, priority: int, chains: tuple[HookedChain, ...]) -> list[Stage]:
    """Chains of one table are in order by their handles, nat chains by the priorities that they
    name; what cannot be told apart makes one stage.
    """
    nat = [each for each in chains if each.is_nat]
    others = tuple(each for each in chains if not each.is_nat)
    if nat and others:
        # What else stands at nat's own priority: either order.
        return [Stage(hook, priority, chains)]
    stages = []
    for _, group in groupby(chains, lambda each: each.base.priority):
        same = tuple(group)
        if len({each.table.key for each in same}) == 1:
            stages += [Stage(hook, priority, (each,)) for each in same]
        else:
            stages.append(Stage(hook, priority, same))
    return stages


def _called_at(base: BaseChain) -> int:
    if base.kind == _NAT and base.hook is Hook.PREROUTING:
        return _DESTINATION_NAT
    if base.kind == _NAT and base.hook is Hook.INPUT:
        return -_DESTINATION_NAT
    return base.priority


def _unread(ruleset: Ruleset, family: Family) -> list[tuple[TableKey | Lister, str]]:
    found: list[tuple[TableKey | Lister, str]] = []
    for key, table in ruleset.tables.items():
        if family not in key.families:
            continue
        if isinstance(table, Unknown):
            found.append((key, table.reason))
        elif table.hidden:
            found.append((key, table.hidden))
    found += [(lister, why.reason) for lister, why in ruleset.unread.items()]
    return found
