"""The view of keepalived's parent, which starts the checker only if there is work for it."""

from collections.abc import Iterable

from lvsmarkd.keepalived.blocks import TOP, Listener, walk
from lvsmarkd.keepalived.checker_keywords import VIRTUAL_SERVER
from lvsmarkd.keepalived.logical import Item, Line
from lvsmarkd.keepalived.parent_keywords import PARENT


def checker_starts(items: Iterable[Item]) -> bool:
    """Whether the parent meets a virtual_server (core/main.c, running_checker).

    It passes over every block but its own by counting braces, and so sees another structure
    than the checker where they do not balance.
    """
    parent = _Parent()
    walk(items, PARENT, parent)
    return parent.found


class _Parent(Listener):
    def __init__(self) -> None:
        self.found = False

    def line(self, block: str, line: Line) -> bool:
        if block == TOP and line.words[0] == VIRTUAL_SERVER:
            self.found = True
        return False
