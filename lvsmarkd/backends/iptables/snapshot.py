"""What a ruleset says of our rules and of others, where iptables keeps ours. No I/O."""

from collections.abc import Iterator

from lvsmarkd.backends.iptables.chains import (
    LOCATIONS,
    TABLES,
    is_plain_jump,
    own_places,
    own_rule,
    source_of,
    table_key,
)
from lvsmarkd.backends.iptables.toolset import Variant
from lvsmarkd.model.firewall import FirewallIdentity, Program
from lvsmarkd.model.limits import Limits
from lvsmarkd.model.notice import Notice, NoticeKind
from lvsmarkd.model.rule import ChainKey, Plane, Rule
from lvsmarkd.model.ruleset import Lister, Ruleset, Table, TableRule
from lvsmarkd.model.service import Family
from lvsmarkd.model.snapshot import Chain, Snapshot
from lvsmarkd.model.unknown import Unknown
from lvsmarkd.netfilter.iptables_qualifiers import max_values


def snapshot_of(ruleset: Ruleset, firewall: FirewallIdentity, *, jump_at_end: bool) -> Snapshot:
    """One reading of the variant that keeps our rules, and of the other one beside it."""
    variant = Variant(firewall.variant)
    source = source_of(variant)
    chain_keys = [ChainKey(Plane.RUNTIME, family, hook) for family in Family for hook in LOCATIONS]
    return Snapshot(
        {chain_key: chain_of(chain_key, ruleset, source) for chain_key in chain_keys},
        tuple(_of_other_variant(ruleset, variant)),
        frozenset(
            name
            for table in ruleset.readable()
            if table.key.source is source
            for name in table.chains
        ),
        firewall=firewall,
        limits=Limits(max_values=max_values(), jump_at_end=jump_at_end),
        ruleset=ruleset,
        places=own_places(source),
    )


def chain_of(chain_key: ChainKey, ruleset: Ruleset, source: Lister) -> Chain | Unknown:
    """Our own part of one chain, in the variant that ``source`` lists."""
    location = LOCATIONS[chain_key.hook]
    table = ruleset.tables[table_key(source, chain_key.family, location.table)]
    if isinstance(table, Unknown):
        return table
    rules, unknown_rules, packets = [], [], []
    for each in _rules(table, location.chain):
        rule = own_rule(each.spec, chain_key.family, chain_key.hook)
        if rule is None:
            unknown_rules.append(each.text)
        else:
            rules.append(rule)
            packets.append(each.packets or 0)
    jumps = sum(
        is_plain_jump(each.spec, location.chain) for each in _rules(table, location.base_chain)
    )
    return Chain(
        location.chain in table.chains,
        jumps,
        tuple(rules),
        tuple(unknown_rules),
        tuple(packets),
    )


def texts_of(rule: Rule, chain_key: ChainKey, table: Table) -> list[str]:
    """Each listed rule in our chain that means what a rule of ours does, in the words it has."""
    return [
        each.text
        for each in _rules(table, LOCATIONS[chain_key.hook].chain)
        if own_rule(each.spec, chain_key.family, chain_key.hook) == rule
    ]


def _of_other_variant(ruleset: Ruleset, variant: Variant) -> Iterator[Notice]:
    """Notice rules in the other variant: the kernel evaluates both rulesets. One that cannot
    be read must not spoil the look.
    """
    other = variant.other
    for family in Family:
        for name in TABLES:
            table = ruleset.table(table_key(source_of(other), family, name))
            count = sum(len(c.rules) for c in table.chains.values()) if table else 0
            if count:
                names = (FirewallIdentity(Program.IPTABLES, other).name, name)
                yield Notice(NoticeKind.OTHER_VARIANT, names=names, count=count, family=family)


def _rules(table: Table, chain: str) -> tuple[TableRule, ...]:
    found = table.chains.get(chain)
    return found.rules if found is not None else ()
