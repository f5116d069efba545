"""The whole table that gives flows their marks, from the rules that are to be in force.

Packets come to one chain at PREROUTING, with a priority that nobody else has: behind mangle (-150)
and firewalld's (-140), so the last word is ours; at an equal one, whoever registered later would be
first (measured). From there a set of destinations leads to a chain of maps. Flows by interface have
chains of their own, which packets of other interfaces do not meet, and so have those that leave out
senders. What the host itself sends has a chain at OUTPUT, and maps of its own.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from hashlib import sha256

from msgspec import Struct

from lvsmarkd.backends.nftables.flow_maps import FlowMaps, MarkedFlow, flow_maps
from lvsmarkd.model.qualifiers import InInterface, NotFromMac
from lvsmarkd.model.rule import Hook, Rule, SetMark, flows_of
from lvsmarkd.model.service import Family, ServiceKey
from lvsmarkd.netfilter.nftables import matches
from lvsmarkd.netfilter.nftables.datatypes import DataType, value_of
from lvsmarkd.netfilter.nftables.expressions import (
    RETURN,
    Counts,
    Expression,
    NftVerdict,
    VerdictCode,
    jump,
)
from lvsmarkd.netfilter.nftables.objects import (
    ChainBase,
    ChainType,
    NftChain,
    NftElement,
    NftRule,
    NftSet,
    NftTable,
    TableContents,
    TableId,
)

PRIORITY = -139
SAID = frozenset({InInterface, NotFromMac})
"""The kinds of qualifiers that groups are made of: all that the table can look at."""
BASES = {
    Hook.PREROUTING: ("prerouting", ChainType.FILTER),
    Hook.OUTPUT: ("output", ChainType.ROUTE),
}
"""The base chain of each hook, and its type: what has another mark at OUTPUT is routed anew."""
_NUMBERS = {Family.INET: "4", Family.INET6: "6"}
_FAMILIES = {DataType.IPV4_ADDR: Family.INET, DataType.IPV6_ADDR: Family.INET6}


class FlowGroup(Struct, frozen=True, order=True):
    """What the flows of one chain of maps have in common. ``local``: the host itself sends them."""

    interface: str
    macs: tuple[str, ...]
    family: Family
    local: bool = False

    @property
    def digest(self) -> str:
        """What ends the names of what belongs to its qualifiers: interfaces may have characters
        that names in nf_tables may not.
        """
        if not self.interface and not self.macs:
            return ""
        text = "\n".join((self.interface, *self.macs))
        return "_" + sha256(text.encode()).hexdigest()[:8]

    @property
    def suffix(self) -> str:
        """What ends the names of what is its own."""
        return _NUMBERS[self.family] + ("_local" if self.local else "") + self.digest


class _MarkTableDraft:
    """A table in the making."""

    def __init__(self, table: NftTable) -> None:
        self.table = table
        self.id: TableId = table.id
        self.chains: list[NftChain] = []
        self.sets: dict[NftSet, tuple[NftElement, ...]] = {}
        self.rules: dict[str, list[NftRule]] = {}

    def chain(self, name: str, base: ChainBase | None = None) -> str:
        """A new chain; gives its name."""
        self.chains.append(NftChain(self.id, name, base))
        self.rules[name] = []
        return name

    def rule(self, chain: str, *parts: tuple[Expression, ...], comment: str = "") -> None:
        """A new rule at the end of a chain, of some conditions and effects in turn."""
        whole = tuple(each for part in parts for each in part)
        self.rules[chain].append(NftRule(self.id, chain, whole, comment))

    def done(self) -> TableContents:
        """The table."""
        return TableContents(
            self.table,
            tuple(self.chains),
            tuple(self.sets),
            {chain: tuple(rules) for chain, rules in self.rules.items()},
            {of.name: elements for of, elements in self.sets.items()},
        )


def mark_table(
    table: NftTable,
    rules: Iterable[Rule],
    *,
    only_unmarked: bool,
    priority: int = PRIORITY,
    hooks: Collection[Hook] = (Hook.PREROUTING,),
) -> TableContents:
    """The table by which just the packets of these rules get their marks.

    Those that are not about marks at one of ``hooks`` are passed over. ``only_unmarked``: packets
    that bear a mark already keep it, whoever gave it to them. Raises ValueError for a qualifier
    that the table cannot look at.
    """
    draft = _MarkTableDraft(table)
    groups = groups_of(rules, hooks)
    for hook in hooks:
        here = {
            each: flows for each, flows in groups.items() if each.local is (hook is Hook.OUTPUT)
        }
        if not here and hook is not Hook.PREROUTING:
            continue
        name, kind = BASES[hook]
        base = draft.chain(name, ChainBase(hook, priority, kind))
        if only_unmarked:
            draft.rule(base, matches.has_mark(0, not_it=True), (RETURN,))
        _by_interface(draft, base, here, only_unmarked=only_unmarked)
        for group, flows in here.items():
            if not group.interface:
                _gate(draft, base, group, flows, only_unmarked=only_unmarked)
    return draft.done()


class ElementCount(Struct, frozen=True):
    """How many packets an element of a map gave the mark of a service, since it was made."""

    place: tuple[str, bytes]
    """Its map, and its key: no other element has both."""
    service: ServiceKey
    packets: int


def counted(contents: TableContents) -> Iterator[ElementCount]:
    """What the elements of a table's maps have counted."""
    for of in contents.sets:
        if not isinstance(of, NftSet) or of.data is not DataType.MARK:
            continue
        family = _FAMILIES.get(of.key[0])
        for each in contents.elements.get(of.name, ()):
            if family is not None and each.counts is not None and isinstance(each.data, bytes):
                service = ServiceKey(family, int(value_of(DataType.MARK, each.data)))
                yield ElementCount((of.name, each.start), service, each.counts.packets)


def groups_of(
    rules: Iterable[Rule], hooks: Collection[Hook]
) -> Mapping[FlowGroup, list[MarkedFlow]]:
    """The flows by what their chains have in common; those without qualifiers come last. Raises
    ValueError for a qualifier that no group is made of.
    """
    found: dict[FlowGroup, list[MarkedFlow]] = {}
    for rule in rules:
        if rule.hook in hooks and isinstance(rule.action, SetMark):
            flows = (MarkedFlow(flow, rule.action.value) for flow in flows_of(rule))
            found.setdefault(group_of(rule), []).extend(flows)
    return {group: found[group] for group in sorted(found, reverse=True)}


def group_of(rule: Rule) -> FlowGroup:
    """The group of a rule's flows. Raises ValueError for a qualifier that none is made of."""
    if strange := [each for each in rule.match.qualifiers if type(each) not in SAID]:
        raise ValueError(f"a table of nf_tables is not told of {strange[0]}")
    inside, macs = rule.match.qualifier(InInterface), rule.match.qualifier(NotFromMac)
    return FlowGroup(
        inside.name if inside else "",
        macs.macs if macs else (),
        rule.family,
        rule.hook is Hook.OUTPUT,
    )


def _by_interface(
    draft: _MarkTableDraft,
    base: str,
    groups: Mapping[FlowGroup, list[MarkedFlow]],
    *,
    only_unmarked: bool,
) -> None:
    """One look-up, by which packets come to the chain of their interface, where it has one."""
    names = sorted({each.interface for each in groups if each.interface})
    if not names:
        return
    of = NftSet(draft.id, "interfaces", (DataType.IFNAME,), DataType.VERDICT)
    elements = []
    for name in names:
        chain = draft.chain("from" + FlowGroup(name, (), Family.INET).digest)
        elements.append(of.element(name, data=NftVerdict(VerdictCode.JUMP, chain)))
        for group, flows in groups.items():
            if group.interface == name:
                _gate(draft, chain, group, flows, only_unmarked=only_unmarked)
    draft.sets[of] = tuple(elements)
    draft.rule(base, matches.found_in(of, (matches.IIFNAME,)))


def _gate(
    draft: _MarkTableDraft,
    at: str,
    group: FlowGroup,
    flows: list[MarkedFlow],
    *,
    only_unmarked: bool,
) -> None:
    """A set of destinations, behind which is a chain of maps."""
    maps = flow_maps(draft.id, group.family, group.suffix, flows)
    chain = draft.chain(f"flows{group.suffix}")
    draft.sets[maps.gate] = maps.gate_elements
    family, daddr = matches.of_family(group.family), matches.DADDR[group.family]
    to_vips = matches.found_in(maps.gate, (daddr,))
    draft.rule(at, family, to_vips, (jump(chain),), comment=_comment(group))
    if group.macs:
        macs = NftSet(draft.id, f"macs{group.digest}", (DataType.ETHER_ADDR,))
        draft.sets[macs] = tuple(macs.element(mac) for mac in group.macs)
        draft.rule(chain, matches.from_mac_in(macs), (RETURN,))
    _ask(draft, chain, group, maps, only_unmarked=only_unmarked)


def _ask(
    draft: _MarkTableDraft, chain: str, group: FlowGroup, maps: FlowMaps, *, only_unmarked: bool
) -> None:
    """Ask each map. Where marks are only for who has none, what one has marked is not counted by
    another; and the rule counts too, so that one look tells whether any element has.
    """
    family, daddr = matches.of_family(group.family), matches.DADDR[group.family]
    unmarked = matches.has_mark(0) if only_unmarked else ()
    for of, elements in maps.maps:
        draft.sets[of] = elements
        fields = (daddr, matches.L4PROTO, matches.DPORT)[: len(of.key)]
        counts = (Counts(),) if only_unmarked else ()
        draft.rule(chain, unmarked, family, matches.set_mark_by(of, fields), counts)


def _comment(group: FlowGroup) -> str:
    """The qualifiers in words, as far as a comment has room."""
    words = [f"in-interface {group.interface}"] if group.interface else []
    if group.macs:
        words.append(f"not from {len(group.macs)} MAC addresses")
    return ", ".join(words)
