"""What a firewalld that has ended left of ours in the kernel: the marks of our policy.

Killed, told not to clean up, or without its bus, it leaves its tables behind. With its nftables
backend they are met after those of iptables, so that what they mark is the last word.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lvsmarkd.backends.firewalld.expression import read_expression
from lvsmarkd.backends.firewalld.kernel import TABLE
from lvsmarkd.backends.firewalld.own import POLICY
from lvsmarkd.backends.firewalld.rules_behind_ours import OUR_CHAIN
from lvsmarkd.backends.iptables.script import nameless_text
from lvsmarkd.backends.iptables.syntax import read_rule, set_mark_of
from lvsmarkd.model.firewall import Program
from lvsmarkd.model.plan import RemoveRule, Step
from lvsmarkd.model.rule import ChainKey, Hook, Plane, Rule, SetMark
from lvsmarkd.model.service import MAX_MARK, Family
from lvsmarkd.model.snapshot import Chain, ForeignRule

IPTABLES_CHAIN = f"PRE_{POLICY}_post"
"""The chain in which firewalld's iptables backend keeps our marks, as OUR_CHAIN of the other."""


@dataclass(frozen=True, slots=True)
class Leftover:
    """A rule of ours that is left; ``handle`` is nft's number for it, None in iptables."""

    rule: Rule
    handle: int | None = None


def in_nftables(objects: Iterable[Mapping[str, Any]]) -> Iterator[Leftover]:
    """What is left in firewalld's native table, from its listing by ``nft -j``."""
    for each in objects:
        match each:
            case {"rule": {"chain": str(chain), "handle": int(handle)} as found}:
                rule = read_expression(found.get("expr"))
                if chain != OUR_CHAIN or rule.partial or not rule.family or not rule.mark:
                    continue
                action = SetMark(rule.mark)
                ours = Rule(rule.family, Hook.PREROUTING, rule.match, action, rule.mark)
                yield Leftover(ours, handle)
            case _:
                continue


def in_iptables(foreign: Iterable[ForeignRule]) -> Iterator[Leftover]:
    """What is left in firewalld's chains of iptables, of the rules that are seen there."""
    for each in foreign:
        if each.chain_key.hook is not Hook.PREROUTING or not each.text.startswith(
            f"-A {IPTABLES_CHAIN} "
        ):
            continue
        syntax = read_rule(each.text.removeprefix(f"-A {IPTABLES_CHAIN} "))
        mark = set_mark_of(syntax)
        if mark is None or not mark[0] or mark[1] != MAX_MARK or syntax.partial or syntax.guards:
            continue
        action = SetMark(mark[0])
        yield Leftover(Rule(each.chain_key.family, Hook.PREROUTING, syntax.match, action, mark[0]))


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
