"""What firewalld's direct rules and passthroughs do to marks, and what others have besides it."""

from collections.abc import Iterator, Mapping, Sequence

from msgspec.structs import replace

from lvsmarkd.backends.firewalld.names import BUILT_IN_CHAINS, DIRECT, NFTABLES, TABLE_KEY
from lvsmarkd.backends.firewalld.planes.iptables_chains import FirewalldChains
from lvsmarkd.backends.firewalld.planes.listing import Listing
from lvsmarkd.model.rule import Hook
from lvsmarkd.model.rule_spec import RuleSpec
from lvsmarkd.model.ruleset import (
    BaseChain,
    Lister,
    Ruleset,
    Table,
    TableChain,
    TableKey,
    TableRule,
)
from lvsmarkd.netfilter.iptables_rule import read_words
from lvsmarkd.netfilter.iptables_save import MANGLE_PRIORITY

_DIRECT_CHAINS = frozenset(f"{chain}_{DIRECT}" for chain in BUILT_IN_CHAINS)
_FAMILIES = {"ipv4": "ip", "ipv6": "ip6"}
_COMMANDS = frozenset({"-A", "-I", "--append", "--insert"})
_BASES = {
    "PREROUTING": ("direct rules", Hook.PREROUTING),
    "INPUT": ("direct rules at INPUT", Hook.INPUT),
}
_DirectRule = tuple[str, str, int, Sequence[str], str]
"""Family as firewalld calls it, built-in chain of the mangle table, priority, arguments, and all of
it as it was typed."""


def direct_rules(listing: Listing) -> Ruleset:
    """The direct rules and passthroughs of one plane that are in the mangle table, where packets
    come in. iptables' mangle comes before firewalld's own chains, and its direct chain before those
    of zones.
    """
    tables = {}
    for ipv, family in _FAMILIES.items():
        key = TableKey(Lister.FIREWALLD, family, "direct rules")
        own = [each for each in _mangling(listing) if each[0] == ipv]
        chains = {}
        for built_in, (name, hook) in _BASES.items():
            rules = sorted((each for each in own if each[1] == built_in), key=lambda each: each[2])
            listed = tuple(
                TableRule(read_words(arguments), at, said)
                for at, (*_, arguments, said) in enumerate(rules, 1)
            )
            chains[name] = TableChain(name, listed, BaseChain(hook, MANGLE_PRIORITY))
        tables[key] = Table(key, chains)
    return Ruleset(tables)


def _mangling(listing: Listing) -> Iterator[_DirectRule]:
    for ipv, arguments in listing.passthroughs:
        table, chain, rest = unwrapped(arguments)
        if table == "mangle":
            yield ipv, chain, 0, rest, f"{ipv} {' '.join(arguments)}"
    for ipv, table, chain, priority, words in listing.direct:
        if table == "mangle":
            said = f"{ipv} {table} {chain} {priority} {' '.join(words)}"
            yield ipv, chain, priority, words, said


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


def beside(ruleset: Ruleset, backend: str, runtime: Listing) -> Ruleset:
    """What others have in the kernel besides firewalld, which outlives its reload: not its own
    native table, not what it lists as direct rules, and with its iptables backend (``backend``)
    none of its chains there.
    """
    own = FirewalldChains.of(runtime) if backend != NFTABLES else None
    direct = _specs(direct_rules(runtime))
    tables = {key: each for key, each in ruleset.tables.items() if key != TABLE_KEY}
    for key, table in tables.items():
        if isinstance(table, Table) and key.source is not Lister.NFT:
            tables[key] = _without(table, own, direct.get(key.family, ()))
    return replace(ruleset, tables=tables)


def _specs(ruleset: Ruleset) -> Mapping[str, list[RuleSpec]]:
    return {
        table.key.family: [rule.spec for chain in table.chains.values() for rule in chain.rules]
        for table in ruleset.readable()
    }


def _without(table: Table, own: FirewalldChains | None, direct: Sequence[RuleSpec]) -> Table:
    """A table of iptables without what is firewalld's. What somebody put into its direct chains
    himself stays, and what leads there.
    """
    mangles = table.key.name == "mangle"
    chains: dict[str, TableChain] = {}
    for name, chain in table.chains.items():
        kept = [
            rule
            for rule in chain.rules
            if not (mangles and _is_direct(name, rule, direct))
            and not (own is not None and _is_zones(name, rule, own))
        ]
        whole = len(kept) == len(chain.rules)
        chains[name] = chain if whole else replace(chain, rules=tuple(kept))
    return replace(table, chains=chains)


def _is_direct(chain: str, rule: TableRule, direct: Sequence[RuleSpec]) -> bool:
    return chain in _DIRECT_CHAINS | _BASES.keys() and rule.spec in direct


def _is_zones(chain: str, rule: TableRule, own: FirewalldChains) -> bool:
    """Whether a rule is firewalld's, for its zones and policies."""
    if chain in _DIRECT_CHAINS or any(jump.chain in _DIRECT_CHAINS for jump in rule.spec.jumps()):
        return False
    return own.has(chain, rule)
