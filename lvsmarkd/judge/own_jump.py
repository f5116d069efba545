"""Whether packets of our rules come to our jump, and keep the mark that they get there.

It is asked of all senders: what a rule does to some of them, it does to packets of ours.
"""

from collections.abc import Callable, Collection, Iterator, Mapping

from msgspec import Struct
from msgspec.structs import replace

from lvsmarkd.judge.evaluation.census import Census
from lvsmarkd.judge.evaluation.fates import ref_of
from lvsmarkd.judge.evaluation.hook_path import HookedChain, HookPath, Stage, hook_path
from lvsmarkd.judge.evaluation.journey import Journey
from lvsmarkd.judge.evaluation.packet_class import PacketClass, Tracking, classes_of
from lvsmarkd.judge.evaluation.sender import Sender
from lvsmarkd.judge.evaluation.terrain import Terrain
from lvsmarkd.judge.evaluation.trail import End, Ending
from lvsmarkd.judge.exact import is_about_sender
from lvsmarkd.model.packets import Packets
from lvsmarkd.model.qualifiers import InInterface, NotFromMac
from lvsmarkd.model.rule import Hook, Rule, flows_of
from lvsmarkd.model.rule_ref import RuleRef
from lvsmarkd.model.rule_spec import Jump, Opaque, RuleSpec, Verdict
from lvsmarkd.model.ruleset import BaseChain, Table, TableChain, TableRule
from lvsmarkd.model.snapshot import OwnPlace, Snapshot

_OURS = TableRule(RuleSpec(effects=(Verdict.DROP,)), 0)
"""Stands for our jump: what comes so far goes no further."""
_LEFT = frozenset({Ending.ARRIVED, Ending.ELSEWHERE})


def displacing_rule(place: OwnPlace, rules: Collection[Rule], seen: Snapshot) -> RuleRef | None:
    """A rule of somebody else's that our jump has to pass. Of one at the head: what may take
    packets of our rules out of the table before they come to it. Of one at the end: what may
    change their mark after. None where there is none, and where it cannot be told.
    """
    table = seen.ruleset.table(place.table)
    chain = None if table is None else table.chains.get(place.base_chain)
    if table is None or chain is None or chain.base is None or not rules:
        return None
    jump = RuleSpec(effects=(Jump(place.chain),))
    at = next((n for n, each in enumerate(chain.rules) if each.spec == jump), None)
    if at is None:
        return None
    last = seen.limits.jump_at_end
    passed = chain.rules[at + 1 :] if last else chain.rules[:at]
    if not passed:
        return None
    part = replace(chain, rules=passed if last else (*passed, _OURS))
    whole = replace(table, chains={**table.chains, chain.name: part})
    followed = _Approach.of(whole, part, chain.base, rules, seen)
    return followed.changing(place) if last else followed.leaving(place)


class _Approach(Struct, frozen=True):
    """A part of the base chain that has our jump, and packets of our rules on their way to it."""

    terrain: Terrain
    sender: Sender
    rules: Collection[Rule]
    hooked: HookedChain
    entries: frozenset[str]

    @classmethod
    def of(
        cls,
        table: Table,
        chain: TableChain,
        base: BaseChain,
        rules: Collection[Rule],
        seen: Snapshot,
    ) -> "_Approach":
        asked = replace(table, chains=_of_any_sender(table, chain.name))
        hooked = HookedChain(asked, asked.chains[chain.name], base, base.priority)
        family = next(iter(rules)).family
        path = hook_path(seen.ruleset, family)
        before = () if seen.limits.jump_at_end else tuple(_before(path, hooked))
        path = HookPath(family, (*before, Stage(base.hook, base.priority, (hooked,))))
        tables = {each.table.key: each.table for stage in path.stages for each in stage.chains}
        terrain = Terrain(replace(seen.ruleset, tables=tables), path, seen.host)
        census = Census(terrain)
        entries = terrain.host.entries(census.interfaces)
        return cls(terrain, census.sender, rules, hooked, entries)

    def leaving(self, place: OwnPlace) -> RuleRef | None:
        """What takes packets out of the table."""
        for end in self._ends(lambda _rule: 0):
            steps = end.trail.steps() if end.ending in _LEFT else ()
            if steps and steps[-1].place.table == place.table:
                taken = ref_of(steps[-1].place)
                if not place.holds(taken):
                    return taken
        return None

    def changing(self, place: OwnPlace) -> RuleRef | None:
        """What gives packets with our marks another one."""
        for end in self._ends(lambda rule: rule.mark or 0):
            for step in end.trail.steps():
                if step.before != step.after and not place.holds(changed := ref_of(step.place)):
                    return changed
        return None

    def _ends(self, mark: Callable[[Rule], int]) -> Iterator[End]:
        """Where packets of the rules come to, that bear a mark as they set out."""
        for rule in self.rules:
            for flow in flows_of(rule):
                for packet in self._packets(flow):
                    sent = replace(packet, mark=mark(rule))
                    yield from Journey(self.terrain, self.sender).ends(sent)

    def _packets(self, flow: Packets) -> Iterator[PacketClass]:
        by = flow.qualifier(InInterface)
        entries = self.entries if by is None else self.entries | {by.name}
        for packet in classes_of(flow, self.terrain.family, entries):
            own = self.hooked.base.hook is Hook.OUTPUT
            yield replace(packet, tracking=Tracking.TRACKED) if own else packet


def _before(path: HookPath, own: HookedChain) -> Iterator[Stage]:
    """The stages that packets come through to a chain."""
    for stage in path.stages:
        if any(each.table.key == own.table.key for each in stage.chains):
            return
        if stage.hook is own.base.hook or own.base.hook is Hook.INPUT:
            yield stage


def _of_any_sender(table: Table, base: str) -> Mapping[str, TableChain]:
    """The chains of a table, with rules that may hold or not where they ask who sends."""
    changed = {
        name: replace(chain, rules=tuple(map(_for_any, chain.rules)))
        for name, chain in table.reached(base).items()
    }
    return {**table.chains, **changed}


def _for_any(rule: TableRule) -> TableRule:
    packets = rule.spec.packets
    asked = [each for each in rule.spec.conditions if is_about_sender(each)]
    if packets.qualifier(NotFromMac) is None and not asked:
        return rule
    kept = tuple(each for each in rule.spec.conditions if each not in asked)
    spec = replace(
        rule.spec, packets=packets.without(NotFromMac), conditions=(*kept, Opaque("sender"))
    )
    return replace(rule, spec=spec, text=rule.text or str(rule.spec))
