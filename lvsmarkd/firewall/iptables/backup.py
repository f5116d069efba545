"""Copy the rules worth keeping to a safe place, once, before the first write ever."""

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from lvsmarkd.firewall.backend import FirewallError, Trouble
from lvsmarkd.firewall.iptables.program import run
from lvsmarkd.firewall.iptables.toolset import Toolset

HEAD = "# The ruleset before the first write of lvsmarkd; nothing below: there was no rule.\n"


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(slots=True)
class Backup:
    """Saves the whole ruleset of both families into a directory that is only ours.

    The files are what ``iptables-restore`` and ``ip6tables-restore`` take back.
    """

    directory: Path
    now: Callable[[], datetime] = _now
    _done: bool = False

    def save_once(self, toolset: Toolset) -> None:
        """Save, unless an earlier one is there.

        Raises FirewallError if it cannot be saved: then nothing may be written either.
        """
        if self._done:
            return
        stamp = self.now().strftime("%Y%m%dT%H%M%SZ")
        listings = {}
        for family, tools in toolset.tools.items():
            name = f"{'iptables' if family == 'inet' else 'ip6tables'}-{toolset.variant}"
            if any(self.directory.glob(f"*-{name}.rules")):
                continue
            answer = run([tools.save, "-c"])
            if answer.status != 0:
                raise FirewallError(
                    Trouble.GONE, f"the rules could not be saved first: {answer.error}"
                )
            listings[self.directory / f"{stamp}-{name}.rules"] = HEAD + answer.output
        for path, text in listings.items():
            self._keep(path, text)
        self._done = True

    def _keep(self, path: Path, text: str) -> None:
        """Write a file so that it is there whole or not at all."""
        unfinished = path.with_suffix(".unfinished")
        try:
            self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(text.encode(errors="surrogateescape"))
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(path)
        except OSError as error:
            with suppress(OSError):
                unfinished.unlink()
            raise FirewallError(
                Trouble.GONE,
                f"the rules as they are could not be saved to {path} ({error.strerror}), and"
                " nothing is written before they are: make the directory writable",
            ) from error
