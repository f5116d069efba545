"""The line that begins a virtual server: by mark, by group or by address.

keepalived/check/check_data.c, alloc_vs.
"""

from lvsmarkd.keepalived.conf.addresses import endpoint
from lvsmarkd.keepalived.conf.complaints import Complaints
from lvsmarkd.keepalived.conf.logical import LogicalLine
from lvsmarkd.keepalived.conf.mark_words import mark_of, marks_named
from lvsmarkd.keepalived.conf.open_server import OpenServer
from lvsmarkd.keepalived.conf.stops import KeepalivedStops, incomplete
from lvsmarkd.keepalived.conf.unsigned import read_unsigned
from lvsmarkd.model.service import MAX_MARK


def open_server(line: LogicalLine, complaints: Complaints) -> OpenServer | None:
    """The virtual server that a line begins; None where its block is skipped.

    Raises KeepalivedStops where keepalived crashes on it.
    """
    match line.words:
        case [_, "fwmark" | "group"]:
            raise KeepalivedStops(incomplete(line, "crashes"))
        case [_, "group", str(name), *_]:
            return OpenServer(line.origin, group=name)
        case [_, "fwmark", str(word), *extra]:
            return _marked(line, word, extra, complaints)
        case [_, str(address), *rest]:
            if (found := endpoint(address, rest[0] if rest else "")) is not None:
                return OpenServer(line.origin, family=found.family, port=found.port, address=found)
            _not_an_address(line, complaints)
    return None


def marks_of_header(line: LogicalLine) -> tuple[int, ...]:
    """The mark that such a line names, wherever it stands."""
    match line.words:
        case [_, "fwmark", str(number), *_] if mark := read_unsigned(number, 1, MAX_MARK):
            return (mark,)
        case _:
            return ()


def _marked(
    line: LogicalLine, word: str, extra: list[str], complaints: Complaints
) -> OpenServer | None:
    read = mark_of(word, line.origin)
    read.complain(word, complaints)
    if read.mark is None:
        return None
    server = OpenServer(line.origin, mark=read.mark)
    if extra:
        message = (
            f"keepalived passes over {' '.join(extra)!r} after fwmark {word}: write each "
            "keyword on a line of its own, and each mark into a virtual_server of its own"
        )
        complaints.remark(line.origin, message, server.marks)
    return server


def _not_an_address(line: LogicalLine, complaints: Complaints) -> None:
    if not line.words[1].lower().startswith(("fwm", "group")):
        complaints.warns(line.origin)
        return
    complaints.tell(
        line.origin,
        f"keepalived reads {line.words[1]!r} as an address, and skips the block: write "
        "'virtual_server fwmark NUMBER' or 'virtual_server group NAME', in lower case",
        marks_named(line.words),
    )
