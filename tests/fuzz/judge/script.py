"""A ruleset as the commands that make it: each line can be typed into a shell."""

import re
from collections.abc import Iterable, Iterator
from itertools import groupby

from tests.harness.netns import run

Script = tuple[str, ...]
"""Lines of iptables (with the variant in the program's name), ipset, nft."""
_Numbered = tuple[int, str]
_PLACE = re.compile(r"(?:line:? |stdin:)(\d+)")


class RefusedError(Exception):
    """A program would not take a line; ``at`` is which one, if it says so."""

    def __init__(self, said: str, at: int | None) -> None:
        super().__init__(said)
        self.at = at


def script(text: str) -> Script:
    """The lines of a text."""
    return tuple(filter(None, map(str.strip, text.splitlines())))


def load(lines: Script) -> None:
    """Put the rules in, as few programs as there can be. Raises RefusedError."""
    for program, group in groupby(enumerate(lines), lambda each: each[1].split(maxsplit=1)[0]):
        said = [(at, line.partition(" ")[2]) for at, line in group]
        command: tuple[str, ...]
        match program:
            case "nft":
                command = ("nft", "-f", "-")
                said = [(at, line.strip("'")) for at, line in said]
            case "ipset":
                command = ("ipset", "restore")
            case _:
                command = (f"{program}-restore", "--noflush", "-w", "5")
                said = list(_restored(said))
        text = "".join(f"{line}\n" for _, line in said)
        try:
            run(*command, stdin=text)
        except AssertionError as error:
            place = _PLACE.search(str(error))
            at = said[int(place[1]) - 1][0] if place and int(place[1]) <= len(said) else None
            raise RefusedError(f"{error}\n{lines[at] if at is not None else text}", at) from None


def _restored(lines: Iterable[_Numbered]) -> Iterator[_Numbered]:
    """What iptables-restore takes for these words of iptables."""
    split = [(at, *_table_of(line)) for at, line in lines]
    for table, group in groupby(split, lambda each: each[1]):
        last = 0
        for number, (at, _, line) in enumerate(group):
            last = at
            if number == 0:
                yield at, f"*{table}"
            match line.split():
                case ["-N", chain]:
                    yield at, f":{chain} - [0:0]"
                case ["-P", chain, policy]:
                    yield at, f":{chain} {policy} [0:0]"
                case _:
                    yield at, line
        yield last, "COMMIT"


def _table_of(line: str) -> tuple[str, str]:
    match line.split(maxsplit=2):
        case ["-t", table, rest]:
            return table, rest
        case _:
            return "filter", line
