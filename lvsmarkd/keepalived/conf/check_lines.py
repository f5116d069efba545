"""Lines of health checks that keepalived dies of, or reads otherwise than they look.

keepalived/check/check_misc.c, misc_path_handler; check_http.c, regex_handler; check_api.c.
"""

from lvsmarkd.keepalived.conf.addresses import parse_address
from lvsmarkd.keepalived.conf.dialect import Dialect
from lvsmarkd.keepalived.conf.logical import LogicalLine, script_words
from lvsmarkd.keepalived.conf.scheduling import Remark
from lvsmarkd.keepalived.conf.stops import KeepalivedStops
from lvsmarkd.keepalived.conf.unsigned import is_plain, read_unsigned
from lvsmarkd.model.origin import Problem
from lvsmarkd.model.service import MAX_MARK

_READ_ANEW = frozenset({"misc_path", "regex"})
"""Lines that the checker parts anew, and goes on without looking whether that went well."""


def parted(line: LogicalLine, dialect: Dialect) -> None:
    """Raises KeepalivedStops where keepalived crashes on a line that cannot be parted."""
    if line.words[0] not in _READ_ANEW or not line.quoted:
        return
    if script_words(line.quoted, escapes=dialect.escapes_scripts) is None:
        raise KeepalivedStops(
            Problem(
                line.origin,
                f"{' '.join(line.words)!r} has a quote that is not closed, or ends in a "
                "backslash, on which keepalived crashes, so that nothing is programmed: close "
                "it, or remove it",
                fatal=True,
            )
        )


def odd_value(line: LogicalLine) -> Remark | None:
    """What to say of a value that keepalived passes over, or reads as another one."""
    match line.words:
        case ["connect_ip" | "bindto" as keyword, str(word), *_] if not _is_address(word):
            instead = "the real server" if keyword == "connect_ip" else "any address"
            return Remark(
                line.origin,
                f"{keyword} {word!r} is no address, so that the check uses {instead}: write "
                "a numeric one",
            )
        case ["fwmark", str(word), *_] if not is_plain(word):
            mark = read_unsigned(word, 0, MAX_MARK)
            return Remark(
                line.origin,
                f"keepalived reads the check's fwmark {word!r} as {mark or 'none'}: write one "
                "decimal number",
            )
    return None


def _is_address(word: str) -> bool:
    return parse_address(word.partition("-" if "-" in word else "/")[0]) is not None
