"""The end of everything: a line at which keepalived exits, crashes or hangs."""

from lvsmarkd.keepalived.conf.logical import LogicalLine
from lvsmarkd.model.origin import Problem


class KeepalivedStops(Exception):  # noqa: N818 - it is no error of ours: it is what keepalived does
    """Raised where keepalived would programme nothing at all; the reading ends here."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def incomplete(line: LogicalLine, ends: str) -> Problem:
    """A line that lacks a word, on which keepalived ``ends``: "exits" or "crashes"."""
    return Problem(
        line.origin,
        f"{' '.join(line.words)!r} lacks a word, on which keepalived {ends}, so that nothing is "
        "programmed: complete the line, or the definition that it uses",
        fatal=True,
    )
