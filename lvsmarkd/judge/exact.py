"""The packets that others' rules give a service's mark, as flows that say just these.

What becomes of an ordinary client's packets is known (judge/outlook.py); rules that look at who
sends may do otherwise with others. Of these, flows can say one thing: `not-from-mac`.
"""

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Network, IPv6Network, collapse_addresses

from msgspec import Struct, field
from msgspec.structs import replace

from lvsmarkd.judge.evaluation.hook_path import hook_path
from lvsmarkd.judge.outlook import FlowFate, Outlook
from lvsmarkd.model.fate import Fate, FateStep
from lvsmarkd.model.fields import Field
from lvsmarkd.model.host import ANY_INTERFACE
from lvsmarkd.model.packets import Packets
from lvsmarkd.model.ports import MAX_PORT, PortRange, joined
from lvsmarkd.model.protocols import Transport
from lvsmarkd.model.qualifiers import InInterface, NotFromMac, in_order
from lvsmarkd.model.rule import Hook, SetMark
from lvsmarkd.model.rule_ref import RuleRef
from lvsmarkd.model.rule_spec import (
    Condition,
    Effect,
    FieldTest,
    Jump,
    MapMark,
    Other,
    RuleSpec,
    SetTest,
    Verdict,
    VerdictMap,
)
from lvsmarkd.model.ruleset import Ruleset, Table, TableKey
from lvsmarkd.model.service import MAX_MARK, Family, Network, ServiceKey

_EVERY = PortRange(1, MAX_PORT)
MOST_FLOWS = 64
"""More than that nobody wants to read in a configuration."""
_OF_SENDER = frozenset({Field.SOURCE, Field.SOURCE_PORT, Field.EITHER_PORT, Field.SOURCE_MAC})
_WITHOUT_MARKS = (Verdict, Jump, VerdictMap, Other)
"""A table that has no other effects bears on no mark, whoever sends."""
_HARMLESS = frozenset({Verdict.DROP, Verdict.RETURN})


class Inexact(Struct, frozen=True):
    """Flows cannot say it, and why: a clause."""

    reason: str


class SenderRules(Struct, frozen=True):
    """The rules at PREROUTING, by their names, and ``named`` of them: those that may bear on marks
    and ask of senders what flows cannot say.
    """

    named: tuple[tuple[RuleRef, RuleSpec], ...] = ()
    specs: Mapping[RuleRef, RuleSpec] = field(default_factory=dict)

    @classmethod
    def of(cls, ruleset: Ruleset, family: Family) -> "SenderRules":
        """Of all chains that packets may meet at PREROUTING, or before."""
        named: dict[TableKey, list[tuple[RuleRef, RuleSpec]]] = {}
        bearing = set[TableKey]()
        specs: dict[RuleRef, RuleSpec] = {}
        met = set[tuple[TableKey, str]]()
        for stage in hook_path(ruleset, family).stages:
            if stage.hook is Hook.INPUT:
                continue
            for each in stage.chains:
                key = each.table.key
                for chain in _reached(each.table, each.chain.name, met):
                    for rule in each.table.chains[chain].rules:
                        ref = key.rule(chain, rule.line, rule.text or str(rule.spec))
                        specs[ref] = rule.spec
                        if not all(isinstance(e, _WITHOUT_MARKS) for e in rule.spec.effects):
                            bearing.add(key)
                        if _asks_sender(rule.spec) and not _only_drops(rule.spec, each.table):
                            named.setdefault(key, []).append((ref, rule.spec))
        return cls(tuple(e for key, own in named.items() if key in bearing for e in own), specs)

    def first_about(self, flow: Packets) -> RuleRef | None:
        """A rule that may do otherwise with packets of a flow by who sends them."""
        return next((ref for ref, spec in self.named if spec.packets.overlaps(flow)), None)

    def but_from(self, steps: Iterable[FateStep]) -> NotFromMac | None:
        """The senders that the rules leave out which make the mark that packets have in the end."""
        led = set[str]()
        left = set[str]()
        for step in steps:
            if (spec := self.specs.get(step.rule)) is None:
                continue
            own = spec.packets.qualifier(NotFromMac)
            macs = set(own.macs) if own is not None else led
            if step.leads:
                led = macs
            elif _sets(spec, step.after):
                # Who is left out here has the mark nevertheless, if he had it before.
                left = left & macs if step.before == step.after else macs
            elif step.before != step.after:
                left = left | macs
        return NotFromMac.of(*left) if left else None


class _Cell(Struct, frozen=True):
    """Packets of one destination and one set of ports, whatever interface they come by."""

    bare: Packets
    but_from: NotFromMac | None


def exact_flows(
    key: ServiceKey, parts: Iterable[FlowFate], now: Outlook, senders: SenderRules
) -> tuple[Packets, ...] | Inexact:
    """The flows of the packets that come to IPVS with a mark; that of ``key``, or another's."""
    every = now.entries.get(key.family, frozenset())
    by: dict[_Cell, set[str]] = {}
    for part in parts:
        fate = part.fate
        if fate.fate is Fate.UNKNOWN:
            hidden = f" (“{fate.hidden_by}”)" if fate.hidden_by else ""
            return Inexact(f"whether packets of {fate.packets} bear it cannot be told{hidden}")
        if fate.fate is not Fate.RIGHT:
            continue
        bare = fate.packets.without(InInterface)
        if bare.protocol not in set(Transport):
            return Inexact(f"a declaration cannot name the protocol of {bare}")
        if (rule := senders.first_about(bare)) is not None:
            return Inexact(f"rules mark packets of {bare} by who sends them (“{rule}”)")
        cell = _Cell(bare, senders.but_from(fate.steps))
        by.setdefault(cell, set()).update(fate.interfaces)
    flows: list[Packets] = []
    for cell, interfaces in by.items():
        if ANY_INTERFACE in interfaces and interfaces != every:
            return Inexact(f"packets of {cell.bare} bear it by some interfaces and not by others")
        names = [None] if interfaces == every else sorted(interfaces)
        for name in names:
            entered = [] if name is None else [InInterface.of(name)]
            said = in_order((*entered, *([cell.but_from] if cell.but_from else [])))
            flows.append(replace(cell.bare, qualifiers=said))
    united = tuple(_united(flows))
    if len(united) > MOST_FLOWS:
        return Inexact(f"it takes {len(united)} flows to say what rules mark")
    return united


def _united(flows: Iterable[Packets]) -> Iterator[Packets]:
    """The same packets, said once: ports and networks joined, without what lies in another flow."""
    groups: dict[Packets, list[Packets]] = {}
    for flow in flows:
        groups.setdefault(replace(flow, ports=()), []).append(flow)
    alike: dict[Packets, list[Network]] = {}
    whole: list[Packets] = []
    for bare, own in groups.items():
        ports = () if any(not each.ports for each in own) else joined(_ports_of(own))
        for said in [replace(bare, ports=(each,)) for each in ports if each != _EVERY] or [bare]:
            if said.destination is None:
                whole.append(said)
            else:
                alike.setdefault(replace(said, destination=None), []).append(said.destination)
    whole += [
        replace(said, destination=network)
        for said, networks in alike.items()
        for network in _collapsed(networks)
    ]
    # Wide destinations are few: only these hold others.
    wide = [f for f in whole if f.destination is None or f.destination.num_addresses > 1]
    for flow in whole:
        if not any(other is not flow and other.covers(flow) for other in wide):
            yield flow


def _collapsed(networks: list[Network]) -> Iterator[Network]:
    """The same addresses, of one family, in as few networks as there may be. Single ones stay."""
    wide = [network for network in networks if network.num_addresses > 1]
    if not wide:
        yield from networks
    elif isinstance(wide[0], IPv4Network):
        yield from collapse_addresses(n for n in networks if isinstance(n, IPv4Network))
    else:
        yield from collapse_addresses(n for n in networks if isinstance(n, IPv6Network))


def _ports_of(flows: Iterable[Packets]) -> Iterator[PortRange]:
    return (ports for flow in flows for ports in flow.ports)


def _reached(table: Table, chain: str, met: set[tuple[TableKey, str]]) -> Iterator[str]:
    """A chain and all that its rules lead to, each once."""
    waiting = [chain]
    while waiting:
        at = waiting.pop()
        if (table.key, at) in met or at not in table.chains:
            continue
        met.add((table.key, at))
        yield at
        waiting += [jump.chain for rule in table.chains[at].rules for jump in rule.spec.jumps()]


def _asks_sender(spec: RuleSpec) -> bool:
    return any(map(is_about_sender, (*spec.conditions, *spec.effects)))


def is_about_sender(each: Condition | Effect) -> bool:
    """Whether a part of a rule asks who sends."""
    match each:
        case FieldTest(asked):
            return asked in _OF_SENDER
        case SetTest(lookup) | MapMark(lookup) | VerdictMap(lookup):
            return "src" in lookup.directions or bool(_OF_SENDER & set(lookup.key))
        case _:
            return False


def _only_drops(spec: RuleSpec, table: Table, *, deep: bool = True) -> bool:
    """Whether it does nothing but drop packets: those bear no mark that matters."""
    for effect in spec.effects:
        match effect:
            case Other():
                continue
            case Verdict() if effect in _HARMLESS and (not deep or effect is Verdict.DROP):
                continue
            case Jump(chain) if deep and chain in table.chains:
                rules = table.chains[chain].rules
                if not all(_only_drops(rule.spec, table, deep=False) for rule in rules):
                    return False
            case _:
                return False
    return True


def _sets(spec: RuleSpec, mark: int | None) -> bool:
    """Whether it gives packets a mark, whatever they bore."""
    return any(
        isinstance(each, SetMark) and (each.value, each.mask) == (mark, MAX_MARK)
        for each in spec.effects
    )
