"""What a firewalld that has ended left of ours in the kernel: the marks of our policy.

Killed, told not to clean up, or without its bus, it leaves its tables behind. With its nftables
backend they are met after those of iptables, so that what they mark is the last word.
"""

from collections.abc import Iterable, Iterator

from msgspec import Struct

from lvsmarkd.backends.firewalld.names import IPTABLES_CHAIN, OUR_CHAIN, POLICY, TABLE
from lvsmarkd.backends.iptables.chains import table_key
from lvsmarkd.backends.iptables.script import nameless_text
from lvsmarkd.model.firewall import Program
from lvsmarkd.model.plan import RemoveRule, Step
from lvsmarkd.model.rule import ChainKey, Hook, Plane, Rule, SetMark
from lvsmarkd.model.rule_spec import RuleSpec
from lvsmarkd.model.ruleset import Lister, Ruleset, Table
from lvsmarkd.model.service import MAX_MARK, Family
from lvsmarkd.model.snapshot import Chain


class Leftover(Struct, frozen=True):
    """A rule of ours that is left; ``handle`` is nft's number for it, None in iptables."""

    rule: Rule
    handle: int | None = None


def in_nftables(table: Table) -> Iterator[Leftover]:
    """What is left in firewalld's native table."""
    chain = table.chains.get(OUR_CHAIN)
    for each in chain.rules if chain is not None else ():
        if each.spec.family is None or each.handle is None:
            continue
        rule = _ours(each.spec, each.spec.family)
        if rule is not None:
            yield Leftover(rule, each.handle)


def in_iptables(ruleset: Ruleset, source: Lister) -> Iterator[Leftover]:
    """What is left in firewalld's chains of iptables, as far as packets reach them."""
    for family in Family:
        table = ruleset.table(table_key(source, family, "mangle"))
        chain = table.reached("PREROUTING").get(IPTABLES_CHAIN) if table is not None else None
        for each in chain.rules if chain is not None else ():
            rule = _ours(each.spec, family)
            if rule is not None:
                yield Leftover(rule)


def _ours(spec: RuleSpec, family: Family) -> Rule | None:
    match spec.only_effect:
        case SetMark(value, mask) as action if value and mask == MAX_MARK and not spec.conditions:
            return Rule(family, Hook.PREROUTING, spec.packets, action, value)
        case _:
            return None


def chains_of(left: Iterable[Leftover]) -> dict[ChainKey, Chain]:
    """What is left, as the judge sees it."""
    rules: dict[Family, dict[Rule, str]] = {}
    for each in left:
        where = "iptables" if each.handle is None else f"nft table inet {TABLE}"
        rules.setdefault(each.rule.family, {})[each.rule] = where
    chains = {}
    for family, own in rules.items():
        tables = ", ".join(sorted(set(own.values())))
        chains[ChainKey(Plane.RUNTIME, family, Hook.PREROUTING, Program.FIREWALLD)] = Chain(
            exists=True,
            jumps=1,
            rules=tuple(own),
            container=f"firewalld's leftover policy {POLICY} ({tables})",
        )
    return chains


def removals(steps: Iterable[Step], left: Iterable[Leftover]) -> tuple[str, dict[Family, str]]:
    """What nft is given to read, and iptables-restore of each family; empty where nothing is to
    be done. Each is built from values.
    """
    gone = {step.rule for step in steps if isinstance(step, RemoveRule)}
    native: list[str] = []
    lines: dict[Family, list[str]] = {}
    for each in left:
        if each.rule not in gone:
            continue
        if each.handle is not None:
            native.append(f"delete rule inet {TABLE} {OUR_CHAIN} handle {each.handle}\n")
        else:
            own = lines.setdefault(each.rule.family, [])
            own.append(f"-D {IPTABLES_CHAIN} {nameless_text(each.rule)}")
    return "".join(native), {
        family: "\n".join(["*mangle", *own, "COMMIT\n"]) for family, own in lines.items()
    }
