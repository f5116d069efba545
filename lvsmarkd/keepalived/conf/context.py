"""What a reading depends on besides the files: keepalived's dialect, id and environment."""

from collections.abc import Mapping

from msgspec import Struct

from lvsmarkd.keepalived.conf.dialect import REFERENCE_DIALECT, Dialect


class ReadContext(Struct, frozen=True):
    """``config_id`` is what ``@id`` lines are compared with, and ``_INSTANCE`` stands for.

    ``environment`` is keepalived's own, for ``_ENV``; None where it is not known.
    """

    config_id: str
    dialect: Dialect = REFERENCE_DIALECT
    environment: Mapping[str, str] | None = None
