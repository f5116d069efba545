"""What becomes of packets that a service is meant to balance."""

from enum import StrEnum

from msgspec import Struct

from lvsmarkd.model.packets import Packets
from lvsmarkd.model.rule import Hook
from lvsmarkd.model.rule_ref import RuleRef


class Fate(StrEnum):
    """Of packets for a service, from the wire to IPVS. The values are what users read."""

    RIGHT = "right"
    """They come to IPVS with the mark of the service."""
    WRONG = "wrong"
    """With another one."""
    UNMARKED = "unmarked"
    """With none."""
    DROPPED = "dropped"
    ELSEWHERE = "elsewhere"
    """They go to another host, or to a socket of this one."""
    UNKNOWN = "unknown"


LOST = frozenset({Fate.WRONG, Fate.UNMARKED, Fate.DROPPED, Fate.ELSEWHERE})
"""What a service gets nothing of."""


class FateStep(Struct, frozen=True):
    """A rule that packets matched, or a policy, and the mark that they bore before and after it
    (None: not known). ``leads``: it leads into another chain.
    """

    rule: RuleRef
    before: int | None
    after: int | None
    leads: bool = False


class PacketFate(Struct, frozen=True):
    """What becomes of some packets. ``mark`` is what they bear in the end, where they come to IPVS
    with a mark that is known. ``steps`` are the rules that they match, as they are met: of
    packets that are lost the last one takes them. ``reason`` says what hides the answer, where it
    is not known, and ``hidden_by`` which rule. ``is_limited``: who sends too much is refused.
    ``lost_at`` is the hook where packets are dropped or sent elsewhere, ``interfaces`` are all that
    these packets come by.
    """

    packets: Packets
    fate: Fate
    mark: int | None = None
    steps: tuple[FateStep, ...] = ()
    reason: str = ""
    hidden_by: RuleRef | None = None
    is_limited: bool = False
    lost_at: Hook | None = None
    interfaces: frozenset[str] = frozenset()

    @property
    def rules(self) -> tuple[RuleRef, ...]:
        """The rules that bear on it: those that change the mark, and the one that takes lost
        packets.
        """
        told = [step.rule for step in self.steps if step.before != step.after]
        if self.fate in {Fate.DROPPED, Fate.ELSEWHERE} and self.steps:
            told.append(self.steps[-1].rule)
        return tuple(dict.fromkeys(told))

    @property
    def why_unknown(self) -> str:
        """What hides the answer, with the rule that does."""
        rule = self.hidden_by
        return self.reason if rule is None else f"{self.reason} (“{rule}” in {rule.where})"
