"""A class of packets taken from the wire to IPVS, through every base chain that it meets.

Where a rule is about some packets of the class only, the class is cut there and nowhere else.
Where a rule does not tell whether it matches, both ways are taken (`Fork`).
"""

from collections.abc import Iterator
from itertools import permutations

from msgspec.structs import replace

from lvsmarkd.judge.evaluation.chain_walk import MOST_STEPS, Budget, ChainWalk, TooLongError
from lvsmarkd.judge.evaluation.fork import Fork, Place
from lvsmarkd.judge.evaluation.hook_path import CONNTRACK, HookedChain, Stage
from lvsmarkd.judge.evaluation.packet_class import Moment, PacketClass, Tracking
from lvsmarkd.judge.evaluation.sender import Sender
from lvsmarkd.judge.evaluation.terrain import Terrain
from lvsmarkd.judge.evaluation.trail import START, End, Ending, Trail
from lvsmarkd.judge.evaluation.way import Way
from lvsmarkd.model.rule import Hook
from lvsmarkd.model.rule_spec import Verdict

_ORDERS = 6
"""Orders of the chains of one stage that are tried."""


class Journey:
    """The ways of one class of packets from one kind of sender. For one class only. ``budget`` is
    what all classes of a look have together.
    """

    def __init__(self, terrain: Terrain, sender: Sender, budget: Budget | None = None) -> None:
        self._terrain = terrain
        self._walk = ChainWalk(terrain, sender, budget or Budget(MOST_STEPS))
        self._ends: list[End] = []
        self._hook: Hook | None = None

    def ends(self, packets: PacketClass) -> list[End]:
        """Where the packets come to: several ends where the class was cut, or a fork left more
        than one way.
        """
        ways = [Way(packets, packets, START)]
        try:
            for stage in self._terrain.path.stages:
                self._hook = stage.hook
                ways = self._stage(stage, ways)
        except TooLongError:
            return [End(Ending.CUT, packets, packets, START)]
        self._hook = None
        for way in ways:
            self._end(Ending.ARRIVED, way)
        return self._ends

    def _stage(self, stage: Stage, ways: list[Way]) -> list[Way]:
        behind = stage.hook is Hook.PREROUTING and stage.priority > CONNTRACK
        if behind or stage.hook in {Hook.INPUT, Hook.FORWARD}:
            ways = [_tracked(way) for way in ways]
        passed_by: list[Way] = []
        if stage.is_at_ipvs:
            ways, passed_by = _either(ways, stage, "whether IPVS comes before the chain")
        elif stage.is_at_conntrack:
            early, late = _either(ways, stage, "whether conntrack comes before the chain")
            ways = [*early, *map(_tracked, late)]
        if len(stage.chains) == 1:
            ways = self._base_chain(stage.chains[0], ways)
            return _merged([*ways, *passed_by]) if passed_by else ways
        ways = [passed for way in ways for passed in self._in_some_order(stage, way)]
        return [*ways, *passed_by]

    def _in_some_order(self, stage: Stage, way: Way) -> list[Way]:
        """Through chains whose order is not known: each order is tried, and it is a fork where
        they do not come to the same.
        """
        outcomes: list[tuple[list[Way], list[End]]] = []
        before, self._ends = self._ends, []
        for order in list(permutations(stage.chains))[:_ORDERS]:
            ways, self._ends = [way], []
            for hooked in order:
                ways = self._base_chain(hooked, ways)
            if not any(_same(ways, self._ends, *other) for other in outcomes):
                outcomes.append((ways, self._ends))
        self._ends = before
        if len(outcomes) == 1:
            self._ends += outcomes[0][1]
            return outcomes[0][0]
        first = stage.chains[0]
        place = Place(first.table.key, first.chain.name)
        names = " and ".join(f"{each.table.key.name} {each.chain.name}" for each in stage.chains)
        passed = []
        for number, (ways, ends) in enumerate(outcomes):
            why = f"which of the chains {names}, of one priority, comes first"
            fork = Fork(place, why, matched=bool(number))
            passed += [each.forked(fork) for each in ways]
            self._ends += [replace(end, trail=end.trail.forked(fork)) for end in ends]
        return passed

    def _base_chain(self, hooked: HookedChain, ways: list[Way]) -> list[Way]:
        """The packets that a base chain lets through to the next."""
        passed: list[Way] = []
        for way in ways:
            if hooked.is_nat and (not way.packets.is_connected or way.packets.translated):
                passed.append(way)
                continue
            inside, outside = self._entering(hooked, way)
            passed += outside
            for verdict, left in self._walk.chain(hooked.table, hooked.chain.name, inside):
                passed += self._out(hooked, verdict, left)
        for way in self._walk.sent_elsewhere:
            self._end(Ending.ELSEWHERE, way)
        self._walk.sent_elsewhere.clear()
        return _merged(passed)

    def _entering(self, hooked: HookedChain, way: Way) -> tuple[list[Way], list[Way]]:
        """Which packets meet a base chain, and which pass it by."""
        decides = bool(hooked.chain.rules) or hooked.base.policy is not Verdict.ACCEPT
        if hooked.is_nat and decides and not self._terrain.tracks_connections:
            place = Place(hooked.table.key, hooked.chain.name)
            fork = Fork(place, "whether conntrack is at work, without which nat is met by nothing")
            return [way.forked(replace(fork, matched=True))], [way.forked(fork)]
        return _by_device(hooked, way)

    def _out(self, hooked: HookedChain, verdict: Verdict | None, way: Way) -> Iterator[Way]:
        match verdict:
            case None if hooked.base.policy is Verdict.ACCEPT:
                yield way
            case None:
                policy = Place(hooked.table.key, hooked.chain.name)
                self._end(Ending.DROPPED, way.noted(policy, way.packets.mark))
            case Verdict.ACCEPT | Verdict.SOCKET:
                yield way
            case Verdict.QUEUE:
                fork = Fork(_last_place(way.trail), verdict)
                self._end(Ending.DROPPED, way.forked(replace(fork, matched=True)))
                yield way.forked(fork)
            case _:
                self._end(Ending.DROPPED, way)

    def _end(self, ending: Ending, way: Way) -> None:
        self._ends.append(End(ending, way.sent, way.packets, way.trail, self._hook))


def _tracked(way: Way) -> Way:
    if way.packets.tracking not in {Tracking.BEFORE, Tracking.ASSIGNED}:
        return way
    first = way.packets.moment is Moment.FIRST
    found = Tracking.TRACKED if first else Tracking.INVALID
    return way.become(replace(way.packets, tracking=found))


def _either(ways: list[Way], stage: Stage, why: str) -> tuple[list[Way], list[Way]]:
    """Both ways where chains stand at the very priority of what the kernel does itself: which was
    registered later no listing tells.
    """
    first = stage.chains[0]
    fork = Fork(Place(first.table.key, first.chain.name), why)
    return [way.forked(fork) for way in ways], [
        way.forked(replace(fork, matched=True)) for way in ways
    ]


def _by_device(hooked: HookedChain, way: Way) -> tuple[list[Way], list[Way]]:
    """Which packets meet a chain that is registered at some interfaces only, and which do not."""
    devices = hooked.base.devices
    if not devices and hooked.base.hook is not Hook.INGRESS:
        return [way], []
    if not devices:
        place = Place(hooked.table.key, hooked.chain.name)
        fork = Fork(place, "at which interfaces the chain is registered")
        return [way.forked(replace(fork, matched=True))], [way.forked(fork)]
    inside = frozenset(name for name in way.packets.interfaces if _is_among(name, devices))
    outside = way.packets.interfaces - inside
    return (
        [way.narrowed(way.packets.by(inside))] if inside else [],
        [way.narrowed(way.packets.by(outside))] if outside else [],
    )


def _is_among(name: str, devices: tuple[str, ...]) -> bool:
    return any(
        name.startswith(device[:-1]) if device.endswith("*") else name == device
        for device in devices
    )


def _merged(ways: list[Way]) -> list[Way]:
    """Those that are alike go on as one."""
    if len(ways) < 2:
        return ways
    return list({way.key: way for way in reversed(ways)}.values())


def _same(ways: list[Way], ends: list[End], others: list[Way], other_ends: list[End]) -> bool:
    return {way.key for way in ways} == {way.key for way in others} and (
        {(end.ending, end.sent) for end in ends} == {(end.ending, end.sent) for end in other_ends}
    )


def _last_place(trail: Trail) -> Place:
    return trail.steps()[-1].place
