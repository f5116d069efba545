"""What the kernel has of firewalld's rules: it is believed over firewalld.

firewalld lists what it was told. Who deletes a rule with nft, or flushes everything, is not
noticed by it: it goes on listing the rule, refuses to add it again (ALREADY_ENABLED), and says
nothing to anybody (measured).
"""

import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lvsmarkd.backends.firewalld.expression import Expression, read_expression
from lvsmarkd.backends.firewalld.own_rules import Container, ContainerKind
from lvsmarkd.backends.firewalld.rules_behind_ours import (
    BASE,
    OUR_CHAIN,
    RuleBehindOurs,
    after_ours,
    keeps_from,
)
from lvsmarkd.backends.iptables.listing import Listing as Table
from lvsmarkd.backends.iptables.listing import ListingError, read_listing
from lvsmarkd.backends.iptables.syntax import Syntax, read_rule, set_mark_of
from lvsmarkd.backends.iptables.toolset import detect
from lvsmarkd.model.packets import Packets
from lvsmarkd.model.rule import Accept, Action, Hook, Rule, SetMark
from lvsmarkd.model.service import MAX_MARK, Family
from lvsmarkd.model.unknown import Unknown
from lvsmarkd.netfilter.errors import FirewallError
from lvsmarkd.netfilter.program import run, search_path

TABLE = "firewalld"
NFTABLES = "nftables"
_BASES = {Hook.PREROUTING: BASE, Hook.INPUT: "filter_INPUT"}
_PREFIXES = {Hook.PREROUTING: "mangle_PRE", Hook.INPUT: "filter_IN"}
_TABLES = {Hook.PREROUTING: ("mangle", "PREROUTING"), Hook.INPUT: ("filter", "INPUT")}


@dataclass(frozen=True, slots=True)
class Kernel:
    """What was seen. ``done`` is what rules do in the chains that packets can get to.

    ``whole`` says that firewalld's tables are there at all, ``dropping`` that it left the host
    dropping every new connection. ``of_policies`` is what the names of policies' chains have
    and those of zones have not. ``foreign`` are the rules of all other native tables (see
    natives.py), as ``nft -j`` prints them. ``intruders`` are the marks that are set in firewalld's
    table in our policy's chain or after it, ``ours`` is all that is in that chain.
    """

    done: Mapping[tuple[Family, str], frozenset[tuple[Packets, Action]]] = field(
        default_factory=dict
    )
    whole: bool = False
    dropping: bool = False
    of_policies: str = "policy_"
    foreign: tuple[dict[str, Any], ...] = ()
    rules_behind_ours: tuple[RuleBehindOurs, ...] = ()
    ours: tuple[Expression, ...] = ()

    def meets(self, container: Container, rule: Rule) -> bool:
        """Whether packets meet a rule of ours, in the chain that firewalld keeps it in."""
        infix = self.of_policies if container.kind is ContainerKind.POLICY else ""
        name = f"{_PREFIXES[rule.hook]}_{infix}{container.name}_post"
        if name == OUR_CHAIN and keeps_from(self.ours, rule):
            return False
        return (rule.match, rule.action) in self.done.get((rule.family, name), frozenset())


def done_by(
    chains: Mapping[tuple[Family, str], Iterable[Expression]],
) -> dict[tuple[Family, str], frozenset[tuple[Packets, Action]]]:
    """What each chain does to which packets, as far as it is what a rule of ours does."""
    return {
        (family, name): frozenset(
            (rule.match, action)
            for rule in rules
            if not rule.partial and rule.family in {family, None} and (action := _action(rule))
        )
        for (family, name), rules in chains.items()
    }


def _action(rule: Expression) -> Action | None:
    if rule.verdict:
        return Accept() if rule.verdict == "accept" and rule.mark is None else None
    return None if rule.mark is None else SetMark(rule.mark)


def read_kernel(backend: str) -> Kernel | Unknown:
    """Look. ``backend`` is firewalld's own: nftables or iptables."""
    try:
        return _nftables() if backend == NFTABLES else _iptables()
    except (FirewallError, ListingError) as error:
        return Unknown(str(error))


def is_in_kernel() -> bool:
    """Whether rules of either backend of firewalld's are there, or that cannot be seen."""
    try:
        seen = [_nftables(), _iptables()]
    except (FirewallError, ListingError):
        return True
    return any(isinstance(each, Unknown) or each.whole for each in seen)


def _nftables() -> Kernel | Unknown:
    nft = shutil.which("nft", path=search_path())
    if nft is None:
        return Unknown("nft was not found in PATH: install nftables")
    answer = run([nft, "-j", "-t", "list", "ruleset"])  # the elements of sets may be a million
    if answer.status != 0:
        return Unknown(f"nft failed: {answer.error or answer.status}")
    try:
        objects = json.loads(answer.output)["nftables"]
    except (ValueError, KeyError, TypeError):
        return Unknown("nft printed what is no ruleset in JSON")
    return kernel_of(objects)


def kernel_of(objects: Iterable[Any]) -> Kernel:
    """The kernel's state from a ruleset as ``nft -j`` prints it."""
    chains: dict[str, list[Expression]] = {}
    foreign: list[dict[str, Any]] = []
    whole = dropping = False
    for each in objects:
        match each:
            case {"table": {"family": "inet", "name": "firewalld"}}:
                whole = True
            case {"table": {"family": "inet", "name": "firewalld_policy_drop"}}:
                dropping = True
            case {"chain": {"family": "inet", "table": "firewalld", "name": str(name)}}:
                chains.setdefault(name, [])
            case {"rule": {"family": "inet", "table": "firewalld", "chain": str(name)} as rule}:
                chains.setdefault(name, []).append(read_expression(rule.get("expr")))
            case {"chain": dict() | list()} | {"rule": dict() | list()}:
                foreign.append(each)
            case _:
                continue
    reached = {hook: _reached(base, chains) for hook, base in _BASES.items()}
    met = {
        (family, name): tuple(rules)
        for each in reached.values()
        for name, rules in each.items()
        for family in Family
    }
    return Kernel(
        done_by(met),
        whole,
        dropping,
        foreign=tuple(foreign),
        rules_behind_ours=tuple(after_ours(reached[Hook.PREROUTING])),
        ours=tuple(reached[Hook.PREROUTING].get(OUR_CHAIN, ())),
    )


def _reached(base: str, chains: Mapping[str, list[Expression]]) -> dict[str, list[Expression]]:
    """The chains that a packet can get to from a base chain."""
    reached: dict[str, list[Expression]] = {}
    waiting = [base]
    while waiting:
        name = waiting.pop()
        if name in reached or name not in chains:
            continue
        reached[name] = chains[name]
        waiting += [rule.target for rule in chains[name] if rule.target]
    return reached


def _iptables() -> Kernel | Unknown:
    """Read as the iptables backend does; firewalld calls the same programs."""
    toolset = detect()
    met: dict[tuple[Family, str], tuple[Expression, ...]] = {}
    whole = False
    for family, tools in toolset.tools.items():
        for table, base in _TABLES.values():
            answer = run([tools.save, "-t", table])
            if answer.status != 0:
                return Unknown(f"{tools.save} failed: {answer.error or answer.status}")
            listing = _read_uncounted(answer.output, table)
            chains = {
                name: [_expression(read_rule(line.text)) for line in listing.rules.get(name, ())]
                for name in listing.policies
            }
            reached = _reached(base, chains)
            whole = whole or f"{base}_ZONES" in reached
            for name, rules in reached.items():
                met[family, f"{table}_{name}"] = tuple(rules)
    return Kernel(done_by(met), whole, of_policies="")


def _read_uncounted(output: str, table: str) -> Table:
    lines = (f"[0:0] {line}" if line.startswith("-A ") else line for line in output.split("\n"))
    return read_listing("\n".join(lines), table)


def _expression(syntax: Syntax) -> Expression:
    mark = set_mark_of(syntax)
    plain = mark is not None and mark[1] == MAX_MARK
    return Expression(
        syntax.match,
        None,
        syntax.partial or bool(syntax.guards),
        mark[0] if mark is not None and plain else None,
        mark is not None and not plain,
        syntax.target.lower() if syntax.target in {"ACCEPT", "DROP", "REJECT", "RETURN"} else "",
        syntax.target,
        syntax.goto,
    )
