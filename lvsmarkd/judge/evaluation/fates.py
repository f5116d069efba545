"""What the ends of packets' ways come to: a fate for each part of a flow."""

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Address, IPv6Address, summarize_address_range

from lvsmarkd.judge.evaluation.fork import Fork, Likelihood, Place
from lvsmarkd.judge.evaluation.packet_class import PacketClass
from lvsmarkd.judge.evaluation.trail import End, Ending
from lvsmarkd.model.fate import Fate, FateStep, PacketFate
from lvsmarkd.model.host import ANY_INTERFACE
from lvsmarkd.model.packets import Packets
from lvsmarkd.model.ports import MAX_PORT, PortRange
from lvsmarkd.model.qualifiers import InInterface
from lvsmarkd.model.rule_ref import RuleRef
from lvsmarkd.model.rule_spec import Jump
from lvsmarkd.model.service import Family, Network


def fates_of(ends: Sequence[End], mark: int) -> Iterator[PacketFate]:
    """The fate of each part of a class of packets that should bear ``mark``."""
    entered = frozenset(name for end in ends for name in end.sent.interfaces)
    forked: dict[PacketClass, list[End]] = {}
    for end in ends:
        if end.trail.is_forked:
            forked.setdefault(end.sent, []).append(end)
        else:
            yield from _told(end, _fate(end, mark), entered)
    while forked:
        group = _overlapping(list(forked))
        yield from _together([end for sent in group for end in forked.pop(sent)], mark, entered)


def ends_with(ends: Sequence[End]) -> frozenset[int]:
    """The marks that some packets bear, or bore on their way."""
    return frozenset(
        step.after for end in ends for step in end.trail.steps() if step.after is not None
    )


def _fate(end: End, mark: int) -> Fate:
    match end.ending:
        case Ending.DROPPED:
            return Fate.DROPPED
        case Ending.ELSEWHERE:
            return Fate.ELSEWHERE
        case Ending.CUT:
            return Fate.UNKNOWN
        case Ending.ARRIVED:
            borne = end.packets.mark
            if borne is None:
                return Fate.UNKNOWN
            return Fate.RIGHT if borne == mark else Fate.WRONG if borne else Fate.UNMARKED


def _overlapping(classes: list[PacketClass]) -> list[PacketClass]:
    """The first class, and those that share packets with it, or with one that does."""
    group, waiting = [classes[0]], [classes[0]]
    rest = classes[1:]
    while waiting and rest:
        at = waiting.pop()
        more = [each for each in rest if each.overlaps(at)]
        rest = [each for each in rest if not each.overlaps(at)]
        group += more
        waiting += more
    return group


def _together(ends: list[End], mark: int, entered: frozenset[str]) -> Iterator[PacketFate]:
    """Ends of which a packet may come to any: one fate, if it is the same for all."""
    fates = {_fate(end, mark) for end in ends}
    borne = {end.packets.mark for end in ends if _fate(end, mark) is Fate.WRONG}
    if len(fates) == 1 and len(borne) < 2:
        for end in _distinct(ends):
            yield from _told(end, next(iter(fates)), entered)
        return
    kinds = {fork.likelihood for end in ends for fork in end.trail.forks()}
    others = fates - {Fate.DROPPED}
    if kinds == {Likelihood.RATE} and len(others) == 1 and len(borne) < 2:
        rest = [end for end in ends if _fate(end, mark) in others]
        for end in _distinct(rest):
            yield from _told(end, next(iter(others)), entered, is_limited=True)
        return
    if kinds == {Likelihood.BOTH}:
        for end in ends:
            yield from _told(end, _fate(end, mark), entered)
        return
    fork = _deciding(ends, mark)
    # Told are the steps of the way on which the mark is there in the end, if there is one.
    for end in _distinct(sorted(ends, key=lambda end: _fate(end, mark) is Fate.RIGHT)):
        hides = ref_of(fork.place) if fork is not None else None
        for packets in _sent(end.sent, entered):
            fate = Fate.UNKNOWN
            by = end.sent.interfaces
            yield PacketFate(packets, fate, None, _steps(end), _why(fork), hides, interfaces=by)


def _distinct(ends: Iterable[End]) -> list[End]:
    """One end for each class of packets."""
    return list({end.sent: end for end in ends}.values())


def _deciding(ends: list[End], mark: int) -> Fork | None:
    """The first fork of which the two ways do not come to the same."""
    forks = dict.fromkeys((fork.place, fork.why) for end in ends for fork in end.trail.forks())
    for place, why in forks:
        ways: dict[bool, set[Fate]] = {}
        for end in ends:
            for fork in end.trail.forks():
                if (fork.place, fork.why) == (place, why):
                    ways.setdefault(fork.matched, set()).add(_fate(end, mark))
        if len(ways) < 2 or ways[True] != ways[False]:
            return Fork(place, why)
    return None


def _why(fork: Fork | None) -> str:
    if fork is None:
        return "it was not followed to its end"
    return f"{fork.why} cannot be told from the rules"


def _told(
    end: End, fate: Fate, entered: frozenset[str], *, is_limited: bool = False
) -> Iterator[PacketFate]:
    known = end.ending is Ending.ARRIVED
    reason = ""
    if fate is Fate.UNKNOWN:
        reason = "the mark cannot be told from the rules" if known else "there are too many rules"
    for packets in _sent(end.sent, entered):
        yield PacketFate(
            packets,
            fate,
            end.packets.mark if known else None,
            _steps(end),
            reason,
            is_limited=is_limited,
            lost_at=end.hook,
            interfaces=end.sent.interfaces,
        )


def _sent(packet: PacketClass, entered: frozenset[str]) -> Iterator[Packets]:
    """A class as packets: several, where its destinations are no one network. An interface is named
    where not all by which they may have ``entered`` are meant.
    """
    whole = (packet.low, packet.high) in {(1, MAX_PORT), (0, 0)}
    names = sorted(packet.interfaces - {ANY_INTERFACE})
    fewer = packet.interfaces != entered
    by = (InInterface.of(*names),) if len(names) == 1 and fewer else ()
    ports = () if whole else (PortRange(packet.low, packet.high),)
    for network in _networks(packet):
        yield Packets(destination=network, protocol=packet.protocol, ports=ports, qualifiers=by)


def _networks(packet: PacketClass) -> Iterator[Network]:
    first, last = packet.first, packet.last
    if packet.family is Family.INET:
        return summarize_address_range(IPv4Address(first), IPv4Address(last))
    return summarize_address_range(IPv6Address(first), IPv6Address(last))


def _steps(end: End) -> tuple[FateStep, ...]:
    return tuple(
        FateStep(ref_of(step.place), step.before, step.after, leads=_leads(step.place))
        for step in end.trail.steps()
    )


def _leads(place: Place) -> bool:
    effects = place.rule.spec.effects if place.rule is not None else ()
    return any(isinstance(effect, Jump) for effect in effects)


def ref_of(place: Place) -> RuleRef:
    """The name of a rule, or of a policy."""
    if place.rule is None:
        return place.table.rule(place.chain, 0, "")
    text = place.rule.text or str(place.rule.spec)
    return place.table.rule(place.chain, place.rule.line, text)
