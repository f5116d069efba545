"""Words that mean nothing to keepalived where they stand, and what was probably meant."""

from collections.abc import Iterator

from msgspec import Struct

from lvsmarkd.keepalived.conf.blocks import TOP
from lvsmarkd.keepalived.conf.dialect import Dialect
from lvsmarkd.keepalived.conf.grammar import KeywordTable
from lvsmarkd.keepalived.conf.logical import LogicalLine
from lvsmarkd.model.refusal import nearest

BYTE_ORDER_MARK = "\ufeff"
_HOMES = 3
"""Blocks named of those that have the word."""


class UnknownWords(Struct, frozen=True):
    """What to say of a word that a block does not have, by one process's whole ``table``."""

    table: KeywordTable
    dialect: Dialect

    def message(self, block: str, line: LogicalLine, known: KeywordTable) -> str:
        """About a line that keepalived drops; ``known`` are the words of its block."""
        if line.words[0].startswith(BYTE_ORDER_MARK):
            return (
                "this line begins with a byte order mark, which keepalived takes for a letter of "
                "its first word, and so drops the line: save the file as UTF-8 without one"
            )
        where = "at top level" if block == TOP else f"inside {block}"
        meant = self.meant(block, line, known) or "correct or remove it"
        return (
            f"{line.words[0]!r} means nothing {where} to keepalived {self.dialect.build.dotted}, "
            f"which drops the line: {meant}"
        )

    def meant(self, block: str, line: LogicalLine, known: KeywordTable) -> str:
        """What to do about it; empty where that is not known."""
        word = line.words[0]
        if (keyword := known.get(word)) is not None:
            if keyword.option is not None and not self.dialect.knows(None, keyword.option):
                return f"remove it, or install one that is built with {keyword.option.value}"
            version = ".".join(map(str, keyword.since or ()))
            return f"remove it, or install {version} or newer"
        homes = [home for home in dict.fromkeys(_homes(self.table, word, TOP)) if home != block]
        if homes:
            places = (f"into {home}" if home else "at top level" for home in homes[:_HOMES])
            return f"write it {' or '.join(places)}"
        if near := nearest(word, [name for name in known if known[name].known_to(self.dialect)]):
            return f"did you mean {near}?"
        return ""


def _homes(table: KeywordTable, word: str, block: str) -> Iterator[str]:
    for name, keyword in table.items():
        if name == word:
            yield block
        if keyword.inner:
            yield from _homes(keyword.inner, word, name)
