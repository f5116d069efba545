"""Values that packets are looked up among: of one condition, a set, a map, an ipset."""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

from msgspec import Struct
from msgspec.structs import replace

from lvsmarkd.judge.evaluation.fields import (
    NUMBERS,
    Absence,
    NameTest,
    Reading,
    Span,
    name_test,
    reading_of,
    span_of,
)
from lvsmarkd.judge.evaluation.packet_class import PacketClass
from lvsmarkd.judge.evaluation.sender import Sender
from lvsmarkd.model.fields import Field, Value
from lvsmarkd.model.rule_spec import Element, Lookup, Opaque
from lvsmarkd.model.ruleset import TableSet
from lvsmarkd.model.service import Family
from lvsmarkd.model.unknown import Unknown

MOST_PARTS = 4096
"""Into more parts than this no class of packets is cut for one condition."""

Key = Field | Opaque


class HeldElement(Struct, frozen=True):
    """An element: for each part of the key what it holds (None: whatever the packet has; a
    `NameTest` or numbers). ``is_clear`` says that all of it was understood.
    """

    parts: tuple[Span | NameTest | None, ...]
    element: Element
    is_clear: bool = True

    @property
    def width(self) -> int:
        """How much it holds: a map takes the narrowest."""
        return sum(part[1] - part[0] for part in self.parts if isinstance(part, tuple))


class Unsure(Struct, frozen=True):
    """It cannot be told whether anything is found, or what; ``reason`` says why."""

    reason: str


Found = Element | Unsure | None


class Values:
    """Elements, ready to look packets of one family up in."""

    def __init__(
        self,
        key: Sequence[Key],
        rows: Sequence[HeldElement],
        unread: str = "",
        *,
        narrowest: bool = False,
    ) -> None:
        self._narrowest = narrowest
        self.key = tuple(key)
        self.rows = rows
        self.unread = unread
        self._starts: list[int] | None = None
        self._sorted: list[tuple[int, int, HeldElement]] = []
        if len(self.key) == 1 and self.key[0] in NUMBERS and len(rows) > 8:
            self._index()

    def _index(self) -> None:
        spans = []
        for row in self.rows:
            (part,) = row.parts
            if not isinstance(part, tuple):
                return
            spans.append((*part, row))
        spans.sort(key=lambda each: each[:2])
        # Nested or overlapping ones are looked at one by one.
        if all(one[1] < other[0] for one, other in pairwise(spans)):
            self._sorted = spans
            self._starts = [start for start, _, _ in spans]

    def cut(self, packet: PacketClass) -> list[PacketClass] | None:
        """The packet's parts, all of each of which is found alike; None: they are too many."""
        parts = [packet]
        for place, field in enumerate(self.key):
            match field:
                case Field.DESTINATION if packet.first != packet.last and not packet.moved:
                    cuts = self._edges(place, packet.first, packet.last)
                    parts = [p.to(*span) for p in parts for span in _pieces(p.first, p.last, cuts)]
                case Field.DESTINATION_PORT if packet.low != packet.high and not packet.port_moved:
                    cuts = self._edges(place, packet.low, packet.high)
                    parts = [p.at(*span) for p in parts for span in _pieces(p.low, p.high, cuts)]
                case Field.IN_INTERFACE if len(packet.interfaces) > 1:
                    groups = self._groups(place, packet.interfaces)
                    parts = [p.by(group) for p in parts for group in groups]
                case _:
                    continue
            if len(parts) > MOST_PARTS:
                return None
        return parts

    def find(self, packet: PacketClass, sender: Sender) -> Found:
        """The element that has the packet, which is all of one part."""
        if self.unread:
            return Unsure(self.unread)
        read = [_read(field, packet, sender) for field in self.key]
        if Absence.ABSENT in read:
            return None
        unsure: HeldElement | None = None
        best: HeldElement | None = None
        near = self._near(read)
        for row in self._narrowest_of(near, read) if self._narrowest else near:
            hit = _holds(row, read)
            if hit is None or (hit and not row.is_clear):
                unsure = row
            elif hit and (best is None or row.width < best.width):
                best = row
        if unsure is not None:
            return Unsure(" ".join(unsure.element.words) or "its key is not known")
        return best.element if best is not None and not best.element.excepted else None

    @staticmethod
    def _narrowest_of(rows: Iterable[HeldElement], read: list[Reading]) -> list[HeldElement]:
        """The elements of the narrowest network that has the address, whatever else they hold."""
        held = [row for row in rows if _holds(HeldElement(row.parts[:1], row.element), read[:1])]
        least = min((row.width for row in held), default=0)
        return [row for row in held if row.width == least]

    def _near(self, read: list[Reading]) -> Iterable[HeldElement]:
        if self._starts is None or not isinstance(read[0], tuple):
            return self.rows
        at = bisect_right(self._starts, read[0][0]) - 1
        return (self._sorted[at][2],) if at >= 0 else ()

    def _edges(self, place: int, first: int, last: int) -> list[int]:
        """Where a span is to be cut: the first number of each further piece."""
        found = set()
        for row in self.rows:
            part = row.parts[place]
            if isinstance(part, tuple):
                found |= {edge for edge in (part[0], part[1] + 1) if first < edge <= last}
                if len(found) > MOST_PARTS:
                    break
        return sorted(found)

    def _groups(self, place: int, names: frozenset[str]) -> list[frozenset[str]]:
        """The names that no element tells apart, together."""
        by_signature: dict[tuple[int, ...], list[str]] = {}
        meant = list(
            dict.fromkeys(
                row.parts[place] for row in self.rows if isinstance(row.parts[place], NameTest)
            )
        )
        for name in names:
            signature = tuple(
                number
                for number, words in enumerate(meant)
                if isinstance(words, NameTest) and words.holds(name)
            )
            by_signature.setdefault(signature, []).append(name)
        return [frozenset(group) for group in by_signature.values()]


def _pieces(first: int, last: int, cuts: list[int]) -> list[Span]:
    starts = [first, *(cut for cut in cuts if first < cut <= last)]
    return [(start, end - 1) for start, end in zip(starts, [*starts[1:], last + 1], strict=True)]


def _read(field: Key, packet: PacketClass, sender: Sender) -> Reading:
    if isinstance(field, Opaque):
        return Absence.UNKNOWN
    return reading_of(field, packet, sender)


def _holds(row: HeldElement, read: list[Reading]) -> bool | None:
    """Whether an element has what was read; None: it may."""
    unsure = False
    for part, value in zip(row.parts, read, strict=True):
        if part is None:
            continue
        if value is Absence.UNKNOWN:
            unsure = True
        elif isinstance(part, NameTest):
            if not isinstance(value, frozenset) or not any(map(part.holds, value)):
                return False
        elif not isinstance(value, tuple) or value[1] < part[0] or part[1] < value[0]:
            return False
        elif not part[0] <= value[0] <= value[1] <= part[1]:
            unsure = True  # a part of them: of what is no class of packets (a length)
    return None if unsure else True


def values_of(field: Field, values: Iterable[Value], family: Family) -> Values:
    """The values of one condition."""
    rows = []
    for value in values:
        element = Element(value)
        if field in NUMBERS:
            span = span_of(field, value, family)
            if span is not None:
                rows.append(HeldElement((span,), element))
            elif isinstance(value, str | tuple):
                rows.append(HeldElement((None,), element, is_clear=False))
        else:
            words = name_test(value)
            rows.append(HeldElement((words,), element, is_clear=words is not None))
    return Values((field,), rows)


def lookup_values(lookup: Lookup, found: TableSet | Unknown | None, family: Family) -> Values:
    """What is looked up in a set or map of nf_tables: by its own elements, or those of the set of
    its name.
    """
    if lookup.elements is not None:
        return Values(lookup.key, _rows(lookup.key, lookup.elements, family))
    if not isinstance(found, TableSet) or found.elements is None:
        return Values(lookup.key, (), _unread(lookup.name, found))
    return Values(lookup.key, _rows(lookup.key, found.elements, family))


_SIDES: dict[tuple[str, str], Field] = {
    ("ip", "src"): Field.SOURCE,
    ("ip", "dst"): Field.DESTINATION,
    ("net", "src"): Field.SOURCE,
    ("net", "dst"): Field.DESTINATION,
    ("port", "src"): Field.SOURCE_PORT,
    ("port", "dst"): Field.DESTINATION_PORT,
    ("mac", "src"): Field.SOURCE_MAC,
    ("iface", "src"): Field.IN_INTERFACE,
    ("iface", "dst"): Field.OUT_INTERFACE,
    ("mark", "src"): Field.MARK,
    ("mark", "dst"): Field.MARK,
}
Named = Callable[[str], TableSet | Unknown | None]


def ipset_values(lookup: Lookup, named: Named, family: Family, depth: int = 0) -> Values:
    """What is looked up in an ipset. A list of sets is all of theirs."""
    found = named(lookup.name)
    if not isinstance(found, TableSet) or found.elements is None:
        return Values((), (), _unread(lookup.name, found))
    if found.types == ("set",) and depth < 2:
        return _list_of_sets(lookup, found, named, family, depth)
    key: list[Key] = []
    for kind, side in zip(found.types, lookup.directions, strict=False):
        field = _SIDES.get((kind, side))
        key += [Field.PROTOCOL] if kind == "port" else []
        key.append(field if field is not None else Opaque("ipset", (kind, side)))
    if len(lookup.directions) < len(found.types):
        return Values((), (), f"ipset {lookup.name} was asked for less than it holds")
    flat = [replace(element, key=_flat(found.types, element.key)) for element in found.elements]
    # Of networks with interfaces the kernel looks at the narrowest alone (measured).
    narrowest = found.types == ("net", "iface")
    return Values(key, _rows(key, flat, family), narrowest=narrowest)


def _list_of_sets(
    lookup: Lookup, found: TableSet, named: Named, family: Family, depth: int
) -> Values:
    inner = [
        ipset_values(Lookup(str(e.key), directions=lookup.directions), named, family, depth + 1)
        for e in found.elements or ()
    ]
    keys = {values.key for values in inner}
    if len(keys) != 1 or any(values.unread for values in inner):
        return Values((), (), f"ipset {lookup.name} is a list of sets of several kinds")
    return Values(keys.pop(), [row for values in inner for row in values.rows])


def _flat(types: tuple[str, ...], key: Value) -> Value:
    """The parts of an element, a port with its protocol before it."""
    parts = key if len(types) > 1 and isinstance(key, tuple) else (key,)
    flat: list[object] = []
    for kind, part in zip(types, parts, strict=False):
        if kind != "port":
            flat.append(part)
        elif isinstance(part, tuple):
            flat += part
        else:
            flat += [None, part]
    return tuple(flat)


def _rows(key: Sequence[Key], elements: Iterable[Element], family: Family) -> list[HeldElement]:
    rows = []
    for element in elements:
        parts = element.key if isinstance(element.key, tuple) else (element.key,)
        if len(parts) != len(key):
            rows.append(HeldElement((None,) * len(key), element, is_clear=False))
            continue
        row, clear = [], not element.words
        for field, part in zip(key, parts, strict=True):
            held, understood = _part(field, part, family)
            row.append(held)
            clear = clear and understood
        if _NEVER not in row:
            rows.append(HeldElement(tuple(row), element, clear))
    return rows


_NEVER: Span = (1, 0)
"""Of another family: no packet has it."""


def _part(field: Key, part: object, family: Family) -> tuple[Span | NameTest | None, bool]:
    if part is None:
        return None, True
    if isinstance(field, Opaque):
        return None, False
    if field in NUMBERS:
        span = span_of(field, part, family)  # type: ignore[arg-type] # a value, as all parts
        if span is None and isinstance(part, str | tuple):
            return None, False
        return span or _NEVER, True
    words = name_test(part)  # type: ignore[arg-type] # likewise
    return words, words is not None


def _unread(name: str, found: object) -> str:
    reason = f": {found.reason}" if isinstance(found, Unknown) else ""
    return f"the elements of {name} are not known{reason}"
