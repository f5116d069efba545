"""What a keyword is to keepalived's parser, and how the tables of them are written down."""

from collections.abc import Mapping
from enum import Enum, auto

from msgspec import Struct
from msgspec.structs import replace

from lvsmarkd.keepalived.conf.dialect import Dialect
from lvsmarkd.model.running import BuildOption, Version


class Body(Enum):
    """What follows a keyword's line."""

    NOTHING = auto()
    """No block: a ``{`` after it is ignored, and its ``}`` closes the block around."""
    KEYWORDS = auto()
    """A block with keywords of its own."""
    VALUES = auto()
    """A block of values: to its first ``}``, whatever the lines say."""
    PASSED_OVER = auto()
    """A block that another of keepalived's processes reads: left out by counting braces."""


class Keyword(Struct, frozen=True):
    """One keyword.

    ``required`` tells that keepalived exits where the keyword stands without a word after it
    (lib/parser.c, null_strvec); ``pair`` that it looks for a second one where the line has room
    for it, which a quoted ``{`` leaves. ``since`` is the version that brought the keyword, where
    that is newer than 2.2.7; ``option`` is what keepalived must have been built with.
    """

    body: Body = Body.NOTHING
    inner: Mapping[str, "Keyword"] | None = None
    required: bool = False
    pair: bool = False
    since: Version | None = None
    option: BuildOption | None = None

    def known_to(self, dialect: Dialect) -> bool:
        """Whether a keepalived has this word; to another it is unknown, and so is its block."""
        return dialect.knows(self.since, self.option)


KeywordTable = Mapping[str, Keyword]


def keywords(names: str) -> dict[str, Keyword]:
    """Keywords without a block; ``=`` after a name means that a word is required."""
    return {name.rstrip("="): Keyword(required=name.endswith("=")) for name in names.split()}


def value_blocks(names: str) -> dict[str, Keyword]:
    """Keywords with a block of values."""
    return dict.fromkeys(names.split(), Keyword(Body.VALUES))


def passed_over(names: str) -> dict[str, Keyword]:
    """Keywords that this process leaves to another."""
    return dict.fromkeys(names.split(), Keyword(Body.PASSED_OVER))


def left_to_others(table: KeywordTable) -> dict[str, Keyword]:
    """The keywords of another process's table, which this one passes over."""
    return {
        name: Keyword(Body.PASSED_OVER, since=keyword.since, option=keyword.option)
        for name, keyword in table.items()
    }


def block(inner: KeywordTable, *, required: bool = False, pair: bool = False) -> Keyword:
    """A keyword with a block of keywords."""
    return Keyword(Body.KEYWORDS, inner, required, pair)


def since(version: Version, table: KeywordTable) -> dict[str, Keyword]:
    """Keywords that came with a version."""
    return {name: replace(keyword, since=version) for name, keyword in table.items()}


def built_with(option: BuildOption, table: KeywordTable) -> dict[str, Keyword]:
    """Keywords that only a keepalived has that was built with an option."""
    return {name: replace(keyword, option=option) for name, keyword in table.items()}
