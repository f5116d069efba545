"""What a rule says, in one form whoever wrote it: for which packets it does what.

Nothing is left out silently: a condition that is not understood is `Opaque` and keeps its words,
an effect likewise (`Other`).
"""

from collections.abc import Iterator
from enum import StrEnum

from msgspec import Struct

from lvsmarkd.model.fields import Field, Interval, Value
from lvsmarkd.model.packets import EVERY_PACKET, Packets
from lvsmarkd.model.rule import SetMark
from lvsmarkd.model.service import MAX_MARK, Family


class FieldTest(Struct, frozen=True):
    """The field has one of the values (or none, if negated). ``or_absent``: or the packet has no
    such field; else it does not hold for one without.
    """

    field: Field
    values: tuple[Value, ...]
    negated: bool = False
    or_absent: bool = False

    def __str__(self) -> str:
        return f"{self.field} {_not(self)}{','.join(map(_said, self.values))}"


class MarkTest(Struct, frozen=True):
    """The packet's ``mark & mask == value`` (or not, if negated)."""

    value: int
    mask: int = MAX_MARK
    negated: bool = False

    def admits(self, mark: int) -> bool:
        """Whether a packet that bears ``mark`` passes."""
        return ((mark & self.mask) == self.value) is not self.negated

    def __str__(self) -> str:
        return f"mark {_not(self)}{_masked(self.value, self.mask)}"


class ConnmarkTest(Struct, frozen=True):
    """The connection's ``mark & mask == value`` (or not, if negated)."""

    value: int
    mask: int = MAX_MARK
    negated: bool = False

    def __str__(self) -> str:
        return f"connection's mark {_not(self)}{_masked(self.value, self.mask)}"


class StateTest(Struct, frozen=True):
    """The connection is in one of the states, in conntrack's words (or in none, if negated)."""

    states: frozenset[str]
    negated: bool = False

    def __str__(self) -> str:
        return f"state {_not(self)}{','.join(sorted(self.states))}"


class Opaque(Struct, frozen=True):
    """A condition that is not understood: it may hold or not. ``module`` is who knows it,
    ``words`` are what it is told.
    """

    module: str
    words: tuple[str, ...] = ()

    def __str__(self) -> str:
        return " ".join(filter(None, (self.module, *self.words)))


class Element(Struct, frozen=True):
    """One of a set's or a map's elements. ``data`` is what a map has for it: a mark, what to do;
    None in a set. ``words`` are what was not understood of it. One that is ``excepted`` is none of
    the set, though a wider one holds it (ipset's nomatch).
    """

    key: Value
    data: "int | Effect | None" = None
    words: tuple[str, ...] = ()
    excepted: bool = False


class Lookup(Struct, frozen=True):
    """What is looked up in which set or map.

    ``elements`` are those of one that has no name. ``key`` are the fields of a packet that are
    looked up together; an ipset's rule says only which side of the packet each part is of
    (``directions``: src, dst), and the set's own type what the parts are.
    """

    name: str = ""
    key: tuple[Field | Opaque, ...] = ()
    directions: tuple[str, ...] = ()
    elements: tuple[Element, ...] | None = None

    def __str__(self) -> str:
        said = " . ".join(map(str, self.key or self.directions))
        return f"{said} @{self.name}" if self.name else f"{said} {{…}}"


class SetTest(Struct, frozen=True):
    """What is looked up is in the set (or not, if negated)."""

    lookup: Lookup
    negated: bool = False

    def __str__(self) -> str:
        return f"{_not(self)}{self.lookup}"


Condition = FieldTest | MarkTest | ConnmarkTest | StateTest | SetTest | Opaque


class Verdict(StrEnum):
    """What ends the way through a chain, or a base chain."""

    ACCEPT = "accept"
    """Met are the next base chain's rules: an accept ends only this one."""
    DROP = "drop"
    """Also with an answer (REJECT)."""
    RETURN = "return"
    """To the chain that jumped here; in a base chain its policy decides."""
    QUEUE = "queue"
    """A program decides; what it lets through meets the next base chain."""
    STOLEN = "stolen"
    """Something else answers in the packet's place (SYNPROXY)."""
    SOCKET = "socket"
    """It is noted for a socket of this host that it was not sent to (TPROXY), and goes on to the
    next base chain: IPVS sees it as it was sent."""


class SetConnmark(Struct, frozen=True):
    """Give the connection a mark, as `SetMark` gives it to a packet."""

    value: int
    mask: int = MAX_MARK

    def __str__(self) -> str:
        return f"connection's mark {_masked(self.value, self.mask)}"


class SaveMark(Struct, frozen=True):
    """Note the packet's mark with the connection: ``ct = (ct & ~to) ^ (mark & of) ^ flip``."""

    of: int = MAX_MARK
    to: int = MAX_MARK
    flip: int = 0

    def __str__(self) -> str:
        return "save the mark with the connection"


class RestoreMark(Struct, frozen=True):
    """Give the packet its connection's mark: ``mark = (mark & ~to) ^ (ct & of) ^ flip``."""

    of: int = MAX_MARK
    to: int = MAX_MARK
    flip: int = 0

    def __str__(self) -> str:
        return "restore the connection's mark"


class SetsUnknownConnmark(Struct, frozen=True):
    """It changes the connection's mark to a value that its text does not tell."""

    target: str

    def __str__(self) -> str:
        return self.target


class MapMark(Struct, frozen=True):
    """Give the packet the mark that a map has for it; a packet that the map lacks keeps its own."""

    lookup: Lookup

    def __str__(self) -> str:
        return f"mark by {self.lookup}"


class SetsUnknownMark(Struct, frozen=True):
    """It changes the mark to a value that its text does not tell (CONNMARK, SET, HMARK).

    ``restores`` says that it is the connection's, as it is by then.
    """

    target: str
    restores: bool = False

    def __str__(self) -> str:
        return self.target


class Jump(Struct, frozen=True):
    """Go on in another chain of the table; after a ``goto`` not to come back here."""

    chain: str
    goto: bool = False

    def __str__(self) -> str:
        return f"goto {self.chain}" if self.goto else f"jump {self.chain}"


class VerdictMap(Struct, frozen=True):
    """Do what a map has for the packet; for one that it lacks, go on with the next rule."""

    lookup: Lookup

    def __str__(self) -> str:
        return f"verdict by {self.lookup}"


class When(Struct, frozen=True):
    """Only for packets that further conditions hold for: those that stand behind an effect."""

    spec: "RuleSpec"

    def __str__(self) -> str:
        return f"({self.spec})"


class Untrack(Struct, frozen=True):
    """Conntrack passes the packet by: it belongs to no connection (NOTRACK)."""

    def __str__(self) -> str:
        return "notrack"


class ConntrackTemplate(Struct, frozen=True):
    """How conntrack will track the packet is settled (``CT --zone``): no `Untrack` does a thing."""

    words: tuple[str, ...] = ()

    def __str__(self) -> str:
        return " ".join(self.words)


class TranslateDestination(Struct, frozen=True):
    """Send the connection to another destination (DNAT, REDIRECT). ``address`` is None where it
    stays, or where ``here`` says that it becomes one of this host's own, or where the text does
    not tell (``is_untold``); ``port`` likewise. ``keeps_host``: the address is a network's, where
    each packet goes to the host that it was sent to (NETMAP). ``shifts_port``: which of several
    ports is reckoned from the one that it was sent to; else one that is among them stays.
    """

    address: Interval | None = None
    port: Interval | None = None
    here: bool = False
    is_untold: bool = False
    keeps_host: bool = False
    shifts_port: bool = False

    def __str__(self) -> str:
        to = "to this host" if self.here else f"to {self.address}" if self.address else "elsewhere"
        return f"send {to}" + (f" port {self.port}" if self.port else "")


class NeedsListener(Struct, frozen=True):
    """Where no program listens at these queues what follows does not happen: the packet is let
    through to the next base chain (``bypass``), or dropped (nf_queue.c; measured).
    """

    queues: Interval
    bypass: bool = False

    def __str__(self) -> str:
        return f"whether a program listens at queue {self.queues}"


class NeedsSocket(Struct, frozen=True):
    """Where no socket waits for it at the port the packet is dropped; else what follows happens,
    and it goes on as it was sent: IPVS sees it (xt_TPROXY.c; measured).
    """

    port: int

    def __str__(self) -> str:
        return f"whether a transparent socket listens at port {self.port or 'of the packet'}"


class FillSet(Struct, frozen=True):
    """Put something of the packet into a set (of the table, or of ipset's), or take it out: what
    the set has is another thing for each packet. ``is_limited``: elements that it makes limit what
    gets past each rule that fills the set.
    """

    name: str
    is_ipset: bool = False
    is_limited: bool = False

    def __str__(self) -> str:
        return f"change @{self.name}"


class UnknownTarget(Struct, frozen=True):
    """A target that is not known: it may do anything to the packet, and end its way."""

    target: str
    words: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.target


class Other(Struct, frozen=True):
    """Something else, in its own words: it changes no mark and ends no way (LOG, TCPMSS)."""

    target: str
    words: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.target


GO_ON = Other("continue")
"""What a map of verdicts may have for a packet: what stands behind it in the rule."""

_Marking = SetMark | SetConnmark | SaveMark | RestoreMark | MapMark
_Untold = SetsUnknownMark | SetsUnknownConnmark | UnknownTarget | Other
_Tracking = Untrack | ConntrackTemplate | TranslateDestination
_Outside = NeedsListener | NeedsSocket | FillSet
Effect = Verdict | Jump | VerdictMap | When | _Marking | _Tracking | _Outside | _Untold


class RuleSpec(Struct, frozen=True):
    """What a rule says: for which packets it does what. Where it stands is no part of it.

    All of ``packets``, ``family`` (None: both) and ``conditions`` must hold; then the effects
    come in their order. Two rules that say the same are equal.
    """

    packets: Packets = EVERY_PACKET
    conditions: tuple[Condition, ...] = ()
    effects: tuple[Effect, ...] = ()
    family: Family | None = None
    comment: str | None = None

    @property
    def mark_tests(self) -> tuple[MarkTest, ...]:
        """Those of its conditions that are about the packet's mark."""
        return tuple(c for c in self.conditions if isinstance(c, MarkTest))

    @property
    def only_effect(self) -> Effect | None:
        """What it does, where that is one thing."""
        return self.effects[0] if len(self.effects) == 1 else None

    def __str__(self) -> str:
        """For people, of a rule that its listing gives no text for."""
        family = "IPv4 " if self.family is Family.INET else "IPv6 " if self.family else ""
        to = self.packets.text() if self.packets.destination else family
        further = () if self.packets.destination else self.packets.further_words()
        said = " ".join(filter(None, (to.strip(), *further, *map(str, self.conditions))))
        return f"{said or 'any'} → {', '.join(map(str, self.effects)) or 'counted'}"

    def jumps(self) -> Iterator[Jump]:
        """Wherever it may lead, as far as that is known."""
        for effect in self.effects:
            match effect:
                case Jump():
                    yield effect
                case When(spec):
                    yield from spec.jumps()
                case VerdictMap(lookup):
                    yield from (e.data for e in lookup.elements or () if isinstance(e.data, Jump))
                case _:
                    continue


def _not(test: FieldTest | MarkTest | ConnmarkTest | StateTest | SetTest) -> str:
    return "not " if test.negated else ""


def _masked(value: int, mask: int) -> str:
    return str(value) if mask == MAX_MARK else f"{value:#x}/{mask:#x}"


def _said(value: object) -> str:
    return " . ".join(map(_said, value)) if isinstance(value, tuple) else str(value)
