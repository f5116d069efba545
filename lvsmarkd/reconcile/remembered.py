"""With which file and config id keepalived was started last: so that they hold while it is
stopped, and at the next boot before it runs.
"""

import json
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from lvsmarkd.kernel.own_files import read_own, write_whole
from lvsmarkd.model.running import RunningKeepalived


class StartedWith(Struct, frozen=True):
    """None where its command line did not say."""

    config: str | None = None
    config_id: str | None = None


class Remembered(Struct):
    """Kept at ``path``; without one, in memory only. A file that says nothing is none."""

    path: Path | None = None
    _known: StartedWith | None = None

    def take(self, running: RunningKeepalived) -> None:
        """Remember a keepalived that runs. One that cannot be written down is still known."""
        now = StartedWith(running.config, running.config_id)
        if now == self.last():
            return
        self._known = now
        if self.path is not None:
            text = json.dumps({"config": now.config, "config_id": now.config_id})
            with suppress(OSError):
                self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                write_whole(self.path, text.encode())

    def last(self) -> StartedWith:
        """What was remembered last."""
        if self._known is None:
            self._known = self._read()
        return self._known

    def _read(self) -> StartedWith:
        if self.path is None:
            return StartedWith()
        try:
            said = json.loads(read_own(self.path))
            config, config_id = said["config"], said["config_id"]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return StartedWith()
        return StartedWith(
            config if isinstance(config, str) and config.startswith("/") else None,
            config_id if isinstance(config_id, str) else None,
        )
