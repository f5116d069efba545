"""Our table in the form that all firewalls' rules have, made of the rules that it stands for.

nft need not be asked, and the judge need not look into maps of 10,000 elements: what packets get is
what these rules say. Only a table with something strange in it is read as it is listed.
"""

from collections.abc import Iterable

from lvsmarkd.backends.nftables.mark_table import PRIORITY
from lvsmarkd.model.rule import ChainKey, Hook, Plane, Rule, SetMark
from lvsmarkd.model.rule_spec import Jump, RuleSpec
from lvsmarkd.model.ruleset import BaseChain, Lister, Table, TableChain, TableKey, TableRule
from lvsmarkd.model.service import Family
from lvsmarkd.model.snapshot import OwnPlace

OWN_TABLE = "lvsmarkd"
"""The name of our table, of family inet."""
OWN_KEY = TableKey(Lister.NFT, "inet", OWN_TABLE)
_CHAINS = {Family.INET: "flows4", Family.INET6: "flows6"}
"""Where our rules are, as the judge is told: flows without qualifiers are there in truth."""
_BASE = "prerouting"

OWN_PLACES = {
    ChainKey(Plane.RUNTIME, family, Hook.PREROUTING): OwnPlace(
        OWN_KEY, chain, _BASE, Hook.PREROUTING, PRIORITY
    )
    for family, chain in _CHAINS.items()
}


def table_view(rules: Iterable[Rule]) -> Table:
    """What the table does with packets that come in."""
    marking = sorted((rule for rule in rules if rule.hook is Hook.PREROUTING), key=str)
    jumps = (
        TableRule(RuleSpec(effects=(Jump(chain),)), line)
        for line, chain in enumerate(_CHAINS.values(), 1)
    )
    base = TableChain(_BASE, tuple(jumps), BaseChain(Hook.PREROUTING, PRIORITY))
    chains = {_BASE: base}
    for family, name in _CHAINS.items():
        own = (rule for rule in marking if rule.family is family)
        chains[name] = TableChain(name, tuple(_listed(rule, at) for at, rule in enumerate(own, 1)))
    return Table(OWN_KEY, chains)


def _listed(rule: Rule, line: int) -> TableRule:
    spec = RuleSpec(rule.packets, effects=(SetMark(rule.mark or 0),), family=rule.family)
    return TableRule(spec, line, str(rule))
