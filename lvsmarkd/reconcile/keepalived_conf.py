"""keepalived.conf with all that it includes: read again when something about its files changed."""

from collections.abc import Mapping
from pathlib import Path
from time import time_ns

from msgspec import Struct

from lvsmarkd.keepalived import changed_since, is_current, read
from lvsmarkd.keepalived.conf.dialect import Dialect
from lvsmarkd.model.keepalived import Completeness, Reading

_TICK = 20_000_000
"""Nanoseconds: longer than a tick of the clock with which file systems stamp."""


class ReadAs(Struct, frozen=True):
    """Which file is read, and for which keepalived: another one reads the same file otherwise."""

    path: Path
    config_id: str | None
    dialect: Dialect
    environment: Mapping[str, str] | None


class KeepalivedConf(Struct):
    """The last reading, and whether it may be kept for as long as its files are as they were."""

    last: Reading | None = None
    _read_as: ReadAs | None = None
    _settled: bool = False

    def read(self, wanted: ReadAs) -> Reading:
        """What it says now: the same object as before where nothing changed."""
        known = self.last
        if (
            known is not None
            and known.completeness is not Completeness.UNREADABLE
            and wanted == self._read_as
            and self._settled
            and is_current(known)
        ):
            return known
        began = time_ns() - _TICK
        reading = read(
            wanted.path,
            wanted.config_id,
            dialect=wanted.dialect,
            environment=wanted.environment,
        )
        self.last, self._read_as = reading, wanted
        # What is written within a tick of the clock has the stamp that it had: it is read anew.
        self._settled = not changed_since(reading, began)
        return reading

    def expire(self) -> None:
        """Have it read again, whatever the stamps say."""
        self._settled = False
