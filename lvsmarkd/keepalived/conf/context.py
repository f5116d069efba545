"""What a reading depends on besides the files: keepalived's version, id and environment."""

from collections.abc import Mapping
from enum import Enum, auto

from msgspec import Struct

from lvsmarkd.model.running import Version

REFERENCE: Version = (2, 2, 7)
"""Taken where no keepalived can be asked: what Debian 12 has."""


class Dialect(Enum):
    """How keepalived reads.

    All differences that decide on marks came with 2.4.0 (lib/parser.c, August 2025): lines
    that are too long or hold a NUL are dropped, a backslash at the end of a comment means
    nothing, what a definition stands for is not looked at from the start again, parameters of
    definitions are words, and ``_ENV`` is built in.
    """

    BEFORE_2_4 = auto()
    SINCE_2_4 = auto()

    @classmethod
    def of(cls, version: Version | None) -> "Dialect":
        """The dialect of a version; that of the reference, where it is not known."""
        return cls.SINCE_2_4 if (version or REFERENCE) >= (2, 4, 0) else cls.BEFORE_2_4


class ReadContext(Struct, frozen=True):
    """``config_id`` is what ``@id`` lines are compared with, and ``_INSTANCE`` stands for.

    ``environment`` is keepalived's own, for ``_ENV``; None where it is not known.
    """

    config_id: str
    dialect: Dialect = Dialect.BEFORE_2_4
    environment: Mapping[str, str] | None = None
