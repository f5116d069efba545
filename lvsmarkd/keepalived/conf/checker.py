"""The checker's view: virtual servers and their groups, as keepalived keeps them.

keepalived/check/check_parser.c and check_data.c.
"""

from collections.abc import Iterable

from lvsmarkd.keepalived.conf.blocks import TOP, BlockHandler, process_stream
from lvsmarkd.keepalived.conf.check_lines import odd_value, parted
from lvsmarkd.keepalived.conf.check_list import CheckList, Fault
from lvsmarkd.keepalived.conf.checker_keywords import (
    CHECKER,
    REAL_SERVER,
    VIRTUAL_SERVER,
    VIRTUAL_SERVER_GROUP,
)
from lvsmarkd.keepalived.conf.complaints import Complaints
from lvsmarkd.keepalived.conf.dialect import Dialect
from lvsmarkd.keepalived.conf.grammar import KeywordTable
from lvsmarkd.keepalived.conf.logical import OPEN, Item, LogicalLine, script_words
from lvsmarkd.keepalived.conf.odd_values import lacks, warned_of
from lvsmarkd.keepalived.conf.open_group import OpenGroup
from lvsmarkd.keepalived.conf.open_server import OpenServer
from lvsmarkd.keepalived.conf.server_header import open_server
from lvsmarkd.keepalived.conf.servers import CheckerConfig, Group, VirtualServer
from lvsmarkd.keepalived.conf.shared_keywords import COMMON
from lvsmarkd.keepalived.conf.stops import KeepalivedStops, incomplete
from lvsmarkd.keepalived.conf.structure import StructureProblems
from lvsmarkd.keepalived.conf.tls_files import TlsFiles
from lvsmarkd.keepalived.conf.unknown_words import UnknownWords
from lvsmarkd.keepalived.conf.unsigned import read_unsigned
from lvsmarkd.keepalived.conf.validation import also_warned, remarks_of
from lvsmarkd.model.origin import Origin, Problem
from lvsmarkd.model.service import MAX_MARK

_TLS = "SSL"
_ALONE = frozenset({TOP, VIRTUAL_SERVER_GROUP, _TLS})
"""Blocks around which no other must be valid."""
_SCRIPTS = frozenset({"quorum_up", "quorum_down", "notify_up", "notify_down"})
"""Read from their line anew; where it cannot be parted, they are left out."""


def checker_config(
    items: Iterable[Item], complaints: Complaints, dialect: Dialect
) -> CheckerConfig:
    """Read the whole as the checker does; raises KeepalivedStops where it would exit."""
    checker = _Checker(complaints, dialect)
    process_stream(items, CHECKER, checker, dialect)
    checker.finish()
    return CheckerConfig(
        checker.servers(),
        tuple(checker.groups),
        tuple(checker.checker_marks),
        checker.tls.loaded(),
        checker.doubtful,
    )


class _Checker(BlockHandler):
    def __init__(self, complaints: Complaints, dialect: Dialect) -> None:
        self.groups: list[Group] = []
        self.checker_marks: list[tuple[int, Origin]] = []
        self.tls = TlsFiles()
        self.doubtful = False
        self._complaints = complaints
        self._dialect = dialect
        self._keeps = dialect.keeps_closed_blocks
        self._kept: list[OpenServer] = []
        self._checks = CheckList(dialect)
        self._opener: LogicalLine | None = None
        self._scripts: frozenset[str] = frozenset()
        self._said: frozenset[str] = frozenset()
        """The words of the check that is open."""
        self._structure = StructureProblems(complaints, UnknownWords(CHECKER, dialect))
        self._server: OpenServer | None = None
        self._group: OpenGroup | None = None

    def finish(self) -> None:
        """All is read."""
        self._structure.follows(TOP)

    def servers(self) -> tuple[VirtualServer, ...]:
        """The virtual servers that are left at the end."""
        groups = {group.name: group for group in reversed(self.groups)}
        left = []
        for kept in self._kept:
            if (server := kept.close()) is None:
                self._dropped(kept)
                continue
            left.append(server)
            self._thinned(kept)
            group = groups.get(kept.group or "")
            self._judged(kept, group)
        return tuple(left)

    def _judged(self, server: OpenServer, group: Group | None) -> None:
        """Tell what is wrong with a service by mark; of others, keepalived alone warns."""
        marks = server.marks if group is None else group.numbers
        for remark in (*server.remarks, *remarks_of(server)):
            if remark.warned:
                self._complaints.warns(remark.origin)
            if marks:
                self._complaints.problems.append(
                    Problem(remark.origin, remark.message, marks, note=remark.note)
                )
        for origin in also_warned(server, group):
            self._complaints.warns(origin)

    def _thinned(self, server: OpenServer) -> None:
        """Tell of real servers that are dropped while their virtual server stays."""
        if server.lost and (server.mark or server.group is not None):
            more = f" and {len(server.lost) - 1} more" if len(server.lost) > 1 else ""
            message = (
                f"keepalived drops a real server of this virtual_server ({server.lost[0]}{more}): "
                "correct its address, or its family"
            )
            self._complaints.tell(server.origin, message, server.marks)
        elif server.lost:
            self._complaints.warns(server.origin)

    def line(self, block: str, line: LogicalLine) -> bool:
        self._structure.follows(block)
        if block == TOP:
            return self._top(line)
        if self._passed_over(block):
            return False
        if block == _TLS:
            self.tls.line(line)
        self._script(block, line)
        self._checks.line(block, line)
        parted(line, self._dialect)
        if (server := self._server) is None:
            return False
        if warned_of(block, line, server.scheduling.scheduler):
            self._complaints.warns(line.origin)
        if block == VIRTUAL_SERVER:
            return self._in_server(server, line)
        self._said = (self._said if block != REAL_SERVER else frozenset()) | {line.words[0]}
        if block == REAL_SERVER:
            self.tls.wanted = self.tls.wanted or line.words[0] == "SSL_GET"
            server.real_line(line)
            return False
        server.remark(odd_value(line))
        if line.words[0] == "fwmark" and (mark := read_unsigned(line.words[1], 0, MAX_MARK)):
            self.checker_marks.append((mark, line.origin))
        return False

    def _script(self, block: str, line: LogicalLine) -> None:
        if block == VIRTUAL_SERVER and line.words[0] == REAL_SERVER:
            self._scripts -= {"notify_up", "notify_down"}
        word = line.words[0]
        if word not in _SCRIPTS or word in self._scripts:
            return
        parted = self._words(line.quoted) if line.quoted else line.words
        if parted is not None and len(parted) == 1:
            raise KeepalivedStops(incomplete(line, "exits"))
        # A third word is a user; most likely there is none of that name, and it is left out.
        if parted is not None and len(parted) == 2 and self._words(parted[1]):
            self._scripts |= {word}

    def _words(self, quoted: str) -> list[str] | None:
        return script_words(quoted, escapes=self._dialect.escapes_scripts)

    def value(self, block: str, line: LogicalLine) -> None:
        if block == VIRTUAL_SERVER_GROUP and self._group is not None:
            self._group.entry(line, self._complaints)

    def end(self, block: str, closing: LogicalLine | None) -> None:
        self._structure.follows(block)
        if closing is not None and lacks(block, self._said):
            self._complaints.warns(closing.origin)
        match self._checks.closed(block):
            case Fault.CRASHES:
                raise KeepalivedStops(_without_url(block, closing or self._opener, "crashes"))
            case Fault.MAY_CRASH:
                self._doubt(_without_url(block, closing or self._opener, "may crash"))
        if block == REAL_SERVER and self._server is not None:
            if self._checks.real_server_ends(kept=self._server.close_real()):
                raise KeepalivedStops(_endless_hosts(closing or self._opener))
        elif block == VIRTUAL_SERVER and self._server is not None:
            self._close_server(self._server)
        elif self._keeps and block == VIRTUAL_SERVER and not self._kept and closing is not None:
            # The block of an invalid header ends, and so does what is taken for it.
            self._doubt(_no_server_before(closing))
        elif block == VIRTUAL_SERVER_GROUP and self._group is not None:
            self._close_group(self._group)

    def unknown(self, block: str, line: LogicalLine, known: KeywordTable) -> None:
        self._structure.unknown(block, line, known, self._marks)

    def unexpected_open(self, block: str, line: LogicalLine) -> None:
        self._structure.unexpected_open(block, line, self._marks)

    def missing_open(self, block: str, line: LogicalLine) -> None:
        if block == VIRTUAL_SERVER_GROUP:
            # To name the block in its warning, keepalived looks for a word it has taken away.
            raise KeepalivedStops(_unopened_group(line))
        if block not in COMMON:
            self._structure.missing_open(block, line, self._marks)

    def not_skipped(self, block: str, line: LogicalLine) -> None:
        if not self._keeps:
            return
        if block == VIRTUAL_SERVER:
            # What follows changes the virtual server before it, if there is one.
            if self._kept:
                self._server = self._kept.pop()
            else:
                # What it takes for the virtual server before it is a list's own head.
                self._doubt(_no_server_before(line))
        elif block == REAL_SERVER and self._server:
            # What follows changes the real server before it, or a list's own head.
            self._doubt(_no_server_before(line))

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
        parted = self._words(line.quoted) if script else []
        if not (parted is None or len(parted) > 1 or self._passed_over(block)):
            raise KeepalivedStops(incomplete(line, "exits"))

    @property
    def _marks(self) -> tuple[int, ...]:
        return self._server.marks if self._server is not None else ()

    def _doubt(self, problem: Problem) -> None:
        """What keepalived makes of it cannot be known."""
        self._complaints.add(problem)
        self.doubtful = True

    def _top(self, line: LogicalLine) -> bool:
        self._opener = line
        named_twice = not self._checks.top(line)
        self._scripts = frozenset()
        match line.words[0]:
            case "virtual_server":
                self._server = open_server(line, self._complaints)
                return self._server is None
            case "virtual_server_group":
                if line.words[2:3] not in ([], [OPEN]):
                    raise KeepalivedStops(_unopened_group(line))
                self._group = OpenGroup(line.words[1], line.origin)
            case word if word == _TLS and self.tls.begin():
                self._complaints.warns(line.origin)
        if named_twice:
            self._complaints.warns(line.origin)
        return named_twice

    def _in_server(self, server: OpenServer, line: LogicalLine) -> bool:
        match line.words:
            case ["real_server", *_]:
                return not server.open_real(line)
            case ["ip_family", str(word), *_]:
                if wrong := server.set_family(word):
                    message = f"{wrong}: write the family of the real servers"
                    self._complaints.tell(line.origin, message, server.marks)
            case ["sorry_server", *_]:
                server.sorry_server(line)
            case ["sorry_server_lvs_method", *_] if not server.forward_sorry(line):
                raise KeepalivedStops(incomplete(line, "exits"))
            case _:
                server.line(line)
        return False

    def _close_server(self, server: OpenServer) -> None:
        self._server = None
        server.end()
        self._kept.append(server)

    def _dropped(self, server: OpenServer) -> None:
        """Tell of a virtual server without a real one, which is dropped when all is read."""
        if not server.mark and server.group is None:
            self._complaints.warns(server.origin)
            return
        what = f"fwmark {server.mark}" if server.mark else f"group {server.group}"
        why = f" ({server.lost[0]})" if server.lost else ""
        self._complaints.tell(
            server.origin,
            f"keepalived drops virtual_server {what}, since no real_server in it is "
            f"usable{why}: give it one, or remove it",
            server.marks,
        )

    def _close_group(self, group: OpenGroup) -> None:
        self._group = None
        if (closed := group.close(self._complaints)) is not None:
            self.groups.append(closed)


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
