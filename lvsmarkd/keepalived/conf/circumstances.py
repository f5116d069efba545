"""What a reading depends on besides the files."""

from collections.abc import Mapping
from dataclasses import dataclass

from lvsmarkd.keepalived.conf.dialect import Dialect


@dataclass(frozen=True, slots=True)
class Circumstances:
    """``config_id`` is what ``@id`` lines are compared with, and ``_INSTANCE`` stands for.

    ``environment`` is keepalived's own, for ``_ENV``; None where it is not known.
    """

    config_id: str
    dialect: Dialect = Dialect.BEFORE_2_4
    environment: Mapping[str, str] | None = None
