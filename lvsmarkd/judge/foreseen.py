"""The ruleset as it will be once our rules are in force: a conflict is known before the write."""

from collections.abc import Mapping

from msgspec.structs import replace

from lvsmarkd.judge.desired import Desired
from lvsmarkd.model.rule import Accept, ChainKey, Hook, Plane, Rule
from lvsmarkd.model.rule_spec import Jump, RuleSpec, Verdict
from lvsmarkd.model.ruleset import (
    BaseChain,
    Lister,
    Ruleset,
    Table,
    TableChain,
    TableKey,
    TableRule,
)
from lvsmarkd.model.snapshot import OwnPlace, Snapshot

_PLANNED = TableKey(Lister.NFT, "inet", "lvsmarkd, planned")
_AHEAD = -141
"""Before firewalld's own chains that mark (-140), after iptables' mangle."""
_HOOKS = frozenset({Hook.PREROUTING, Hook.INPUT})


def foreseen(
    desired: Desired, seen: Snapshot, ruleset: Ruleset, plane: Plane = Plane.RUNTIME
) -> Ruleset:
    """A ruleset of ``seen``, with all rules of a plane that must hold."""
    tables = dict(ruleset.tables)
    elsewhere: list[Rule] = []
    for chain_key, rules in _by_chain(desired, plane).items():
        place = seen.places.get(chain_key)
        if place is None:
            elsewhere += rules
            continue
        table = tables.get(place.table, Table(place.table))
        if isinstance(table, Table):
            tables[place.table] = _with_rules(table, place, rules, last=seen.limits.jump_at_end)
    if elsewhere:
        tables[_PLANNED] = _planned(elsewhere)
    return replace(ruleset, tables=tables)


def _by_chain(desired: Desired, plane: Plane) -> Mapping[ChainKey, list[Rule]]:
    found: dict[ChainKey, list[Rule]] = {}
    for rule in sorted(desired.rules, key=lambda rule: (rule.mark or 0, str(rule))):
        if rule.hook in _HOOKS:
            found.setdefault(ChainKey(plane, rule.family, rule.hook), []).append(rule)
    return found


def _with_rules(table: Table, place: OwnPlace, rules: list[Rule], *, last: bool) -> Table:
    """A table with our chain as it must be, and one jump to it where that is ours."""
    own_chain = TableChain(place.chain, tuple(map(_listed, rules)))
    if not place.base_chain:
        return replace(table, chains={**table.chains, place.chain: own_chain})
    base = table.chains.get(place.base_chain)
    if base is None or base.base is None:
        base = TableChain(place.base_chain, base=BaseChain(place.hook, place.priority))
    jump = RuleSpec(effects=(Jump(place.chain),))
    others = [rule for rule in base.rules if rule.spec != jump]
    there = [rule for rule in base.rules if rule.spec == jump]
    own = there[0] if there else TableRule(jump, 0)
    kept = (*others, own) if last else (own, *others)
    if there and not last and base.rules[0].spec != jump:
        kept = base.rules  # it has its place, behind what it need not pass
    led = replace(base, rules=tuple(kept))
    chains = {**table.chains, base.name: led, place.chain: own_chain}
    return replace(table, chains=chains)


def _planned(rules: list[Rule]) -> Table:
    """Rules in a firewall of which it is not known where it will put them."""
    marks = [_listed(rule) for rule in rules if rule.hook is Hook.PREROUTING]
    base = BaseChain(Hook.PREROUTING, _AHEAD)
    return Table(_PLANNED, {"marks": TableChain("marks", tuple(marks), base)})


def _listed(rule: Rule) -> TableRule:
    effect = Verdict.ACCEPT if isinstance(rule.action, Accept) else rule.action
    spec = RuleSpec(rule.match, effects=(effect,), family=rule.family, comment=rule.name)
    return TableRule(spec, 0, f"{rule} (planned)")
