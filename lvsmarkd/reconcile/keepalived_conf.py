"""keepalived.conf with all that it includes: read again when something about its files changed."""

from collections.abc import Mapping
from pathlib import Path
from time import time_ns

from msgspec import Struct

from lvsmarkd.keepalived import changed_since, fingerprint, read
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
    """The last reading, and what was seen of its files then."""

    last: Reading | None = None
    _read_as: ReadAs | None = None
    _fingerprint: object = None

    def read(self, wanted: ReadAs) -> Reading:
        """What it says now: the same object as before where nothing changed."""
        known = self.last
        if (
            known is not None
            and known.completeness is not Completeness.UNREADABLE
            and wanted == self._read_as
            and fingerprint(known) == self._fingerprint
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
        # It may have changed behind the place that was just read: then it is read anew.
        changed = changed_since(reading, began)
        self._fingerprint = None if changed else fingerprint(reading)
        return reading

    def expire(self) -> None:
        """Have it read again, whatever the stamps say."""
        self._fingerprint = None
