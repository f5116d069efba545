"""A virtual_server_group while its block is read.

keepalived/check/check_data.c, alloc_vsg_entry; check_parser.c, vsg_handler.
"""

from msgspec import Struct, field

from lvsmarkd.keepalived.conf.addresses import GroupAddress, group_address
from lvsmarkd.keepalived.conf.complaints import Complaints
from lvsmarkd.keepalived.conf.logical import LogicalLine
from lvsmarkd.keepalived.conf.mark_words import mark_of, marks_named
from lvsmarkd.keepalived.conf.servers import Group, GroupMark
from lvsmarkd.keepalived.conf.stops import KeepalivedStops
from lvsmarkd.model.origin import Origin, Problem
from lvsmarkd.model.service import Family


class OpenGroup(Struct):
    """A group between its ``{`` and its ``}``."""

    name: str
    origin: Origin
    _marks: list[GroupMark] = field(default_factory=list)
    _families: set[Family] = field(default_factory=set)
    _addresses: list[tuple[GroupAddress, Origin]] = field(default_factory=list)

    def numbers(self) -> tuple[int, ...]:
        """The marks read up to now."""
        return self._as_group().numbers

    def entry(self, line: LogicalLine, complaints: Complaints) -> int:
        """One line of the group; the mark it adds, or 0."""
        if line.words[0] == "fwmark":
            return self._fwmark(line, complaints)
        if (address := group_address(line.words)) is not None:
            self._addresses.append((address, line.origin))
            self._families.add(address.family)
        elif named := marks_named(line.words):
            complaints.add(
                Problem(
                    line.origin,
                    f"keepalived reads {line.words[0]!r} as an address, and drops the line: "
                    "write 'fwmark NUMBER [inet|inet6]' alone on it",
                    named,
                )
            )
        else:
            complaints.warns(line.origin)
        return 0

    def _fwmark(self, line: LogicalLine, complaints: Complaints) -> int:
        origin = line.origin
        match line.words:
            case [_]:
                raise KeepalivedStops(_without_number(origin))
            case [_, str(word), *rest]:
                read = mark_of(word, origin)
                read.complain(word, complaints)
                if read.mark is None:
                    return 0
                family: Family | None = None
                if rest:
                    try:
                        family = Family(rest[0])
                    except ValueError:
                        complaints.add(_unknown_family(line, read.mark))
                        return 0
                    self._families.add(family)
                self._marks.append(GroupMark(read.mark, family, origin))
                if rest[1:]:
                    complaints.problems.append(_passed_over(line, read.mark))
                return read.mark
        return 0

    def close(self, complaints: Complaints) -> Group | None:
        """The group, or None where keepalived removes it."""
        group = self._as_group()
        if not self._marks and not self._addresses:
            complaints.warns(self.origin)
            return None
        if len(self._families) > 1 and any(mark.family is None for mark in self._marks):
            complaints.add(
                Problem(
                    self.origin,
                    f"group {self.name} holds both families and a mark without one, so that "
                    "keepalived removes it: write inet or inet6 after every fwmark",
                    group.numbers,
                )
            )
            return None
        return group

    def _as_group(self) -> Group:
        families, addresses = frozenset(self._families), tuple(self._addresses)
        return Group(self.name, self.origin, tuple(self._marks), families, addresses)


def _without_number(origin: Origin) -> Problem:
    return Problem(
        origin,
        "fwmark lacks its number, on which keepalived exits, so that nothing is programmed: "
        "write the mark after it",
        fatal=True,
    )


def _unknown_family(line: LogicalLine, mark: int) -> Problem:
    return Problem(
        line.origin,
        f"{line.words[2]!r} is no family, so that keepalived drops fwmark {mark}: write one "
        "'fwmark NUMBER [inet|inet6]' on each line",
        tuple(dict.fromkeys((*((mark,) if mark else ()), *marks_named(line.words)))),
    )


def _passed_over(line: LogicalLine, mark: int) -> Problem:
    return Problem(
        line.origin,
        f"keepalived passes over {' '.join(line.words[3:])!r} after fwmark {mark}: write one "
        "entry on each line",
        (mark,) if mark else (),
    )
