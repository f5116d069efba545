"""Snapshots with the ruleset that packets meet, made from our chains and from others' rules."""

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec.structs import replace

from lvsmarkd.backends.iptables.chains import LOCATIONS, own_places, table_key
from lvsmarkd.model.rule import Accept, ChainKey, Hook, Plane, Rule
from lvsmarkd.model.rule_spec import Jump, RuleSpec, Verdict
from lvsmarkd.model.ruleset import BaseChain, Lister, Ruleset, Table, TableChain, TableRule
from lvsmarkd.model.service import Family
from lvsmarkd.model.snapshot import Chain, PreviousRules, Snapshot
from lvsmarkd.model.unknown import Unknown
from lvsmarkd.netfilter.iptables_rule import read_rule
from tests.harness.rulesets import saved

SOURCE = Lister.IPTABLES_NFT
PLACES = own_places(SOURCE)
Chains = Mapping[ChainKey, Chain | Unknown]


def whole(chains: Chains, ahead: str = "", behind: str = "", **more: Any) -> Snapshot:  # noqa: ANN401 - its values
    """A snapshot as iptables would give it. ``ahead`` and ``behind`` are IPv4 rules of others (as
    ``saved`` takes them) before our jumps and after them; ``more`` are further values of it.
    """
    previous: tuple[PreviousRules, ...] = more.get("previous", ())
    held = dict(chains) | {k: c for each in previous for k, c in each.chains.items()}
    ruleset = ruleset_of(held, ahead, behind) | more.pop("beside", Ruleset())
    return Snapshot(chains, **{"ruleset": ruleset, "places": PLACES, **more})


def ruleset_of(chains: Chains, ahead: str = "", behind: str = "") -> Ruleset:
    """All rules, in iptables' mangle and filter."""
    before, after = saved(ahead, SOURCE), saved(behind, SOURCE)
    ruleset = before | after
    tables = dict(ruleset.tables)
    for key in tables:
        tables[key] = _joined(before.table(key) or Table(key), after.table(key) or Table(key))
    for chain_key, chain in chains.items():
        if chain_key.plane is not Plane.RUNTIME:
            continue
        key = table_key(SOURCE, chain_key.family, LOCATIONS[chain_key.hook].table)
        if isinstance(chain, Unknown):
            tables[key] = chain
        elif isinstance(table := tables.get(key, Table(key)), Table):
            first = before.table(key)
            base = None if first is None else first.chains.get(LOCATIONS[chain_key.hook].base_chain)
            tables[key] = _with(table, chain_key, chain, len(base.rules) if base else 0)
    for family in Family:
        for name in ("mangle", "filter"):
            key = table_key(SOURCE, family, name)
            tables.setdefault(key, Table(key))
    return Ruleset(tables)


def _joined(one: Table, other: Table) -> Table:
    chains = dict(one.chains)
    for name, chain in other.chains.items():
        known = chains.get(name)
        rules = (*(known.rules if known else ()), *chain.rules)
        chains[name] = replace(known or chain, rules=_numbered(rules))
    return replace(one, chains=chains)


def _with(table: Table, chain_key: ChainKey, chain: Chain, at: int) -> Table:
    """A table with a chain of ours, and as many jumps to it as there are."""
    place = PLACES[ChainKey(Plane.RUNTIME, chain_key.family, chain_key.hook)]
    name = f"previous {place.chain}" if chain_key.of_previous else place.chain
    base = table.chains.get(place.base_chain) or TableChain(
        place.base_chain, base=BaseChain(place.hook, place.priority)
    )
    jump = TableRule(RuleSpec(effects=(Jump(name),)), 0, f"-j {name}")
    led = _numbered((*base.rules[:at], *[jump] * chain.jumps, *base.rules[at:]))
    chains = {**table.chains, base.name: replace(base, rules=led)}
    if chain.exists or chain.rules or chain.unknown_rules:
        own = [_listed(rule) for rule in chain.rules]
        strange = [TableRule(read_rule(text), 0, text) for text in chain.unknown_rules]
        chains[name] = TableChain(name, _numbered((*own, *strange)))
    return replace(table, chains=chains)


def _listed(rule: Rule) -> TableRule:
    effect = Verdict.ACCEPT if isinstance(rule.action, Accept) else rule.action
    spec = RuleSpec(rule.match, effects=(effect,), comment=rule.name)
    return TableRule(spec, 0, str(rule))


def _numbered(rules: Iterable[TableRule]) -> tuple[TableRule, ...]:
    return tuple(replace(rule, line=line) for line, rule in enumerate(rules, 1))


def before_input(seen: Snapshot) -> Snapshot:
    """The same with nothing at INPUT: whether packets get their marks, whatever is let in."""
    tables = {
        key: replace(
            table,
            chains={
                name: replace(chain, base=None)
                if chain.base is not None and chain.base.hook is Hook.INPUT
                else chain
                for name, chain in table.chains.items()
            },
        )
        if isinstance(table, Table)
        else table
        for key, table in seen.ruleset.tables.items()
    }
    return replace(seen, ruleset=replace(seen.ruleset, tables=tables))
