"""What befell packets on their way: the rules that they matched, one after the other."""

from collections.abc import Iterator
from enum import StrEnum

from msgspec import Struct

from lvsmarkd.judge.evaluation.fork import Fork, Place
from lvsmarkd.judge.evaluation.packet_class import PacketClass
from lvsmarkd.model.rule import Hook


class Step(Struct, frozen=True):
    """A rule that the packets matched (or a policy), and what they bore after it."""

    place: Place
    before: int | None
    after: int | None


class Trail(Struct, frozen=True, eq=False):
    """The last step, and the way up to it; ``fork`` where the way parted there, ``is_forked`` where
    it did there or before.
    """

    step: Step | None = None
    before: "Trail | None" = None
    fork: Fork | None = None
    is_forked: bool = False

    def stepped(self, step: Step) -> "Trail":
        """The way with one more step."""
        return Trail(step, self, None, self.is_forked)

    def forked(self, fork: Fork) -> "Trail":
        """The way, where it was left open which one it would be."""
        return Trail(None, self, fork, is_forked=True)

    def steps(self) -> tuple[Step, ...]:
        """First to last."""
        return tuple(each.step for each in self._parts() if each.step is not None)

    def forks(self) -> tuple[Fork, ...]:
        """First to last."""
        return tuple(each.fork for each in self._parts() if each.fork is not None)

    def _parts(self) -> Iterator["Trail"]:
        parts: list[Trail] = []
        at: Trail | None = self
        while at is not None:
            parts.append(at)
            at = at.before
        return reversed(parts)


START = Trail()


class Ending(StrEnum):
    """How the way of packets ends."""

    ARRIVED = "arrived"
    """Where IPVS looks."""
    DROPPED = "dropped"
    ELSEWHERE = "elsewhere"
    """Sent to another host, or to a socket of this one."""
    CUT = "cut"
    """It was not followed to its end: too many rules, or too many ways."""


class End(Struct, frozen=True, eq=False):
    """Packets at the end of their way. ``sent`` are the same as they came in; ``hook`` is where
    they were lost.
    """

    ending: Ending
    sent: PacketClass
    packets: PacketClass
    trail: Trail
    hook: Hook | None = None
