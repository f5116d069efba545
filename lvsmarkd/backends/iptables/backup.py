"""Copy the rules worth keeping to a safe place, once, before the first write ever."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from lvsmarkd.backends.iptables.toolset import Toolset
from lvsmarkd.backends.keeping import keep
from lvsmarkd.netfilter.errors import FirewallError, Trouble
from lvsmarkd.netfilter.program import run

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
            keep(path, text.encode(errors="surrogateescape"))
        self._done = True
