"""lvsmarkd.toml and the drop-ins beside it: read again when something about the files changed. One
that cannot be followed leaves the last good one in force.
"""

from collections.abc import Callable
from pathlib import Path
from time import time

from msgspec import Struct, field

from lvsmarkd.declarations.settings import ConfigError, Loaded, Settings, load, lookups_of
from lvsmarkd.kernel.files import FileStamps, stamps_of
from lvsmarkd.model.origin import Origin, Problem

DEFAULT_CONFIG = Path("/etc/lvsmarkd/lvsmarkd.toml")
_BLANK_AT_MOST = 4096
"""Bytes: a file that is longer says something."""


class SettingsFile(Struct):
    """What is in force, and why a newer one is not.

    ``on_reload`` hears of each reading but the first: whether it is in force, and when (seconds
    since the epoch).
    """

    path: Path
    loaded: Loaded
    on_reload: Callable[[bool, float], None] = lambda _good, _at: None
    refused: tuple[Problem, ...] = ()
    _stamps: FileStamps = field(default_factory=dict)

    @classmethod
    def open(cls, path: Path | None) -> "SettingsFile":
        """Read it for the first time; None: the usual one, if there is one.

        Raises ConfigError if it cannot be followed: a daemon that starts on a guess may do
        what its operator forbade.
        """
        where = path or DEFAULT_CONFIG
        before = stamps_of((str(where),), lookups_of(where))
        settings = cls(where, load(where, required=path is not None))
        settings._keep(before)
        return settings

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self.loaded.settings

    @property
    def files(self) -> tuple[str, ...]:
        """The files that matter."""
        return tuple(dict.fromkeys((*self.loaded.files, str(self.path))))

    def refresh(self) -> bool:
        """Read it again if something about its files changed; tells whether it was read."""
        if self._seen() == self._stamps:
            return False
        self._reload()
        return True

    def expire(self) -> None:
        """Have it read again, whatever the stamps say."""
        self._stamps = {}

    def _reload(self) -> None:
        """A file that was there and is gone, or is empty, is taken for one that is being
        written: the last good one stays.
        """
        before = self._seen()
        self._stamps = before
        try:
            vanished = [f for f in self.loaded.files if _is_empty(Path(f))]
            loaded = load(self.path, required=str(self.path) in self.loaded.files)
        except ConfigError as error:
            self.refused = error.problems
        else:
            self.refused = tuple(_emptied(file) for file in vanished)
            if not vanished:
                self.loaded = loaded
                self._keep(before)
        self.on_reload(not self.refused, time())

    def _seen(self) -> FileStamps:
        return stamps_of(self.files, self.loaded.lookups)

    def _keep(self, before: FileStamps) -> None:
        """Keep the stamps from before the files were read: what changed meanwhile, or came,
        differs from these, and is read again.
        """
        self._stamps = {file: before.get(file) for file in self._seen()}


def _is_empty(path: Path) -> bool:
    """Whether a file says nothing at all; one of comments only is meant so."""
    try:
        if path.stat().st_size > _BLANK_AT_MOST:
            return False
        return not path.read_bytes().strip()
    except OSError:
        return False


def _emptied(file: str) -> Problem:
    return Problem(
        Origin(file),
        "the file is empty now, as if it were being written; to mean it, restart lvsmarkd",
    )
