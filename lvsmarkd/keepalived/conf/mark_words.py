"""The word after ``fwmark``: the mark it stands for, and what to say about how it is written."""

from itertools import pairwise

from msgspec import Struct

from lvsmarkd.keepalived.conf.complaints import Complaints
from lvsmarkd.keepalived.conf.unsigned import is_plain, read_unsigned
from lvsmarkd.model.origin import Origin, Problem
from lvsmarkd.model.service import MAX_MARK


class MarkWord(Struct, frozen=True):
    """What keepalived makes of a word; ``mark`` is None where it drops what the word is in."""

    mark: int | None
    problem: Problem | None = None

    def complain(self, word: str, complaints: Complaints) -> None:
        """Say what there is to be said; a plain 0 is in order for keepalived."""
        if self.problem is None:
            return
        if self.mark is None or not is_plain(word.strip().removeprefix("+")):
            complaints.add(self.problem)
        else:
            complaints.problems.append(self.problem)


def mark_of(word: str, origin: Origin) -> MarkWord:
    """Read the word after ``fwmark`` (alloc_vs and alloc_vsg_entry, check_data.c)."""
    mark = read_unsigned(word, 0, MAX_MARK)
    if mark is None:
        message = (
            f"fwmark {word!r} is not between 0 and {MAX_MARK}, so that keepalived drops it: "
            "write a mark in that range"
        )
        return MarkWord(None, Problem(origin, message))
    if not mark:
        message = (
            f"keepalived reads fwmark {word!r} as 0, which is no mark, and programmes a service "
            f"for an undefined address instead: write {_meant(word)}"
        )
        return MarkWord(0, Problem(origin, message))
    if not is_plain(word.strip().removeprefix("+")):
        message = (
            f"keepalived reads fwmark {word!r} as {mark} and passes over the rest: "
            "write one decimal number"
        )
        return MarkWord(mark, Problem(origin, message, (mark,)))
    return MarkWord(mark)


def marks_named(words: list[str]) -> tuple[int, ...]:
    """The mark that a line names, or seems to: the plain number after a ``fwmark``."""
    marks = {
        int(number)
        for word, number in pairwise(words)
        if word.lower() == "fwmark" and is_plain(number)
    }
    return tuple(sorted(mark for mark in marks if 0 < mark <= MAX_MARK))


def _meant(word: str) -> str:
    try:
        meant = int(word, 16) if word.lower().startswith("0x") else 0
    except ValueError:
        meant = 0
    if 0 < meant <= MAX_MARK:
        return f"{meant}, in decimal"
    return f"a decimal number from 1 to {MAX_MARK}"
