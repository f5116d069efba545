"""The nftables backend: rules as elements of maps in a table of our own, by netlink.

It marks, and cannot accept: what a chain of somebody else's drops at INPUT no other table opens.
"""

import os
from collections.abc import Callable, Iterable
from functools import partial

from lvsmarkd.backends.backend import Applied, Backend
from lvsmarkd.backends.backup import Backup
from lvsmarkd.backends.iptables.toolset import has_tables
from lvsmarkd.backends.migration import left_in_iptables
from lvsmarkd.backends.nftables.kernel_table import TABLE, KernelTable
from lvsmarkd.backends.nftables.mark_table import mark_table
from lvsmarkd.backends.nftables.own_rules import (
    OWN_HOOKS,
    RuleReader,
    TableRules,
    own_rules,
    table_limits,
)
from lvsmarkd.backends.nftables.view import OWN_KEY, OWN_PLACES, table_view
from lvsmarkd.model.firewall import FirewallIdentity, Program
from lvsmarkd.model.plan import AddRule, Plan, RemoveChain, RemoveRule, ReplaceChain, Step
from lvsmarkd.model.rule import ChainKey, Plane, Rule
from lvsmarkd.model.ruleset import Ruleset, Table
from lvsmarkd.model.service import Family
from lvsmarkd.model.snapshot import Chain, Snapshot
from lvsmarkd.model.unknown import Unknown
from lvsmarkd.netfilter.errors import FirewallError
from lvsmarkd.netfilter.nftables.changes import NftChange, delete
from lvsmarkd.netfilter.nftables.difference import difference
from lvsmarkd.netfilter.nftables.objects import NftTable, TableContents

CHAIN_KEYS = tuple(ChainKey(Plane.RUNTIME, family, hook) for family in Family for hook in OWN_HOOKS)
CONTAINER = f"nft table {TABLE}"
"""What holds our rules, for people."""
_BACKUP = "nftables.rules"
_BACKUP_HEAD = (
    b"# The ruleset before the first write of lvsmarkd; nothing below: there was no table.\n"
)


class NftablesBackend:
    """Our table, and what iptables has besides.

    ``iptables`` is the backend that reads iptables' tables, if there is any iptables. For one
    thread at a time.
    """

    def __init__(
        self,
        table: KernelTable,
        backup: Backup,
        iptables: Callable[[], Backend | None] = lambda: None,
    ) -> None:
        self.backup = backup
        self.iptables = iptables
        self._table = table
        self._reader = RuleReader()
        self._view: tuple[frozenset[Rule], Table] = frozenset(), table_view(())

    def read(self) -> Snapshot:
        """Read our table, and iptables' where there are any."""
        seen = self._iptables()
        try:
            found = self._reader.rules(self._table.read())
        except FirewallError as error:
            return Snapshot(
                dict.fromkeys(CHAIN_KEYS, Unknown(str(error))),
                firewall=identity(),
                limits=table_limits(),
            )
        return Snapshot(
            chains_of(found),
            names=seen.names if seen is not None else frozenset(),
            firewall=identity(),
            limits=table_limits(),
            previous=(left_in_iptables(seen),) if seen is not None else (),
            ruleset=self._ruleset(found) | (seen.ruleset if seen is not None else Ruleset()),
            places=OWN_PLACES,
        )

    def apply(self, plan: Plan) -> Applied:
        """Write the steps: one transaction, of both families, made anew where somebody else was
        faster.
        """
        if not plan.steps:
            return Applied()
        try:
            self.backup.save_once(_BACKUP, _whole_ruleset)
            self._table.change(partial(changes_for, plan.steps, rules=self._reader.rules))
        except FirewallError as error:
            return Applied(error=error)
        return Applied()

    def close(self) -> None:
        """Let go of the sockets; the table stays."""
        self._table.close()

    def script(self, plan: Plan) -> dict[str, str]:
        """What nft would be given to read. Raises FirewallError."""
        from lvsmarkd.netfilter.nftables.nft_text import nft_text  # noqa: PLC0415 - not in the daemon

        text = nft_text(changes_for(plan.steps, self._table.read()))
        return {"nft -f -": text} if text else {}

    def purge(self) -> Plan:
        """Delete the table. Raises FirewallError."""
        steps: list[Step] = []

        def removal(found: TableContents) -> tuple[NftChange, ...]:
            steps[:] = removals(own_rules(found))
            return delete(found.table) if found.table is not None else ()

        self._table.change(removal)
        return Plan(steps=tuple(steps))

    def _ruleset(self, found: TableRules) -> Ruleset:
        """Our table as packets meet it; left to who reads the rest where there is more to it."""
        rules = found.rules
        if not rules or found.unknown or found.incomplete or found.fault:
            return Ruleset()
        if self._view[0] != rules:
            self._view = rules, table_view(rules)
        return Ruleset({OWN_KEY: self._view[1]})

    def _iptables(self) -> Snapshot | None:
        if not has_tables():
            return None  # and no program is started to find that out
        backend = self.iptables()
        return None if backend is None else backend.read()


def identity() -> FirewallIdentity:
    """nf_tables is the kernel's, and has its version."""
    return FirewallIdentity(Program.NFTABLES, version=os.uname().release)


def chains_of(found: TableRules) -> dict[ChainKey, Chain | Unknown]:
    """Each of our chains as the judge sees it: the table holds the rules of all. What is strange
    in it is told at a chain with rules of ours, if there is one: by these it is known to be ours.
    """
    own = {(rule.family, rule.hook) for rule in found.rules}
    home = min(own, default=None)
    chains: dict[ChainKey, Chain | Unknown] = {}
    for key in CHAIN_KEYS:
        here = [rule for rule in found.packets if _is_of(rule, key)]  # as its elements are sorted
        is_there = key.hook in found.hooks and not found.fault
        fault = found.fault or ("" if is_there else f"has no chain for {key.hook.name}")
        chains[key] = Chain(
            exists=is_there,
            jumps=int(is_there),
            rules=tuple(here),
            unknown_rules=found.unknown if home in {None, (key.family, key.hook)} else (),
            packets=tuple(found.packets[rule] for rule in here),
            incomplete=tuple(
                sorted((rule for rule in found.incomplete if _is_of(rule, key)), key=str)
            ),
            container=CONTAINER,
            fault=fault,
        )
    return chains


def removals(found: TableRules) -> list[Step]:
    """The steps that a purge comes to."""
    return [
        RemoveChain(key, 1, tuple(sorted(rules, key=str)), CONTAINER)
        for key in CHAIN_KEYS
        if (rules := [rule for rule in found.rules if _is_of(rule, key)])
    ]


def _is_of(rule: Rule, key: ChainKey) -> bool:
    return (rule.family, rule.hook) == (key.family, key.hook)


def changes_for(
    steps: Iterable[Step],
    found: TableContents,
    *,
    rules: Callable[[TableContents], TableRules] = own_rules,
) -> tuple[NftChange, ...]:
    """What carries out steps in a table as it was found, in which ``rules`` finds ours."""
    kept = set(rules(found).rules)
    for step in steps:
        match step:
            case AddRule(_, rule):
                kept.add(rule)
            case RemoveRule(_, rule):
                kept.discard(rule)
            case ReplaceChain(key, anew):
                kept = {rule for rule in kept if not _is_of(rule, key)} | set(anew)
            case RemoveChain(key):
                kept = {rule for rule in kept if not _is_of(rule, key)}
            case _:
                continue  # the way to the rules is always made with them
    if not kept:
        return delete(found.table) if found.table is not None else ()
    wanted = mark_table(
        NftTable(TABLE), sorted(kept, key=str), only_unmarked=False, hooks=OWN_HOOKS
    )
    return difference(wanted, found, 0)


def _whole_ruleset() -> dict[str, bytes]:
    """As nft takes it back, where there is nft: else nothing of it was anybody's but programs'."""
    from lvsmarkd.netfilter.nft_json import nft  # noqa: PLC0415 - once in a life
    from lvsmarkd.netfilter.program import run  # noqa: PLC0415 - the same

    program = nft()
    if program is None:
        return {_BACKUP: b"# nft is not installed, and was not asked what there is.\n"}
    listed = run([program, "list", "ruleset"]).output
    return {_BACKUP: _BACKUP_HEAD + listed.encode(errors="surrogateescape")}
