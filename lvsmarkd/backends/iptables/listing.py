"""What ``iptables-save -c`` prints, table by table, before rules are understood."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_RULE = re.compile(r"\[(\d+):\d+\] -A (\S+) ?(.*)", re.DOTALL)
_WORD = re.compile(r'(?: |^)"(?:[^"\\]|\\.)*("?)', re.DOTALL)
_CHAIN = re.compile(r":(\S+) (\S+) \[\d+:\d+\]")


class ListingError(ValueError):
    """The text is not a whole listing of the table. Says what was found."""


@dataclass(frozen=True, slots=True)
class Line:
    """One rule: its text after the chain's name, and how many packets it has seen."""

    text: str
    packets: int


@dataclass(slots=True)
class Listing:
    """One table: the policy of each chain (None for a user's chain), and its rules in order."""

    policies: dict[str, str | None] = field(default_factory=dict)
    rules: dict[str, list[Line]] = field(default_factory=dict)


def _lines(text: str) -> Iterator[str]:
    """The lines of a listing; a comment may hold line breaks, and stands in quotes."""
    parts: list[str] = []
    for part in text.split("\n"):
        parts.append(part)
        if not parts[1:] and '"' not in part:
            yield parts.pop()
            continue
        whole = "\n".join(parts)
        if _quotes_are_closed(whole):
            yield whole
            parts.clear()
    yield "\n".join(parts)


def _quotes_are_closed(line: str) -> bool:
    """Whether every quoted word ends. A word is quoted where it begins with a quote: one in
    the middle of a chain's or an interface's name is a letter of it (measured).
    """
    at = 0
    while (word := _WORD.search(line, at)) is not None:
        if not word[1]:
            return False
        at = word.end()
    return True


def read_listing(text: str, table: str) -> Listing:
    """Read the listing of one table; an empty text is a table that does not exist.

    Raises ListingError where the listing breaks off, or where iptables-nft says that nft
    wrote the table in a way that it cannot show (it exits 0 then, measured).
    """
    listing = Listing()
    inside = whole = False
    for line in _lines(text):
        if line.startswith("["):
            found = _RULE.match(line)
            if found is None or not inside:
                raise ListingError(f"a line of the listing was not understood: {line}")
            listing.rules.setdefault(found[2], []).append(Line(found[3], int(found[1])))
        elif line.startswith(":"):
            chain = _CHAIN.match(line)
            if chain is None:
                raise ListingError(f"a line of the listing was not understood: {line}")
            listing.policies[chain[1]] = None if chain[2] == "-" else chain[2]
        elif line.startswith("*"):
            inside = line[1:] == table
        elif line == "COMMIT":
            whole, inside = True, False
        elif "is incompatible" in line:
            raise ListingError(
                f"table {table} holds rules that iptables cannot show; see: nft list table"
            )
        elif line and not line.startswith("#"):
            raise ListingError(f"a line of the listing was not understood: {line}")
    if listing.policies and not whole:
        raise ListingError(f"the listing of table {table} breaks off")
    return listing
