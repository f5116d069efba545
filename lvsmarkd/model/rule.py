"""Rules of our own: a thing in a firewall that marks or accepts some packets."""

from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from lvsmarkd.model.firewall import Program
from lvsmarkd.model.packets import EVERYWHERE, Packets
from lvsmarkd.model.service import MAX_MARK, Family, ServiceKey


class Plane(StrEnum):
    """``runtime``: what packets meet now. ``permanent``: what the next reload or boot brings."""

    RUNTIME = "runtime"
    PERMANENT = "permanent"


class Hook(StrEnum):
    """The hooks of netfilter: where in the kernel's way of a packet chains are registered."""

    INGRESS = "ingress"
    PREROUTING = "prerouting"
    INPUT = "input"
    FORWARD = "forward"
    OUTPUT = "output"
    POSTROUTING = "postrouting"
    EGRESS = "egress"

    @property
    def duty(self) -> str:
        """What our rules do there: users read that as the place of a rule, in plans, the journal
        and JSON.
        """
        return _DUTIES.get(self, str(self))


_DUTIES = {Hook.PREROUTING: "mark", Hook.OUTPUT: "local", Hook.INPUT: "accept"}
OWN_HOOKS = tuple(_DUTIES)
"""Where lvsmarkd keeps rules. Packets that arrive are marked at PREROUTING, before routing; those
that the director itself sends at OUTPUT; those for the director, which a filter may drop, are
accepted at INPUT."""


class ChainKey(Struct, frozen=True, order=True):
    """Names one chain of ours: at one hook, of one family, in one plane.

    ``previous`` is the program that holds it, where that is another one than keeps the rules now.
    """

    plane: Plane
    family: Family
    hook: Hook
    previous: Program = Program.NONE

    @property
    def of_previous(self) -> bool:
        """Whether another firewall holds it, from the time when it kept our rules."""
        return self.previous is not Program.NONE

    @property
    def plane_name(self) -> str:
        """The plane as users read it: what another firewall still holds is ``former``."""
        return "former" if self.of_previous else str(self.plane)

    @property
    def place(self) -> str:
        """Where it is, in a sentence: the family, the hook, the plane if it is not the usual."""
        lasting = ", permanent" if self.plane is Plane.PERMANENT else ""
        return f"{self.family} at {self.hook.name}{lasting}"

    def __str__(self) -> str:
        return f"{self.family} {self.hook.duty} {self.plane_name}"


class SetMark(Struct, frozen=True):
    """Give the packet a mark: ``mark = (mark & ~mask) ^ value``, as xt_MARK computes it.

    What lvsmarkd writes always covers all 32 bits, because IPVS compares all of them.
    """

    value: int
    mask: int = MAX_MARK

    def __str__(self) -> str:
        whole = self.mask == MAX_MARK
        return f"mark {self.value}" if whole else f"mark {self.value:#x}/{self.mask:#x}"


class Accept(Struct, frozen=True):
    """Let the packet in."""

    def __str__(self) -> str:
        return "accept"


Action = SetMark | Accept


class Rule(Struct, frozen=True, cache_hash=True):
    """A rule of ours, for those packets of its family that are in ``match``. ``mark`` is that of
    the service it serves, None where it serves VRRP.
    """

    family: Family
    hook: Hook
    match: Packets
    action: Action
    mark: int | None = None

    @property
    def service(self) -> ServiceKey | None:
        """The service it serves."""
        return None if self.mark is None else ServiceKey(self.family, self.mark)

    @property
    def name(self) -> str:
        """What the rule is called where a firewall lets a rule bear a comment."""
        return "lvsmarkd vrrp" if self.mark is None else f"lvsmarkd fwmark {self.mark}"

    @property
    def packets(self) -> Packets:
        """What it matches, its family said: everywhere is all of that."""
        if self.match.destination is not None:
            return self.match
        return replace(self.match, destination=EVERYWHERE[self.family])

    def contradicts(self, other: "Rule") -> bool:
        """Whether both set a mark, not the same, on a packet that may match both."""
        if self.family is not other.family or self.hook is not other.hook:
            return False
        if self.action == other.action or Accept() in (self.action, other.action):
            return False
        return self.match.overlaps(other.match)

    def __str__(self) -> str:
        return f"{self.match.text(prefixes=True)} {self.action}"


def flows_of(rule: Rule) -> tuple[Packets, ...]:
    """The flows that a rule stands for: to a destination, and to one range of ports at most."""
    bare = rule.packets
    return tuple(replace(bare, ports=(ports,)) for ports in bare.ports) or (bare,)
