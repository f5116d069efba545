"""The view of keepalived's parent, which starts the checker only if there is work for it."""

from lvsmarkd.keepalived.blocks import TOP, Listener
from lvsmarkd.keepalived.checker_keywords import VIRTUAL_SERVER
from lvsmarkd.keepalived.include_stack import IncludeStack
from lvsmarkd.keepalived.includes import Fatal
from lvsmarkd.keepalived.logical import Line

_CHECKS = {
    "read": Fatal.UNREADABLE,
    "match": Fatal.MISSING,
    "wildcard_match": Fatal.WILDCARD,
    "brace_match": Fatal.SOME_MISSING,
}


class Parent(Listener):
    """What the parent makes of the lines, while they are read: it hears of ``include_check``.

    It passes over every block but its own by counting braces, and so sees another structure
    than the checker where they do not balance (core/main.c, running_checker).
    """

    def __init__(self, stack: IncludeStack) -> None:
        self.checker_starts = False
        self._stack = stack

    def line(self, block: str, line: Line) -> bool:
        """Take in a line; nothing is skipped for it."""
        if block == TOP and line.words[0] == VIRTUAL_SERVER:
            self.checker_starts = True
        elif block == "global_defs" and line.words[0] == "include_check":
            self._stack.always_fatal = _checked(line.words[1:], self._stack.always_fatal)
        return False


def _checked(names: list[str], before: Fatal) -> Fatal:
    """lib/parser.c, include_check_set: words alone set, with a sign they add or remove."""
    if not names:
        return Fatal.UNREADABLE | Fatal.MISSING | Fatal.WILDCARD | Fatal.SOME_MISSING
    now = before
    for index, name in enumerate(names):
        sign = name[:1] if name[:1] in {"+", "-"} else ""
        if not sign and not index:
            now = Fatal.NOTHING
        elif not sign:
            continue
        check = _CHECKS.get(name.removeprefix(sign), Fatal.NOTHING)
        now = now & ~check if sign == "-" else now | check
    return now
