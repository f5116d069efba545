"""Packets somewhere on their way."""

from enum import Enum, auto

from msgspec import Struct

from lvsmarkd.judge.evaluation.fork import Fork, Place
from lvsmarkd.judge.evaluation.packet_class import PacketClass
from lvsmarkd.judge.evaluation.trail import START, Step, Trail
from lvsmarkd.model.rule_spec import Verdict


class Way(Struct):
    """Packets somewhere on their way; ``sent`` as they came in. Two that are alike go on alike."""

    sent: PacketClass
    packets: PacketClass
    trail: Trail

    def narrowed(self, part: PacketClass) -> "Way":
        """A part of them."""
        packets = self.packets
        if part is packets:
            return self
        sent = self.sent.by(part.interfaces)
        if not packets.moved:
            sent = sent.to(part.first, part.last)
        if not packets.port_moved:
            sent = sent.at(part.low, part.high)
        return Way(sent, part, self.trail)

    def forked(self, fork: Fork) -> "Way":
        """The same on one of the ways that a fork leaves."""
        return Way(self.sent, self.packets, self.trail.forked(fork))

    def become(self, packets: PacketClass) -> "Way":
        """The same with other marks, or another destination."""
        return Way(self.sent, packets, self.trail)

    def noted(self, place: Place, before: int | None) -> "Way":
        """The way with a rule in it that was matched at ``place``; ``before`` is the mark that the
        packets had.
        """
        last = self.trail.step
        mark, trail = self.packets.mark, self.trail
        if last is not None and last.place is place and last.after in {before, mark}:
            if last.after == mark:
                return self
            # The same rule, which did one thing more.
            before, trail = last.before, trail.before or START
        return Way(self.sent, self.packets, trail.stepped(Step(place, before, mark)))

    @property
    def key(self) -> tuple[PacketClass, PacketClass]:
        """Equal for packets that go on alike."""
        return self.sent, self.packets


class Onward(Enum):
    """Where packets go from a rule, other than by a verdict."""

    NEXT_RULE = auto()
    OUT_OF_CHAIN = auto()


Going = Verdict | Onward
Parting = tuple[Going, Way]
"""Packets, and where they go."""
