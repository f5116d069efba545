"""All that packets meet on this host, whoever made it and whatever listed it.

A table that could not be read is `Unknown` with its reason, and of a table that is shown in part
`hidden` says what the listing keeps back.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum

from msgspec import Struct, field

from lvsmarkd.model.rule import Hook, SetMark
from lvsmarkd.model.rule_ref import Keeper, RuleRef
from lvsmarkd.model.rule_spec import (
    Element,
    MapMark,
    RestoreMark,
    RuleSpec,
    SetsUnknownMark,
    Verdict,
    When,
)
from lvsmarkd.model.service import Family
from lvsmarkd.model.unknown import Unknown


class TableRule(Struct, frozen=True):
    """A rule where it stands. ``line`` counts from 1 in its chain. ``packets`` is its counter,
    ``handle`` nft's number for it. ``text`` is the rule as it is listed, after the chain's name;
    empty where the listing is no text (nft -j).
    """

    spec: RuleSpec
    line: int
    text: str = ""
    packets: int | None = None
    handle: int | None = None


class BaseChain(Struct, frozen=True):
    """Where a chain is registered, and what becomes of packets that no rule of it decides about.

    ``kind`` is filter, nat or route: nat chains see the first packet of each connection only.
    ``devices`` are the interfaces at which one of the ingress hook is registered.
    """

    hook: Hook
    priority: int
    policy: Verdict = Verdict.ACCEPT
    kind: str = "filter"
    devices: tuple[str, ...] = ()


class TableChain(Struct, frozen=True):
    """A chain and its rules, in order. ``base`` is None where only jumps lead there."""

    name: str
    rules: tuple[TableRule, ...] = ()
    base: BaseChain | None = None
    handle: int | None = None


class TableSet(Struct, frozen=True):
    """A set, or a map where ``data`` names the type of what it has for each element.

    ``elements`` is None where they were not asked for: they may be a million.
    """

    name: str
    types: tuple[str, ...] = ()
    data: str = ""
    elements: tuple[Element, ...] | None = None


class Lister(StrEnum):
    """Who lists a table, in whose words: the kernel evaluates all of them."""

    NFT = "nft"
    IPTABLES_NFT = "iptables-nft"
    IPTABLES_LEGACY = "iptables-legacy"
    FIREWALLD = "firewalld"
    """Of what it has listed and the kernel may not have: its chains are zones and policies."""


class TableKey(Struct, frozen=True):
    """Names one table. ``family`` is netfilter's: ip, ip6, inet, bridge, arp, netdev."""

    source: Lister
    family: str
    name: str

    @property
    def families(self) -> tuple[Family, ...]:
        """The families whose packets meet it."""
        return _FAMILIES.get(self.family, ())

    def rule(self, chain: str, line: int, text: str) -> RuleRef:
        """The name of a rule in it."""
        if self.source is Lister.NFT:
            table = f"{self.family} {self.name}"
            return RuleRef(table, chain, text, line, Keeper.NFTABLES)
        if self.source is Lister.FIREWALLD:
            return RuleRef("", chain, text, keeper=Keeper.FIREWALLD)
        return RuleRef(self.name, chain, text, line)


class Table(Struct, frozen=True):
    """One table. ``hidden`` says what its listing keeps back: the rest is certain. ``handle``
    counts up as tables are made. A ``dormant`` one is met by no packet. ``settled_for`` are the
    seconds until the first element of its sets ends by itself, which no generation tells; None:
    none does.
    """

    key: TableKey
    chains: Mapping[str, TableChain] = field(default_factory=dict)
    sets: Mapping[str, TableSet] = field(default_factory=dict)
    hidden: str = ""
    handle: int | None = None
    dormant: bool = False
    settled_for: float | None = None

    @property
    def marks(self) -> bool:
        """Whether some rule of it changes the mark of packets."""
        return any(
            isinstance(effect, _MARKING)
            for chain in self.chains.values()
            for rule in chain.rules
            for effect in rule.spec.effects
        )

    def reached(self, base: str) -> Mapping[str, TableChain]:
        """The chains that a packet can get to from a chain, itself included, each once."""
        found: dict[str, TableChain] = {}
        waiting = [base]
        while waiting:
            chain = self.chains.get(waiting.pop())
            if chain is None or chain.name in found:
                continue
            found[chain.name] = chain
            waiting += [jump.chain for rule in chain.rules for jump in rule.spec.jumps()]
        return found


class Ruleset(Struct, frozen=True):
    """All tables that were looked for. ``unread`` are the sources that did not even tell which
    tables they have. ``ipsets`` are the sets that iptables' rules name; Unknown where they could
    not be read, None where they were not asked for.
    """

    tables: Mapping[TableKey, Table | Unknown] = field(default_factory=dict)
    unread: Mapping[Lister, Unknown] = field(default_factory=dict)
    ipsets: Mapping[str, TableSet] | Unknown | None = None

    def __or__(self, other: "Ruleset") -> "Ruleset":
        """Both: what two readers saw."""
        return Ruleset(
            {**self.tables, **other.tables},
            {**self.unread, **other.unread},
            other.ipsets if self.ipsets is None else self.ipsets,
        )

    def table(self, key: TableKey) -> Table | None:
        """A table that was read."""
        found = self.tables.get(key)
        return found if isinstance(found, Table) else None

    def readable(self) -> Iterator[Table]:
        """The tables that were read."""
        return (table for table in self.tables.values() if isinstance(table, Table))


_MARKING = (SetMark, RestoreMark, MapMark, SetsUnknownMark, When)
"""Effects that change the packet's mark, or may hold one that does."""
_FAMILIES = {
    "ip": (Family.INET,),
    "ip6": (Family.INET6,),
    "inet": (Family.INET, Family.INET6),
    "netdev": (Family.INET, Family.INET6),
}
