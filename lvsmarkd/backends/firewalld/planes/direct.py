"""Marks that others set past firewalld: direct rules, and whoever uses iptables or nft himself."""

from collections.abc import Callable, Iterator, Sequence
from itertools import takewhile

from msgspec.structs import replace

from lvsmarkd.backends.firewalld.names import BUILT_IN_CHAINS, DIRECT, NFTABLES, TABLE_KEY
from lvsmarkd.backends.firewalld.planes.iptables_chains import FirewalldChains, leads_to_zones
from lvsmarkd.backends.firewalld.planes.listing import Listing
from lvsmarkd.judge.evaluation.hook_path import HookedChain
from lvsmarkd.model.packets import EVERY_PACKET
from lvsmarkd.model.rule import Accept, ChainKey, Hook, Plane
from lvsmarkd.model.ruleset import Lister, Ruleset
from lvsmarkd.model.service import Family
from lvsmarkd.model.snapshot import Drop, ForeignRule, LeavesTable, Side, Snapshot
from lvsmarkd.netfilter.foreign import effects_of, foreign_rules
from lvsmarkd.netfilter.iptables_rule import read_words
from lvsmarkd.netfilter.walk import MatchContext, OwnChain, walk

_DIRECT_CHAINS = frozenset(f"{chain}_{DIRECT}" for chain in BUILT_IN_CHAINS)
FAMILIES = {"ipv4": Family.INET, "ipv6": Family.INET6}
_COMMANDS = frozenset({"-A", "-I", "--append", "--insert"})
_HOOKS = {"PREROUTING": False, "INPUT": True}
_OWN = OwnChain("", frozenset(), priority=-140)
"""Of firewalld's own chain that marks: mangle + 10."""


def of_iptables(seen: Snapshot, backend: str, runtime: Listing) -> Iterator[ForeignRule]:
    """What the iptables backend saw, as far as it bears on rules in firewalld.

    With firewalld's nftables backend (``backend``) iptables' chains are others that packets pass
    besides, and before: what is accepted there may still be refused. With its iptables backend
    firewalld's own rules, which are read from its lists, are left out (direct rules are others'),
    and at INPUT what stands behind them, which has nothing left to decide. What is one of
    firewalld's direct rules (``runtime`` lists them) should be in its permanent configuration too.
    """
    direct = {_value(rule) for rule in of_direct(runtime)}
    own = FirewalldChains.of(runtime)
    for rule in seen.foreign:
        if backend != NFTABLES and _is_firewallds(rule, seen.ruleset, own):
            continue
        if isinstance(rule.effect, LeavesTable | Accept):
            continue
        if rule.chain_key.hook is Hook.OUTPUT:
            continue
        side = rule.side if rule.later else Side.BEFORE
        yield replace(rule, side=side, fleeting=_value(rule) in direct)


def _value(rule: ForeignRule) -> tuple[object, ...]:
    path = tuple(packets for packets in rule.path if packets != EVERY_PACKET)
    return (rule.chain_key.family, rule.chain_key.hook, rule.effect, path, rule.guards)


def _is_firewallds(foreign: ForeignRule, ruleset: Ruleset, own: FirewalldChains) -> bool:
    table = None if foreign.table is None else ruleset.table(foreign.table)
    chain = None if table is None else table.chains.get(foreign.chain)
    if chain is None:
        return False
    if foreign.chain in _DIRECT_CHAINS:
        return False
    if foreign.chain_key.hook is Hook.INPUT and foreign.chain in BUILT_IN_CHAINS:
        before = takewhile(lambda each: each.line < foreign.line, chain.rules)
        if any(leads_to_zones(chain.name, each) for each in before):
            return True
    return any(own.has(chain.name, each) for each in chain.rules if each.line == foreign.line)


def of_direct(listing: Listing) -> Iterator[ForeignRule]:
    """The direct rules of one plane that set a mark, and passthroughs, as they were typed."""
    for ipv, table, chain, priority, arguments in listing.direct:
        said = f"{ipv} {table} {chain} {priority} {' '.join(arguments)}"
        yield from _direct(listing.plane, ipv, (table, chain, arguments), said)
    for ipv, arguments in listing.passthroughs:
        table, chain, rest = unwrapped(arguments)
        said = f"{ipv} {' '.join(arguments)}"
        yield from _direct(listing.plane, ipv, (table, chain, rest), said)


def _direct(
    plane: Plane, ipv: str, rule: tuple[str, str, Sequence[str]], said: str
) -> Iterator[ForeignRule]:
    table, chain, arguments = rule
    family = FAMILIES.get(ipv)
    if family is None or table != "mangle" or chain not in _HOOKS:
        return
    spec = read_words(arguments)
    way = MatchContext().through(spec, unsure=False)
    for effect in effects_of(spec, Hook.PREROUTING):
        if isinstance(effect, LeavesTable | Drop):
            continue
        yield ForeignRule(
            ChainKey(plane, family, Hook.PREROUTING),
            Side.AFTER if _HOOKS[chain] else Side.BEFORE,
            effect,
            way.path,
            "firewalld's direct rules",
            said,
            way.is_narrowed,
            way.mark_tests,
            _HOOKS[chain],
        )


def unwrapped(arguments: Sequence[str]) -> tuple[str, str, list[str]]:
    """A passthrough's table, chain and rule."""
    table, chain, rest = "filter", "", list[str]()
    words = iter(arguments)
    for word in words:
        if word in {"-t", "--table"}:
            table = next(words, "")
        elif word in _COMMANDS and not chain:
            chain = next(words, "")
        else:
            rest.append(word)
    if rest[:1] and rest[0].isdecimal():
        del rest[0]  # the place to insert at
    return table, chain, rest


def of_natives(ruleset: Ruleset) -> Iterator[ForeignRule]:
    """The marks that other native tables of nftables set where packets arrive."""
    yield from _marks(ruleset, lambda hooked: hooked.table.key != TABLE_KEY)


def of_own_table(ruleset: Ruleset) -> Iterator[ForeignRule]:
    """The marks that firewalld's own native table sets, whoever put them there."""
    yield from _marks(ruleset, lambda hooked: hooked.table.key == TABLE_KEY)


def _marks(ruleset: Ruleset, chosen: Callable[[HookedChain], bool]) -> Iterator[ForeignRule]:
    hooks = (Hook.PREROUTING, Hook.INPUT)
    native = Ruleset({k: t for k, t in ruleset.tables.items() if k.source is Lister.NFT})
    for family in Family:
        chain_key = ChainKey(Plane.RUNTIME, family, Hook.PREROUTING)
        way = walk(native, family, hooks, _OWN, chosen)
        yield from foreign_rules(way, chain_key, only_marks=True)
