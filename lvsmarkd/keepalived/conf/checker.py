"""The checker's view: virtual servers and their groups, as keepalived keeps them.

keepalived/check/check_parser.c and check_data.c.
"""

from collections.abc import Iterable

from lvsmarkd.keepalived.conf.addresses import endpoint
from lvsmarkd.keepalived.conf.annotations import AnnotationCollector, no_marks
from lvsmarkd.keepalived.conf.blocks import TOP, BlockHandler, process_stream
from lvsmarkd.keepalived.conf.check_list import CheckList, Fault
from lvsmarkd.keepalived.conf.checker_keywords import (
    CHECKER,
    REAL_SERVER,
    VIRTUAL_SERVER,
    VIRTUAL_SERVER_GROUP,
)
from lvsmarkd.keepalived.conf.dialect import Dialect
from lvsmarkd.keepalived.conf.logical import OPEN, Item, LogicalLine, Note, script_words
from lvsmarkd.keepalived.conf.mark_words import mark_of, marks_named
from lvsmarkd.keepalived.conf.open_group import OpenGroup
from lvsmarkd.keepalived.conf.open_server import OpenServer
from lvsmarkd.keepalived.conf.servers import CheckerConfig, Group, VirtualServer
from lvsmarkd.keepalived.conf.shared_keywords import COMMON
from lvsmarkd.keepalived.conf.stops import KeepalivedStops, incomplete
from lvsmarkd.keepalived.conf.structure import StructureProblems
from lvsmarkd.keepalived.conf.unsigned import read_unsigned
from lvsmarkd.model.origin import Origin, Problem
from lvsmarkd.model.service import MAX_MARK

_ALONE = frozenset({TOP, VIRTUAL_SERVER_GROUP, "SSL"})
"""Blocks around which no other must be valid."""
_SCRIPTS = frozenset({"quorum_up", "quorum_down", "notify_up", "notify_down"})
"""Read from their line anew; where it cannot be parted, they are left out."""


def checker_config(
    items: Iterable[Item], problems: list[Problem], dialect: Dialect
) -> CheckerConfig:
    """Read the whole as the checker does; raises KeepalivedStops where it would exit."""
    checker = _Checker(problems, dialect)
    process_stream(items, CHECKER, checker, dialect)
    return CheckerConfig(
        checker.servers(),
        tuple(checker.groups),
        checker.collector.annotations(),
        tuple(checker.checker_marks),
        checker.doubtful,
    )


class _Checker(BlockHandler):
    def __init__(self, problems: list[Problem], dialect: Dialect) -> None:
        self.groups: list[Group] = []
        self.checker_marks: list[tuple[int, Origin]] = []
        self.collector = AnnotationCollector()
        self._problems = problems
        self._dialect = dialect
        self._keeps = dialect.keeps_closed_blocks
        self._kept: list[OpenServer] = []
        self._checks = CheckList(dialect)
        self._scripts: frozenset[str] = frozenset()
        self.doubtful = False
        self._opener: LogicalLine | None = None
        self._structure = StructureProblems(problems)
        self._server: OpenServer | None = None
        self._group: OpenGroup | None = None
        self._group_marks: dict[str, tuple[int, ...]] = {}

    def servers(self) -> tuple[VirtualServer, ...]:
        """The virtual servers that are left at the end."""
        left = []
        for kept in self._kept:
            if (server := kept.close()) is None:
                self._dropped(kept)
            else:
                left.append(server)
                self._thinned(kept)
        return tuple(left)

    def _thinned(self, server: OpenServer) -> None:
        """Tell of real servers that are dropped while their virtual server stays."""
        if server.lost and (server.mark or server.group is not None):
            more = f" and {len(server.lost) - 1} more" if len(server.lost) > 1 else ""
            message = (
                f"keepalived drops a real server of this virtual_server ({server.lost[0]}{more}): "
                "correct its address, or its family"
            )
            self._problems.append(Problem(server.origin, message, server.marks))

    def line(self, block: str, line: LogicalLine) -> bool:
        if block == TOP:
            return self._top(line)
        if self._passed_over(block):
            return False
        self._script(block, line)
        self._checks.line(block, line)
        if (server := self._server) is None:
            return False
        if block == VIRTUAL_SERVER:
            return self._in_server(server, line)
        if block == REAL_SERVER:
            if line.words[0] == "lvs_method":
                server.forward_real(line.words[1])
        elif line.words[0] == "fwmark" and (mark := read_unsigned(line.words[1], 0, MAX_MARK)):
            self.checker_marks.append((mark, line.origin))
        return False

    def _script(self, block: str, line: LogicalLine) -> None:
        if block == VIRTUAL_SERVER and line.words[0] == REAL_SERVER:
            self._scripts -= {"notify_up", "notify_down"}
        if line.words[0] in _SCRIPTS and line.quoted and self._words(line.quoted) == 1:
            raise KeepalivedStops(incomplete(line, "exits"))
        if line.words[0] in _SCRIPTS:
            self._scripts |= {line.words[0]}

    def _words(self, quoted: str) -> int | None:
        return script_words(quoted, escapes=self._dialect.escapes_scripts)

    def value(self, block: str, line: LogicalLine) -> None:
        if block != VIRTUAL_SERVER_GROUP or (group := self._group) is None:
            return
        if mark := group.entry(line, self._problems):
            self.collector.touched(line, lambda: (mark,))

    def end(self, block: str, closing: LogicalLine | None) -> None:
        match self._checks.closed(block):
            case Fault.CRASHES:
                raise KeepalivedStops(_without_url(block, closing or self._opener, "crashes"))
            case Fault.MAY_CRASH:
                self._problems.append(_without_url(block, closing or self._opener, "may crash"))
                self.doubtful = True
        if block == REAL_SERVER and self._server is not None:
            if self._checks.real_server_ends(kept=self._server.close_real()):
                raise KeepalivedStops(_endless_hosts(closing or self._opener))
        elif block == VIRTUAL_SERVER and self._server is not None:
            self.collector.closed(closing)
            self._close_server(self._server)
        elif self._keeps and block == VIRTUAL_SERVER and not self._kept and closing is not None:
            # The block of an invalid header ends, and so does what is taken for it.
            self._problems.append(_no_server_before(closing))
            self.doubtful = True
        elif block == VIRTUAL_SERVER_GROUP and self._group is not None:
            self.collector.closed(closing)
            self._close_group(self._group)

    def note(self, note: Note) -> None:
        self.collector.note(note)

    def unknown(self, block: str, line: LogicalLine) -> None:
        self._structure.unknown(block, line, self._marks)
        if self._server is not None and line.words[0] in {VIRTUAL_SERVER, VIRTUAL_SERVER_GROUP}:
            # A `}` is missing before it. keepalived goes on in the block that is open; whoever
            # wrote an annotation behind this line did not mean that block's mark.
            marks = _marks_of_header(line)
            self.collector.opened(line, lambda: marks)

    def unexpected_open(self, block: str, line: LogicalLine) -> None:
        self._structure.unexpected_open(block, line, self._marks)

    def missing_open(self, block: str, line: LogicalLine) -> None:
        if block == VIRTUAL_SERVER_GROUP:
            # To name the block in its warning, keepalived looks for a word it has taken away.
            raise KeepalivedStops(_unopened_group(line))
        if self._keeps and block == VIRTUAL_SERVER and self._server is None:
            # Its header is invalid, but nothing is left out without a '{': what follows changes
            # the virtual server before it, if there is one (lib/parser.c, skip_block).
            if self._kept:
                self._server = self._kept.pop()
            else:
                # What it takes for the virtual server before it is a list's own head.
                self._problems.append(_no_server_before(line))
                self.doubtful = True
        server = self._server
        if self._keeps and block == REAL_SERVER and server and not server.in_real:
            # What follows changes the real server before it, or a list's own head.
            self._problems.append(_no_server_before(line))
            self.doubtful = True
        if block not in COMMON:
            self._structure.missing_open(block, line, self._marks)

    def skipped(self, opener: LogicalLine, line: LogicalLine) -> None:
        self._structure.skipped(opener, line)

    def _passed_over(self, block: str) -> bool:
        """Whether what these keywords are about is not there, since the line before its block
        is invalid: where a version keeps no closed blocks, they are not looked at.
        """
        if self._keeps or block in _ALONE or block in COMMON:
            return False
        if block == VIRTUAL_SERVER:
            return self._server is None
        return not (self._server and self._server.in_real)

    def incomplete(self, block: str, line: LogicalLine) -> None:
        word = line.words[0]
        # One that is set already is not read anew.
        script = word in _SCRIPTS and word not in self._scripts and line.quoted
        parted = script and self._words(line.quoted) != 1
        if not (parted or self._passed_over(block)):
            raise KeepalivedStops(incomplete(line, "exits"))

    @property
    def _marks(self) -> tuple[int, ...]:
        return self._server.marks if self._server is not None else ()

    def _top(self, line: LogicalLine) -> bool:
        self._opener = line
        self._checks.top(line)
        self._scripts = frozenset()
        match line.words[0]:
            case "virtual_server":
                self._server = self._open_server(line)
                return self._server is None
            case "virtual_server_group":
                if line.words[2:3] not in ([], [OPEN]):
                    raise KeepalivedStops(_unopened_group(line))
                self._group = OpenGroup(line.words[1], line.origin)
                self.collector.opened(line, self._group.numbers)
        return False

    def _open_server(self, line: LogicalLine) -> OpenServer | None:
        """A virtual_server line (alloc_vs); None where its block is skipped."""
        match line.words:
            case [_, "fwmark" | "group"]:
                raise KeepalivedStops(incomplete(line, "crashes"))
            case [_, "group", str(name), *_]:
                self.collector.opened(line, lambda: self._marks_of_group(name))
                return OpenServer(line.origin, group=name)
            case [_, "fwmark", str(word), *extra]:
                return self._open_marked(line, word, extra)
            case [_, str(address), *rest]:
                found = endpoint(address, rest[0] if rest else "")
                if found is not None:
                    self.collector.opened(line, no_marks)
                    return OpenServer(line.origin, family=found.family)
                self._not_an_address(line)
        return None

    def _open_marked(self, line: LogicalLine, word: str, extra: list[str]) -> OpenServer | None:
        read = mark_of(word, line.origin)
        if read.problem is not None:
            self._problems.append(read.problem)
        if read.mark is None:
            return None
        server = OpenServer(line.origin, mark=read.mark)
        if extra:
            self._say(
                line,
                f"keepalived passes over {' '.join(extra)!r} after fwmark {word}: write each "
                "keyword on a line of its own, and each mark into a virtual_server of its own",
                server.marks,
            )
        self.collector.opened(line, lambda: server.marks)
        return server

    def _in_server(self, server: OpenServer, line: LogicalLine) -> bool:
        match line.words:
            case ["lb_kind" | "lvs_method", str(word), *_]:
                server.forward(word)
            case ["real_server", *_]:
                return not server.open_real(line)
            case ["ip_family", str(word), *_]:
                if wrong := server.set_family(word):
                    self._say(line, f"{wrong}: write the family of the real servers", server.marks)
            case ["persistence_granularity", str(word), *_]:
                server.set_granularity(word)
            case ["protocol", str(word), *_]:
                server.set_protocol(word)
            case ["sorry_server", *_]:
                server.sorry_server(line)
            case ["sorry_server_lvs_method", *_] if not server.forward_sorry(line):
                raise KeepalivedStops(incomplete(line, "exits"))
        return False

    def _close_server(self, server: OpenServer) -> None:
        self._server = None
        server.end()
        self._kept.append(server)

    def _dropped(self, server: OpenServer) -> None:
        """Tell of a virtual server without a real one, which is dropped when all is read."""
        if server.mark or server.group is not None:
            what = f"fwmark {server.mark}" if server.mark else f"group {server.group}"
            why = f" ({server.lost[0]})" if server.lost else ""
            message = (
                f"keepalived drops virtual_server {what}, since no real_server in it is "
                f"usable{why}: give it one, or remove it"
            )
            self._problems.append(Problem(server.origin, message, server.marks))

    def _close_group(self, group: OpenGroup) -> None:
        self._group = None
        if (closed := group.close(self._problems)) is not None:
            self.groups.append(closed)
            self._group_marks.setdefault(closed.name, closed.numbers)

    def _marks_of_group(self, name: str) -> tuple[int, ...]:
        # Of two groups with one name, the first is used.
        return self._group_marks.get(name, ())

    def _not_an_address(self, line: LogicalLine) -> None:
        if line.words[1].lower().startswith(("fwm", "group")):
            self._say(
                line,
                f"keepalived reads {line.words[1]!r} as an address, and skips the block: write "
                "'virtual_server fwmark NUMBER' or 'virtual_server group NAME', in lower case",
                marks_named(line.words),
            )

    def _say(self, line: LogicalLine, message: str, marks: tuple[int, ...]) -> None:
        self._problems.append(Problem(line.origin, message, marks))


def _without_url(block: str, line: LogicalLine | None, ends: str) -> Problem:
    return Problem(
        line.origin if line else Origin(""),
        f"the {block} that ends here has no url with a path, on which keepalived {ends} in "
        "versions before 2.2.8, so that nothing is programmed: give it one",
        fatal=True,
    )


def _endless_hosts(line: LogicalLine | None) -> Problem:
    return Problem(
        line.origin if line else Origin(""),
        "the real_server that ends here has an SMTP_CHECK with a host in it, on which keepalived "
        "from 2.3.0 to 2.3.3 hangs, so that nothing is programmed: write an SMTP_CHECK for each "
        "host, with connect_ip and connect_port in itself",
        fatal=True,
    )


def _no_server_before(line: LogicalLine) -> Problem:
    return Problem(
        line.origin,
        "the server before this line is invalid and lacks its '{', on which keepalived "
        "may crash, so that nothing is programmed: correct it",
    )


def _unopened_group(line: LogicalLine) -> Problem:
    return Problem(
        line.origin,
        f"{' '.join(line.words)!r} stands where keepalived expects the '{{' of a "
        "virtual_server_group, and it exits, so that nothing is programmed: write "
        "'virtual_server_group NAME {'",
        fatal=True,
    )


def _marks_of_header(line: LogicalLine) -> tuple[int, ...]:
    """The mark that the first line of a service by mark names."""
    match line.words:
        case [_, "fwmark", str(number), *_] if mark := read_unsigned(number, 1, MAX_MARK):
            return (mark,)
        case _:
            return ()
